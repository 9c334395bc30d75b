//! Floor 3: hosts that no longer speak.
//!
//! A host is expected to go on speaking once it has spoken for as long as it may be silent: so neither a name that came up
//! once nor a sender that makes names up is told of.
//!
//! Invariant: silence is told in the order of the deadlines, and of names where those are equal.

use super::{Heard, Host, Hosts};
use crate::correlate::names::NameId;
use crate::correlate::sink::{Raise, Sink};
use crate::detect::senders;
use crate::event::{Event, Field, Kind, Value};
use crate::limits;
use crate::time::Timestamp;
use std::time::Duration;

/// A host that is silent.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Silent {
    deadline: Timestamp,
    name: Box<[u8]>,
    heard: Timestamp,
}

impl Silent {
    fn tell(&self, sink: &mut Sink<'_>) {
        let Self { deadline, name, heard } = self;
        if let Some(mut event) = sink.raise(Raise::new(Kind::HostSilent, *deadline)) {
            event
                .text(Field::Host, name)
                .time(Field::Finish, *heard)
                .duration(Field::Silence, deadline.since(*heard));
        }
    }
}

impl Hosts {
    /// The time between two records of a host of which the second is worth keeping.
    pub(super) fn grain(&self) -> Duration {
        let part = |time: Duration| (time / limits::SILENCE_GRAINS).max(Duration::from_secs(1));
        self.options.silent_after.map_or(limits::HOST_GRAIN, part)
    }

    /// When a host becomes silent, or else is forgotten.
    pub(super) fn deadline(&self, host: &Host) -> Timestamp {
        let latest = host.heard.plus(self.grain());
        let is_passing = !host.is_silent && latest.since(host.since) < limits::HOST_PROBATION;
        match self.options.silent_after {
            Some(time) if self.is_expected(host) => latest.plus(time),
            _ if is_passing => latest.plus(limits::HOST_PROBATION),
            _ => latest.plus(limits::HOST_MEMORY),
        }
    }

    /// Looks at a host no later than at its deadline.
    pub(super) fn schedule(&mut self, id: NameId) {
        let Some(host) = self.host(id) else { return };
        let (due, deadline) = (host.due, self.deadline(host));
        if deadline < due {
            self.due.remove(&(due, id));
            self.due.insert((deadline, id));
            if let Some(host) = self.host_mut(id) {
                host.due = deadline;
            }
        }
    }

    /// Begins a run: nobody can have been heard before it, so nobody was silent either.
    pub(in crate::correlate) fn resume(&mut self, now: Timestamp) {
        self.unwatched = 0;
        let now = now.second();
        let ids: Vec<NameId> = self.due.iter().map(|(_, id)| *id).collect();
        for id in ids {
            if let Some(host) = self.host_mut(id).filter(|host| !host.is_silent) {
                host.heard = host.heard.max(now);
            }
            self.put_off(id);
        }
    }

    /// Takes note that a known host goes on speaking; whether that is worth keeping.
    pub(super) fn goes_on(&mut self, id: NameId, heard: &Heard<'_>, sink: &mut Sink<'_>) -> bool {
        let grain = self.grain();
        let Some(host) = self.host(id) else { return false };
        let (was_silent, last) = (host.is_silent, host.heard);
        if !was_silent && heard.now < last.plus(grain) {
            return false;
        }
        if was_silent {
            self.mark(id, false);
            self.tell_back(heard, last, sink);
        }
        if let Some(host) = self.host_mut(id) {
            host.heard = heard.now;
        }
        self.schedule(id);
        true
    }

    /// Whether nothing can be due by now.
    #[inline]
    pub(in crate::correlate) fn is_quiet(&self, now: Timestamp) -> bool {
        self.due.first().is_none_or(|(due, _)| now.second() < *due)
    }

    /// Tells of the hosts that are silent by now, and forgets those that have been so for long.
    pub(in crate::correlate) fn fire(&mut self, now: Timestamp, sink: &mut Sink<'_>) {
        let now = now.second();
        let mut silent = Vec::new();
        while let Some((_, id)) = self.due.first().copied().filter(|(due, _)| *due <= now) {
            let Some((host, deadline)) = self.host(id).map(|host| (host, self.deadline(host))) else { break };
            if deadline > now {
                self.put_off(id);
            } else if self.is_expected(host) {
                silent.push(Silent { deadline, name: self.names.text(id).into(), heard: host.heard });
                self.mark(id, true);
                self.put_off(id);
            } else {
                self.forget(id);
            }
        }
        silent.sort_unstable();
        for silent in silent.iter().filter(|silent| self.is_watched(&silent.name)) {
            silent.tell(sink);
        }
    }

    /// Looks at a host again at its deadline.
    pub(super) fn put_off(&mut self, id: NameId) {
        if let Some(host) = self.host_mut(id) {
            let due = std::mem::replace(&mut host.due, Timestamp::MAX);
            self.due.remove(&(due, id));
            self.schedule(id);
        }
    }

    /// Whether a host is told of when it falls silent.
    fn is_expected(&self, host: &Host) -> bool {
        let time = self.options.silent_after;
        time.is_some_and(|time| !host.is_silent && host.heard.since(host.since) >= time)
    }

    /// Whether it is told that a host of this name is silent, or back. Options change: one that fell silent when it was
    /// told may be back when it is not.
    pub(super) fn is_watched(&self, name: &[u8]) -> bool {
        self.options.silent_after.is_some() && senders::is_any(&self.options.watched, name)
    }

    /// Tells that a host speaks again, which was last heard then.
    pub(super) fn tell_back(&self, heard: &Heard<'_>, last: Timestamp, sink: &mut Sink<'_>) {
        if !self.is_watched(heard.host) {
            return;
        }
        if let Some(mut event) = sink.raise(Raise::new(Kind::HostBack, heard.arrival)) {
            event
                .text(Field::Host, heard.host)
                .text(Field::Peer, heard.origin.peer.as_bytes())
                .duration(Field::Silence, heard.arrival.since(last))
                .evidence([heard.position]);
        }
    }

    /// Takes what was told after the state was saved, where the records are gone.
    pub(in crate::correlate) fn absorb(&mut self, event: Event<'_>, now: Timestamp) {
        let now = now.second();
        let Value::Text(name) = event.get(Field::Host) else { return };
        let Some(id) = self.names.find_named(name) else { return };
        let kind = event.kind();
        if matches!(kind, Kind::HostSilent | Kind::HostBack) {
            self.mark(id, kind == Kind::HostSilent);
        }
        let Some(host) = self.host_mut(id) else { return };
        match kind {
            Kind::HostBack => host.heard = now,
            Kind::HostClockWrong => host.clock_told = Some(now),
            _ => {}
        }
        self.put_off(id);
    }
}
