//! Floor 3: where each handler stands: what of the journal it has settled, what waits, what is dead.
//!
//! Invariant: from its start on, each event is settled in just one way or waits: the counts add up.

use super::ranges::Ranges;
use super::schema::{RangeRow, RetryRow, StandingRow};
use crate::limits;
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// What became of an event in a handler. The codes stand in journals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum State {
    /// It is of an application that does not name the handler.
    Skipped = 0,
    /// The handler's filter left it out.
    Filtered = 1,
    /// The handler took it.
    Delivered = 2,
    /// It came within the cool-down of one like it.
    Suppressed = 3,
    /// It went as a part of a digest.
    Digested = 4,
    /// It could not be delivered, for good or for too long.
    Dead = 5,
    /// An operator dropped it.
    Dropped = 6,
    /// It waits for the digest that it is a part of.
    Gathered = 7,
    /// An attempt failed; it waits for the next.
    Failed = 8,
    /// It waits apart from the cursor: it was dead, and an operator wants it delivered, or it failed, and others behind it
    /// are settled.
    Requeued = 9,
}

impl State {
    /// All states.
    pub const ALL: [Self; 10] = [
        Self::Skipped,
        Self::Filtered,
        Self::Delivered,
        Self::Suppressed,
        Self::Digested,
        Self::Dead,
        Self::Dropped,
        Self::Gathered,
        Self::Failed,
        Self::Requeued,
    ];

    /// The name in output. What is gathered, failed or to be sent again is waiting.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Filtered => "filtered",
            Self::Delivered => "delivered",
            Self::Suppressed => "suppressed",
            Self::Digested => "digested",
            Self::Dead => "dead",
            Self::Dropped => "dropped",
            Self::Gathered | Self::Failed | Self::Requeued => "waiting",
        }
    }

    /// Whether nothing more will happen by itself.
    pub const fn is_settled(self) -> bool {
        !matches!(self, Self::Gathered | Self::Failed | Self::Requeued)
    }

    pub(super) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as u8 == code)
    }
}

/// A run of events to which the same happened in a handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The handler.
    pub handler: Arc<str>,
    /// Sequence numbers of the events.
    pub events: Range<u64>,
    /// What happened.
    pub state: State,
    /// How often delivery was tried, so far.
    pub attempts: u32,
    /// When.
    pub time: Timestamp,
    /// Why.
    pub note: Option<String>,
}

impl Settled {
    /// Tells that a handler is not configured any more: no event from this one on is its, until it is back. A run of no
    /// events, which older versions pass over.
    pub fn leaves(handler: &str, next: u64, time: Timestamp) -> Self {
        Self::of_none(handler, next, State::Skipped, time, "it is not configured any more")
    }

    /// Tells that a handler is back, and gets what it missed.
    pub fn returns(handler: &str, next: u64, time: Timestamp) -> Self {
        Self::of_none(handler, next, State::Requeued, time, "it is configured again")
    }

    /// Whether an attempt failed that is to be tried again. What a digest was made of is then as it was: gathered.
    pub fn is_failure(&self) -> bool {
        self.state == State::Failed || self.state == State::Gathered && self.attempts > 0
    }

    fn of_none(handler: &str, next: u64, state: State, time: Timestamp, note: &str) -> Self {
        let (handler, note) = (Arc::from(handler), Some(note.to_owned()));
        Self { handler, events: next..next, state, attempts: 0, time, note }
    }
}

/// A delivery, of events or of a digest, that is being tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The first event of it.
    pub first: u64,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was first tried.
    pub since: Timestamp,
    /// Why it failed the last time.
    pub note: String,
}

impl Retry {
    /// Whether it is a trouble that people want to know of: it has failed often, or for long.
    pub fn is_trouble(&self, now: Timestamp) -> bool {
        self.attempts >= limits::FAILING_ATTEMPTS || now.since(self.since) >= limits::FAILING_TIME
    }
}

/// Where one handler stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The first event that was its to settle.
    pub start: u64,
    /// The next event to look at.
    pub cursor: u64,
    /// The event after the last that is its, where it is an orphan: not configured any more.
    pub end: Option<u64>,
    /// Events that wait for their digest.
    pub gathered: Ranges,
    /// Events before the cursor that are still to be delivered.
    pub requeued: Ranges,
    /// Events that were given up.
    pub dead: Ranges,
    /// The delivery that is being tried again.
    pub retry: Option<Retry>,
    counts: [u64; State::ALL.len()],
}

impl Standing {
    /// A handler that begins at an event.
    pub fn new(start: u64) -> Self {
        Self { start, cursor: start, ..Self::default() }
    }

