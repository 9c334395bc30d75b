//! Floor 3: failures by source and by user: limits, enumeration, distributed guessing, and logins that follow failures.
//!
//! Invariant: all counts are in the records' own time, clamped to their arrival; a record older than its source's
//! window is late and counts nowhere else.

use super::connection::{Connection, Facts};
use super::network::SourceKey;
use super::sources::{Source, Target};
use super::table::Id;
use super::{Input, Module};
use crate::correlate::names::{NameId, Names};
use crate::correlate::sink::{Raise, Sink};
use crate::correlate::window::{Counted, Memory, Noted};
use crate::detect::Method;
use crate::event::{Field, Kind, Severity};
use crate::limits;
use crate::time::Timestamp;
use std::net::IpAddr;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Different users of one source, within [`ENUMERATION_WINDOW`], from which on it enumerates.
const ENUMERATION_LIMIT: u64 = 10;
const ENUMERATION_WINDOW: Duration = Duration::from_secs(600);

/// Different sources that fail for one user within an hour, from which on they work together.
const DISTRIBUTED_LIMIT: usize = 20;

/// Users that a source failed for within an hour from which on its login is alarming.
const SUSPECT_USERS: usize = 3;

/// Failures of the user who then logs in, from which on that is worth a look: nobody mistypes that often in peace.
const MISTYPED: u64 = 5;
/// Failures of the user who then logs in, from which on they were guesses and not typing errors.
const GUESSED: u64 = 20;

/// Connections of one source that did not authenticate in time, from which on they are no accident (CVE-2024-6387).
const TIMEOUT_LIMIT: u64 = 3;
pub(super) const TIMEOUT_WINDOW: Duration = Duration::from_secs(180);

pub(super) const USERS: Memory =
    Memory { cap: limits::MAX_USERS_PER_SOURCE, window: ENUMERATION_WINDOW, count: HOUR };
pub(super) const SOURCES: Memory = Memory { cap: limits::MAX_SOURCES_PER_TARGET, window: HOUR, count: HOUR };

/// How long a source is remembered after its last failure, at least.
pub(super) const SOURCE_MEMORY: Duration = HOUR;
/// How long a user is remembered after the last failure for it.
pub(super) const TARGET_MEMORY: Duration = DAY;

/// Failures of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure {
    /// How many; none when a user was only tried, such as with keys.
    pub(super) count: u32,
    /// Number of the input that tells of it.
    pub(super) number: u64,
    /// When it happened.
    pub(super) time: Timestamp,
    /// The arrival that it is processed at.
    pub(super) now: Timestamp,
}

impl Failure {
    pub(super) fn by(input: &Input<'_>, count: u32) -> Self {
        Self { count, number: input.number, time: input.time, now: input.arrival }
    }
}

impl Module {
    /// Counts failures of a connection towards its source and its user.
    pub(super) fn count_failure(&mut self, id: Id, failure: Failure, sink: &mut Sink<'_>) {
        let connection = self.connections.get(id);
        let Some(addr) = connection.addr.filter(|_| !connection.facts.has(Facts::IGNORED)) else { return };
        let key = SourceKey::new(addr, self.options.ipv6_prefix);
        let span = self.options.login_failure_window;
        let limit = self.limit(connection.facts);
        let place = match self.sources.find(key, failure.now) {
            Some(place) => place,
            None => {
                if self.sources.is_full() {
                    self.evict_source();
                }
                self.sources.add(key, failure.now)
            }
        };
        let Some(source) = self.sources.at(place) else { return };
        if failure.count > 0 {
            if source.failures.newest().is_some_and(|newest| newest.plus(span) <= failure.time) {
                source.attempts.reset();
            }
            let Counted::Within(count) =
                source.failures.add(failure.time, failure.count, failure.number, span)
            else {
                self.stats.late += 1;
                return;
            };
            let first = !source.attempts.has_crossed();
            let crosses = source.attempts.crosses(count, limit);
            self.note_user(id, (key, place), failure, sink);
            if crosses {
                self.stats.lockouts += u64::from(first);
                self.tell_attempts(id, key, count, failure.time, sink);
            }
            self.note_target(id, key, failure, sink);
        } else {
            self.note_user(id, (key, place), failure, sink);
        }
    }

