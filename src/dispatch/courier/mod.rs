//! Floor 5: takes the events of the journal to one handler, at its own pace.
//!
//! Invariant: the handler sees its events in order; the cursor passes an event only once it is settled, or waits apart
//! because others behind it are; and what settled it is on its way to the journal before the next block is looked at.

mod digests;
mod history;
mod orders;
#[cfg(test)]
mod tests;
mod unwanted;

pub(super) use history::Recall;
pub use orders::Command;
pub(super) use orders::Orders;
pub(super) use unwanted::Unwanted;

use super::delivery::bounded;
use super::feed::{Chunk, Feed, Next};
use super::marks::{Marks, Upto};
use super::retry::RetryOptions;
use super::sieve::Sieve;
use super::steady::{Age, Alarm};
use super::warnings::Warnings;
use crate::event::EventBlock;
use crate::handlers::{Handler, Selection};
use crate::journal::{Retry, Settled, Standing, State};
use crate::limits;
use crate::time::Clock;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Why dead letters are dropped that nobody asked for.
const SURPLUS: &str = "there were too many dead letters apart from each other";

/// Why events of a backlog are held back.
const BACKLOG: &str =
    "it is of lines that stood in their file before it was followed, and `deliver_backlog` is off";

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
    /// The delivery that an earlier run tried last.
    pub(super) inherited: Option<Retry>,
    /// Events behind the cursor's that an operator does not want delivered when their turn comes.
    pub(super) unwanted: Unwanted,
    /// When the digest is due.
    pub(super) alarm: Alarm,
    /// How often the digest that is due was tried, and for how long.
    pub(super) tried: Option<(u32, Age)>,
    /// What is still to be taken up from the journal.
    pub(super) recall: Option<Recall>,
    pub(super) warnings: Warnings,
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
        if let Some(first) = self.standing.requeued.first() {
            return self.again(first).await;
        }
        let due = self.digest_due();
        let wait = due.unwrap_or_else(Instant::now);
        tokio::select! {
            biased;
            Some(command) = self.orders.next() => self.obey(command, None).await,
            () = tokio::time::sleep_until(wait), if due.is_some() => self.send_digest().await,
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
        let states = events.map(|(seq, event)| match self.unwanted.at(seq) {
            Some(_) => self.sieve.refuse(event),
            None => self.sieve.take(seq, event, now),
        });
        let mut marks = Marks::new(&self.name, first, offset(index), states);
        let is_held = |event| self.sieve.holds(event);
        marks.explain(chunk.block.iter().skip(index).map(is_held), BACKLOG);
        self.alarm.at(self.sieve.due(), now);
        self.unwanted.iter().for_each(|(range, reason)| marks.drop(range, reason));
        self.unwanted.forget(chunk.end());
        let flow = self.deliver(&chunk.block, marks).await;
        debug_assert!(flow == Flow::Stop || self.standing.cursor >= chunk.end(), "the chunk is settled");
        flow
    }

    /// Delivers what is pending, again and again, until all is settled or the server stops.
    async fn deliver(&mut self, block: &Arc<EventBlock>, mut marks: Marks) -> Flow {
        if let Some(retry) = &self.inherited {
            marks.resume(retry, self.clock.now());
        }
        loop {
            let mut indices = marks.pending();
            if indices.is_empty() {
                return self.report(block, &mut marks, Upto::Pending).await;
            }
            indices.truncate(self.handler.most());
            let events = Selection { block: Arc::clone(block), indices };
            let begun = Age::begin();
            let outcomes = bounded(&mut *self.handler, &events, self.retry.deadline).await;
            let failed = outcomes.iter().any(|outcome| outcome.is_temporary());
            self.warnings.refusals(&outcomes);
            let rest = marks.take(outcomes, begun);
            marks.give_up(self.retry.give_up);
            if let Some(why) = marks.trouble() {
                self.warnings.waits(marks.pending().len() as u64, why);
            }
            let upto = if failed { Upto::Last } else { Upto::Pending };
            if self.report(block, &mut marks, upto).await == Flow::Stop {
                return Flow::Stop;
            }
            if failed && self.pause(block, &mut marks, rest).await == Flow::Stop {
                return Flow::Stop;
            }
        }
    }

    /// Waits before the next attempt. What is to be given up before the other side wants to be tried again is given up in
    /// its time, without an attempt.
    async fn pause(&mut self, block: &Arc<EventBlock>, marks: &mut Marks, rest: Duration) -> Flow {
        let end = Instant::now() + rest;
        loop {
            let rest = end.saturating_duration_since(Instant::now());
            // What has not been tried yet need not wait for what has been given up, only for the other side.
            if marks.pending().is_empty() || marks.attempts() == 0 && rest.is_zero() {
                return Flow::On;
            }
            let left = marks.left(self.retry.give_up);
            if self.wait(marks.attempts(), rest.min(left), Some(marks)).await == Flow::Stop {
                return Flow::Stop;
            }
            if rest <= left {
                return Flow::On;
            }
            marks.give_up(self.retry.give_up);
            if self.report(block, marks, Upto::Last).await == Flow::Stop {
                return Flow::Stop;
            }
        }
    }

    /// Tells the journal what is settled, and what failed.
    async fn report(&mut self, block: &Arc<EventBlock>, marks: &mut Marks, upto: Upto) -> Flow {
        let now = self.clock.now();
        let mut runs = marks.settled(upto, now);
        for run in runs.iter().filter(|run| run.state == State::Dead) {
            marks.events(block, run).for_each(|event| self.sieve.failed(event));
            let first = marks.events(block, run).next().map(|event| event.id());
            let count = run.events.end - run.events.start;
            self.warnings.given_up(count, first, run.note.as_deref().unwrap_or_default());
        }
        runs.extend(marks.failed(now));
        self.send(runs).await
    }

    async fn send(&mut self, mut runs: Vec<Settled>) -> Flow {
        runs.iter().for_each(|run| self.standing.apply(run));
        let surplus = self.surplus();
        surplus.iter().for_each(|run| self.standing.apply(run));
        runs.extend(surplus);
        if runs.is_empty() || self.reports.send(runs).await.is_ok() { Flow::On } else { Flow::Stop }
    }

    /// Drops the oldest dead letters when they lie in so many pieces that the books would grow without bound.
    fn surplus(&self) -> Vec<Settled> {
        let pieces = self.standing.dead.spans();
        if pieces <= limits::MAX_DEAD_RANGES {
            return Vec::new();
        }
        let oldest = self.standing.dead.iter().take(pieces - limits::KEPT_DEAD_RANGES);
        let runs: Vec<_> = oldest.map(|range| self.run(range, State::Dropped, SURPLUS)).collect();
        let events: u64 = runs.iter().map(|run| run.events.end - run.events.start).sum();
        tracing::error!(handler = &*self.name, events, "the oldest dead letters are dropped: {SURPLUS}");
        runs
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

    /// The journal cannot be read at present: an attempt that failed for the event whose turn it is, for none is lost by
    /// that.
    async fn unreadable(&mut self, seq: u64, why: &str) -> Flow {
        if let Some((unwanted, reason)) = self.unwanted.at(seq) {
            return self.settle(seq..unwanted.end, State::Dropped, reason.to_string()).await;
        }
        let before = self.standing.retry.as_ref().filter(|retry| retry.first == seq);
        let attempts = before.map_or(0, |retry| retry.attempts).saturating_add(1);
        self.warnings.unreadable(why);
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
        if let Some((unwanted, reason)) = self.unwanted.at(events.start) {
            return self
                .settle(events.start..unwanted.end.min(end), State::Dropped, reason.to_string())
                .await;
        }
        self.warnings.lost_to_damage(&events, why);
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

    /// Delivers what waits before the cursor, whatever the filter and the storm control would say: the events of a block
    /// together, as far as they wait.
    async fn again(&mut self, first: u64) -> Flow {
        let flow = match self.feed.reread(first) {
            Next::Chunk(chunk) => {
                let skipped = usize::try_from(first.saturating_sub(chunk.first)).unwrap_or(usize::MAX);
                let passed = first..chunk.end().min(self.standing.cursor);
                let waits = passed.map(|seq| self.standing.requeued.contains(seq));
                let marks = Marks::again(&self.name, first, offset(skipped), waits);
                self.deliver(&chunk.block, marks).await
            }
            Next::Gap(end, why) => {
                let mut waiting = self.standing.requeued.clone();
                let lost = waiting.take(&(first..end));
                self.warnings.lost_to_damage(&(first..end), &why);
                let note = format!("the event cannot be read: {why}");
                let runs = lost.iter().map(|range| self.run(range, State::Dead, &note)).collect();
                self.send(runs).await
            }
            Next::Trouble(why) => self.unreadable(first, &why).await,
            Next::End => Flow::Stop,
        };
        if self.standing.requeued.is_empty() {
            // What comes next may stand far behind.
            self.feed.behind = None;
        }
        flow
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