    /// How many events are in a settled state.
    pub fn count(&self, state: State) -> u64 {
        self.counts.get(state as usize).copied().unwrap_or_default()
    }

    /// How many events wait, of a journal whose next event is `next`.
    pub fn waiting(&self, next: u64) -> u64 {
        let pending = [self.gathered.len(), self.requeued.len()];
        pending.into_iter().fold(self.upto(next).saturating_sub(self.cursor), u64::saturating_add)
    }

    /// The event after the last that is its, of a journal whose next event is `next`.
    pub fn upto(&self, next: u64) -> u64 {
        self.end.unwrap_or(next)
    }

    /// Whether every event up to `next` is accounted for.
    pub fn is_balanced(&self, next: u64) -> bool {
        // A forged journal can make a sum of these too large for a u64.
        let settled: u128 = self.counts.iter().copied().map(u128::from).sum();
        settled + u128::from(self.waiting(next)) == u128::from(self.upto(next).saturating_sub(self.start))
    }

    /// Whether an event waits.
    pub fn is_waiting(&self, seq: u64) -> bool {
        let ahead = self.cursor..self.upto(u64::MAX);
        ahead.contains(&seq) || self.gathered.contains(seq) || self.requeued.contains(seq)
    }

    /// The first event that may still be needed.
    pub fn oldest_needed(&self) -> u64 {
        let waiting = [self.gathered.first(), self.requeued.first()];
        waiting.into_iter().flatten().fold(self.cursor, u64::min)
    }

    /// Takes note of what happened to events. What lies behind the cursor and is not pending any more has been settled
    /// before: it is left as it is.
    pub fn apply(&mut self, settled: &Settled) {
        let Settled { events, state, .. } = settled;
        if events.is_empty() {
            match state {
                State::Skipped => self.end = Some(events.start.max(self.cursor)),
                State::Requeued => self.end = None,
                _ => {}
            }
            return;
        }
        // A digest that failed waits as before.
        let digest_failed =
            *state == State::Gathered && settled.is_failure() && self.gathered.touches(events);
        if *state == State::Failed || digest_failed {
            // Several runs fail at once: the first of them is what is tried again.
            if self.retry.as_ref().is_some_and(|r| r.first < events.start && self.is_waiting(r.first)) {
                return;
            }
            let since = self.retry.as_ref().filter(|retry| retry.first == events.start).map(|r| r.since);
            self.retry = Some(Retry {
                first: events.start,
                attempts: settled.attempts,
                since: since.unwrap_or(settled.time),
                note: settled.note.clone().unwrap_or_default(),
            });
            return;
        }
        // What waits apart is still what is tried again.
        if *state != State::Requeued && self.retry.as_ref().is_some_and(|retry| events.contains(&retry.first))
        {
            self.retry = None;
        }
        let revived = self.dead.take(events);
        self.uncount(State::Dead, revived.len());
        let fresh = if events.start <= self.cursor { self.cursor..events.end.max(self.cursor) } else { 0..0 };
        self.cursor = self.cursor.max(fresh.end);
        self.end = self.end.map(|end| end.max(self.cursor));
        let mut affected = revived;
        affected.extend(self.gathered.take(events));
        affected.extend(self.requeued.take(events));
        affected.insert(fresh);
        if let Some(count) = self.counts.get_mut(*state as usize).filter(|_| state.is_settled()) {
            *count = count.saturating_add(affected.len());
        }
        match state {
            State::Gathered => self.gathered.extend(affected),
            State::Requeued => self.requeued.extend(affected),
            State::Dead => self.dead.extend(affected),
            _ => {}
        }
    }

    fn uncount(&mut self, state: State, gone: u64) {
        if let Some(count) = self.counts.get_mut(state as usize) {
            *count = count.saturating_sub(gone);
        }
    }

    pub(super) fn row(&self, name: &str) -> StandingRow {
        let rows = |ranges: &Ranges| ranges.iter().map(|r| RangeRow { start: r.start, end: r.end }).collect();
        StandingRow {
            name: name.to_owned(),
            start: self.start,
            cursor: self.cursor,
            counts: self.counts.into_iter().chain(self.end).collect(),
            gathered: rows(&self.gathered),
            requeued: rows(&self.requeued),
            dead: rows(&self.dead),
            retry: self.retry.as_ref().map(|retry| RetryRow {
                first: retry.first,
                attempts: retry.attempts,
                since: retry.since.as_micros(),
                note: retry.note.clone(),
            }),
        }
    }

