//! Floor 5: what becomes of the events of one block in one handler, event by event, until all of it is in the journal.
//!
//! Invariant: runs are told in the order of the events, each event once as settled. What is settled behind events that
//! wait is told as soon as one of them has failed; those are told to wait apart from the cursor, which passes them.

use super::steady::Age;
use crate::event::{Event, EventBlock};
use crate::handlers::Outcome;
use crate::journal::{Retry, Settled, State};
use crate::time::Timestamp;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Why an event is told to wait apart.
const OVERTAKEN: &str = "it waits for its next attempt; others behind it are settled";

/// What became of one event.
#[derive(Clone, Debug, Default)]
struct Mark {
    /// Nothing yet, while it is to be delivered.
    state: Option<State>,
    attempts: u32,
    /// For how long it has been tried.
    age: Option<Age>,
    note: Option<Arc<str>>,
    told: Told,
}

/// What the journal has been told of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Told {
    #[default]
    Nothing,
    /// That it waits, while others behind it are settled.
    Waits,
    Settled,
}

/// How much of what is settled is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upto {
    /// What stands before the first event that is pending.
    Pending,
    /// All that was delivered, given up or dropped.
    Last,
}

impl Mark {
    /// Whether the same is to be told of both.
    fn is_like(&self, other: &Self) -> bool {
        (self.state, self.attempts, &self.note) == (other.state, other.attempts, &other.note)
    }

    /// Whether it is worth being told before its turn: a filter would leave it out again.
    fn is_news(&self) -> bool {
        let state = self.state.filter(|_| self.told != Told::Settled);
        matches!(state, Some(State::Delivered | State::Dead | State::Dropped))
    }

    /// What is to be told of it next.
    fn news(&self) -> Option<State> {
        match (self.state, self.told) {
            (Some(state), Told::Nothing | Told::Waits) => Some(state),
            (None, Told::Nothing) => Some(State::Requeued),
            (None, Told::Waits) | (_, Told::Settled) => None,
        }
    }
}

/// What became of the events of a block, from one of them on.
#[derive(Debug)]
pub(super) struct Marks {
    handler: Arc<str>,
    /// Sequence number of the first.
    first: u64,
    /// Index in the block of the first.
    skipped: u32,
    marks: Vec<Mark>,
    /// How many at the front are settled, and told to be.
    done: usize,
}

impl Marks {
    /// Begins with the states of those that are not to be delivered.
    pub(super) fn new(
        handler: &Arc<str>,
        first: u64,
        skipped: u32,
        states: impl Iterator<Item = Option<State>>,
    ) -> Self {
        let marks = states.map(|state| Mark { state, ..Mark::default() }).collect();
        Self { handler: Arc::clone(handler), first, skipped, marks, done: 0 }
    }

    /// Says why those are suppressed of which that is known.
    pub(super) fn explain(&mut self, which: impl Iterator<Item = bool>, why: &str) {
        let mut note = None;
        for (mark, _) in self.marks.iter_mut().zip(which).filter(|(_, is_one)| *is_one) {
            if mark.state == Some(State::Suppressed) {
                mark.note = Some(Arc::clone(note.get_or_insert_with(|| Arc::from(why))));
            }
        }
    }

    /// Begins with events that were passed before: those that wait are to be delivered, the others are none of its
    /// business.
    pub(super) fn again(
        handler: &Arc<str>,
        first: u64,
        skipped: u32,
        waits: impl Iterator<Item = bool>,
    ) -> Self {
        let marks = waits.map(|waits| match waits {
            true => Mark { told: Told::Waits, ..Mark::default() },
            false => Mark { state: Some(State::Skipped), told: Told::Settled, ..Mark::default() },
        });
        Self { handler: Arc::clone(handler), first, skipped, marks: marks.collect(), done: 0 }
    }

    /// The sequence number after the last.
    pub(super) fn end(&self) -> u64 {
        self.first.saturating_add(self.marks.len() as u64)
    }

    /// The indices in the block of those that are still to be delivered.
    pub(super) fn pending(&self) -> Vec<u32> {
        let marks = (self.skipped..).zip(&self.marks).skip(self.done);
        let open = marks.filter(|(_, mark)| mark.state.is_none());
        open.map(|(index, _)| index).collect()
    }

    /// Goes on with a delivery that an earlier run tried, if its first event is the first one that is pending.
    pub(super) fn resume(&mut self, retry: &Retry, now: Timestamp) {
        let pending = (self.first..).zip(&mut self.marks).find(|(_, mark)| mark.state.is_none());
        if let Some((_, mark)) = pending.filter(|(seq, _)| *seq == retry.first) {
            (mark.attempts, mark.age) = (retry.attempts, Some(Age::since(retry.since, now)));
        }
    }

