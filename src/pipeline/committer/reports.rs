//! Floor 6: what handlers report, on its way into the journal.
//!
//! Invariant: what is reported is laid out within [`limits::SETTLE_INTERVAL`], and what means trouble becomes an event.

use super::Work;
use crate::event::{Field, Kind};
use crate::journal::{Settled, State};
use crate::limits;
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
        let kind = match settled.state {
            State::Failed | State::Gathered if settled.attempts >= limits::FAILING_ATTEMPTS => {
                Kind::ServerHandlerFailing
            }
            State::Dead => Kind::ServerDeadLetters,
            _ => return,
        };
        let now = self.desk.clock.now();
        if !self.health.is_news(kind, &settled.handler, now) {
            return;
        }
        let standing = self.desk.journal.standings().get(&*settled.handler);
        let waiting = standing.map_or(0, |standing| standing.waiting(self.desk.journal.next()));
        let dead = standing.map_or(0, |standing| standing.count(State::Dead));
        let dead = dead + settled.events.end.saturating_sub(settled.events.start);
        let block = self.health.raise(kind, now, |event| {
            event
                .text(Field::Handler, settled.handler.as_bytes())
                .text(Field::Reason, settled.note.as_deref().unwrap_or_default().as_bytes())
                .count(Field::Waiting, waiting)
                .count(Field::Dead, dead);
        });
        self.own.push(block);
    }
}

/// Whether a report goes on where the one before it ended, with the same.
fn continues(last: &Settled, next: &Settled) -> bool {
    last.handler == next.handler
        && last.events.end == next.events.start
        && (last.state, last.attempts, &last.note) == (next.state, next.attempts, &next.note)
}
