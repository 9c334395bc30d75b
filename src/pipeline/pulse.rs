//! Floor 6: whether a thread gets on with its work, for those who would rather have the server started anew.
//!
//! Invariant: a pulse is one counter and one flag; to beat costs an addition, once per batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// The pulse of a thread.
#[derive(Debug, Default)]
pub struct Pulse {
    beats: AtomicU64,
    waits: AtomicBool,
}

impl Pulse {
    /// Says that the thread has done some of its work, or has looked for some.
    pub(super) fn beat(&self) {
        self.beats.fetch_add(1, Relaxed);
    }

    /// Does what may have to wait for somebody else, whose own pulse tells then.
    pub(super) fn waiting<T>(&self, action: impl FnOnce() -> T) -> T {
        self.waits.store(true, Relaxed);
        let result = action();
        self.waits.store(false, Relaxed);
        result
    }
}

/// Watches several threads.
#[derive(Debug)]
pub struct Vitals(Vec<(&'static str, Arc<Pulse>, u64)>);

impl Vitals {
    /// Watches these, by their names.
    pub fn new(threads: impl IntoIterator<Item = (&'static str, Arc<Pulse>)>) -> Self {
        Self(threads.into_iter().map(|(name, pulse)| (name, pulse, 0)).collect())
    }

    /// The first thread that has not got on since the last time, and does not wait for another.
    pub fn stuck(&mut self) -> Option<&'static str> {
        let mut stuck = None;
        for (name, pulse, seen) in &mut self.0 {
            let beats = pulse.beats.load(Relaxed);
            if beats == *seen && !pulse.waits.load(Relaxed) {
                stuck = stuck.or(Some(*name));
            }
            *seen = beats;
        }
        stuck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_neither_works_nor_waits_is_stuck() {
        let [correlator, journal] = [Arc::<Pulse>::default(), Arc::default()];
        let parts = [("correlator", Arc::clone(&correlator)), ("journal", Arc::clone(&journal))];
        let mut vitals = Vitals::new(parts);
        assert_eq!(vitals.stuck(), Some("correlator"), "neither has begun");
        correlator.beat();
        journal.beat();
        assert_eq!(vitals.stuck(), None);
        journal.beat();
        assert_eq!(vitals.stuck(), Some("correlator"));
        journal.beat();
        correlator.waiting(|| assert_eq!(vitals.stuck(), None));
        assert_eq!(vitals.stuck(), Some("correlator"), "and for the journal too, nothing came");
    }
}
