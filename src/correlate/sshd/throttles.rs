//! Floor 3: hosts whose sshd drops connections: told of at most once in a while, with how many were dropped.
//!
//! Invariant: each dropped connection is told of once, or its source is ignored.

use super::connection::Facts;
use super::network::standing;
use super::sources::Throttle;
use super::{Input, Module};
use crate::correlate::sink::{Raise, Sink};
use crate::detect::Kind as Message;
use crate::event::{Field, Kind};
use crate::time::Timestamp;
use std::time::Duration;

/// How long a host that drops connections is not told of again.
pub(super) const THROTTLE_PAUSE: Duration = Duration::from_secs(600);

impl Module {
    /// Takes connections that sshd dropped: tells once for a host within a while, and holds the others until then.
    pub(super) fn dropped(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        let (entry, view) = (input.view.entry, input.view);
        let facts = entry.addr.map(|addr| standing(&self.options, addr)).unwrap_or_default();
        if facts.has(Facts::IGNORED) {
            self.ignored = true;
            return;
        }
        let dropped =
            if entry.kind == Message::ConnectionDropped { u64::from(entry.repeat) } else { entry.number };
        self.make_name_room();
        let host = self.names.hold(entry.host.hash, view.host());
        if self.throttles.is_full() && self.throttles.get(host).is_none() {
            self.stats.evicted += 1;
            self.quiet_until = Timestamp::MIN;
            if let Some(gone) = self.throttles.evict().map(std::mem::take) {
                self.tell_held(gone, input.time, sink);
            }
        }
        let Some(throttle) = self.throttles.entry(host, input.arrival) else { return };
        self.names.replace(&mut throttle.host, host);
        throttle.trusted = facts.has(Facts::TRUSTED) && (throttle.trusted || throttle.dropped == 0);
        throttle.dropped = throttle.dropped.saturating_add(dropped);
        (throttle.last, throttle.number) = (input.arrival, input.number);
        if throttle.told.is_some_and(|told| input.time < told.plus(THROTTLE_PAUSE)) {
            return;
        }
        throttle.told = Some(input.time);
        let dropped = std::mem::take(&mut throttle.dropped);
        if let Some(mut event) = self.tell_record(Kind::SSHDThrottled, None, input, sink) {
            event.text(Field::Reason, view.detail(0));
            if dropped > 0 {
                event.count(Field::Dropped, dropped);
            }
        }
    }

    /// Forgets hosts that have dropped nothing for a while.
    pub(super) fn expire_throttles(&mut self, now: Timestamp, sink: &mut Sink<'_>) {
        while let Some(gone) = self.throttles.expire(now).map(std::mem::take) {
            let deadline = gone.last.plus(THROTTLE_PAUSE);
            self.tell_held(gone, deadline, sink);
        }
    }

    /// Forgets all hosts when the input ends.
    pub(super) fn end_throttles(&mut self, last: Timestamp, sink: &mut Sink<'_>) {
        while let Some(gone) = self.throttles.evict().map(std::mem::take) {
            self.tell_held(gone, last, sink);
        }
    }

    /// Tells what a host dropped since it was last told of, and lets go of it.
    fn tell_held(&mut self, gone: Throttle, time: Timestamp, sink: &mut Sink<'_>) {
        let Throttle { host, dropped, trusted, number, .. } = gone;
        if dropped > 0
            && let Some(mut event) = sink.raise(Raise { trusted, ..Raise::new(Kind::SSHDThrottled, time) })
        {
            event
                .text(Field::Host, self.names.text(host))
                .flag(Field::Trusted, trusted)
                .count(Field::Dropped, dropped)
                .evidence([number]);
        }
        self.names.release(host);
    }
}
