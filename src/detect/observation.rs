//! Floor 2: what one record meant, as a flat entry of fixed size.
//!
//! Invariant: an observation owns nothing. Its spans are of the bytes of its batch, or, where [`Name::derived`] or a
//! flag says so, of the texts that were derived from them.

use crate::span::Span;
use crate::time::Timestamp;
use std::net::IpAddr;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident)*) => {
        /// What kind of message a record is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// The kind's name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => stringify!($kind),)* }
            }
        }
    };
}

kinds! {
    // Connection start, identification, key exchange (catalogue 1.1).
    /// `Connection from ADDR port N on ADDR port N`.
    ConnectionFrom
    /// `Connection from ADDR port N with IP opts: ...`.
    IpOptions
    /// `Did not receive identification string from ADDR`, or the peer's end before it identified itself.
    NoIdentification
    /// A banner that is not SSH's, with the peer's text as detail.
    BadBanner
    /// Protocol versions that differ.
    ProtocolMismatch
    /// `banner exchange: Connection from ...: ...`, `ssh_dispatch_run_fatal: Connection from ...: ...`, and the like.
    ProtocolError
    /// `probed from ...`, `scanned from ...`.
    Scanned
    /// `Unable to negotiate with ...: no matching ... found`.
    NoMatch
    /// A packet that is malformed: `Bad packet length`, `Corrupted MAC on input`, and the like.
    BadPacket
    /// A name whose address does not map back.
    ReverseMismatch
    /// `refused connect from ...` of TCP wrappers.
    WrapperRefused

    // Authentication (catalogue 1.2).
    /// `Accepted METHOD for USER from ADDR port N`.
    Accepted
    /// `Failed METHOD for [invalid user ]USER from ADDR port N`.
    Failed
    /// `Partial METHOD for USER from ADDR port N`.
    Partial
    /// `Postponed METHOD for USER from ADDR port N`.
    Postponed
    /// `Invalid user USER from ADDR port N`.
    InvalidUser
    /// `User USER from HOST not allowed because ...` and its kin.
    UserDenied
    /// `ROOT LOGIN REFUSED FROM ADDR port N`.
    RootRefused
    /// `Root login accepted for forced command.`.
    RootForcedCommand
    /// `maximum authentication attempts exceeded for ...`.
    MaxAuthTries
    /// `PAM: ERROR for [illegal user ]USER from HOST`.
    PamError
    /// `Access denied for user USER by PAM account configuration`.
    PamAccountDenied
    /// An account or password that has expired, as sshd itself sees it.
    AccountExpired
    /// Files of a user that are not safe: `Authentication refused for ...: bad owner or modes`.
    BadOwnership
    /// `Accepted key TYPE FP found at ...`.
    KeyFound
    /// `Accepted certificate ID ...`.
    CertificateFound
    /// A certificate that was refused.
    CertificateRefused
    /// `Authentication tried for USER with correct key but not from a permitted host`.
    KeyWrongHost
    /// `Refused by key options`.
    KeyOptionsRefused
    /// A revoked key.
    KeyRevoked
    /// A signature without the touch or verification that its key demands.
    KeyTouchMissing
    /// A key or algorithm that is not accepted.
    KeyNotAccepted
    /// `Authorized to USER, krb5 principal P (krb5_kuserok)`.
    Krb5Authorized
    /// Mismatches and acceptances of host-based authentication.
    Hostbased
    /// `administratively prohibited connection for ...`.
    Prohibited

    // PAM and helpers (catalogue 1.3).
    /// `authentication failure; ... rhost=HOST user=USER` of a PAM module.
    PamAuthFailure
    /// `check pass; user unknown`.
    PamUserUnknown
    /// `PAM N more authentication failures; ...`.
    PamMoreFailures
    /// `authentication success; ...` of a PAM module.
    PamAuthSuccess
    /// `session opened for user USER`.
    PamSessionOpened
    /// `session closed for user USER`.
    PamSessionClosed
    /// An account that PAM refuses: expired, denied, not permitted.
    PamAccountRefused
    /// An account that PAM has locked after failures.
    PamLocked
    /// Any other message of a PAM module.
    PamOther
    /// `password check failed for user (USER)` of unix_chkpwd.
    PasswordCheckFailed

    // Session and connection end (catalogue 1.4).
    /// `Connection closed by [WHO] ADDR port N`.
    ConnectionClosed
    /// `Connection reset by [WHO] ADDR port N`.
    ConnectionReset
    /// `Disconnected from [WHO] ADDR port N`.
    Disconnected
    /// `Disconnecting [WHO] ADDR port N: REASON`.
    Disconnecting
    /// `Received disconnect from ADDR port N:CODE: TEXT`.
    ReceivedDisconnect
    /// `Connection from [WHO] ADDR port N timed out`, `Timeout, client not responding`, `terminating inactive`.
    ConnectionTimeout
    /// `Timeout before authentication for ...`.
    PreauthTimeout
    /// `Read error from remote host ...`.
    ReadError
    /// `User child is on pid N`.
    UserChild
    /// `Starting session: ...`.
    SessionStarting
    /// `Close session: ...`.
    SessionClosing
    /// `Transferred: sent N, received N bytes`.
    Transferred
    /// `Closing connection to ADDR port N`.
    ClosingConnection
    /// `subsystem request for NAME by user USER`.
    SubsystemRequest
    /// `session opened/closed for local user USER from [ADDR]` of the SFTP server.
    SftpSession
    /// A request within a session that was refused.
    RequestRefused

    // The listener (catalogue 1.5).
    /// `Server listening on ADDR port N.`.
    Listening
    /// `Received signal N; terminating.`, `Received SIGHUP; restarting.`.
    ServerSignal
    /// `drop connection #N from [ADDR]:PORT on ... REASON`.
    ConnectionDropped
    /// MaxStartups throttling: begins, goes on, ends, or what its logging left out.
    Throttling
    /// `srclimit_penalise: ...`.
    Penalty
    /// A session process that crashed or ended abnormally.
    ChildCrash

    // Everything else.
    /// A message of sshd that is known and says nothing of logins.
    Noise
    /// A message of sshd that no pattern matches.
    Unrecognized
    /// A record of any program, for modules that want them all.
    Record
}

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

/// A set of yes-or-no facts about an observation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u16);

impl Flags {
    /// sshd called the user invalid (or illegal).
    pub const INVALID_USER: Self = Self(1);
    /// The message ends in ` [preauth]`; forgeable in messages that end in the peer's text.
    pub const PREAUTH: Self = Self(1 << 1);
    /// The message is as long as OpenSSH cuts them, or its frame was truncated: its end proves nothing.
    pub const CUT: Self = Self(1 << 2);
    /// Text of the peer looks as if it meant to mislead.
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
    /// Its hash, by the key of this process.
    pub hash: u64,
}

/// What one record meant.
///
/// `number`, `other_pid` and `detail` mean what the kind's documentation in the catalogue of detection says.
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
    /// The host that logged it.
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
}

impl Observations {
    /// Forgets all entries and keeps the memory.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.derived.clear();
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
    fn name(self, name: Name) -> &'a [u8] {
        name.span.of(if name.derived { self.derived } else { self.bytes })
    }

    /// The host that logged the record; empty where it names none.
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
