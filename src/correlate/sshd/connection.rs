//! Floor 3: one connection to one sshd, from its first record to its end, as plain data.

use crate::correlate::names::NameId;
use crate::detect::Method;
use crate::event::{Kind, Severity};
use crate::time::Timestamp;
use smallvec::SmallVec;
use std::net::IpAddr;

/// How far a connection has come; also the queue that it waits in for its deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Not authenticated.
    #[default]
    Preauth,
    /// A login was accepted, or a session opened.
    Open,
    /// Its end was announced, and a better record of it may follow.
    Ending,
    /// Ended and told of; kept for a while so that late records open nothing.
    Ended,
}

impl Phase {
    /// All phases, in the order of their deadlines' precedence.
    pub(super) const ALL: [Self; 4] = [Self::Preauth, Self::Open, Self::Ending, Self::Ended];
}

/// What ended a connection, or a login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum EndReason {
    /// The connection was closed: by the client without a word, or by the server in good order.
    #[default]
    Closed,
    /// The client said goodbye.
    Disconnected,
    /// The connection was reset, or reading from it failed.
    Reset,
    /// The client no longer answered, or was idle too long.
    Timeout,
    /// The client did not authenticate in time.
    GraceTimeout,
    /// Too many attempts.
    MaxTries,
    /// The server hung up, for another reason.
    Refused,
    /// The account may not log in, although the credential was right.
    AccountDenied,
    /// The protocol was broken.
    ProtocolError,
    /// A process of sshd crashed.
    Crashed,
    /// The end was not seen: the process or the port serves another connection.
    Lost,
    /// Given up for age.
    Expired,
    /// Given up because the table was full.
    Evicted,
    /// Open when the input ended.
    EndOfInput,
}

impl EndReason {
    /// All reasons, in the order in which saved states number them.
    pub(super) const ALL: [Self; 14] = [
        Self::Closed,
        Self::Disconnected,
        Self::Reset,
        Self::Timeout,
        Self::GraceTimeout,
        Self::MaxTries,
        Self::Refused,
        Self::AccountDenied,
        Self::ProtocolError,
        Self::Crashed,
        Self::Lost,
        Self::Expired,
        Self::Evicted,
        Self::EndOfInput,
    ];

    /// The name in events.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Disconnected => "disconnected",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::GraceTimeout => "grace_timeout",
            Self::MaxTries => "max_tries",
            Self::Refused => "refused",
            Self::AccountDenied => "account_denied",
            Self::ProtocolError => "protocol_error",
            Self::Crashed => "crashed",
            Self::Lost => "lost",
            Self::Expired => "expired",
            Self::Evicted => "evicted",
            Self::EndOfInput => "end_of_input",
        }
    }
}

/// A set of yes-or-no facts about a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts(u16);

impl Facts {
    /// A login was accepted.
    pub(super) const ACCEPTED: Self = Self(1);
    /// PAM opened a session.
    pub(super) const PAM_OPENED: Self = Self(1 << 1);
    /// sshd called the user invalid.
    pub(super) const INVALID_USER: Self = Self(1 << 2);
    /// Something was tried that was to authenticate.
    pub(super) const ATTEMPTED: Self = Self(1 << 3);
    /// Something other than keys was tried, or a credential was right and yet refused.
    pub(super) const BEYOND_KEYS: Self = Self(1 << 4);
    /// A part of the authentication succeeded.
    pub(super) const PARTIAL: Self = Self(1 << 5);
    /// The refusal of root was told.
    pub(super) const ROOT_REFUSED: Self = Self(1 << 6);
    /// Nothing but PAM has spoken, perhaps from a helper process that the connection is not known by.
    pub(super) const PAM_ONLY: Self = Self(1 << 7);
    /// A locked account was told of.
    pub(super) const ACCOUNT_LOCKED: Self = Self(1 << 8);
    /// A suspected forgery was told.
    pub(super) const SUSPICIOUS: Self = Self(1 << 9);
    /// The source is trusted.
    pub(super) const TRUSTED: Self = Self(1 << 10);
    /// The source is ignored.
    pub(super) const IGNORED: Self = Self(1 << 11);
    /// The grace timeout was told, and nothing else is to be.
    pub(super) const GRACE_TOLD: Self = Self(1 << 12);
    /// The maximum of attempts was told.
    pub(super) const MAX_TRIES: Self = Self(1 << 13);
    /// What was tried counts as one probe of its source, if nothing else did.
    pub(super) const PROBE: Self = Self(1 << 14);

