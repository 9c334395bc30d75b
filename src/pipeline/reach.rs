//! Floor 6: how far what came in has got on its way to the journal.
//!
//! Invariant: no count is ahead of what is true, so that nothing which may be lost is left out of [`Reach::missing`].

use super::committer::Present;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};

/// Counts of frames of a run, in the order in which they came in, and what became of the events that they raised.
#[derive(Debug, Default)]
pub struct Reach {
    /// So many came in.
    received: AtomicU64,
    /// So many were folded when something was last handed on to the journal.
    handed: AtomicU64,
    /// So many were folded when it last turned out that there was nothing to hand on.
    quiet: AtomicU64,
    /// So many were folded into what is durable.
    durable: AtomicU64,
    /// Where things stood lately; events that were laid out and are not durable yet count as waiting.
    word: Mutex<Present>,
}

impl Reach {
    /// Counts frames that come in.
    pub(super) fn receive(&self, frames: u64) {
        self.received.fetch_add(frames, SeqCst);
    }

    /// Takes note that what the first so many frames came to is handed on.
    pub(super) fn hand_on(&self, frames: u64) {
        self.handed.store(frames, SeqCst);
    }

    /// Takes note that the frames since something was last handed on, up to so many, came to nothing that is kept.
    pub(super) fn pass_over(&self, frames: u64) {
        self.quiet.store(frames, SeqCst);
    }

    /// Takes note that what the first so many frames came to is durable.
    pub(super) fn commit(&self, frames: u64) {
        self.durable.store(frames, SeqCst);
    }

    /// Takes note of where things stand.
    pub(crate) fn leave_word(&self, present: Present) {
        *self.word.lock().unwrap_or_else(PoisonError::into_inner) = present;
    }

    /// Where things stood lately, for when the journal's thread does not answer.
    pub fn word(&self) -> Present {
        self.word.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many frames came in of which nobody can say after a restart what they came to.
    pub fn missing(&self) -> u64 {
        let durable = self.durable.load(SeqCst);
        let is_through = durable >= self.handed.load(SeqCst);
        let reached = if is_through { durable.max(self.quiet.load(SeqCst)) } else { durable };
        self.received.load(SeqCst).saturating_sub(reached)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_to_nothing_is_not_missing_unless_something_before_it_is() {
        let reach = Reach::default();
        assert_eq!(reach.missing(), 0);
        reach.receive(5);
        assert_eq!(reach.missing(), 5, "nobody has looked at them");
        reach.pass_over(5);
        assert_eq!(reach.missing(), 0);
        reach.receive(3);
        reach.hand_on(8);
        assert_eq!(reach.missing(), 8, "what was passed over may stand behind what is handed on");
        reach.commit(8);
        reach.receive(2);
        assert_eq!(reach.missing(), 2);
        reach.hand_on(10);
        reach.receive(4);
        reach.pass_over(14);
        assert_eq!(reach.missing(), 6);
        reach.commit(10);
        assert_eq!(reach.missing(), 0);
    }
}
