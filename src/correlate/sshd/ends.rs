//! Floor 3: how connections and logins end, and what is told of them then.
//!
//! The best record of a login's end is PAM's `session closed`, which the monitor logs; the child's goodbye comes
//! before it. So where PAM opened the session, a goodbye is only taken note of, and tells the end by itself if PAM says
//! nothing within [`PAM_PATIENCE`]. Where PAM is not used, the goodbye is the end.
//!
//! Invariant: each connection is told of once.

use super::connection::{Connection, EndReason, Fact, Facts, Phase, Rare};
use super::table::Id;
use super::thresholds::Failure;
use super::{Input, Module};
use crate::correlate::sink::{Raise, Sink};
use crate::detect::Flags;
use crate::event::{Field, Kind, Severity};
use crate::limits;
use crate::time::Timestamp;
use std::time::Duration;

/// How long a better record of an announced end is waited for.
pub(super) const PAM_PATIENCE: Duration = Duration::from_secs(10);

/// How long an ended connection is kept, so that late records of it open nothing.
pub(super) const LINGER: Duration = Duration::from_secs(60);

/// How far apart the two records of the end of a session that was not seen to begin may be.
const SAME_END: Duration = Duration::from_secs(2);

/// An end, and what brought it about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    pub(super) reason: EndReason,
    /// When the connection ended, as far as is known.
    pub(super) finish: Timestamp,
    /// When the event happened: the record's own time, or a deadline.
    pub(super) time: Timestamp,
    /// The arrival that it is processed at.
    pub(super) now: Timestamp,
    /// Number of the record that tells it.
    pub(super) number: Option<u64>,
}

impl Ending {
    /// An end that a record tells.
    pub(super) fn by(input: &Input<'_>, reason: EndReason) -> Self {
        let Input { time, arrival, number, .. } = *input;
        Self { reason, finish: time, time, now: arrival, number: Some(number) }
    }

    /// An end at a deadline.
    pub(super) fn at(deadline: Timestamp, reason: EndReason) -> Self {
        Self { reason, finish: deadline, time: deadline, now: deadline, number: None }
    }
}

/// The end of the last login that was not seen to begin.
#[derive(Debug, Default)]
pub(super) struct UnseenEnd {
    pub(super) host: Vec<u8>,
    pub(super) user: Vec<u8>,
    pub(super) arrival: Option<Timestamp>,
}

impl UnseenEnd {
    fn note(&mut self, input: &Input<'_>) {
        for (kept, text) in [(&mut self.host, input.view.host()), (&mut self.user, input.view.user())] {
            kept.clear();
            kept.extend_from_slice(shortened(text));
        }
        self.arrival = Some(input.arrival);
    }

    /// Forgets the end; whether a record tells of the same one.
    fn take(&mut self, input: &Input<'_>) -> bool {
        let just_now = self.arrival.take().is_some_and(|at| input.arrival.since(at) < SAME_END);
        just_now && self.host == shortened(input.view.host()) && self.user == shortened(input.view.user())
    }
}

fn shortened(text: &[u8]) -> &[u8] {
    text.get(..limits::MAX_NAME_LEN).unwrap_or(text)
}

impl Module {
    /// Takes a message that is the last one of its process: `Connection closed`, `Disconnecting`, and the like.
    pub(super) fn closing(&mut self, input: &Input<'_>, reason: EndReason, sink: &mut Sink<'_>) {
        let Some(id) = self.find_closing(input, sink) else { return };
        if self.connections.get(id).phase == Phase::Ended {
            return;
        }
        self.learn_closing_user(id, input);
        self.check_claim(id, input, sink);
        let connection = self.connections.get_mut(id);
        let reason = match (connection.phase, connection.is_login()) {
            (Phase::Ending, _) => connection.end.0,
            (_, false) if connection.facts.has(Facts::MAX_TRIES) => EndReason::MaxTries,
            _ => reason,
        };
        if !connection.is_login() || !connection.facts.has(Facts::PAM_OPENED) {
            self.finish(id, Ending::by(input, reason), sink);
        } else if connection.phase == Phase::Open {
            self.announce_end(id, input, reason);
        }
    }

    /// Takes `Received disconnect`, which `Disconnected from` follows since OpenSSH 6.9.
    pub(super) fn goodbye(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        let Some(id) = self.find_closing(input, sink) else { return };
        if matches!(self.connections.get(id).phase, Phase::Preauth | Phase::Open) {
            self.announce_end(id, input, EndReason::Disconnected);
        }
    }

