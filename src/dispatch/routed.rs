//! Floor 5: one event to one handler, to see whether it gets there: no journal, no second attempt.

use super::Target;
use super::delivery::bounded;
use super::sieve::Sieve;
use crate::event::EventBlock;
use crate::handlers::{Outcome, Selection};
use crate::journal::State;
use crate::time::Timestamp;
use std::sync::Arc;

/// Where an event comes to on its way to a handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routed {
    /// The handler is not meant, or its filter leaves it out.
    Filtered,
    /// It would wait for the digest.
    Gathered,
    /// It was handed to the handler, with this outcome.
    Sent(Outcome),
}

impl Target {
    /// Hands the only event of a block to the handler, whatever its filter says.
    pub async fn send(&mut self, block: EventBlock) -> Outcome {
        let events = Selection::all(Arc::new(block));
        let outcomes = bounded(&mut *self.handler, &events, self.options.retry.deadline).await;
        outcomes.into_iter().next().unwrap_or_else(|| Outcome::Permanent("there is no event".to_owned()))
    }

    /// Lets the only event of a block go the way to the handler that it would go if nothing like it had come before.
    pub async fn route(&mut self, block: EventBlock, now: Timestamp) -> Routed {
        match block.get(0).and_then(|event| Sieve::new(self).take(1, event, now)) {
            Some(State::Gathered) => Routed::Gathered,
            Some(_) => Routed::Filtered,
            None => Routed::Sent(self.send(block).await),
        }
    }
}
