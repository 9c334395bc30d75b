//! Floor 5: what became of the events offered to a handler.

use crate::handlers::Outcome;
use crate::journal::State;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// What became of the events offered to one handler.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// The handler's name.
    pub handler: String,
    /// Events offered: the sum of all others.
    pub offered: u64,
    /// Delivered.
    pub delivered: u64,
    /// Failed in a way that trying again might have helped.
    pub temporary: u64,
    /// Failed for good.
    pub permanent: u64,
    /// Lost, because there was no room in time.
    pub lost: u64,
    /// Left out by the handler's filter.
    pub filtered: u64,
    /// Held back within a cool-down.
    pub suppressed: u64,
    /// Gone as part of a digest.
    pub digested: u64,
    /// Dropped by an operator.
    pub dropped: u64,
    /// Neither delivered nor failed yet.
    pub waiting: u64,
    /// Why the last one that failed did.
    pub why: Option<String>,
}

impl Totals {
    /// Events that were held back for good, or went as part of another message.
    pub fn held(&self) -> u64 {
        self.filtered + self.suppressed + self.digested + self.dropped
    }

    /// Says how many events were not delivered, and why; nothing where all were.
    pub fn undelivered(&self) -> Option<String> {
        let failed = self.why.as_deref().unwrap_or("it failed");
        let reasons = [
            (self.temporary + self.permanent, failed),
            (self.lost, "it took none for too long"),
            (self.waiting, "it was not done in time"),
        ];
        let reasons: Vec<_> = reasons.into_iter().filter(|(count, _)| *count > 0).collect();
        let why = match reasons.as_slice() {
            [] => return None,
            [(_, why)] => (*why).to_owned(),
            several => {
                let each: Vec<_> = several.iter().map(|(count, why)| format!("{count}: {why}")).collect();
                each.join("; ")
            }
        };
        let (count, handler) = (self.offered - self.delivered - self.held(), &self.handler);
        let events = if count == 1 { "event was" } else { "events were" };
        Some(format!("{count} {events} not delivered by handler `{handler}`: {why}"))
    }

    /// Says how many events wait in the journal, and why; nothing where none does.
    pub fn waits(&self) -> Option<String> {
        let (count, handler) = (self.waiting, &self.handler);
        let events = if count == 1 { "event waits" } else { "events wait" };
        let why = self.why.as_deref().unwrap_or("it was not done in time");
        (count > 0).then(|| format!("{count} {events} in the journal for handler `{handler}`: {why}"))
    }
}

/// Writes how many of the events were delivered, and what became of the others: `archive: 9 of 11, 2 filtered`. Where there
/// is no journal, all that failed is dead.
impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} of {}", self.handler, self.delivered, self.offered)?;
        let others = [
            (self.filtered, State::Filtered.name()),
            (self.suppressed, State::Suppressed.name()),
            (self.digested, State::Digested.name()),
            (self.temporary + self.permanent + self.lost, State::Dead.name()),
            (self.dropped, State::Dropped.name()),
            (self.waiting, State::Gathered.name()),
        ];
        others
            .iter()
            .filter(|(count, _)| *count > 0)
            .try_for_each(|(count, what)| write!(f, ", {count} {what}"))
    }
}

/// The counts while they grow.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) offered: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) filtered: AtomicU64,
    pub(super) suppressed: AtomicU64,
    digested: AtomicU64,
    delivered: AtomicU64,
    temporary: AtomicU64,
    permanent: AtomicU64,
    why: Mutex<Option<String>>,
}

impl Counters {
    /// Counts the outcomes of one delivery of so many events. An event without an outcome has failed for good.
    pub(super) fn take(&self, outcomes: &[Outcome], events: usize) {
        let count = |matching: fn(&Outcome) -> bool| {
            outcomes.iter().filter(|outcome| matching(outcome)).count() as u64
        };
        self.delivered.fetch_add(count(Outcome::is_delivered), Relaxed);
        self.temporary.fetch_add(count(Outcome::is_temporary), Relaxed);
        let missing = events.saturating_sub(outcomes.len()) as u64;
        self.permanent
            .fetch_add(count(|outcome| matches!(outcome, Outcome::Permanent(_))) + missing, Relaxed);
        let last = outcomes.iter().rev().find_map(Outcome::failure);
        if let Some(why) = last.or((missing > 0).then_some("it gave no answer")) {
            *self.why.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_owned());
        }
    }

    /// Counts the outcome of a digest of so many events.
    pub(super) fn take_digest(&self, outcome: &Outcome, events: u64) {
        let counter = match outcome {
            Outcome::Delivered | Outcome::Accepted(_) | Outcome::Partial { .. } => &self.digested,
            Outcome::Temporary(_) | Outcome::Deferred(..) => &self.temporary,
            Outcome::Permanent(_) => &self.permanent,
        };
        counter.fetch_add(events, Relaxed);
        if let Some(why) = outcome.failure() {
            *self.why.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_owned());
        }
    }

    pub(super) fn totals(&self, handler: &str) -> Totals {
        // Offered is read last, so that a delivery in between cannot make it less than its parts.
        let count = |counter: &AtomicU64| counter.load(Relaxed);
        let mut totals = Totals {
            handler: handler.to_owned(),
            delivered: count(&self.delivered),
            temporary: count(&self.temporary),
            permanent: count(&self.permanent),
            lost: count(&self.lost),
            filtered: count(&self.filtered),
            suppressed: count(&self.suppressed),
            digested: count(&self.digested),
            why: self.why.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            ..Totals::default()
        };
        totals.offered = count(&self.offered);
        let settled = totals.delivered + totals.temporary + totals.permanent + totals.lost + totals.held();
        totals.waiting = totals.offered.saturating_sub(settled);
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_use_the_words_of_the_journal() {
        let counters = Counters::default();
        counters.offered.store(7, Relaxed);
        counters.take(&[Outcome::Delivered, Outcome::Permanent("no".into())], 2);
        counters.take(&[Outcome::Temporary("away".into())], 1);
        counters.filtered.store(1, Relaxed);
        counters.suppressed.store(1, Relaxed);
        counters.digested.store(1, Relaxed);
        let expected = "mail: 1 of 7, 1 filtered, 1 suppressed, 1 digested, 2 dead, 1 waiting";
        assert_eq!(counters.totals("mail").to_string(), expected);
    }
}
