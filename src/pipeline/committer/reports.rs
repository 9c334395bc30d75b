//! Floor 6: what handlers report, on its way into the journal.
//!
//! Invariant: what is reported is laid out within [`limits::SETTLE_INTERVAL`], and what means trouble becomes an event.

use super::Work;
use crate::event::{Field, Kind};
use crate::journal::{Settled, Standings, State};
use crate::limits;
use crate::time::Timestamp;
use tokio::time::Instant;

impl Work {
    /// Takes note of what handlers report.
    pub(super) fn note(&mut self, settled: Vec<Settled>) {
        self.settle_by.get_or_insert_with(|| Instant::now() + limits::SETTLE_INTERVAL);
        for settled in settled {
            self.look_at(&settled);
            match self.settled.last_mut().filter(|last| continues(last, &settled)) {
                Some(last) => (last.events.end, last.time) = (settled.events.end, settled.time),
                None => self.settled.push(settled),
            }
        }
    }

    /// Raises an event when a report means trouble.
    fn look_at(&mut self, settled: &Settled) {
        let Settled { handler, note, events, .. } = settled;
        let note = note.as_deref().unwrap_or_default();
        let (kind, dead) = match settled.state {
            State::Failed | State::Gathered if settled.attempts >= limits::FAILING_ATTEMPTS => {
                (Kind::ServerHandlerFailing, 0)
            }
            State::Dead => (Kind::ServerDeadLetters, events.end.saturating_sub(events.start)),
            _ => return,
        };
        self.tell_trouble(kind, handler, note, dead);
    }

    /// Raises an event for each handler whose events have been put off for long: where the next attempt is an hour off, no
    /// report would tell.
    pub(super) fn tell_of_stalled(&mut self, now: Timestamp) {
        for (handler, note) in stalled(self.desk.journal.standings(), now) {
            if self.desk.dispatch.has(&handler) {
                self.tell_trouble(Kind::ServerHandlerFailing, &handler, &note, 0);
            }
        }
    }

    /// Raises an event about a handler, unless that was done lately. `fresh` events are given up that the journal does not
    /// know of yet.
    fn tell_trouble(&mut self, kind: Kind, handler: &str, reason: &str, fresh: u64) {
        let now = self.desk.clock.now();
        if !self.health.is_news(kind, handler, now) {
            return;
        }
        let standing = self.desk.journal.standings().get(handler);
        let waiting = standing.map_or(0, |standing| standing.waiting(self.desk.journal.next()));
        let dead = standing.map_or(0, |standing| standing.count(State::Dead)) + fresh;
        let block = self.health.raise(kind, now, |event| {
            event
                .text(Field::Handler, handler.as_bytes())
                .text(Field::Reason, reason.as_bytes())
                .count(Field::Waiting, waiting)
                .count(Field::Dead, dead);
        });
        self.own.push(block);
    }
}

/// The handlers whose deliveries fail often or for long, and why.
fn stalled(standings: &Standings, now: Timestamp) -> Vec<(String, String)> {
    let fails = standings.iter().filter_map(|(name, standing)| Some((name, standing.retry.as_ref()?)));
    let fails = fails.filter(|(_, retry)| retry.is_trouble(now));
    fails.map(|(name, retry)| (name.clone(), retry.note.clone())).collect()
}

/// Whether a report goes on where the one before it ended, with the same.
fn continues(last: &Settled, next: &Settled) -> bool {
    last.handler == next.handler
        && last.events.end == next.events.start
        && (last.state, last.attempts, &last.note) == (next.state, next.attempts, &next.note)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Standing;
    use std::time::Duration;

    #[test]
    fn a_handler_whose_next_attempt_is_far_off_is_known_to_be_stalled() {
        let mut standing = Standing::new(0);
        let note = Some("the limit is reached".to_owned());
        let (handler, time) = ("pager".into(), Timestamp::EPOCH);
        standing.apply(&Settled { handler, events: 0..1, state: State::Failed, attempts: 1, time, note });
        let standings = Standings::from([("idle".into(), Standing::new(0)), ("pager".into(), standing)]);
        let after = |time: Duration| stalled(&standings, Timestamp::EPOCH.plus(time));
        assert!(after(limits::FAILING_TIME - Duration::from_secs(1)).is_empty());
        let expected = [("pager".to_owned(), "the limit is reached".to_owned())];
        assert_eq!(after(limits::FAILING_TIME), expected);
    }
}
