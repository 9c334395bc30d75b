//! Floor 3: the sshd module: sessions, failures, thresholds.
//!
//! Its state is plain data: tables of entries that know each other by number. Each message of OpenSSH's daemons finds
//! the connection it speaks of (`locate`), changes it (`auth`, `ends`), and may tell something by itself (`suspicions`,
//! `records`); failures are counted by source and user (`thresholds`).
//!
//! Invariant: nothing depends on the order of a table or on the key of a hash.

mod absorb;
mod auth;
mod connection;
mod describe;
mod ends;
mod locate;
mod network;
mod options;
mod records;
mod saved;
mod sources;
mod stats;
mod suspicions;
mod table;
#[cfg(test)]
mod tests;
mod thresholds;
mod throttles;

pub use options::{Options, Switch};
pub(super) use saved::Saved;

use super::names::{NameId, Names};
use super::sink::Sink;
use crate::detect::{Flags, Kind as Message, NameHasher, View};
use crate::limits;
use crate::time::Timestamp;
use ahash::RandomState;
use connection::{EndReason, Phase};
use ends::{Ending, LINGER, PAM_PATIENCE, UnseenEnd};
use network::SourceKey;
use sources::{Ledger, Source, Target, Throttle};
use stats::Stats;
use table::{Connections, Id};

/// One observation, with where and when it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'a> {
    /// The observation.
    pub(super) view: View<'a>,
    /// The position of its input: its number, counted on from all earlier runs.
    pub(super) number: u64,
    /// When it arrived.
    pub(super) arrival: Timestamp,
    /// The record's own time, clamped to the arrival when it lies in the future.
    pub(super) time: Timestamp,
}

/// The state of one sshd module.
#[derive(Debug)]
pub(super) struct Module {
    options: Options,
    names: Names,
    connections: Connections,
    most_connections: usize,
    sources: Ledger<SourceKey, Source>,
    targets: Ledger<NameId, Target>,
    throttles: Ledger<NameId, Throttle>,
    stats: Stats,
    /// Whether the record at hand is from an ignored network.
    ignored: bool,
    unseen_end: UnseenEnd,
    /// Nothing is due before this: every deadline that is not known here begins to count later.
    quiet_until: Timestamp,
    scratch: Vec<u8>,
}

impl Module {
    pub(super) fn new(options: Options) -> Self {
        let random = RandomState::new();
        let memory = thresholds::SOURCE_MEMORY.max(options.login_failure_window);
        Self {
            names: Names::new(NameHasher::of_process()),
            connections: Connections::new(random.clone()),
            most_connections: limits::MAX_CONNECTIONS_TRACKED,
            sources: Ledger::new(limits::MAX_SOURCES, memory, random.clone()),
            targets: Ledger::new(limits::MAX_TARGETS, thresholds::TARGET_MEMORY, random.clone()),
            throttles: Ledger::new(limits::MAX_THROTTLED_HOSTS, throttles::THROTTLE_PAUSE, random),
            stats: Stats::default(),
            ignored: false,
            unseen_end: UnseenEnd::default(),
            quiet_until: Timestamp::MIN,
            scratch: Vec::new(),
            options,
        }
    }

    /// The same module with tables of at most `cap` entries.
    #[cfg(test)]
    fn with_caps(mut self, cap: usize) -> Self {
        self.most_connections = cap;
        self.sources.set_cap(cap);
        self.targets.set_cap(cap);
        self.throttles.set_cap(cap);
        self
    }

    /// Takes one observation.
    pub(super) fn take(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        let entry = input.view.entry;
        self.stats.records += 1;
        self.stats.start.get_or_insert(input.arrival);
        self.stats.truncated += u64::from(entry.flags.has(Flags::CUT));
        self.ignored = false;
        self.dispatch(input, sink);
        self.stats.ignored += u64::from(self.ignored);
    }