    /// The connection that ends; made where a record of the time before authentication is the first one of it.
    fn find_closing(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) -> Option<Id> {
        if let Some(id) = self.find(input, sink) {
            return Some(id);
        }
        let (entry, flags) = (input.view.entry, input.view.entry.flags);
        let preauth = [Flags::PREAUTH, Flags::INVALID_USER, Flags::AUTHENTICATING];
        if preauth.into_iter().any(|flag| flags.has(flag)) {
            return self.open(input, sink);
        }
        if !input.view.user().is_empty() {
            // `user NAME`: a login ends whose beginning was not seen.
            self.stats.partial += 1;
            self.unseen_end.note(input);
            return None;
        }
        // Without a port it may as well be the child of a login that OpenSSH before 7.2 leaves without one.
        (entry.port != 0).then(|| self.open(input, sink))?
    }

    fn learn_closing_user(&mut self, id: Id, input: &Input<'_>) {
        let flags = input.view.entry.flags;
        let connection = self.connections.get_mut(id);
        if connection.is_login() {
            return;
        }
        if flags.has(Flags::INVALID_USER) {
            connection.facts.add(Facts::ATTEMPTED);
            connection.facts.add(Facts::PROBE);
        }
        if flags.has(Flags::AUTHENTICATING) {
            connection.facts.add(Facts::ATTEMPTED);
        }
        self.learn_user(id, input);
    }

    fn announce_end(&mut self, id: Id, input: &Input<'_>, reason: EndReason) {
        let connection = self.connections.get_mut(id);
        connection.end = (reason, input.time);
        connection.add_evidence(input.number);
        self.connections.advance(id, Phase::Ending, input.arrival);
    }

    /// Takes `session opened` of PAM: the monitor's, right after the login was accepted.
    pub(super) fn pam_opened(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        let Some(id) = self.open(input, sink) else { return };
        let connection = self.connections.get_mut(id);
        let unseen = match connection.phase {
            Phase::Preauth => true,
            Phase::Open => false,
            Phase::Ending if connection.is_login() => false,
            Phase::Ending | Phase::Ended => return,
        };
        connection.facts.add(Facts::PAM_OPENED);
        if unseen {
            connection.accepted = input.time;
            connection.add_evidence(input.number);
            self.connections.advance(id, Phase::Open, input.arrival);
            self.learn_user(id, input);
        }
    }

    /// Takes `session closed` of PAM: the end of a login.
    pub(super) fn pam_closed(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        let Some(id) = self.find(input, sink) else {
            self.stats.partial += u64::from(!self.unseen_end.take(input));
            return;
        };
        let connection = self.connections.get(id);
        if connection.phase == Phase::Ended || !connection.is_login() {
            return;
        }
        let reason = if connection.phase == Phase::Ending { connection.end.0 } else { EndReason::Closed };
        self.finish(id, Ending::by(input, reason), sink);
    }

    /// Ends a connection and tells of it.
    pub(super) fn finish(&mut self, id: Id, ending: Ending, sink: &mut Sink<'_>) {
        let connection = self.connections.get_mut(id);
        connection.end = (ending.reason, ending.finish);
        if let Some(number) = ending.number {
            connection.evidence.push(number);
        }
        self.stats.expired += u64::from(ending.reason == EndReason::Expired);
        // A denial without an address would wait for one.
        self.tell_denial(id, sink);
        self.tell_pending(id, sink);
        let connection = self.connections.get(id);
        if connection.is_login() {
            self.tell_login(id, ending.time, sink);
        } else if connection.facts.has(Facts::ATTEMPTED) {
            self.tell_failure(id, ending, sink);
        } else if !connection.facts.has(Facts::GRACE_TOLD) {
            self.tell_probe(id, ending.time, sink);
        }
        self.connections.advance(id, Phase::Ended, ending.now);
        if self.connections.ended() > limits::MAX_ENDED_CONNECTIONS
            && let Some(first) = self.connections.first(Phase::Ended)
        {
            self.discard(first);
        }
    }

    /// Tells of a login that ended.
    pub(super) fn tell_login(&mut self, id: Id, time: Timestamp, sink: &mut Sink<'_>) {
        let connection = self.connections.get(id);
        if connection.facts.has(Facts::IGNORED) {
            return;
        }
        self.stats.login_sessions += 1;
        self.stats.partial += u64::from(!connection.facts.has(Facts::ACCEPTED));
        let trusted = connection.facts.has(Facts::TRUSTED);
        let raise = Raise { trusted, ..Raise::new(Kind::SSHDLoginSucceeded, time) };
        let Some(mut event) = sink.raise(raise) else { return };
        let (reason, finish) = connection.end;
        self.describe(connection, &mut event);
        event
            .time(Field::Finish, finish)
            .duration(Field::Duration, finish.since(connection.accepted))
            .text(Field::EndReason, reason.name().as_bytes())
            .evidence(connection.evidence.iter().copied());
        if let Some((sent, received)) = connection.rare().bytes {
            event.count(Field::BytesSent, sent).count(Field::BytesReceived, received);
        }
    }

