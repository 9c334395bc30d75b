//! Floor 5: takes the events of the journal to one handler, at its own pace.
//!
//! Invariant: the handler sees its events in order; the cursor passes an event only once it is settled, and what settled
//! it is on its way to the journal before the next event is looked at.

mod digests;
mod history;
mod orders;
#[cfg(test)]
mod tests;

pub(super) use history::Recall;
pub use orders::Command;
pub(super) use orders::Orders;

use super::delivery::bounded;
use super::feed::{Chunk, Feed, Next};
use super::marks::Marks;
use super::retry::RetryOptions;
use super::sieve::Sieve;
use super::throttle::Throttle;
use crate::event::EventBlock;
use crate::handlers::{Handler, Selection};
use crate::journal::{Ranges, Settled, Standing, State};
use crate::time::Clock;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    On,
    /// The server stops: what is not settled waits in the journal.
    Stop,
}

/// Takes events to one handler.
pub(super) struct Courier {
    pub(super) name: Arc<str>,
    pub(super) sieve: Sieve,
    pub(super) handler: Box<dyn Handler>,
    pub(super) retry: RetryOptions,
    pub(super) feed: Feed,
    pub(super) orders: Orders,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) reports: mpsc::Sender<Vec<Settled>>,
    pub(super) clock: Arc<dyn Clock>,
    /// Where the handler stands: the same as in the journal, once all reports are there.
    pub(super) standing: Standing,
    /// Events behind the cursor's that an operator does not want delivered when their turn comes.
    pub(super) unwanted: Ranges,
    /// What is still to be taken up from the journal.
    pub(super) recall: Option<Recall>,
    pub(super) failures: Throttle,
}

/// Where the events of a delivery stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At the cursor, which they move.
    Cursor,
    /// Before it: an operator wants them sent again.
    Before,
}

impl Courier {
    /// Works until the server stops.
    pub(super) async fn work(mut self) {
        let mut flow = Flow::On;
        while flow == Flow::On {
            flow = self.step().await;
        }
    }

    async fn step(&mut self) -> Flow {
        if let Some(recall) = self.recall {
            return self.take_up(recall).await;
        }
        let requeued = self.standing.requeued.iter().next();
        if let Some(range) = requeued {
            return self.again(range).await;
        }
        let due = self.digest_due();
        let wait = due.map_or(Duration::MAX, |due| due.since(self.clock.now()));
        tokio::select! {
            biased;
            Some(command) = self.orders.next() => self.obey(command, None).await,
            () = tokio::time::sleep(wait), if due.is_some() => self.send_digest().await,
            next = self.feed.next(self.standing.cursor) => match next {
                Next::Chunk(chunk) => self.take(chunk).await,
                Next::Gap(end, why) => self.pass_over(end, &why).await,
                Next::Trouble(why) => self.unreadable(self.standing.cursor, &why).await,
                Next::End => Flow::Stop,
            },
        }
    }

    /// Takes the events of a chunk from the cursor on.
    async fn take(&mut self, chunk: Chunk) -> Flow {
        let first = self.standing.cursor.max(chunk.first);
        let index = usize::try_from(first - chunk.first).unwrap_or(usize::MAX);
        let now = self.clock.now();
        let events = (first..).zip(chunk.block.iter().skip(index));
        let states = events.map(|(seq, event)| match self.unwanted.contains(seq) {
            true => Some(State::Dropped),
            false => self.sieve.take(seq, event, now),
        });
        let mut marks = Marks::new(&self.name, first, offset(index), states);
        if let Some(retry) = &self.standing.retry {
            marks.resume(retry);
        }
        self.unwanted.take(&(0..chunk.end()));
        let flow = self.deliver(&chunk.block, marks, Place::Cursor).await;
        debug_assert!(flow == Flow::Stop || self.standing.cursor >= chunk.end(), "the chunk is settled");
        flow
    }

    /// Delivers what is pending, again and again, until all is settled or the server stops.
    async fn deliver(&mut self, block: &Arc<EventBlock>, mut marks: Marks, place: Place) -> Flow {
        loop {
            let mut indices = marks.pending();
            if indices.is_empty() {
                return self.report(block, &mut marks, place).await;
            }
            indices.truncate(self.handler.most());
            let events = Selection { block: Arc::clone(block), indices };
            let begun = self.clock.now();
            let outcomes = bounded(&mut *self.handler, &events, self.retry.deadline).await;
            let failed = outcomes.iter().any(|outcome| outcome.is_temporary());
            let rest = marks.take(outcomes, begun);
            marks.give_up(self.clock.now(), self.retry.give_up);
            if let Some(why) = marks.trouble() {
                self.complain(marks.pending().len() as u64, why);
            }
            if self.report(block, &mut marks, place).await == Flow::Stop {
                return Flow::Stop;
            }
            let attempts = marks.attempts();
            if failed && attempts > 0 && self.wait(attempts, rest, Some(&mut marks)).await == Flow::Stop {
                return Flow::Stop;
            }
        }
    }

    /// Tells the journal what is settled, and what failed.
    async fn report(&mut self, block: &Arc<EventBlock>, marks: &mut Marks, place: Place) -> Flow {
        let now = self.clock.now();
        let mut runs = marks.settled(now);
        if place == Place::Cursor {
            // What lies before it, an operator has settled meanwhile.
            runs.retain(|run| run.events.end > self.standing.cursor);
        }
        for run in runs.iter().filter(|run| run.state == State::Dead) {
            marks.events(block, run).for_each(|event| self.sieve.failed(event));
        }
        runs.extend(marks.failed(now));
        self.send(runs).await
    }