    /// The facts as bits.
    pub(super) const fn bits(self) -> u16 {
        self.0
    }

    /// The facts of these bits.
    pub(super) const fn of_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// Whether all of `other` are set.
    pub(super) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Sets `other`; whether something of it was not set before.
    pub(super) fn add(&mut self, other: Self) -> bool {
        let new = !self.has(other);
        self.0 |= other.0;
        new
    }

    /// Clears `other`; whether all of it was set before.
    pub(super) fn remove(&mut self, other: Self) -> bool {
        let had = self.has(other);
        self.0 &= !other.0;
        had
    }
}

/// What is to be said of one fact before its connection's part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fact {
    /// The event's kind.
    pub(super) kind: Kind,
    /// The severity by its rule.
    pub(super) severity: Severity,
    /// When it happened.
    pub(super) time: Timestamp,
    /// Number of the input that told it.
    pub(super) number: u64,
    /// The process that logged it.
    pub(super) pid: u32,
    /// The user that it names.
    pub(super) user: NameId,
    /// The method that it names.
    pub(super) auth: NameId,
    /// The reason.
    pub(super) reason: NameId,
    /// The key: what stands after the method in a message of sshd.
    pub(super) key: NameId,
    /// The key ID of a certificate.
    pub(super) cert_id: NameId,
    /// The name that stood in place of the client's address.
    pub(super) client_name: NameId,
    /// What the message demands or adds.
    pub(super) detail: NameId,
}

impl Fact {
    pub(super) fn new(kind: Kind, time: Timestamp, number: u64) -> Self {
        Self {
            kind,
            severity: kind.spec().severity,
            time,
            number,
            pid: 0,
            user: NameId::NONE,
            auth: NameId::NONE,
            reason: NameId::NONE,
            key: NameId::NONE,
            cert_id: NameId::NONE,
            client_name: NameId::NONE,
            detail: NameId::NONE,
        }
    }

    /// The texts that it holds.
    pub(super) fn names(&self) -> [NameId; 7] {
        [self.user, self.auth, self.reason, self.key, self.cert_id, self.client_name, self.detail]
    }
}

/// Neighbours in a queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) prev: u32,
    pub(super) next: u32,
}

/// No connection.
pub(super) const NIL: u32 = u32::MAX;

impl Default for Link {
    fn default() -> Self {
        Self { prev: NIL, next: NIL }
    }
}

/// One connection.
#[derive(Debug, Default)]
pub(super) struct Connection {
    pub(super) host: NameId,
    pub(super) addr: Option<IpAddr>,
    /// The client's port, or 0.
    pub(super) port: u16,
    /// The processes that speak of it, its monitor first; 0 where there are fewer.
    pub(super) pids: [u32; 3],
    pub(super) phase: Phase,
    /// Whether the table counts it as an open login.
    pub(super) counted: bool,
    pub(super) facts: Facts,
    pub(super) user: NameId,
    /// The method that succeeded, with its sub-method.
    pub(super) auth: NameId,
    /// The key that succeeded, as sshd describes it.
    pub(super) key: NameId,
    /// Methods that were tried, a bit for each.
    pub(super) methods: u16,
    pub(super) failures: u32,
    pub(super) key_failures: u32,
    /// Time of the first record.
    pub(super) start: Timestamp,
    /// When the login was accepted, or the session opened.
    pub(super) accepted: Timestamp,
    /// Time of the newest record.
    pub(super) last: Timestamp,
    /// What ends it, and when: of meaning from [`Phase::Ending`] on.
    pub(super) end: (EndReason, Timestamp),
    /// Which of the module's connections it is.
    pub(super) serial: u64,
    /// Arrival of its first record.
    pub(super) created: Timestamp,
    /// Arrival from which its phase's deadline counts.
    pub(super) queued: Timestamp,
    /// Numbers of the inputs that matter; most connections have no more than stand here.
    pub(super) evidence: SmallVec<[u64; 4]>,
    /// What few connections have.
    pub(super) rare: Option<Box<Rare>>,
    pub(super) queue: Link,
    pub(super) age: Link,
}

