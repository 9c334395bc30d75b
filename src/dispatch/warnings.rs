//! Floor 5: what the log says of deliveries that did not go well.
//!
//! Invariant: every line names the handler, and each sort of trouble is limited by itself, so that one hides no other.

use super::throttle::Throttle;
use crate::event::EventId;
use crate::handlers::Outcome;
use std::ops::Range;
use std::sync::Arc;

/// What is said of one handler.
#[derive(Debug)]
pub(super) struct Warnings {
    handler: Arc<str>,
    waiting: Throttle,
    dead: Throttle,
    refused: Throttle,
}

impl Warnings {
    pub(super) fn new(handler: &Arc<str>) -> Self {
        let [waiting, dead, refused] = std::array::from_fn(|_| Throttle::default());
        Self { handler: Arc::clone(handler), waiting, dead, refused }
    }

    /// Says that events could not be delivered, and are to be tried again.
    pub(super) fn waits(&mut self, count: u64, why: &str) {
        if let Some(events) = self.waiting.note(count) {
            let handler = &*self.handler;
            tracing::warn!(handler, events, why, "events wait: a handler could not deliver them");
        }
    }

    /// Says that events wait because the journal cannot be read.
    pub(super) fn unreadable(&mut self, why: &str) {
        if self.waiting.note(1).is_some() {
            let handler = &*self.handler;
            tracing::warn!(handler, why, "events wait: the journal cannot be read at present");
        }
    }

    /// Says which part of the journal cannot be read any more.
    pub(super) fn lost_to_damage(&self, events: &Range<u64>, why: &str) {
        let (handler, first, end) = (&*self.handler, events.start, events.end);
        tracing::error!(handler, first, end, why, "events of the journal cannot be read");
    }

    /// Says that events were given up, by the first of them.
    pub(super) fn given_up(&mut self, count: u64, first: Option<EventId<'_>>, why: &str) {
        if let Some(events) = self.dead.note(count) {
            let (handler, event) = (&*self.handler, first.map(tracing::field::display));
            tracing::warn!(handler, events, event, why, "events were given up: they are dead letters");
        }
    }

    /// Says that events could not be delivered, where there is no second attempt.
    pub(super) fn lost(&mut self, outcomes: &[Outcome]) {
        let failures = outcomes.iter().filter_map(Outcome::failure);
        let Some(why) = failures.clone().next() else { return };
        if let Some(events) = self.dead.note(failures.count() as u64) {
            tracing::warn!(handler = &*self.handler, events, why, "a handler could not deliver events");
        }
    }

    /// Says that some of the recipients have refused what others took.
    pub(super) fn refusals(&mut self, outcomes: &[Outcome]) {
        let refused = outcomes.iter().filter_map(|outcome| match outcome {
            Outcome::Partial { refused, .. } => Some(refused),
            _ => None,
        });
        let Some(why) = refused.clone().next() else { return };
        if let Some(messages) = self.refused.note(refused.count() as u64) {
            let handler = &*self.handler;
            tracing::warn!(handler, messages, why, "recipients have refused messages that others took");
        }
    }
}
