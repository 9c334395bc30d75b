//! Floor 2: the commonest messages, told by their first bytes and cut by hand from where nobody else writes.
//!
//! Invariant: a reading given here is the one that the automata give; whatever is unusual gives none and is left to
//! them. The property tests and the fuzz target hold both side by side.

use super::address::{decimal, parse_address, parse_port};
use super::normalize::relayed;
use super::reading::{Client, Reading};
use super::row::Trust;
use super::{Flags, Kind, Method};
use crate::span::Span;
use std::net::IpAddr;

/// Reads a message of sshd, or of a PAM module in it, that is a part of `whole`.
#[inline]
pub(super) fn read(whole: &[u8], message: &[u8]) -> Option<Reading> {
    let cutter = Cutter { whole };
    match message.split_first_chunk::<6>()? {
        (b"Accept", rest) => cutter.auth_log(Kind::Accepted, rest.strip_prefix(b"ed ")?),
        (b"Failed", rest) => cutter.auth_log(Kind::Failed, rest.strip_prefix(b" ")?),
        (b"Invali", rest) => cutter.invalid_user(rest.strip_prefix(b"d user ")?),
        (b"Connec", rest) => match rest.split_first_chunk::<14>()? {
            (b"tion closed by", rest) => cutter.closing(Kind::ConnectionClosed, rest),
            (b"tion reset by ", _) => {
                cutter.closing(Kind::ConnectionReset, rest.strip_prefix(b"tion reset by")?)
            }
            _ => None,
        },
        (b"Discon", rest) => cutter.closing(Kind::Disconnected, rest.strip_prefix(b"nected from")?),
        (b"Receiv", rest) => cutter.received_disconnect(rest.strip_prefix(b"ed disconnect from ")?),
        (b"pam_un", rest) => cutter.pam_unix(message.get(..8)?, rest.strip_prefix(b"ix(sshd:")?),
        _ => None,
    }
}

/// What follows a client's name at the end of a message: ` from ADDR port N` or ` ADDR port N`.
struct Tail<'m> {
    before: &'m [u8],
    text: &'m [u8],
    addr: IpAddr,
    port: u16,
}

#[derive(Clone, Copy)]
struct Cutter<'w> {
    whole: &'w [u8],
}

impl Cutter<'_> {
    fn span(self, part: &[u8]) -> Span {
        Span::locate(self.whole, part)
    }

    /// A reading with a client.
    fn with_client(self, kind: Kind, trust: Trust, tail: &Tail<'_>) -> Reading {
        Reading {
            trust,
            client: Client::Address(tail.addr),
            client_text: self.span(tail.text),
            port: tail.port,
            ..Reading::new(kind)
        }
    }

    /// `METHOD for [invalid user ]USER from ADDR port N ssh2[: INFO]`
    fn auth_log(self, kind: Kind, message: &[u8]) -> Option<Reading> {
        let (method, submethod, rest) = if let Some(rest) = message.strip_prefix(b"password for ") {
            (Method::Password, &b""[..], rest)
        } else if let Some(rest) = message.strip_prefix(b"publickey for ") {
            (Method::Publickey, &b""[..], rest)
        } else {
            let rest = message.strip_prefix(b"keyboard-interactive/pam for ")?;
            (Method::KeyboardInteractive, message.get(21..24)?, rest)
        };
        let (named, invalid) = match rest.strip_prefix(b"invalid user ") {
            Some(named) => (named, true),
            // `illegal user` was the word before 3.9.
            None if rest.starts_with(b"illegal user ") => return None,
            None => (rest, false),
        };
        // What ends in a bracket may bear the mark of a relayed message.
        let (named, info) = split_info(named).filter(|_| !named.ends_with(b"]"))?;
        let tail = tail(named)?;
        let user = tail.before.strip_suffix(b" from").filter(|user| is_name(user))?;
        let mut reading = self.with_client(kind, Trust::AuthLog, &tail);
        reading.method = method;
        reading.flags.set(Flags::INVALID_USER, invalid);
        reading.user = Some(self.span(user));
        if !submethod.is_empty() {
            reading.detail[0] = self.span(submethod);
        }
        if let Some(info) = info {
            reading.detail[1] = self.span(info);
        }
        Some(reading)
    }

    /// `USER from ADDR port N`
    fn invalid_user(self, message: &[u8]) -> Option<Reading> {
        let tail = tail(message)?;
        let user = tail.before.strip_suffix(b" from").filter(|user| is_name(user))?;
        let mut reading = self.with_client(Kind::InvalidUser, Trust::Tail, &tail);
        reading.flags = Flags::INVALID_USER;
        reading.user = Some(self.span(user));
        Some(reading)
    }

    /// ` [[authenticating |invalid ]user USER ]ADDR port N[ [preauth]]`, with the blank before it.
    fn closing(self, kind: Kind, message: &[u8]) -> Option<Reading> {
        let (relayed, message) = relayed(message);
        let tail = tail(message)?;
        let mut reading = self.with_client(kind, Trust::TailUnlessInvalid, &tail);
        reading.flags.set(Flags::PREAUTH, relayed);
        if tail.before.is_empty() {
            return Some(reading);
        }
        let who = tail.before.strip_prefix(b" ")?;
        let user = if let Some(user) = who.strip_prefix(b"authenticating user ") {
            reading.flags.set(Flags::AUTHENTICATING, true);
            user
        } else if let Some(user) = who.strip_prefix(b"invalid user ") {
            reading.flags.set(Flags::INVALID_USER, true);
            user
        } else {
            who.strip_prefix(b"user ")?
        };
        reading.user = Some(self.span(user)).filter(|_| is_name(user));
        reading.user.is_some().then_some(reading)
    }

    /// `ADDR port N:CODE: TEXT`, where the peer's text comes last.
    fn received_disconnect(self, message: &[u8]) -> Option<Reading> {
        let (relayed, message) = relayed(message);
        let (text, rest) = split_at_byte(message, b' ')?;
        let (port, rest) = split_at_byte(rest.strip_prefix(b"port ")?, b':')?;
        let (code, rest) = split_at_byte(rest, b':')?;
        let tail = Tail { before: b"", text, addr: address(text)?, port: parse_port(port)? };
        let mut reading = self.with_client(Kind::ReceivedDisconnect, Trust::Head, &tail);
        reading.flags.set(Flags::PREAUTH, relayed);
        reading.number = Some(decimal(code)?);
        reading.detail[0] = self.span(rest.strip_prefix(b" ")?);
        Some(reading)
    }

    /// `session): session opened for user ...` and the like, of the module at `module`.
    fn pam_unix(self, module: &[u8], message: &[u8]) -> Option<Reading> {
        let mut reading =
            if let Some(rest) = message.strip_prefix(b"session): session ") {
                if let Some(user) = rest.strip_prefix(b"closed for user ") {
                    let user = Some(self.span(user)).filter(|_| !user.is_empty());
                    Reading { user, ..Reading::new(Kind::PamSessionClosed) }
                } else {
                    let user = opened_user(rest.strip_prefix(b"opened for user ")?)?;
                    Reading { user: Some(self.span(user)), ..Reading::new(Kind::PamSessionOpened) }
                }
            } else {
                let rest = message.strip_prefix(b"auth): ")?;
                if rest == b"check pass; user unknown" {
                    Reading::new(Kind::PamUserUnknown)
                } else {
                    self.pam_failure(rest.strip_prefix(
                        b"authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=",
                    )?)?
                }
            };
        reading.escaped = false;
        reading.detail[1] = self.span(module);
        (reading.user.is_some() || reading.kind != Kind::PamSessionClosed).then_some(reading)
    }

    /// `ADDR[  user=USER]`
    fn pam_failure(self, message: &[u8]) -> Option<Reading> {
        let end = memchr::memchr(b' ', message).unwrap_or(message.len());
        let (text, rest) = message.split_at_checked(end)?;
        let tail = Tail { before: b"", text, addr: address(text)?, port: 0 };
        let mut reading = self.with_client(Kind::PamAuthFailure, Trust::Head, &tail);
        if let Some(user) = rest.strip_prefix(b"  user=") {
            let ends_in_blank = user.last().is_none_or(|&byte| byte <= b' ');
            reading.user = Some(self.span(user)).filter(|_| !ends_in_blank);
            return reading.user.is_some().then_some(reading);
        }
        matches!(rest, b"" | b" ").then_some(reading)
    }
}