/// What few connections have; apart from the others, of which a storm touches thousands.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rare {
    /// An address that was claimed and contradicts what is known.
    pub(super) claimed: NameId,
    /// Why it looks like a probe, and the peer's text.
    pub(super) probe: [NameId; 2],
    /// Ways of misusing a key that were told, a bit for each.
    pub(super) misuse: u8,
    /// When PAM's own message last counted a failure that sshd may tell of once more.
    pub(super) pam_failed: Option<Timestamp>,
    /// When the refusal of root counted a failure that sshd may tell of once more.
    pub(super) root_refused: Option<Timestamp>,
    /// Bytes sent and received.
    pub(super) bytes: Option<(u64, u64)>,
    /// Facts that wait for the address.
    pub(super) pending: Vec<Fact>,
    /// A refusal of the account, which sshd's own message or the connection's end confirms.
    pub(super) denial: Option<Fact>,
}

impl Rare {
    /// What a connection has that has nothing of it.
    const NOTHING: &Self = &Self {
        claimed: NameId::NONE,
        probe: [NameId::NONE; 2],
        misuse: 0,
        pam_failed: None,
        root_refused: None,
        bytes: None,
        pending: Vec::new(),
        denial: None,
    };

    /// Whether there is anything.
    pub(super) fn is_something(&self) -> bool {
        self != Self::NOTHING
    }
}

impl Connection {
    pub(super) fn rare(&self) -> &Rare {
        self.rare.as_deref().unwrap_or(Rare::NOTHING)
    }

    /// The same, to be added to.
    pub(super) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Takes out the facts that wait for the address.
    pub(super) fn take_pending(&mut self) -> Vec<Fact> {
        self.rare.as_mut().map(|rare| std::mem::take(&mut rare.pending)).unwrap_or_default()
    }

    /// Takes out the refusal of the account.
    pub(super) fn take_denial(&mut self) -> Option<Fact> {
        self.rare.as_mut()?.denial.take()
    }

    pub(super) fn monitor(&self) -> u32 {
        self.pids[0]
    }

    pub(super) fn has_pid(&self, pid: u32) -> bool {
        pid != 0 && self.pids.contains(&pid)
    }

    /// Whether a login was accepted or a session opened on it.
    pub(super) fn is_login(&self) -> bool {
        self.facts.has(Facts::ACCEPTED) || self.facts.has(Facts::PAM_OPENED)
    }

    pub(super) fn tried(&mut self, method: Method) {
        if method != Method::Unnamed {
            self.methods |= 1 << (method as u16);
        }
    }

    /// Adds the number of an input to the evidence, and leaves room for the one that ends the connection.
    pub(super) fn add_evidence(&mut self, number: u64) {
        if self.evidence.len() + 1 < crate::limits::MAX_EVIDENCE && self.evidence.last() != Some(&number) {
            self.evidence.push(number);
        }
    }
}

/// The names of the methods in a set of bits.
pub(super) fn method_names(methods: u16) -> impl Iterator<Item = &'static [u8]> {
    const METHODS: [Method; 8] = [
        Method::Password,
        Method::Publickey,
        Method::KeyboardInteractive,
        Method::Hostbased,
        Method::GssapiWithMic,
        Method::GssapiKeyex,
        Method::None,
        Method::Other,
    ];
    METHODS.into_iter().filter(move |method| methods & (1 << (*method as u16)) != 0).map(
        |method| match method {
            Method::Other => &b"other"[..],
            method => method.name().as_bytes(),
        },
    )
}
