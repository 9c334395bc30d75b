//! Floor 5: times that a step of the wall clock does not touch: for how long something has been tried, and when a digest
//! is due.
//!
//! Invariant: within a run the clock that cannot be set decides; what earlier runs wrote down counts by the wall clock.

use crate::time::Timestamp;
use std::time::Duration;
use tokio::time::Instant;

/// For how long something has been tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Age {
    begun: Instant,
    /// By earlier runs.
    before: Duration,
}

impl Age {
    /// Begins now.
    pub(super) fn begin() -> Self {
        Self { begun: Instant::now(), before: Duration::ZERO }
    }

    /// Goes on with what an earlier run began.
    pub(super) fn since(then: Timestamp, now: Timestamp) -> Self {
        Self { before: now.since(then), ..Self::begin() }
    }

    /// How long that is by now.
    pub(super) fn get(self) -> Duration {
        self.before.saturating_add(self.begun.elapsed())
    }
}

/// When something is due that is known by a time of the wall clock.
#[derive(Debug, Default)]
pub(super) struct Alarm(Option<(Timestamp, Instant)>);

impl Alarm {
    /// When it is due; as it was found when that time was first handed in.
    pub(super) fn at(&mut self, due: Option<Timestamp>, now: Timestamp) -> Option<Instant> {
        let due = due?;
        let (_, at) = match self.0.filter(|(known, _)| *known == due) {
            Some(known) => known,
            None => *self.0.insert((due, Instant::now() + due.since(now))),
        };
        Some(at)
    }
}
