//! Floor 2: what one record meant, as a flat entry of fixed size.
//!
//! Invariant: an observation owns nothing. Its spans are of the bytes of its batch, or, where [`Name::derived`] or a
//! flag says so, of the texts that were derived from them.
//!
//! # What detection promises to those who read observations
//!
//! Every observation has `frame`, `kind`, `flags`, `host`, `time` and `repeat`, and `pid` from PROCID (0 where that is
//! no number). The rest depends on the kind, whose documentation in [`Kind`] names the fields that it fills; `detail`
//! is meant by index there.
//!
//! * **Users** are unescaped: what sshd wrote through vis(3) is the name as the client sent it, also where versions 5.9
//!   to 10.2 escaped it twice. Where a message names a user, though it be the empty one, `user.hash` is the hash of the
//!   name; where it names none, `user` is [`Name::default`].
//! * **Addresses** are in `addr`, and their ports in `port`, only where the message proves them. Else the text of the
//!   address goes to `claimed`, its port to `number`, and `addr` is `None`. A host *name* in place of an address also
//!   goes to `claimed`. `UNKNOWN`, which sshd writes for a peer that is no socket, is neither.
//! * **A message proves an address** when no text of the peer can stand in its place: when it comes before all such
//!   text, when it is closed by a colon that user names cannot hold, or when it ends a message that is whole. OpenSSH
//!   cuts messages after 500 bytes, and escaping makes names up to five times longer: a message of
//!   [`SSHD_MESSAGE_CUT`](crate::limits::SSHD_MESSAGE_CUT) bytes or more, or of a truncated frame, has the flag `CUT`,
//!   and an address after text of the peer is claimed. Closing lines, refusals by `RefuseConnection` and
//!   `maximum authentication attempts` of an *invalid* user are always claimed, for their names can push the
//!   true address out and leave trailing blanks that a forwarder trims.
//! * **Closing lines that were cut** within their user still are of their kind: with `CUT`, and no user or address.

use super::Kind;
use super::senders::Note;
use crate::span::Span;
use crate::time::Timestamp;
use std::net::IpAddr;

/// An authentication method; what has no name here is [`Method::Other`], and its text is a detail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Method {
    /// The message names none.
    #[default]
    Unnamed,
    /// `password`.
    Password,
    /// `publickey`.
    Publickey,
    /// `keyboard-interactive`, with its sub-method as text.
    KeyboardInteractive,
    /// `hostbased`.
    Hostbased,
    /// `gssapi-with-mic`.
    GssapiWithMic,
    /// `gssapi-keyex`.
    GssapiKeyex,
    /// `none`.
    None,
    /// Any other.
    Other,
}

impl Method {
    /// The method that a text of sshd names. Host-bound public keys (OpenSSH 8.9) are public keys.
    pub fn from_text(text: &[u8]) -> Self {
        match text {
            b"password" => Self::Password,
            b"publickey" | b"publickey-hostbound-v00@openssh.com" => Self::Publickey,
            b"keyboard-interactive" => Self::KeyboardInteractive,
            b"hostbased" => Self::Hostbased,
            b"gssapi-with-mic" => Self::GssapiWithMic,
            b"gssapi-keyex" => Self::GssapiKeyex,
            b"none" => Self::None,
            _ => Self::Other,
        }
    }

    /// The method's name, or nothing where the message has to be asked: [`Method::Unnamed`] and [`Method::Other`].
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unnamed | Self::Other => "",
            Self::Password => "password",
            Self::Publickey => "publickey",
            Self::KeyboardInteractive => "keyboard-interactive",
            Self::Hostbased => "hostbased",
            Self::GssapiWithMic => "gssapi-with-mic",
            Self::GssapiKeyex => "gssapi-keyex",
            Self::None => "none",
        }
    }
}

/// A set of yes-or-no facts about an observation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u16);

impl Flags {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// sshd called the user invalid (or illegal).
    pub const INVALID_USER: Self = Self(1);
    /// The message ends in ` [preauth]`; forgeable in messages that end in the peer's text.
    pub const PREAUTH: Self = Self(1 << 1);
    /// The message is as long as OpenSSH cuts them, or its frame was truncated: its end proves nothing.
    pub const CUT: Self = Self(1 << 2);
    /// Text of the peer looks as if it meant to mislead: a name with ` from `, ` port ` or control characters, or a
    /// login that sshd's unprivileged process reports.
    pub const SUSPICIOUS: Self = Self(1 << 3);
    /// The spans of `detail` are of the derived text, not of the batch.
    pub const DERIVED_DETAIL: Self = Self(1 << 4);
    /// The record has a time of its own; without it, `time` is the arrival.
    pub const OWN_TIME: Self = Self(1 << 5);
    /// The user was named as `authenticating user`.
    pub const AUTHENTICATING: Self = Self(1 << 6);
    /// The message bore the prefix `error: ` or `fatal: `.
    pub const ERROR: Self = Self(1 << 7);
    /// The record is one of our own.
    pub const OWN: Self = Self(1 << 8);
    /// Something began or was opened, where one kind covers both ends.
    pub const BEGIN: Self = Self(1 << 9);

