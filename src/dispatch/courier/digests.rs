//! Floor 5: digests: what was gathered goes as one message, and all of it is settled as one.

use super::{Courier, Flow};
use crate::dispatch::delivery::bounded_digest;
use crate::dispatch::marks::Marks;
use crate::dispatch::steady::Age;
use crate::event::EventId;
use crate::handlers::{Gathered, Outcome, Selection};
use crate::journal::{EventReader, Page, Settled, State};
use crate::limits;
use crate::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

impl Courier {
    /// When the digest is due, if anything is gathered: at its time, or as soon as it lies in too many pieces.
    pub(super) fn digest_due(&mut self) -> Option<Instant> {
        let due = self.alarm.at(self.sieve.due(), self.clock.now())?;
        let has_room = self.standing.gathered.spans() < limits::MAX_GATHERED_RANGES;
        Some(if has_room { due } else { Instant::now() })
    }

    /// Sends the digest if it is due, again and again, until it is settled or the server stops.
    pub(super) async fn send_digest(&mut self) -> Flow {
        let is_due = self.digest_due().is_some_and(|due| due <= Instant::now());
        let Some(digest) = is_due.then(|| self.sieve.digest(Timestamp::MAX)).flatten() else {
            return Flow::On;
        };
        let shown = self.shown(&digest.shown());
        let gathered = Gathered::new(digest, shown);
        let first = gathered.events().next().map(|event| event.id());
        let (mut attempts, age) = self.tried.unwrap_or_else(|| (0, Age::begin()));
        loop {
            attempts = attempts.saturating_add(1);
            self.tried = Some((attempts, age));
            let outcome = bounded_digest(&mut *self.handler, &gathered, self.retry.deadline).await;
            self.warnings.refusals(std::slice::from_ref(&outcome));
            let gives_up = age.get() >= self.retry.give_up;
            let (state, note, rest) = match outcome {
                Outcome::Delivered => (State::Digested, None, Duration::ZERO),
                Outcome::Accepted(what) | Outcome::Partial { note: what, .. } => {
                    (State::Digested, Some(what), Duration::ZERO)
                }
                Outcome::Permanent(why) => (State::Dead, Some(why), Duration::ZERO),
                Outcome::Temporary(why) if gives_up => (State::Dead, Some(why), Duration::ZERO),
                Outcome::Deferred(why, _) if gives_up => (State::Dead, Some(why), Duration::ZERO),
                Outcome::Temporary(why) => (State::Gathered, Some(why), Duration::ZERO),
                Outcome::Deferred(why, rest) => (State::Gathered, Some(why), rest),
            };
            if self.settle_gathered(state, attempts, note.as_deref(), first).await == Flow::Stop {
                return Flow::Stop;
            }
            if state != State::Gathered || self.standing.gathered.is_empty() {
                self.tried = None;
                return Flow::On;
            }
            let waiting = self.standing.gathered.len();
            let left = self.retry.give_up.saturating_sub(age.get());
            if self.wait(attempts, rest.min(left), None::<&mut Marks>).await == Flow::Stop {
                return Flow::Stop;
            }
            if self.standing.gathered.len() != waiting {
                // An operator has dropped some of it: what is left has been gathered anew.
                return Flow::On;
            }
            if rest > left {
                // The other side wants to be left alone for longer than an attempt makes sense.
                self.tried = None;
                return self.settle_gathered(State::Dead, attempts, note.as_deref(), first).await;
            }
        }
    }

    /// Tells the journal what became of all that is gathered; `first` is the first event of it.
    async fn settle_gathered(
        &mut self,
        state: State,
        attempts: u32,
        note: Option<&str>,
        first: Option<EventId<'_>>,
    ) -> Flow {
        let time = self.clock.now();
        let (count, why) = (self.standing.gathered.len(), note.unwrap_or_default());
        if state == State::Gathered {
            self.warnings.waits(count, why);
        }
        if state == State::Dead {
            self.warnings.given_up(count, first, why);
        }
        let run = |events| Settled {
            handler: Arc::clone(&self.name),
            events,
            state,
            attempts,
            time,
            note: note.map(str::to_owned),
        };
        let runs = self.standing.gathered.iter().map(run).collect();
        self.send(runs).await
    }

    /// The events with these sequence numbers, as far as the journal can be read.
    fn shown(&self, seqs: &[u64]) -> Vec<(u64, Selection)> {
        let (Some(first), Some(last)) = (seqs.iter().min(), seqs.iter().max()) else { return Vec::new() };
        let Ok(mut reader) = EventReader::open(&self.feed.data, *first) else { return Vec::new() };
        let mut shown = Vec::new();
        while let Ok(Some(page)) = reader.next_page() {
            let Page::Events { first, block, .. } = page else { continue };
            if first > *last {
                break;
            }
            let block = Arc::new(block);
            for seq in seqs {
                let index = seq.checked_sub(first).and_then(|index| u32::try_from(index).ok());
                if let Some(index) = index.filter(|index| (*index as usize) < block.len()) {
                    shown.push((*seq, Selection { block: Arc::clone(&block), indices: vec![index] }));
                }
            }
        }
        shown
    }
}