    fn limit(&self, facts: Facts) -> u64 {
        let options = &self.options;
        u64::from(if facts.has(Facts::TRUSTED) {
            options.trusted_login_failure_limit
        } else {
            options.login_failure_limit
        })
    }

    /// Remembers that a source tried the connection's user.
    pub(super) fn note_user(
        &mut self,
        id: Id,
        (key, place): (SourceKey, u32),
        failure: Failure,
        sink: &mut Sink<'_>,
    ) {
        let user = self.connections.get(id).user;
        let Some(source) = self.sources.at(place).filter(|_| user.is_some()) else { return };
        if source.users.newest().plus(ENUMERATION_WINDOW) <= failure.time {
            source.enumeration.reset();
        }
        let news = match source.users.note(user, failure.time, failure.count, USERS) {
            Noted::Known(before) => before.plus(ENUMERATION_WINDOW) <= failure.time,
            Noted::New(replaced) => {
                self.names.share(user);
                self.names.release(replaced.unwrap_or_default());
                true
            }
        };
        if !news || source.enumeration.is_below(source.users.most_distinct(), ENUMERATION_LIMIT) {
            return;
        }
        let distinct = source.users.distinct(source.users.newest().minus(ENUMERATION_WINDOW));
        if source.enumeration.crosses(distinct, ENUMERATION_LIMIT) {
            self.tell_enumeration(id, key, distinct, failure, sink);
        }
    }

    /// Remembers that a source failed for the connection's user, if that exists and is not root. Trusted sources are
    /// no part of an attack.
    fn note_target(&mut self, id: Id, key: SourceKey, failure: Failure, sink: &mut Sink<'_>) {
        let Connection { user, facts, .. } = *self.connections.get(id);
        if !user.is_some() || facts.has(Facts::INVALID_USER) || facts.has(Facts::TRUSTED) {
            return;
        }
        let place = match self.targets.find(user, failure.now) {
            Some(place) => place,
            None if self.names.text(user) == b"root" => return,
            None => self.add_target(user, failure.now),
        };
        let Some(target) = self.targets.at(place) else { return };
        if target.told.is_some_and(|told| failure.time < told.plus(DAY)) {
            return;
        }
        target.sources.note(key, failure.time, failure.count, SOURCES);
        let start = target.sources.newest().minus(HOUR);
        if target.sources.since(start).count() >= DISTRIBUTED_LIMIT {
            target.told = Some(failure.time);
            self.tell_distributed(id, start, failure, sink);
        }
    }

    /// Begins to remember a user.
    fn add_target(&mut self, user: NameId, now: Timestamp) -> u32 {
        if self.targets.is_full() {
            self.stats.evicted += 1;
            self.quiet_until = Timestamp::MIN;
            if let Some(evicted) = self.targets.evict() {
                clear_target(evicted, &mut self.names);
            }
        }
        let place = self.targets.add(user, now);
        if let Some(target) = self.targets.at(place) {
            target.user = self.names.share(user);
        }
        place
    }

    fn tell_attempts(&mut self, id: Id, key: SourceKey, count: u64, time: Timestamp, sink: &mut Sink<'_>) {
        let connection = self.connections.get(id);
        let trusted = connection.facts.has(Facts::TRUSTED);
        let Some(source) = self.sources.get(key) else { return };
        let Some(mut event) = sink.raise(Raise { trusted, ..Raise::new(Kind::SSHDAttemptsExceeded, time) })
        else {
            return;
        };
        let span = self.options.login_failure_window;
        let newest = source.failures.newest().unwrap_or(time);
        let users = || source.users.since(newest.minus(span)).filter(|seen| seen.counts.count > 0);
        self.describe_source(connection, key, &mut event);
        event
            .count(Field::Count, count)
            .count(Field::Limit, self.limit(connection.facts))
            .duration(Field::Window, span)
            .texts(Field::Users, users().map(|seen| self.names.text(seen.key)))
            .count(Field::DistinctUsers, users().count() as u64)
            .time(Field::Start, source.failures.oldest().unwrap_or(time))
            .time(Field::Finish, newest)
            .evidence(source.failures.numbers());
    }