    fn dispatch(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        use Message as M;
        match input.view.entry.kind {
            M::ConnectionFrom => self.connected(input, sink),
            M::Failed => self.failed(input, sink),
            M::Accepted => self.accepted(input, sink),
            M::InvalidUser => self.invalid_user(input, sink),
            M::PamSessionOpened => self.pam_opened(input, sink),
            M::PamSessionClosed => self.pam_closed(input, sink),
            M::ConnectionClosed => self.closing(input, EndReason::Closed, sink),
            M::ConnectionReset | M::ReadError => self.closing(input, EndReason::Reset, sink),
            M::Disconnected => self.closing(input, EndReason::Disconnected, sink),
            M::ReceivedDisconnect => self.goodbye(input, sink),
            M::Disconnecting => self.closing(input, disconnecting(input), sink),
            M::ConnectionTimeout => self.closing(input, EndReason::Timeout, sink),
            M::ClosingConnection => self.closing(input, EndReason::Closed, sink),
            M::PamError => self.pam_error(input, sink),
            M::PamAuthFailure => self.pam_failure(input, sink),
            M::Partial => self.partial(input, sink),
            M::Postponed => self.postponed(input, sink),
            M::RootRefused => self.root_refused(input, sink),
            M::UserDenied => self.user_denied(input, sink),
            M::MaxAuthTries => self.max_tries(input, sink),
            M::PamAccountDenied => self.account_denied(input, sink),
            M::PamAccountRefused | M::AccountExpired => self.account_refused(input, sink),
            M::PamLocked => self.account_locked(input, sink),
            M::KeyWrongHost | M::KeyRevoked | M::KeyTouchMissing | M::CertificateRefused => {
                self.key_misused(input, sink);
            }
            M::KeyNotAccepted => self.key_not_accepted(input, sink),
            M::Prohibited => self.prohibited(input, sink),
            M::NoIdentification
            | M::BadBanner
            | M::ProtocolMismatch
            | M::ProtocolError
            | M::Scanned
            | M::NoMatch
            | M::BadPacket
            | M::IpOptions => self.probed(input, sink),
            M::WrapperRefused => self.wrapper_refused(input, sink),
            M::ReverseMismatch => self.reverse_mismatch(input, sink),
            M::PreauthTimeout => self.grace_timeout(input, sink),
            M::ChildCrash => self.crashed(input, sink),
            M::ConnectionDropped | M::Throttling => self.dropped(input, sink),
            M::Penalty => self.penalised(input, sink),
            M::Listening | M::ServerSignal => self.lifecycle(input, sink),
            M::SessionStarting | M::SubsystemRequest | M::SftpSession => self.subsystem(input, sink),
            M::UserChild => self.user_child(input, sink),
            M::Transferred => self.transferred(input, sink),
            M::Unrecognized => self.stats.unparsed += 1,
            M::RootForcedCommand
            | M::BadOwnership
            | M::KeyFound
            | M::CertificateFound
            | M::KeyOptionsRefused
            | M::Krb5Authorized
            | M::Hostbased
            | M::PamUserUnknown
            | M::PamMoreFailures
            | M::PamAuthSuccess
            | M::PamOther
            | M::SessionClosing
            | M::RequestRefused => {
                self.alive(input, sink);
            }
            M::PasswordCheckFailed | M::Noise | M::Record => {}
        }
    }

    /// Whether nothing can be due by now.
    #[inline]
    pub(super) fn is_quiet(&self, now: Timestamp) -> bool {
        now < self.quiet_until
    }

    /// Lets everything happen that is due by now, in the order of the deadlines.
    pub(super) fn fire(&mut self, now: Timestamp, sink: &mut Sink<'_>) {
        if !self.is_quiet(now) {
            self.fire_due(now, sink);
            self.quiet_until = self.next_due(now);
        }
    }

    fn fire_due(&mut self, now: Timestamp, sink: &mut Sink<'_>) {
        while let Some((deadline, id)) = self.next_deadline().filter(|(deadline, _)| *deadline <= now) {
            self.expire(id, deadline, sink);
        }
        self.expire_sources(now);
        self.expire_throttles(now, sink);
    }

    /// What is due first: of what waits now, or of what could begin to wait from now on.
    fn next_due(&self, now: Timestamp) -> Timestamp {
        let Options { max_preauth_age, max_transaction_age, max_session_age, .. } = self.options;
        let patience = [max_preauth_age, max_transaction_age, max_session_age, PAM_PATIENCE, LINGER];
        let quiet = [self.sources.quiet(), self.targets.quiet(), self.throttles.quiet()];
        let begun = patience.into_iter().chain(quiet).map(|wait| now.plus(wait));
        let waiting = [
            self.next_deadline().map(|(deadline, _)| deadline),
            self.sources.next_due(),
            self.targets.next_due(),
            self.throttles.next_due(),
        ];
        waiting.into_iter().flatten().chain(begun).min().unwrap_or(now)
    }

    /// The earliest deadline; of several at once, that of the earlier phase, and then of the whole transaction.
    fn next_deadline(&self) -> Option<(Timestamp, Id)> {
        let phases = Phase::ALL
            .into_iter()
            .filter_map(|phase| Some((self.deadline(phase)?, self.connections.first(phase)?)));
        let oldest = self
            .connections
            .oldest()
            .map(|id| (self.connections.get(id).created.plus(self.options.max_transaction_age), id));
        phases.chain(oldest).min_by_key(|(deadline, _)| *deadline)
    }

    /// Ends what is open when the input ends, in the order in which it began.
    pub(super) fn end_of_input(&mut self, last: Timestamp, sink: &mut Sink<'_>) {
        let open = [Phase::Preauth, Phase::Open, Phase::Ending];
        let mut ids: Vec<Id> = open.into_iter().flat_map(|phase| self.connections.in_phase(phase)).collect();
        ids.sort_unstable_by_key(|id| self.connections.get(*id).serial);
        for id in ids {
            let connection = self.connections.get(id);
            let ending = Ending::at(last, EndReason::EndOfInput);
            let ending = match connection.phase {
                Phase::Ending => Ending { reason: connection.end.0, finish: connection.end.1, ..ending },
                _ => ending,
            };
            self.finish(id, ending, sink);
        }
        self.end_throttles(last, sink);
    }
}

/// Why sshd hangs up.
fn disconnecting(input: &Input<'_>) -> EndReason {
    if input.view.detail(0).starts_with(b"Too many authentication failures") {
        EndReason::MaxTries
    } else {
        EndReason::Refused
    }
}