    /// Whether all of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Adds `other` when `on`.
    pub fn set(&mut self, other: Self, on: bool) {
        if on {
            self.0 |= other.0;
        }
    }
}

/// A name, and its keyed hash: what it is compared and interned by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Name {
    /// Where it stands.
    pub span: Span,
    /// Whether it stands in the derived text, because it had to be unescaped.
    pub derived: bool,
    /// Its hash, by the key of this process; 0 where there is no name.
    pub hash: u64,
}

/// What one record meant.
///
/// `number`, `other_pid` and `detail` mean what the documentation of its [`Kind`] says.
#[derive(Clone, Copy, Debug)]
pub struct Observation {
    /// Index of the record's frame in its batch.
    pub frame: u32,
    /// What kind of message it is.
    pub kind: Kind,
    /// The authentication method.
    pub method: Method,
    /// Yes-or-no facts.
    pub flags: Flags,
    /// The proved client port, or 0.
    pub port: u16,
    /// How often the message stands for itself (`message repeated N times`); 1 as a rule.
    pub repeat: u32,
    /// The process that logged it, or 0.
    pub pid: u32,
    /// A process that the message quotes, or 0.
    pub other_pid: u32,
    /// The record's own time, or the arrival where it has none.
    pub time: Timestamp,
    /// The proved client address.
    pub addr: Option<IpAddr>,
    /// The host that logged it, or what counts as it.
    pub host: Name,
    /// The user, unescaped.
    pub user: Name,
    /// An address that the message names without proving it, or a name in place of an address (`client_name`).
    pub claimed: Span,
    /// A number: a code, a count, a signal, milliseconds.
    pub number: u64,
    /// Further texts, by kind.
    pub detail: [Span; 3],
}

impl Observation {
    /// An observation of a kind, with nothing known yet.
    #[inline]
    pub fn new(kind: Kind, frame: u32, time: Timestamp) -> Self {
        Self {
            frame,
            kind,
            method: Method::Unnamed,
            flags: Flags::default(),
            port: 0,
            repeat: 1,
            pid: 0,
            other_pid: 0,
            time,
            addr: None,
            host: Name::default(),
            user: Name::default(),
            claimed: Span::EMPTY,
            number: 0,
            detail: [Span::EMPTY; 3],
        }
    }
}

/// The observations of one batch.
#[derive(Clone, Debug, Default)]
pub struct Observations {
    /// The entries, in the order of their frames.
    pub entries: Vec<Observation>,
    /// Text that had to be derived: unescaped names.
    pub derived: Vec<u8>,
    /// What was noted of hosts, in the order of the frames.
    pub notes: Vec<Note>,
    /// Records whose times lie too far after their arrival.
    pub ahead: u64,
    /// Records whose times lie too far before their arrival.
    pub behind: u64,
}

impl Observations {
    /// Forgets all entries and keeps the memory.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.derived.clear();
        self.notes.clear();
        (self.ahead, self.behind) = (0, 0);
    }

    /// The entries with the bytes that their spans are of.
    pub fn views<'a>(&'a self, bytes: &'a [u8]) -> impl ExactSizeIterator<Item = View<'a>> {
        self.entries.iter().map(move |entry| View { entry, bytes, derived: &self.derived })
    }
}

/// An observation with the bytes that its spans are of.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The observation.
    pub entry: &'a Observation,
    bytes: &'a [u8],
    derived: &'a [u8],
}

impl<'a> View<'a> {
    /// The same texts with another observation that points into them.
    pub fn with_entry<'b>(self, entry: &'b Observation) -> View<'b>
    where
        'a: 'b,
    {
        View { entry, bytes: self.bytes, derived: self.derived }
    }

    fn name(self, name: Name) -> &'a [u8] {
        name.span.of(if name.derived { self.derived } else { self.bytes })
    }

    /// The host that logged the record, or what counts as it where the record names none; empty where nothing does.
    pub fn host(self) -> &'a [u8] {
        self.name(self.entry.host)
    }

    /// The user, unescaped; empty also where the message names none.
    pub fn user(self) -> &'a [u8] {
        self.name(self.entry.user)
    }

    /// The address or name that the message claims.
    pub fn claimed(self) -> &'a [u8] {
        self.entry.claimed.of(self.bytes)
    }

    /// One of the further texts.
    pub fn detail(self, index: usize) -> &'a [u8] {
        let source = if self.entry.flags.has(Flags::DERIVED_DETAIL) { self.derived } else { self.bytes };
        self.entry.detail.get(index).map_or(&[][..], |span| span.of(source))
    }
}