    fn tell_enumeration(
        &mut self,
        id: Id,
        key: SourceKey,
        distinct: u64,
        failure: Failure,
        sink: &mut Sink<'_>,
    ) {
        let connection = self.connections.get(id);
        let trusted = connection.facts.has(Facts::TRUSTED);
        let Some(source) = self.sources.get(key) else { return };
        let raise = Raise { trusted, ..Raise::new(Kind::SSHDUserEnumeration, failure.time) };
        let Some(mut event) = sink.raise(raise) else { return };
        let start = source.users.newest().minus(ENUMERATION_WINDOW);
        let users = || source.users.since(start);
        self.describe_source(connection, key, &mut event);
        event
            .count(Field::DistinctUsers, distinct)
            .count(Field::Limit, ENUMERATION_LIMIT)
            .duration(Field::Window, ENUMERATION_WINDOW)
            .texts(Field::Users, users().map(|seen| self.names.text(seen.key)))
            .count(Field::Count, users().map(|seen| u64::from(seen.counts.count)).sum())
            .time(Field::Start, users().map(|seen| seen.counts.newest).min().unwrap_or(failure.time))
            .time(Field::Finish, source.users.newest())
            .evidence([failure.number]);
    }

    fn tell_distributed(&mut self, id: Id, start: Timestamp, failure: Failure, sink: &mut Sink<'_>) {
        let connection = self.connections.get(id);
        let Some(target) = self.targets.get(connection.user) else { return };
        let raise = Raise::new(Kind::SSHDDistributedBruteForce, failure.time);
        let Some(mut event) = sink.raise(raise) else { return };
        let sources = || target.sources.since(start);
        event
            .text(Field::User, self.names.text(connection.user))
            .text(Field::Host, self.names.text(connection.host))
            .count(Field::DistinctAddrs, sources().count() as u64)
            .count(Field::Limit, DISTRIBUTED_LIMIT as u64)
            .duration(Field::Window, HOUR)
            .addrs(Field::Addrs, sources().map(|seen| seen.key.addr()))
            .count(Field::Count, sources().map(|seen| u64::from(seen.counts.count)).sum())
            .time(Field::Start, sources().map(|seen| seen.counts.newest).min().unwrap_or(failure.time))
            .time(Field::Finish, failure.time)
            .evidence([failure.number]);
    }

    /// Tells of a login from a source that has failed before, by how bad that looks.
    pub(super) fn judge_success(&mut self, id: Id, method: Method, input: &Input<'_>, sink: &mut Sink<'_>) {
        let connection = self.connections.get(id);
        let Some(addr) = connection.addr.filter(|_| !connection.facts.has(Facts::IGNORED)) else { return };
        let key = SourceKey::new(addr, self.options.ipv6_prefix);
        let limit = self.limit(connection.facts);
        let Some(source) = self.sources.get_mut(key) else { return };
        let user = connection.user;
        let past = Past::of(source, user, input.time, limit, self.options.login_failure_window);
        source.users.forgive(user);
        let Some(severity) = past.severity() else { return };
        let typed = matches!(method, Method::Password | Method::KeyboardInteractive);
        let severity = if typed { severity } else { severity.min(Severity::Notice) };
        let trusted = connection.facts.has(Facts::TRUSTED);
        let raise = Raise { severity, trusted, ..Raise::new(Kind::SSHDSuccessAfterFailures, input.time) };
        let Some(mut event) = sink.raise(raise) else { return };
        self.describe(connection, &mut event);
        let others = self.sources.get(key).into_iter().flat_map(|source| source.users.since(past.start));
        let others =
            others.filter(|seen| seen.counts.unforgiven > 0 && seen.key != user).map(|seen| seen.key);
        let own = (past.own > 0).then_some(user);
        event
            .count(Field::Count, past.own.saturating_add(past.others))
            .texts(Field::Users, own.into_iter().chain(others).map(|user| self.names.text(user)))
            .count(Field::DistinctUsers, past.users as u64)
            .duration(Field::Window, HOUR)
            .evidence([input.number]);
    }

