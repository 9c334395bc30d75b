//! Floor 4: which recipients have had which message, while some have not.
//!
//! Invariant: it is bounded; when it is full, the oldest message is forgotten, whose next attempt goes to everybody.

use crate::limits;
use std::collections::VecDeque;

/// What became of a message for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// It was accepted under this name.
    Sent(String),
    /// It was refused for good.
    Refused(String),
}

/// A message that is under way.
#[derive(Debug, Default)]
pub(super) struct Progress {
    id: String,
    /// By recipient; nothing for those that are still to get it.
    pub(super) settled: Vec<Option<Settled>>,
}

/// The messages that are under way.
#[derive(Debug, Default)]
pub(super) struct Memory {
    current: Progress,
    /// Others that some have had, the oldest first.
    others: VecDeque<Progress>,
}

impl Memory {
    /// The state of a message, which so many recipients are to get.
    pub(super) fn of(&mut self, id: &str, recipients: usize) -> &mut Progress {
        if self.current.id != id {
            let known = self.others.iter().position(|progress| progress.id == id);
            let known = known.and_then(|at| self.others.remove(at));
            let next =
                known.unwrap_or_else(|| Progress { id: id.to_owned(), settled: vec![None; recipients] });
            let before = std::mem::replace(&mut self.current, next);
            if before.settled.iter().any(Option::is_some) {
                self.others.push_back(before);
            }
            if self.others.len() > limits::MAX_PARTLY_SENT {
                self.others.pop_front();
            }
        }
        &mut self.current
    }

    /// Forgets the message that was asked for last, because it is settled.
    pub(super) fn forget(&mut self) {
        self.current = Progress::default();
    }
}

impl Progress {
    /// Whether nobody has had it yet.
    pub(super) fn is_new(&self) -> bool {
        !self.settled.iter().any(|settled| matches!(settled, Some(Settled::Sent(_))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_remembers_who_has_had_what_and_is_bounded() {
        let sent = || Some(Settled::Sent("SM1".into()));
        let mut memory = Memory::default();
        memory.of("a", 2).settled[1] = sent();
        assert!(memory.of("b", 2).is_new() && !memory.of("a", 2).is_new());
        memory.forget();
        assert!(memory.of("a", 2).is_new());
        for number in 0..limits::MAX_PARTLY_SENT * 2 {
            memory.of(&number.to_string(), 2).settled[0] = sent();
        }
        assert_eq!(memory.others.len(), limits::MAX_PARTLY_SENT);
        assert!(memory.of("0", 2).is_new());
    }
}