/// Cuts `: INFO` and ` ssh2` from the end of an authentication message. Names hold no colon, so that the first one
/// is that before the info, or else in an IPv6 address.
#[inline]
fn split_info(message: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let Some(colon) = memchr::memchr(b':', message) else {
        return Some((message.strip_suffix(b" ssh2")?, None));
    };
    let (head, rest) = message.split_at_checked(colon)?;
    if let Some(head) = head.strip_suffix(b" ssh2") {
        return Some((head, Some(rest.strip_prefix(b": ")?)));
    }
    match memchr::memmem::find(message, b" ssh2: ") {
        Some(at) => Some((message.get(..at)?, Some(message.get(at + 7..)?))),
        None => Some((message.strip_suffix(b" ssh2")?, None)),
    }
}

/// Cuts ` ADDR port N` from the end of a message.
#[inline]
fn tail(message: &[u8]) -> Option<Tail<'_>> {
    let digits = message.iter().rev().take(6).take_while(|byte| byte.is_ascii_digit()).count();
    let (rest, port) = message.split_at_checked(message.len() - digits)?;
    let rest = rest.strip_suffix(b" port ")?;
    let blank = rest.iter().rposition(|&byte| byte == b' ')?;
    let (before, text) = rest.split_at_checked(blank)?;
    let text = text.get(1..)?;
    Some(Tail { before, text, addr: address(text)?, port: parse_port(port)? })
}

/// Parses an address without a scope.
#[inline]
fn address(text: &[u8]) -> Option<IpAddr> {
    parse_address(text).filter(|addr| addr.is_ipv4() || !text.contains(&b'%'))
}

/// The user of `USER(uid=N) by [NAME](uid=N)`, as Linux-PAM has written it since 1.4.
fn opened_user(message: &[u8]) -> Option<&[u8]> {
    let (user, rest) = split_at_byte(message, b'(').filter(|(user, _)| !user.is_empty())?;
    let (uid, rest) = split_at_byte(rest.strip_prefix(b"uid=")?, b')')?;
    let (_, rest) = split_at_byte(rest.strip_prefix(b" by ")?, b'(')?;
    let by = rest.strip_prefix(b"uid=")?.strip_suffix(b")")?;
    (decimal(uid).is_some() && decimal(by).is_some()).then_some(user)
}

/// Whether text can be a user's name: it has no colon.
#[inline]
fn is_name(text: &[u8]) -> bool {
    !text.contains(&b':')
}

/// What stands before and after the first `byte`.
#[inline]
fn split_at_byte(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(byte, text)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}