    pub(super) fn from_row(row: &super::schema::ArchivedStandingRow) -> Self {
        let ranges = |rows: &rkyv::vec::ArchivedVec<super::schema::ArchivedRangeRow>| {
            rows.iter().map(|row| row.start.to_native()..row.end.to_native()).collect()
        };
        let mut counts = [0; State::ALL.len()];
        for (count, archived) in counts.iter_mut().zip(row.counts.iter()) {
            *count = archived.to_native();
        }
        Self {
            start: row.start.to_native(),
            cursor: row.cursor.to_native(),
            end: row.counts.get(State::ALL.len()).map(|end| end.to_native()),
            gathered: ranges(&row.gathered),
            requeued: ranges(&row.requeued),
            dead: ranges(&row.dead),
            retry: row.retry.as_ref().map(|retry| Retry {
                first: retry.first.to_native(),
                attempts: retry.attempts.to_native(),
                since: Timestamp::from_micros(retry.since.to_native()),
                note: retry.note.as_str().to_owned(),
            }),
            counts,
        }
    }
}

/// Where all handlers stand, by name.
pub type Standings = BTreeMap<String, Standing>;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn settled(events: Range<u64>, state: State) -> Settled {
        Settled { handler: "h".into(), events, state, attempts: 1, time: Timestamp::EPOCH, note: None }
    }

    #[test]
    fn counts_that_were_forged_overflow_nothing() {
        let mut standing = Standing { counts: [u64::MAX; State::ALL.len()], ..Standing::new(3) };
        standing.requeued.insert(0..u64::MAX);
        assert!(!standing.is_balanced(u64::MAX) && standing.waiting(u64::MAX) == u64::MAX);
        standing.apply(&settled(3..9, State::Delivered));
    }

    #[test]
    fn a_dead_letter_that_is_sent_again_counts_once() {
        let mut standing = Standing::new(10);
        standing.apply(&settled(10..15, State::Delivered));
        standing.apply(&settled(15..18, State::Dead));
        assert!(standing.is_balanced(18));
        standing.apply(&settled(16..17, State::Requeued));
        assert_eq!((standing.count(State::Dead), standing.waiting(18)), (2, 1));
        standing.apply(&settled(16..17, State::Delivered));
        assert_eq!((standing.count(State::Dead), standing.count(State::Delivered)), (2, 6));
        assert!(standing.is_balanced(18) && standing.oldest_needed() == 18);
    }

    #[test]
    fn what_was_gathered_is_needed_until_its_digest_went() {
        let mut standing = Standing::new(0);
        standing.apply(&settled(0..4, State::Gathered));
        standing.apply(&settled(4..9, State::Delivered));
        assert_eq!((standing.oldest_needed(), standing.waiting(9)), (0, 4));
        standing.apply(&settled(0..4, State::Digested));
        assert_eq!((standing.oldest_needed(), standing.waiting(9)), (9, 0));
        assert!(standing.is_balanced(9));
    }

    #[test]
    fn an_orphan_ends_where_it_left_and_gets_what_it_missed_when_it_is_back() {
        let mut standing = Standing::new(0);
        standing.apply(&settled(0..4, State::Delivered));
        standing.apply(&Settled::leaves("h", 6, Timestamp::EPOCH));
        assert_eq!((standing.waiting(9), standing.end), (2, Some(6)));
        assert!(standing.is_balanced(9) && standing.is_waiting(5) && !standing.is_waiting(6));
        standing.apply(&settled(4..6, State::Dropped));
        assert!(standing.waiting(9) == 0 && standing.is_balanced(9));
        standing.apply(&Settled::returns("h", 9, Timestamp::EPOCH));
        assert!(standing.waiting(9) == 3 && standing.is_balanced(9));
    }

    proptest! {
        #[test]
        fn the_counts_always_add_up(steps in proptest::collection::vec((0u64..20, 0usize..10), 1..60)) {
            let mut standing = Standing::new(5);
            for (length, state) in steps {
                // Something new at the cursor, and the same once more to what was there before.
                let start = standing.cursor.saturating_sub(length / 3).max(5);
                standing.apply(&settled(start..start + length, State::ALL[state]));
                prop_assert!(standing.is_balanced(standing.cursor + 3), "{:?}", standing);
            }
        }

        #[test]
        fn a_standing_survives_being_archived(steps in proptest::collection::vec((0u64..20, 0usize..10), 1..30)) {
            let mut standing = Standing::new(5);
            for (length, state) in steps {
                standing.apply(&settled(standing.cursor..standing.cursor + length, State::ALL[state]));
            }
            let bytes = rkyv::to_bytes::<rkyv::rancor::BoxedError>(&standing.row("h")).unwrap();
            let row = rkyv::access::<super::super::schema::ArchivedStandingRow, rkyv::rancor::BoxedError>(&bytes).unwrap();
            prop_assert_eq!(Standing::from_row(row), standing);
        }
    }
}