    async fn send(&mut self, runs: Vec<Settled>) -> Flow {
        runs.iter().for_each(|run| self.standing.apply(run));
        if runs.is_empty() || self.reports.send(runs).await.is_ok() { Flow::On } else { Flow::Stop }
    }

    fn complain(&mut self, count: u64, why: &str) {
        if let Some(events) = self.failures.note(count) {
            tracing::warn!(
                handler = &*self.name,
                events,
                why,
                "events wait: a handler could not deliver them"
            );
        }
    }

    /// Waits before the next attempt, and does meanwhile what operators want. Only who wants that very attempt, or drops
    /// some of what it is about, shortens the pause, and never to less than what the other side asked for.
    async fn wait(&mut self, attempts: u32, rest: Duration, mut marks: Option<&mut Marks>) -> Flow {
        let pause = self.retry.any_pause(attempts).min(self.handler.patience()).max(rest);
        let now = Instant::now();
        let (earliest, mut until) = (now + rest, now + pause);
        let mut left = self.left(marks.as_deref());
        loop {
            let command = tokio::select! {
                () = tokio::time::sleep_until(until) => return Flow::On,
                Some(command) = self.orders.next() => command,
                () = stopped(&mut self.stop) => return Flow::Stop,
            };
            let is_wake = matches!(command, Command::Wake);
            if self.obey(command, marks.as_deref_mut()).await == Flow::Stop {
                return Flow::Stop;
            }
            let before = std::mem::replace(&mut left, self.left(marks.as_deref()));
            if is_wake || left < before {
                until = if left == 0 { Instant::now() } else { until.min(earliest) };
            }
        }
    }

    /// How much there is to try again: of a delivery, or of a digest.
    fn left(&self, marks: Option<&Marks>) -> u64 {
        marks.map_or(self.standing.gathered.len(), |marks| marks.pending().len() as u64)
    }

    fn warn_of_trouble(&mut self, why: &str) {
        if self.failures.note(1).is_some() {
            tracing::warn!(handler = &*self.name, why, "events wait: the journal cannot be read at present");
        }
    }

    /// The journal cannot be read at present: an attempt that failed for the event whose turn it is, for none is lost by
    /// that.
    async fn unreadable(&mut self, seq: u64, why: &str) -> Flow {
        let before = self.standing.retry.as_ref().filter(|retry| retry.first == seq);
        let attempts = before.map_or(0, |retry| retry.attempts).saturating_add(1);
        self.warn_of_trouble(why);
        let (handler, time) = (Arc::clone(&self.name), self.clock.now());
        let note = Some(format!("the journal cannot be read: {why}"));
        let failed = Settled { handler, events: seq..seq + 1, state: State::Failed, attempts, time, note };
        match self.send(vec![failed]).await {
            Flow::On => self.wait(attempts, Duration::ZERO, None).await,
            Flow::Stop => Flow::Stop,
        }
    }

    /// Gives up events that cannot be read any more.
    async fn pass_over(&mut self, end: u64, why: &str) -> Flow {
        let events = self.standing.cursor..end;
        tracing::error!(
            handler = &*self.name,
            first = events.start,
            end,
            why,
            "events of the journal cannot be read"
        );
        self.settle(events, State::Dead, format!("the event cannot be read: {why}")).await
    }

    async fn settle(&mut self, events: Range<u64>, state: State, note: String) -> Flow {
        let run = self.run(events, state, &note);
        self.send(vec![run]).await
    }

    /// What happens to events now, without an attempt.
    fn run(&self, events: Range<u64>, state: State, note: &str) -> Settled {
        let (handler, time) = (Arc::clone(&self.name), self.clock.now());
        Settled { handler, events, state, attempts: 0, time, note: Some(note.to_owned()) }
    }

    /// Delivers events before the cursor once more, whatever the filter and the storm control would say.
    async fn again(&mut self, range: Range<u64>) -> Flow {
        let mut at = range.start;
        self.feed.behind = None;
        while at < range.end {
            match self.feed.reread(at) {
                Next::Chunk(chunk) => {
                    let skipped = usize::try_from(at.saturating_sub(chunk.first)).unwrap_or(usize::MAX);
                    let left = usize::try_from(range.end.saturating_sub(at)).unwrap_or(usize::MAX);
                    let states = chunk.block.iter().skip(skipped).take(left).map(|_| None);
                    let marks = Marks::new(&self.name, at, offset(skipped), states);
                    at = chunk.end();
                    if self.deliver(&chunk.block, marks, Place::Before).await == Flow::Stop {
                        return Flow::Stop;
                    }
                }
                Next::Gap(end, why) => {
                    let end = end.min(range.end).max(at + 1);
                    let note = format!("the event cannot be read: {why}");
                    if self.settle(at..end, State::Dead, note).await == Flow::Stop {
                        return Flow::Stop;
                    }
                    at = end;
                }
                Next::Trouble(why) => {
                    if self.unreadable(at, &why).await == Flow::Stop {
                        return Flow::Stop;
                    }
                }
                Next::End => return Flow::Stop,
            }
        }
        self.feed.behind = None;
        Flow::On
    }
}

/// Waits until the server stops.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that whoever would say so has gone.
    drop(stop.wait_for(|stop| *stop).await);
}

/// An index in a block; blocks are far smaller than the largest.
fn offset(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
