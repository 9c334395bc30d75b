//! Floor 5: what becomes of the events of one block in one handler, event by event, until all of it is in the journal.
//!
//! Invariant: runs are told in the order of the events, each event once as settled.

use crate::handlers::Outcome;
use crate::journal::{Settled, State};
use crate::time::Timestamp;
use std::sync::Arc;

/// What became of one event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Mark {
    /// Nothing yet, while it is to be delivered.
    state: Option<State>,
    attempts: u32,
    note: Option<Arc<str>>,
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

    /// Leaves out all but the first so many.
    pub(super) fn truncate(&mut self, count: usize) {
        self.marks.truncate(count);
    }

    /// The indices in the block of those that are still to be delivered.
    pub(super) fn pending(&self) -> Vec<u32> {
        let open = (self.skipped..).zip(&self.marks).filter(|(_, mark)| mark.state.is_none());
        open.map(|(index, _)| index).collect()
    }

    /// The sequence number of the first that is still to be delivered.
    pub(super) fn first_pending(&self) -> Option<u64> {
        (self.first..).zip(&self.marks).find(|(_, mark)| mark.state.is_none()).map(|(seq, _)| seq)
    }

    /// Takes the outcomes of an attempt for those that were pending.
    pub(super) fn take(&mut self, outcomes: Vec<Outcome>, attempts: u32) {
        let open = self.marks.iter_mut().filter(|mark| mark.state.is_none());
        for (mark, outcome) in open.zip(outcomes) {
            mark.attempts = attempts;
            let (state, why) = match outcome {
                Outcome::Delivered => (Some(State::Delivered), None),
                Outcome::Accepted(what) => (Some(State::Delivered), Some(what)),
                Outcome::Permanent(why) => (Some(State::Dead), Some(why)),
                Outcome::Temporary(why) | Outcome::Deferred(why, _) => (None, Some(why)),
            };
            // Attempts that failed before are in the journal already.
            (mark.state, mark.note) = (state, why.map(Arc::from));
        }
    }

    /// Gives up what is still pending.
    pub(super) fn give_up(&mut self) {
        for mark in self.marks.iter_mut().filter(|mark| mark.state.is_none()) {
            mark.state = Some(State::Dead);
        }
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
        self.runs(self.told..self.marks.len(), time, |mark| mark.state.is_none().then_some(State::Failed))
    }

    /// The sequence number after those that have been told.
    pub(super) fn cursor(&self) -> u64 {
        self.first + self.told as u64
    }

    fn runs(
        &self,
        range: std::ops::Range<usize>,
        time: Timestamp,
        state: impl Fn(&Mark) -> Option<State>,
    ) -> Vec<Settled> {
        let mut runs: Vec<Settled> = Vec::new();
        let mut last: Option<&Mark> = None;
        let marks = self.marks.get(range.clone()).unwrap_or_default();
        for (seq, mark) in (self.first + range.start as u64..).zip(marks) {
            let same = last.is_some_and(|last| last == mark);
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
        marks.take(vec![Outcome::Delivered, Outcome::Delivered, temporary(), temporary()], 1);
        assert_eq!(
            brief(&marks.settled(Timestamp::EPOCH)),
            [(100, 101, State::Skipped, 0), (101, 103, State::Delivered, 1)]
        );
        assert_eq!(
            brief(&marks.failed(Timestamp::EPOCH)),
            [(103, 104, State::Failed, 1), (105, 106, State::Failed, 1)]
        );
        assert_eq!((marks.pending(), marks.first_pending(), marks.cursor()), (vec![13, 15], Some(103), 103));
        assert_eq!(marks.trouble(), Some("451"));
        marks.take(vec![Outcome::Delivered, Outcome::Permanent("550".into())], 2);
        assert_eq!(
            brief(&marks.settled(Timestamp::EPOCH)),
            [(103, 104, State::Delivered, 2), (104, 105, State::Filtered, 0), (105, 106, State::Dead, 2)]
        );
        assert!(marks.settled(Timestamp::EPOCH).is_empty() && marks.pending().is_empty());
        assert_eq!(marks.cursor(), 106);
    }
}
