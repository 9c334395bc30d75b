//! Floor 4: what is known of messages that some of their recipients have had and others have not, so that another
//! attempt goes to those alone.
//!
//! Invariant: bounded; where it forgets, the oldest first, a recipient gets a message twice, and nobody gets one less.

use crate::limits;
use std::collections::{HashMap, VecDeque};

/// What is known of messages, by their ids.
#[derive(Debug, Default)]
pub(super) struct Memory<T> {
    known: HashMap<String, T>,
    order: VecDeque<String>,
}

impl<T: Default> Memory<T> {
    /// What is known of a message, if anything is.
    pub(super) fn get(&self, id: &str) -> Option<&T> {
        self.known.get(id)
    }

    /// The same, to be added to.
    pub(super) fn of(&mut self, id: &str) -> &mut T {
        if !self.known.contains_key(id) {
            if self.order.len() >= limits::MAX_REMEMBERED_MESSAGES
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
            self.order.push_back(id.to_owned());
        }
        self.known.entry(id.to_owned()).or_default()
    }

    /// Forgets a message.
    pub(super) fn forget(&mut self, id: &str) {
        if self.known.remove(id).is_some() {
            self.order.retain(|known| known != id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_forgets_the_oldest_or_what_it_is_told_to() {
        let mut memory = Memory::<Vec<usize>>::default();
        for number in 0..=limits::MAX_REMEMBERED_MESSAGES {
            memory.of(&number.to_string()).push(number);
        }
        assert_eq!((memory.get("0"), memory.get("1")), (None, Some(&vec![1])));
        memory.of("1").push(7);
        memory.forget("2");
        assert_eq!((memory.get("1"), memory.get("2")), (Some(&vec![1, 7]), None));
        let known = limits::MAX_REMEMBERED_MESSAGES - 1;
        assert_eq!((memory.known.len(), memory.order.len()), (known, known));
    }
}