    /// Takes the outcomes of an attempt that began then, for the first of those that were pending; gives the time for
    /// which the other side wants to be left alone.
    pub(super) fn take(&mut self, outcomes: Vec<Outcome>, begun: Age) -> Duration {
        let mut rest = Duration::ZERO;
        let open = self.marks.iter_mut().filter(|mark| mark.state.is_none());
        for (mark, outcome) in open.zip(outcomes) {
            mark.attempts = mark.attempts.saturating_add(1);
            mark.age.get_or_insert(begun);
            if let Outcome::Deferred(_, time) = &outcome {
                rest = rest.max(*time);
            }
            let (state, note) = match outcome {
                Outcome::Delivered => (Some(State::Delivered), None),
                Outcome::Accepted(what) | Outcome::Partial { note: what, .. } => {
                    (Some(State::Delivered), Some(what))
                }
                Outcome::Permanent(why) => (Some(State::Dead), Some(why)),
                Outcome::Temporary(why) | Outcome::Deferred(why, _) => (None, Some(why)),
            };
            // Attempts that failed before are in the journal already.
            (mark.state, mark.note) = (state, note.map(Arc::from));
        }
        rest
    }

    /// Gives up what is pending and has been tried for so long.
    pub(super) fn give_up(&mut self, after: Duration) {
        let is_old = |mark: &&mut Mark| mark.age.is_some_and(|age| age.get() >= after);
        for mark in self.marks.iter_mut().filter(|mark| mark.state.is_none()).filter(is_old) {
            mark.state = Some(State::Dead);
        }
    }

    /// The time until the first of those that are pending and were tried is to be given up.
    pub(super) fn left(&self, after: Duration) -> Duration {
        let ages = self.marks.iter().filter(|mark| mark.state.is_none()).filter_map(|mark| mark.age);
        let left = ages.map(|age| after.saturating_sub(age.get()));
        left.min().unwrap_or(Duration::MAX)
    }

    /// Drops what is pending of a range.
    pub(super) fn drop(&mut self, range: &Range<u64>, reason: &str) {
        for (_, mark) in (self.first..).zip(&mut self.marks).filter(|(seq, _)| range.contains(seq)) {
            if mark.state.is_none() {
                (mark.state, mark.note) = (Some(State::Dropped), Some(Arc::from(reason)));
            }
        }
    }

    /// How often the first pending one was tried.
    pub(super) fn attempts(&self) -> u32 {
        self.marks.iter().find(|mark| mark.state.is_none()).map_or(0, |mark| mark.attempts)
    }

