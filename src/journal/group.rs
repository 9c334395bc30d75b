//! Floor 3: what is made durable together.
//!
//! Invariant: a block of events that was laid out stays as it is.

use super::inputs::KeptInputs;
use super::marks::Mark;
use crate::event::EventBlock;
use crate::limits;
use std::sync::Arc;

/// What is to be durable together.
#[derive(Debug, Default)]
pub struct Group {
    /// The run.
    pub run: u32,
    /// Inputs of all runs before it.
    pub base: u64,
    /// The position of the last input that was folded.
    pub through: u64,
    /// What of the inputs meant something.
    pub inputs: KeptInputs,
    /// The events that were raised.
    pub blocks: Vec<Arc<EventBlock>>,
    /// How far files had been read that some of the inputs are from.
    pub marks: Vec<Mark>,
    /// Sequence numbers of the first event of each block that has been laid out.
    pub(super) firsts: Vec<u64>,
    pub(super) inputs_laid_out: bool,
}

impl Group {
    /// A group with nothing in it, of a run with so many inputs before it, that reaches through a position.
    pub fn new(run: u32, base: u64, through: u64) -> Self {
        Self { run, base, through, ..Self::default() }
    }

    /// Adds events behind those that are there, in the last block of these where both are small and nobody has laid it out.
    ///
    /// What comes in many small reads makes as many blocks, and each costs a handler, its channel and the journal about the
    /// same, however few its events are.
    pub fn add(&mut self, block: Arc<EventBlock>) {
        let waiting = self.blocks.get_mut(self.firsts.len()..).and_then(<[_]>::last_mut);
        let is_joined = waiting.is_some_and(|last| {
            last.size() + block.size() <= limits::JOINED_EVENTS_SIZE && Arc::make_mut(last).append(&block)
        });
        if !is_joined {
            self.blocks.push(block);
        }
    }

    /// The blocks of events with the sequence number of the first event of each, once they are committed.
    pub fn committed(&mut self) -> impl Iterator<Item = (u64, Arc<EventBlock>)> {
        self.firsts.drain(..).zip(self.blocks.drain(..))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::block;
    use super::*;
    use crate::event::{Stamp, StreamId};

    #[test]
    fn small_blocks_are_joined_up_to_a_size_and_never_behind_what_was_laid_out() {
        let stamp = Arc::new(Stamp { stream: StreamId(1), run: 1, modules: Vec::new() });
        let mut group = Group::new(1, 0, 9);
        let held = block(&stamp, 1..2);
        group.add(Arc::clone(&held));
        group.add(block(&stamp, 2..4));
        assert_eq!(group.blocks.iter().map(|block| block.len()).collect::<Vec<_>>(), [3]);
        assert_eq!(held.len(), 1, "what others hold stays as it is");

        group.firsts.push(0);
        group.add(block(&stamp, 4..5));
        let large = block(&stamp, 5..2_000);
        assert!(large.size() > limits::JOINED_EVENTS_SIZE);
        group.add(large);
        group.add(block(&stamp, 2_000..2_001));
        assert_eq!(group.blocks.iter().map(|block| block.len()).collect::<Vec<_>>(), [3, 1, 1_995, 1]);
    }
}
