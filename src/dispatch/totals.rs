//! Floor 5: what became of the events offered to a handler.

use crate::handlers::Outcome;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

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
    /// Neither delivered nor failed yet.
    pub waiting: u64,
}

/// Writes the counts that are not zero, the delivered always: `archive: 9 delivered, 2 lost`.
impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} delivered", self.handler, self.delivered)?;
        let rest = [
            (self.temporary, "failed for now"),
            (self.permanent, "failed for good"),
            (self.lost, "lost"),
            (self.waiting, "waiting"),
        ];
        for (count, what) in rest.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, ", {count} {what}")?;
        }
        Ok(())
    }
}

/// The counts while they grow.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) offered: AtomicU64,
    pub(super) lost: AtomicU64,
    delivered: AtomicU64,
    temporary: AtomicU64,
    permanent: AtomicU64,
}

impl Counters {
    /// Counts the outcomes of one delivery of so many events. An event without an outcome has failed for good.
    pub(super) fn take(&self, outcomes: &[Outcome], events: usize) {
        let count = |matching: fn(&Outcome) -> bool| {
            outcomes.iter().filter(|outcome| matching(outcome)).count() as u64
        };
        self.delivered.fetch_add(count(|outcome| *outcome == Outcome::Delivered), Relaxed);
        self.temporary.fetch_add(count(|outcome| matches!(outcome, Outcome::Temporary(_))), Relaxed);
        let missing = events.saturating_sub(outcomes.len()) as u64;
        self.permanent
            .fetch_add(count(|outcome| matches!(outcome, Outcome::Permanent(_))) + missing, Relaxed);
    }

    pub(super) fn totals(&self, handler: &str) -> Totals {
        // Offered is read last, so that a delivery in between cannot make it less than its parts.
        let [delivered, temporary, permanent, lost] =
            [&self.delivered, &self.temporary, &self.permanent, &self.lost]
                .map(|counter| counter.load(Relaxed));
        let offered = self.offered.load(Relaxed);
        let waiting = offered.saturating_sub(delivered + temporary + permanent + lost);
        Totals { handler: handler.to_owned(), offered, delivered, temporary, permanent, lost, waiting }
    }
}
