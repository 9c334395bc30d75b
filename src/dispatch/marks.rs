//! Floor 5: what becomes of the events of one block in one handler, event by event, until all of it is in the journal.
//!
//! Invariant: runs are told in the order of the events, each event once as settled.

use crate::event::{Event, EventBlock};
use crate::handlers::Outcome;
use crate::journal::{Retry, Settled, State};
use crate::time::Timestamp;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// What became of one event.
#[derive(Clone, Debug, Default)]
struct Mark {
    /// Nothing yet, while it is to be delivered.
    state: Option<State>,
    attempts: u32,
    /// When it was first tried.
    since: Option<Timestamp>,
    note: Option<Arc<str>>,
}

impl Mark {
    /// Whether the same is to be told of both.
    fn is_like(&self, other: &Self) -> bool {
        (self.state, self.attempts, &self.note) == (other.state, other.attempts, &other.note)
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
    /// How many have been told.
    told: usize,
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
        Self { handler: Arc::clone(handler), first, skipped, marks, told: 0 }
    }

    /// The indices in the block of those that are still to be delivered.
    pub(super) fn pending(&self) -> Vec<u32> {
        let open = (self.skipped..).zip(&self.marks).filter(|(_, mark)| mark.state.is_none());
        open.map(|(index, _)| index).collect()
    }

    /// Goes on with a delivery that was tried before, if its first event is the first one that is pending.
    pub(super) fn resume(&mut self, retry: &Retry) {
        let pending = (self.first..).zip(&mut self.marks).find(|(_, mark)| mark.state.is_none());
        if let Some((_, mark)) = pending.filter(|(seq, _)| *seq == retry.first) {
            (mark.attempts, mark.since) = (retry.attempts, Some(retry.since));
        }
    }

    /// Takes the outcomes of an attempt that began at this time, for the first of those that were pending; gives the time
    /// for which the other side wants to be left alone.
    pub(super) fn take(&mut self, outcomes: Vec<Outcome>, begun: Timestamp) -> Duration {
        let mut rest = Duration::ZERO;
        let open = self.marks.iter_mut().filter(|mark| mark.state.is_none());
        for (mark, outcome) in open.zip(outcomes) {
            mark.attempts = mark.attempts.saturating_add(1);
            mark.since.get_or_insert(begun);
            if let Outcome::Deferred(_, time) = &outcome {
                rest = rest.max(*time);
            }
            let (state, note) = match outcome {
                Outcome::Delivered => (Some(State::Delivered), None),
                Outcome::Accepted(what) => (Some(State::Delivered), Some(what)),
                Outcome::Permanent(why) => (Some(State::Dead), Some(why)),
                Outcome::Temporary(why) | Outcome::Deferred(why, _) => (None, Some(why)),
            };
            // Attempts that failed before are in the journal already.
            (mark.state, mark.note) = (state, note.map(Arc::from));
        }
        rest
    }

    /// Gives up what is pending and was first tried so long ago.
    pub(super) fn give_up(&mut self, now: Timestamp, after: Duration) {
        let is_old = |mark: &&mut Mark| mark.since.is_some_and(|since| now.since(since) >= after);
        for mark in self.marks.iter_mut().filter(|mark| mark.state.is_none()).filter(is_old) {
            mark.state = Some(State::Dead);
        }
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

    /// What has been settled up to the first that is pending, in runs; told only once.
    pub(super) fn settled(&mut self, time: Timestamp) -> Vec<Settled> {
        let from = self.told;
        let open = self.marks.iter().skip(from).take_while(|mark| mark.state.is_some()).count();
        self.told = from + open;
        self.runs(from..self.told, time, |mark| mark.state)
    }

    /// What failed and is to be tried again, in runs.
    pub(super) fn failed(&self, time: Timestamp) -> Vec<Settled> {
        let failed = |mark: &Mark| (mark.state.is_none() && mark.attempts > 0).then_some(State::Failed);
        self.runs(self.told..self.marks.len(), time, failed)
    }

    /// The events of a run of this block.
    pub(super) fn events<'b>(&self, block: &'b EventBlock, run: &Settled) -> impl Iterator<Item = Event<'b>> {
        let index = |seq: u64| usize::try_from(seq.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let (skip, count) = (index(run.events.start), index(run.events.end) - index(run.events.start));
        block.iter().skip(self.skipped as usize + skip).take(count)
    }

    fn runs(
        &self,
        range: Range<usize>,
        time: Timestamp,
        state: impl Fn(&Mark) -> Option<State>,
    ) -> Vec<Settled> {
        let mut runs: Vec<Settled> = Vec::new();
        let mut last: Option<&Mark> = None;
        let marks = self.marks.get(range.clone()).unwrap_or_default();
        for (seq, mark) in (self.first + range.start as u64..).zip(marks) {
            let same = last.is_some_and(|last| last.is_like(mark));
            last = Some(mark);
            let Some(state) = state(mark) else { continue };
            match runs.last_mut().filter(|run| same && run.events.end == seq) {
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

    #[test]
    fn runs_are_told_up_to_what_is_pending_and_once() {
        let states = [Some(State::Skipped), None, None, None, Some(State::Filtered), None];
        let mut marks = Marks::new(&"h".into(), 100, 10, states.into_iter());
        assert_eq!(marks.pending(), [11, 12, 13, 15]);
        let temporary = || Outcome::Temporary("451".into());
        marks.take(vec![Outcome::Delivered, Outcome::Delivered, temporary(), temporary()], Timestamp::EPOCH);
        assert_eq!(
            brief(&marks.settled(Timestamp::EPOCH)),
            [(100, 101, State::Skipped, 0), (101, 103, State::Delivered, 1)]
        );
        assert_eq!(
            brief(&marks.failed(Timestamp::EPOCH)),
            [(103, 104, State::Failed, 1), (105, 106, State::Failed, 1)]
        );
        assert_eq!((marks.pending(), marks.attempts()), (vec![13, 15], 1));
        assert_eq!(marks.trouble(), Some("451"));
        marks.take(vec![Outcome::Delivered, Outcome::Permanent("550".into())], Timestamp::EPOCH);
        assert_eq!(
            brief(&marks.settled(Timestamp::EPOCH)),
            [(103, 104, State::Delivered, 2), (104, 105, State::Filtered, 0), (105, 106, State::Dead, 2)]
        );
        assert!(marks.settled(Timestamp::EPOCH).is_empty() && marks.pending().is_empty());
    }

    #[test]
    fn only_what_was_tried_for_too_long_is_given_up() {
        let day = Duration::from_secs(86_400);
        let mut marks = Marks::new(&"h".into(), 100, 0, std::iter::repeat_n(None, 4));
        let retry = Retry { first: 100, attempts: 7, since: Timestamp::EPOCH, note: "451".into() };
        marks.resume(&retry);
        let now = Timestamp::EPOCH.plus(day);
        let rest =
            marks.take(vec![Outcome::Temporary("451".into()), Outcome::Deferred("429".into(), day)], now);
        assert_eq!((rest, marks.attempts()), (day, 8));
        marks.give_up(now, day);
        assert_eq!(brief(&marks.settled(now)), [(100, 101, State::Dead, 8)]);
        assert_eq!(brief(&marks.failed(now)), [(101, 102, State::Failed, 1)], "the others were not tried");
        marks.drop(&(101..103), "in vain");
        assert_eq!(
            brief(&marks.settled(now)),
            [(101, 102, State::Dropped, 1), (102, 103, State::Dropped, 0)]
        );
        assert_eq!(marks.pending(), [3]);
    }
}
