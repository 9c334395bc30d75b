//! Floor 2: what a message says, before it is weighed: the form in which both ways of reading one agree.
//!
//! Invariant: two readings of one message are equal if they were read with the same rules, whichever way took them
//! apart; the property tests compare them whole.

use super::address::{decimal, milliseconds, parse_address, parse_port};
use super::automaton::Found;
use super::row::{Role, Trust};
use super::{Flags, Kind, Method};
use crate::span::Span;
use std::net::IpAddr;

/// Whom a message names as the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    /// Nobody, or `UNKNOWN`.
    Unnamed,
    /// An address.
    Address(IpAddr),
    /// A name, which only the peer's DNS vouches for.
    Name,
}

/// What a message says. Its spans are of the whole that the message is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) kind: Kind,
    pub(super) method: Method,
    pub(super) flags: Flags,
    pub(super) repeat: u32,
    pub(super) user: Option<Span>,
    /// Whether the user's name went through vis(3).
    pub(super) escaped: bool,
    pub(super) client: Client,
    pub(super) client_text: Span,
    pub(super) port: u16,
    pub(super) trust: Trust,
    pub(super) number: Option<u64>,
    pub(super) other_pid: u32,
    pub(super) detail: [Span; 3],
}

impl Reading {
    /// A message of a kind that says nothing else.
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            method: Method::Unnamed,
            flags: Flags::NONE,
            repeat: 1,
            user: None,
            escaped: true,
            client: Client::Unnamed,
            client_text: Span::EMPTY,
            port: 0,
            trust: Trust::Tail,
            number: None,
            other_pid: 0,
            detail: [Span::EMPTY; 3],
        }
    }

    /// Reads what a pattern found in `message`, which stands `base` bytes into the whole. Nothing when what looked like
    /// an address or a port is none: then it is no message of sshd's, unless its end was `cut`.
    pub(super) fn of(found: &Found<'_>, message: &[u8], base: u32, cut: bool) -> Option<Self> {
        let row = found.pattern.row;
        let mut reading =
            Self { trust: row.trust, number: row.number, flags: row.flags, ..Self::new(row.kind) };
        for (_, role, span) in found.groups() {
            reading.take(role, span.of(message), span.shifted(base), cut)?;
        }
        if reading.client == Client::Unnamed {
            reading.port = 0;
        }
        Some(reading)
    }

    fn take(&mut self, role: Role, text: &[u8], span: Span, cut: bool) -> Option<()> {
        match role {
            Role::User => self.user = Some(span),
            Role::Addr if text == b"UNKNOWN" => {}
            Role::Addr => match parse_address(text) {
                Some(addr) => (self.client, self.client_text) = (Client::Address(addr), span),
                None if cut => {}
                None => return None,
            },
            Role::Host if text.is_empty() || text == b"UNKNOWN" => {}
            Role::Host => {
                self.client = parse_address(text).map_or(Client::Name, Client::Address);
                self.client_text = span;
            }
            Role::Port => self.port = parse_port(text)?,
            Role::Invalid => self.flags.set(Flags::INVALID_USER, true),
            Role::Authenticating => self.flags.set(Flags::AUTHENTICATING, true),
            Role::Method => {
                self.method = Method::from_text(text);
                if self.method == Method::Other {
                    self.detail[2] = span;
                }
            }
            Role::Number => self.number = decimal(text),
            Role::Seconds => self.number = milliseconds(text),
            Role::OtherPid => self.other_pid = decimal(text).and_then(|pid| u32::try_from(pid).ok())?,
            Role::Detail(index) => *self.detail.get_mut(usize::from(index))? = span,
        }
        Some(())
    }

    /// Whether the message proves the address that it names.
    pub(super) fn proves(&self, cut: bool) -> bool {
        let [_, info, _] = self.detail;
        self.trust.proves(cut, self.flags.has(Flags::INVALID_USER), !info.is_empty(), self.port != 0)
    }
}