    /// Counts a connection that did not authenticate in time; how many its source had of late.
    pub(super) fn count_timeout(&mut self, addr: IpAddr, input: &Input<'_>) -> (u64, bool) {
        let key = SourceKey::new(addr, self.options.ipv6_prefix);
        if self.sources.is_full() && self.sources.get(key).is_none() {
            self.evict_source();
        }
        let Some(source) = self.sources.entry(key, input.arrival) else { return (1, false) };
        let timeouts = source.timeouts.get_or_insert_default();
        match timeouts.add(input.time, input.view.entry.repeat, input.number, TIMEOUT_WINDOW) {
            Counted::Within(count) => (count, count >= TIMEOUT_LIMIT),
            Counted::Late => {
                self.stats.late += 1;
                (1, false)
            }
        }
    }

    /// Gives up the source that has been quiet longest.
    pub(super) fn evict_source(&mut self) {
        // What is next in the queue may be due before what was.
        self.quiet_until = Timestamp::MIN;
        if let Some(source) = self.sources.evict() {
            self.stats.evicted += 1;
            clear_source(source, &mut self.names);
        }
    }

    /// Forgets sources and users that have been quiet for long enough.
    pub(super) fn expire_sources(&mut self, now: Timestamp) {
        while let Some(source) = self.sources.expire(now) {
            clear_source(source, &mut self.names);
        }
        while let Some(target) = self.targets.expire(now) {
            clear_target(target, &mut self.names);
        }
    }
}

/// Forgets what is remembered of a source.
pub(super) fn clear_source(source: &mut Source, names: &mut Names) {
    source.failures.clear();
    source.timeouts = None;
    source.attempts.reset();
    source.enumeration.reset();
    source.users.drain().for_each(|user| names.release(user));
}

/// Forgets what is remembered of a user.
pub(super) fn clear_target(target: &mut Target, names: &mut Names) {
    names.release(std::mem::replace(&mut target.user, NameId::NONE));
    target.told = None;
    target.sources.drain().for_each(drop);
}

/// What a source did within the hour before one of its logins.
#[derive(Clone, Copy, Debug)]
struct Past {
    start: Timestamp,
    /// Failures of the user who logs in.
    own: u64,
    /// Failures of other users.
    others: u64,
    /// Different users that it failed for.
    users: usize,
    /// Whether it was over its limit.
    over: bool,
}

impl Past {
    fn of(source: &Source, user: NameId, now: Timestamp, limit: u64, span: Duration) -> Self {
        let start = now.minus(HOUR);
        let (mut own, mut others, mut users) = (0, 0, 0);
        for seen in source.users.since(start).filter(|seen| seen.counts.unforgiven > 0) {
            users += 1;
            *(if seen.key == user { &mut own } else { &mut others }) += u64::from(seen.counts.unforgiven);
        }
        let recent = source.failures.newest().is_some_and(|newest| newest > start);
        let over = source.failures.count(now, span) >= limit || (source.attempts.has_crossed() && recent);
        Self { start, own, others, users, over }
    }

    /// How bad it looks, by a password; nothing when there is nothing to say.
    fn severity(self) -> Option<Severity> {
        let Self { own, others, users, over, .. } = self;
        if others > 0 && (over || users >= SUSPECT_USERS) || own >= GUESSED {
            return Some(Severity::Critical);
        }
        (own >= MISTYPED || (own > 0 && over)).then_some(Severity::Warning)
    }
}
