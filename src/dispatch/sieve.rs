//! Floor 5: which events one handler gets, and when: those of its applications that its filter lets through, spared of
//! storms.
//!
//! Invariant: each event is decided on once, in order; what is gathered waits in exactly one digest.

use super::filter::Filter;
use super::storm::{Decision, Storm};
use super::{Apps, Target};
use crate::event::Event;
use crate::handlers::Digest;
use crate::journal::State;
use crate::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// Decides on the events of one handler.
#[derive(Debug)]
pub(super) struct Sieve {
    apps: Apps,
    filter: Option<Arc<Filter>>,
    storm: Storm,
    holds_backlog: bool,
}

impl Sieve {
    /// The sieve of a handler, with no cool-down begun and nothing gathered.
    pub(super) fn new(target: &Target) -> Self {
        let storm = Storm::new(target.options.storm.clone());
        let (apps, filter) = (target.apps.clone(), target.options.filter.clone());
        Self { apps, filter, storm, holds_backlog: target.options.holds_backlog }
    }

    /// What becomes of an event, by its sequence number; nothing when it is to be delivered at once.
    pub(super) fn take(&mut self, seq: u64, event: Event<'_>, now: Timestamp) -> Option<State> {
        let backlog = || self.holds(event).then_some(State::Suppressed);
        self.refuse(event).or_else(backlog).or_else(|| match self.storm.take(seq, event, now) {
            Decision::Deliver => None,
            Decision::Gather => Some(State::Gathered),
            Decision::Suppress => Some(State::Suppressed),
        })
    }

    /// What becomes of an event that the handler does not want at all; nothing of any other.
    pub(super) fn refuse(&self, event: Event<'_>) -> Option<State> {
        if !self.apps.mean(event) {
            return Some(State::Skipped);
        }
        let is_wanted = self.filter.as_ref().is_none_or(|filter| filter.wants(event));
        (!is_wanted).then_some(State::Filtered)
    }

    /// Whether an event is held back because it is of a backlog.
    pub(super) fn holds(&self, event: Event<'_>) -> bool {
        self.holds_backlog && event.is_backlog()
    }

    /// Gathers an event that was gathered before, at this time.
    pub(super) fn gather_again(&mut self, seq: u64, event: Event<'_>, then: Timestamp) {
        self.storm.gather(seq, event, then);
    }

    /// Begins the cool-down of an event that was delivered before, at this time.
    pub(super) fn cool_again(&mut self, event: Event<'_>, then: Timestamp) {
        self.storm.cool(event, then);
    }

    /// Forgets what is gathered.
    pub(super) fn forget_gathered(&mut self) {
        self.storm.digest(Timestamp::MAX);
    }

    /// Ends the cool-down of an event that could not be delivered.
    pub(super) fn failed(&mut self, event: Event<'_>) {
        self.storm.failed(event);
    }

    /// For how long an event keeps those like it back, if it does.
    pub(super) fn cooldown(&self) -> Option<Duration> {
        self.storm.cooldown()
    }

    /// When the digest is due, if anything is gathered.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.storm.due()
    }

    /// Whether the digest, as it is now, shows an event, by its sequence number.
    pub(super) fn shows(&self, seq: u64) -> bool {
        self.storm.shows(seq)
    }

    /// The digest, once it is due.
    pub(super) fn digest(&mut self, now: Timestamp) -> Option<Digest> {
        self.storm.digest(now)
    }
}
