//! Floor 2: the commonest messages, told by their first bytes and cut by hand from where nobody else writes.
//!
//! Invariant: a reading given here is the one that the automata give; whatever is unusual gives none and is left to
//! them. The property tests and the fuzz target hold both side by side.

use super::address::{decimal, parse_port};
use super::cut::{address, cut_ipv4, cut_port, cut_word, opened_user, split_at_byte, split_info};
use super::normalize::relayed;
use super::reading::{Client, Reading};
use super::row::Trust;
use super::{Flags, Kind, Method};
use crate::span::Span;
use std::net::IpAddr;

/// Cuts messages of sshd, and of PAM modules in it, that are parts of `whole`.
///
/// It fills one reading in place: this is the hottest code of detection, and moving readings costs more than reading.
#[derive(Debug)]
pub(super) struct Cutter<'w> {
    whole: &'w [u8],
    reading: Reading,
}

impl<'w> Cutter<'w> {
    /// Begins with a reading that says nothing.
    #[inline]
    pub(super) fn new(whole: &'w [u8]) -> Self {
        Self { whole, reading: Reading::new(Kind::Unrecognized) }
    }

    /// Reads a message; when it gives none, what it has left in its own reading means nothing.
    #[inline]
    pub(super) fn read(&mut self, message: &[u8]) -> Option<&Reading> {
        let message = match message.strip_prefix(b"error: ") {
            Some(message) => {
                self.reading.flags = Flags::ERROR;
                message
            }
            None => message,
        };
        match message.split_first_chunk::<6>()? {
            (b"Accept", rest) => self.auth_log(Kind::Accepted, rest.strip_prefix(b"ed ")?),
            (b"Failed", rest) => self.auth_log(Kind::Failed, rest.strip_prefix(b" ")?),
            (b"Invali", rest) => self.invalid_user(rest.strip_prefix(b"d user ")?),
            (b"Connec", rest) => match rest.split_first_chunk::<13>()? {
                (b"tion closed b", rest) => self.closing(Kind::ConnectionClosed, rest.strip_prefix(b"y")?),
                (b"tion reset by", rest) => self.closing(Kind::ConnectionReset, rest),
                _ => None,
            },
            (b"Discon", rest) => match rest.split_first_chunk::<7>()? {
                (b"nected ", rest) => self.closing(Kind::Disconnected, rest.strip_prefix(b"from")?),
                (b"necting", rest) => self.disconnecting(rest),
                _ => None,
            },
            (b"Receiv", rest) => self.received_disconnect(rest.strip_prefix(b"ed disconnect from ")?),
            (b"maximu", rest) => {
                self.max_auth_tries(rest.strip_prefix(b"m authentication attempts exceeded for ")?)
            }
            (b"PAM: A", rest) => {
                self.pam_error(message.get(5..27)?, rest.strip_prefix(b"uthentication failure for ")?)
            }
            // What a module of PAM writes has no level, so that the prefix would be its own.
            _ if self.reading.flags.has(Flags::ERROR) => None,
            (b"pam_un", rest) => self.pam_unix(message.get(..8)?, rest.strip_prefix(b"ix(sshd:")?),
            _ => None,
        }?;
        Some(&self.reading)
    }

    #[inline]
    fn span(&self, part: &[u8]) -> Span {
        Span::locate(self.whole, part)
    }

    /// Takes an address that stands before all text of the peer.
    #[inline]
    fn set_client(&mut self, text: &[u8], port: u16) -> Option<()> {
        self.reading.client = Client::Address(address(text)?);
        self.reading.client_text = self.span(text);
        self.reading.port = port;
        self.reading.trust = Trust::Head;
        Some(())
    }

    /// Takes a user's name: anything without a colon.
    #[inline]
    fn set_user(&mut self, user: &[u8]) -> Option<()> {
        self.reading.user = Some(self.span(user));
        (!user.contains(&b':')).then_some(())
    }