    /// Tells of a connection that ended without a login, and counts it as a probe of its source if nothing else of it
    /// counted.
    fn tell_failure(&mut self, id: Id, ending: Ending, sink: &mut Sink<'_>) {
        let connection = self.connections.get(id);
        if connection.facts.has(Facts::IGNORED) {
            return;
        }
        self.stats.denied += 1;
        let severity = if connection.facts.has(Facts::BEYOND_KEYS) {
            Kind::SSHDLoginFailed.spec().severity
        } else {
            Severity::Info
        };
        let trusted = connection.facts.has(Facts::TRUSTED);
        let raise = Raise { severity, trusted, ..Raise::new(Kind::SSHDLoginFailed, ending.time) };
        if let Some(mut event) = sink.raise(raise) {
            let (reason, finish) = connection.end;
            self.describe(connection, &mut event);
            event
                .time(Field::Finish, finish)
                .duration(Field::Duration, finish.since(connection.start))
                .text(Field::EndReason, reason.name().as_bytes())
                .texts(Field::Methods, super::connection::method_names(connection.methods))
                .evidence(connection.evidence.iter().copied());
        }
        if connection.failures > 0 {
            return;
        }
        let (probe, time) = (u32::from(connection.facts.has(Facts::PROBE)), connection.last);
        let number = connection.evidence.first().copied().or(ending.number).unwrap_or(0);
        self.count_failure(id, Failure { count: probe, number, time, now: ending.now }, sink);
    }

    /// Tells of a connection that ended before authentication.
    fn tell_probe(&mut self, id: Id, time: Timestamp, sink: &mut Sink<'_>) {
        let connection = self.connections.get(id);
        let unknown = connection.addr.is_none() && !connection.rare().probe[0].is_some();
        let silent = connection.facts.has(Facts::PAM_ONLY) || connection.facts.has(Facts::IGNORED);
        if unknown || silent {
            return;
        }
        let [reason, detail] = connection.rare().probe.map(|name| self.names.text(name));
        let reason = if reason.is_empty() { connection.end.0.name().as_bytes() } else { reason };
        let trusted = connection.facts.has(Facts::TRUSTED);
        let Some(mut event) = sink.raise(Raise { trusted, ..Raise::new(Kind::SSHDProtocolProbe, time) })
        else {
            return;
        };
        self.describe(connection, &mut event);
        event.text(Field::Reason, reason).evidence(connection.evidence.iter().copied());
        if connection.rare().probe[1].is_some() {
            event.text(Field::Detail, detail);
        }
    }

    /// The deadline of the first connection of a phase.
    pub(super) fn deadline(&self, phase: Phase) -> Option<Timestamp> {
        let patience = match phase {
            Phase::Preauth => self.options.max_preauth_age,
            Phase::Open => self.options.max_session_age,
            Phase::Ending => PAM_PATIENCE,
            Phase::Ended => LINGER,
        };
        let first = self.connections.first(phase)?;
        Some(self.connections.get(first).queued.plus(patience))
    }

    /// Lets a deadline pass: of the first connection of a phase.
    pub(super) fn expire(&mut self, id: Id, deadline: Timestamp, sink: &mut Sink<'_>) {
        let Connection { phase, end: (reason, finish), .. } = *self.connections.get(id);
        match phase {
            Phase::Preauth | Phase::Open => self.finish(id, Ending::at(deadline, EndReason::Expired), sink),
            Phase::Ending => self.finish(id, Ending { finish, ..Ending::at(deadline, reason) }, sink),
            Phase::Ended => self.discard(id),
        }
    }

    /// Forgets an ended connection.
    pub(super) fn discard(&mut self, id: Id) {
        let Connection { host, user, auth, key, rare, .. } = self.connections.remove(id);
        for name in [host, user, auth, key] {
            self.names.release(name);
        }
        if let Some(Rare { claimed, probe: [reached, text], pending, denial, .. }) = rare.map(|rare| *rare) {
            let of_facts = pending.iter().chain(&denial).flat_map(Fact::names);
            of_facts.chain([claimed, reached, text]).for_each(|name| self.names.release(name));
        }
    }
}