    /// Why the first pending one failed.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.marks.iter().find(|mark| mark.state.is_none()).and_then(|mark| mark.note.as_deref())
    }

    /// What has been settled, in runs; told only once.
    pub(super) fn settled(&mut self, upto: Upto, time: Timestamp) -> Vec<Settled> {
        let open = self.marks.iter().skip(self.done).take_while(|mark| mark.state.is_some()).count();
        let before = self.done + open;
        let end = match upto {
            Upto::Pending => before,
            Upto::Last => {
                self.marks.iter().rposition(Mark::is_news).map_or(before, |last| before.max(last + 1))
            }
        };
        let mut runs = self.runs(end, time, Mark::news);
        for run in runs.iter_mut().filter(|run| run.state == State::Requeued) {
            (run.attempts, run.note) = (0, Some(OVERTAKEN.to_owned()));
        }
        for mark in self.marks.iter_mut().take(end).skip(self.done) {
            mark.told = if mark.state.is_some() { Told::Settled } else { Told::Waits };
        }
        self.done = before;
        runs
    }

    /// What failed and is to be tried again, in runs.
    pub(super) fn failed(&self, time: Timestamp) -> Vec<Settled> {
        let failed = |mark: &Mark| (mark.state.is_none() && mark.attempts > 0).then_some(State::Failed);
        self.runs(self.marks.len(), time, failed)
    }

    /// The events of a run of this block.
    pub(super) fn events<'b>(&self, block: &'b EventBlock, run: &Settled) -> impl Iterator<Item = Event<'b>> {
        let index = |seq: u64| usize::try_from(seq.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let (skip, count) = (index(run.events.start), index(run.events.end) - index(run.events.start));
        block.iter().skip(self.skipped as usize + skip).take(count)
    }

    /// Runs of the marks before one.
    fn runs(&self, end: usize, time: Timestamp, state: impl Fn(&Mark) -> Option<State>) -> Vec<Settled> {
        let mut runs: Vec<Settled> = Vec::new();
        let mut last: Option<&Mark> = None;
        for (seq, mark) in (self.first..).zip(&self.marks).take(end).skip(self.done) {
            let same = last.is_some_and(|last| last.is_like(mark));
            last = Some(mark);
            let Some(state) = state(mark) else { continue };
            match runs.last_mut().filter(|run| same && run.events.end == seq && run.state == state) {
                Some(run) => run.events.end += 1,
                None => runs.push(Settled {
                    handler: Arc::clone(&self.handler),
                    events: seq..seq + 1,
                    state,
                    attempts: mark.attempts,
                    time,
                    note: mark.note.as_deref().map(str::to_owned),
                }),
            }
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brief(runs: &[Settled]) -> Vec<(u64, u64, State, u32)> {
        runs.iter().map(|run| (run.events.start, run.events.end, run.state, run.attempts)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn runs_are_told_up_to_what_is_pending_and_once() {
        let states = [Some(State::Skipped), None, None, None, Some(State::Filtered), None];
        let mut marks = Marks::new(&"h".into(), 100, 10, states.into_iter());
        assert_eq!(marks.pending(), [11, 12, 13, 15]);
        let temporary = || Outcome::Temporary("451".into());
        let outcomes = vec![Outcome::Delivered, Outcome::Delivered, temporary(), temporary()];
        marks.take(outcomes, Age::begin());
        assert_eq!(
            brief(&marks.settled(Upto::Last, Timestamp::EPOCH)),
            [(100, 101, State::Skipped, 0), (101, 103, State::Delivered, 1)]
        );
        assert_eq!(
            brief(&marks.failed(Timestamp::EPOCH)),
            [(103, 104, State::Failed, 1), (105, 106, State::Failed, 1)]
        );
        assert_eq!((marks.pending(), marks.attempts()), (vec![13, 15], 1));
        assert_eq!(marks.trouble(), Some("451"));
        marks.take(vec![Outcome::Delivered, Outcome::Permanent("550".into())], Age::begin());
        assert_eq!(
            brief(&marks.settled(Upto::Pending, Timestamp::EPOCH)),
            [(103, 104, State::Delivered, 2), (104, 105, State::Filtered, 0), (105, 106, State::Dead, 2)]
        );
        assert!(marks.settled(Upto::Last, Timestamp::EPOCH).is_empty() && marks.pending().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_settled_behind_a_failure_is_told_and_the_failure_waits_apart() {
        let states = [None, None, None, Some(State::Filtered), None, Some(State::Filtered)];
        let mut marks = Marks::new(&"h".into(), 100, 0, states.into_iter());
        let temporary = || Outcome::Temporary("451".into());
        marks.take(vec![temporary(), Outcome::Delivered, Outcome::Permanent("550".into())], Age::begin());
        assert!(marks.settled(Upto::Pending, Timestamp::EPOCH).is_empty());
        assert_eq!(
            brief(&marks.settled(Upto::Last, Timestamp::EPOCH)),
            [(100, 101, State::Requeued, 0), (101, 102, State::Delivered, 1), (102, 103, State::Dead, 1)]
        );
        assert_eq!(brief(&marks.failed(Timestamp::EPOCH)), [(100, 101, State::Failed, 1)]);
        marks.take(vec![temporary(), Outcome::Delivered], Age::begin());
        assert_eq!(
            brief(&marks.settled(Upto::Last, Timestamp::EPOCH)),
            [(103, 104, State::Filtered, 0), (104, 105, State::Delivered, 1)]
        );
        marks.take(vec![Outcome::Delivered], Age::begin());
        assert_eq!(
            brief(&marks.settled(Upto::Pending, Timestamp::EPOCH)),
            [(100, 101, State::Delivered, 3), (105, 106, State::Filtered, 0)]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_was_tried_for_too_long_is_given_up() {
        let day = Duration::from_secs(86_400);
        let mut marks = Marks::new(&"h".into(), 100, 0, std::iter::repeat_n(None, 4));
        let retry = Retry { first: 100, attempts: 7, since: Timestamp::EPOCH, note: "451".into() };
        let now = Timestamp::EPOCH.plus(day);
        marks.resume(&retry, now);
        let outcomes = vec![Outcome::Temporary("451".into()), Outcome::Deferred("429".into(), day)];
        assert_eq!((marks.take(outcomes, Age::begin()), marks.attempts()), (day, 8));
        marks.give_up(day);
        assert_eq!(brief(&marks.settled(Upto::Pending, now)), [(100, 101, State::Dead, 8)]);
        assert_eq!(brief(&marks.failed(now)), [(101, 102, State::Failed, 1)], "the others were not tried");
        marks.drop(&(101..103), "in vain");
        assert_eq!(
            brief(&marks.settled(Upto::Pending, now)),
            [(101, 102, State::Dropped, 1), (102, 103, State::Dropped, 0)]
        );
        assert_eq!(marks.pending(), [3]);
    }
}
