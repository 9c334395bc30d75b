//! Floor 6: which inputs are of a backlog: of what stood in a file before anybody followed it.
//!
//! An event that rests on such inputs alone is marked, and whoever delivers events may hold it back. So is one that a timer
//! raises for them later; one that rests on any other input is not.
//!
//! Invariant: memory is bounded, and where it is not enough an event more is delivered, never one less.

use crate::batch::Sequenced;
use crate::event::EventBlock;
use crate::journal::Ranges;
use crate::limits;

/// The positions of inputs of a backlog.
#[derive(Clone, Debug, Default)]
pub struct Backlog(Ranges);

impl Backlog {
    /// Notes the inputs of a batch, after so many of earlier runs, and marks the events that they raised: those from an
    /// index on.
    pub(super) fn note(
        &mut self,
        sequenced: &Sequenced,
        base: u64,
        (events, from): (&mut EventBlock, usize),
    ) {
        if sequenced.batch.origin.is_backlog() {
            let first = base.saturating_add(sequenced.first);
            self.0.insert(first..first.saturating_add(sequenced.inputs()));
            while self.0.spans() > limits::MAX_BACKLOG_RANGES {
                let Some(oldest) = self.0.iter().next() else { break };
                self.0.take(&oldest);
            }
        }
        if !self.0.is_empty() {
            events.mark_backlog(from, |evidence| {
                !evidence.is_empty() && evidence.iter().all(|position| self.0.contains(*position))
            });
        }
    }
}