    /// Takes ` ADDR port N` from the end of a message, and gives what stands before it.
    #[inline]
    fn cut_client<'m>(&mut self, message: &'m [u8], trust: Trust) -> Option<&'m [u8]> {
        let (rest, port) = cut_port(message)?;
        let (before, text) = match cut_ipv4(rest) {
            Some((before, text, addr)) => {
                self.reading.client = Client::Address(IpAddr::V4(addr));
                (before, text)
            }
            None => {
                let (before, text) = cut_word(rest)?;
                self.reading.client = Client::Address(address(text)?);
                (before, text)
            }
        };
        self.reading.client_text = self.span(text);
        self.reading.port = port;
        self.reading.trust = trust;
        Some(before)
    }

    /// Takes `[invalid user ]` from the beginning of a message.
    #[inline]
    fn cut_invalid<'m>(&mut self, message: &'m [u8]) -> Option<&'m [u8]> {
        if let Some(named) = message.strip_prefix(b"invalid user ") {
            self.reading.flags.set(Flags::INVALID_USER, true);
            return Some(named);
        }
        // `illegal user` was the word before 3.9, and still is in messages on PAM.
        if let Some(named) = message.strip_prefix(b"illegal user ") {
            self.reading.flags.set(Flags::INVALID_USER, true);
            return Some(named);
        }
        Some(message)
    }

    /// `METHOD for [invalid user ]USER from ADDR port N ssh2[: INFO]`
    fn auth_log(&mut self, kind: Kind, message: &[u8]) -> Option<()> {
        let (method, rest) = if let Some(rest) = message.strip_prefix(b"password for ") {
            (Method::Password, rest)
        } else if let Some(rest) = message.strip_prefix(b"publickey for ") {
            (Method::Publickey, rest)
        } else {
            let rest = message.strip_prefix(b"keyboard-interactive/pam for ")?;
            self.reading.detail[0] = self.span(message.get(21..24)?);
            (Method::KeyboardInteractive, rest)
        };
        let rest = self.cut_invalid(rest)?;
        let rest = match rest.strip_suffix(b" ssh2") {
            Some(rest) => rest,
            None => {
                let (rest, info) = split_info(rest)?;
                self.reading.detail[1] = self.span(info);
                rest
            }
        };
        self.reading.kind = kind;
        self.reading.method = method;
        let before = self.cut_client(rest, Trust::AuthLog)?;
        self.set_user(before.strip_suffix(b" from")?)
    }

    /// `[invalid user ]USER from ADDR port N ssh2[ [preauth]]`
    fn max_auth_tries(&mut self, message: &[u8]) -> Option<()> {
        let message = self.cut_mark(message);
        let named = self.cut_invalid(message)?;
        self.reading.kind = Kind::MaxAuthTries;
        let before = self.cut_client(named.strip_suffix(b" ssh2")?, Trust::TailUnlessInvalid)?;
        self.set_user(before.strip_suffix(b" from")?)
    }

    /// `[illegal user ]USER from ADDR`, after an error of PAM.
    fn pam_error(&mut self, error: &[u8], message: &[u8]) -> Option<()> {
        let (before, text) = cut_word(self.cut_invalid(message)?)?;
        self.reading.kind = Kind::PamError;
        self.reading.detail[0] = self.span(error);
        self.reading.client = Client::Address(address(text)?);
        self.reading.client_text = self.span(text);
        self.set_user(before.strip_suffix(b" from")?)
    }

    /// `USER from ADDR port N`
    fn invalid_user(&mut self, message: &[u8]) -> Option<()> {
        self.reading.kind = Kind::InvalidUser;
        self.reading.flags.set(Flags::INVALID_USER, true);
        let before = self.cut_client(message, Trust::Tail)?;
        self.set_user(before.strip_suffix(b" from")?)
    }

    /// ` [[authenticating |invalid ]user USER ]ADDR port N[ [preauth]]`, with the blank before it.
    fn closing(&mut self, kind: Kind, message: &[u8]) -> Option<()> {
        let message = self.cut_mark(message);
        self.reading.kind = kind;
        let before = self.cut_client(message, Trust::TailUnlessInvalid)?;
        self.set_who(before)
    }

    /// ` [[authenticating |invalid ]user USER ]ADDR port N: REASON[ [preauth]]`, with the blank before it.
    fn disconnecting(&mut self, message: &[u8]) -> Option<()> {
        let message = self.cut_mark(message);
        let end = memchr::memmem::find(message, b": ")?;
        let (head, reason) = message.split_at_checked(end)?;
        self.reading.kind = Kind::Disconnecting;
        self.reading.detail[0] = self.span(reason.get(2..)?);
        let before = self.cut_client(head, Trust::Head)?;
        self.set_who(before)
    }

    /// Takes the mark of a relayed message from its end.
    #[inline]
    fn cut_mark<'m>(&mut self, message: &'m [u8]) -> &'m [u8] {
        let (relayed, message) = relayed(message);
        self.reading.flags.set(Flags::PREAUTH, relayed);
        message
    }

    /// Takes the preamble of sshpkt_fmt_connection_id(), with the blank before it.
    #[inline]
    fn set_who(&mut self, before: &[u8]) -> Option<()> {
        if before.is_empty() {
            return Some(());
        }
        let who = before.strip_prefix(b" ")?;
        if let Some(user) = who.strip_prefix(b"authenticating user ") {
            self.reading.flags.set(Flags::AUTHENTICATING, true);
            self.set_user(user)
        } else if let Some(user) = who.strip_prefix(b"invalid user ") {
            self.reading.flags.set(Flags::INVALID_USER, true);
            self.set_user(user)
        } else {
            self.set_user(who.strip_prefix(b"user ")?)
        }
    }

    /// `ADDR port N:CODE: TEXT`, where the peer's text comes last.
    fn received_disconnect(&mut self, message: &[u8]) -> Option<()> {
        let message = self.cut_mark(message);
        let (text, rest) = split_at_byte(message, b' ')?;
        let (port, rest) = split_at_byte(rest.strip_prefix(b"port ")?, b':')?;
        let (code, rest) = split_at_byte(rest, b':')?;
        self.reading.kind = Kind::ReceivedDisconnect;
        self.set_client(text, parse_port(port)?)?;
        self.reading.number = Some(decimal(code)?);
        self.reading.detail[0] = self.span(rest.strip_prefix(b" ")?);
        Some(())
    }

    /// `session): session opened for user ...` and the like, of the module at `module`.
    fn pam_unix(&mut self, module: &[u8], message: &[u8]) -> Option<()> {
        self.reading.escaped = false;
        self.reading.detail[1] = self.span(module);
        if let Some(rest) = message.strip_prefix(b"session): session ") {
            let (kind, user) = if let Some(user) = rest.strip_prefix(b"closed for user ") {
                (Kind::PamSessionClosed, user)
            } else {
                (Kind::PamSessionOpened, opened_user(rest.strip_prefix(b"opened for user ")?)?)
            };
            self.reading.kind = kind;
            self.reading.user = Some(self.span(user));
            return (!user.is_empty()).then_some(());
        }
        let rest = message.strip_prefix(b"auth): ")?;
        if rest == b"check pass; user unknown" {
            self.reading.kind = Kind::PamUserUnknown;
            return Some(());
        }
        self.pam_failure(
            rest.strip_prefix(b"authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=")?,
        )
    }

    /// `ADDR[  user=USER]`
    fn pam_failure(&mut self, message: &[u8]) -> Option<()> {
        let end = memchr::memchr(b' ', message).unwrap_or(message.len());
        let (text, rest) = message.split_at_checked(end)?;
        self.reading.kind = Kind::PamAuthFailure;
        self.set_client(text, 0)?;
        if let Some(user) = rest.strip_prefix(b"  user=") {
            self.reading.user = Some(self.span(user));
            return user.last().filter(|&&byte| byte > b' ').map(|_| ());
        }
        matches!(rest, b"" | b" ").then_some(())
    }
}
