//! Floor 5: storm control: of alike events the first goes at once; the others wait for a digest, or are held back.
//!
//! Events are alike that are of one kind and hold the same in some fields, or, where they have none of these, are about
//! the same. What becomes of an event:
//!
//! | the event | without a digest | with a digest |
//! | --- | --- | --- |
//! | comes within the cool-down of one like it | suppressed | gathered |
//! | else, is CRITICAL | delivered | delivered |
//! | else, is late | gathered | gathered |
//! | else, there is a cool-down, and as many as may have gone at once lately | delivered | gathered |
//! | else, there is a cool-down | delivered | delivered |
//! | else | delivered | gathered |
//!
//! A cool-down begins when an event is delivered. Late is what is old already when its turn comes, as after an outage:
//! that goes as a digest of its own accord, so that nobody is called a hundred times for what happened last night. Within
//! the time of a digest [`limits::STORM_BURST`] events go at once at most: an attack from a thousand sources is a thousand
//! events of which none is like another.
//!
//! Invariant: time is handed in; what is gathered is in just one digest; memory is bounded, and where it is not enough
//! an event more is delivered, never one less.

mod cooling;

#[cfg(test)]
mod tests;

use self::cooling::Cooling;
use crate::event::{Event, Field, Severity};
use crate::handlers::Digest;
use crate::limits;
use crate::time::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// How a handler is spared a storm of events. By default it is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Time for which events like one that was delivered are held back.
    pub cooldown: Option<Duration>,
    /// The fields in which alike events hold the same, beside the kind. For [`Field::Source`] a kind that lacks it is
    /// known by its address, in IPv6 by the /64 network of it. An event that has none of the fields is like those about
    /// the same user, host, handler or sender; with no fields the kind alone decides.
    pub cooldown_by: Vec<Field>,
    /// Time for which events are gathered before they go as one.
    pub digest: Option<Duration>,
    /// Age from which on an event is late.
    pub late_after: Option<Duration>,
}

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It goes at once.
    Deliver,
    /// It waits for the digest.
    Gather,
    /// It is held back for good.
    Suppress,
}

/// The storm control of one handler.
#[derive(Debug)]
pub struct Storm {
    options: Options,
    cooling: Option<Cooling>,
    gathered: Option<Gathered>,
    /// When the last events went at once; CRITICAL ones do not count.
    at_once: VecDeque<Timestamp>,
}

/// What waits for the digest.
#[derive(Debug)]
struct Gathered {
    due: Timestamp,
    digest: Digest,
}

impl Storm {
    /// Begins with nothing gathered and no cool-down. A time of zero is none.
    pub fn new(mut options: Options) -> Self {
        let lasts = |time: &Duration| !time.is_zero();
        (options.cooldown, options.digest) = (options.cooldown.filter(lasts), options.digest.filter(lasts));
        let cooling = options.cooldown.map(|cooldown| Cooling::new(cooldown, options.cooldown_by.clone()));
        Self { options, cooling, gathered: None, at_once: VecDeque::new() }
    }

    /// Decides on an event, by its sequence number.
    pub fn take(&mut self, seq: u64, event: Event<'_>, now: Timestamp) -> Decision {
        let decision = self.decide(event, now);
        if decision == Decision::Gather {
            self.gather(seq, event, now);
        }
        decision
    }

    fn decide(&mut self, event: Event<'_>, now: Timestamp) -> Decision {
        let gathers = self.options.digest.is_some();
        if self.cooling.as_mut().is_some_and(|cooling| cooling.holds(event, now)) {
            return if gathers { Decision::Gather } else { Decision::Suppress };
        }
        let waits = gathers && self.cooling.is_none() || self.is_late(event, now) || self.is_burst(now);
        if waits && event.head().severity < Severity::Critical {
            return Decision::Gather;
        }
        self.cool(event, now);
        Decision::Deliver
    }

    /// Whether as many events as may have gone at once within the time of a digest.
    fn is_burst(&self, now: Timestamp) -> bool {
        let within = |first: &Timestamp| {
            self.options.digest.is_some_and(|time| *first <= now && now < first.plus(time))
        };
        self.at_once.len() >= limits::STORM_BURST && self.at_once.front().is_some_and(within)
    }

    fn is_late(&self, event: Event<'_>, now: Timestamp) -> bool {
        self.options.late_after.is_some_and(|age| now.since(event.head().time) > age)
    }

    /// Gathers an event without a decision: it was gathered then, by an earlier run.
    pub fn gather(&mut self, seq: u64, event: Event<'_>, then: Timestamp) {
        let late = self.is_late(event, then);
        let time = self.options.digest.unwrap_or(limits::LATE_GATHER_TIME);
        let gathered =
            self.gathered.get_or_insert_with(|| Gathered { due: then.plus(time), digest: Digest::default() });
        gathered.digest.add(seq, event, late);
    }

    /// Whether the digest, as it is now, shows an event, by its sequence number.
    pub fn shows(&self, seq: u64) -> bool {
        self.gathered.as_ref().is_some_and(|gathered| gathered.digest.place(seq).is_some())
    }

    /// Begins the cool-down of an event without a decision: it was delivered then, perhaps by an earlier run.
    pub fn cool(&mut self, event: Event<'_>, then: Timestamp) {
        if let Some(cooling) = &mut self.cooling {
            cooling.begin(event, then);
        }
        if event.head().severity < Severity::Critical {
            if self.at_once.len() >= limits::STORM_BURST {
                self.at_once.pop_front();
            }
            self.at_once.push_back(then);
        }
    }

    /// For how long events like one that was delivered are held back, if they are.
    pub fn cooldown(&self) -> Option<Duration> {
        self.options.cooldown
    }

    /// When what is gathered is to go; never, where nothing is.
    pub fn due(&self) -> Option<Timestamp> {
        self.gathered.as_ref().map(|gathered| gathered.due)
    }

    /// Gives what is gathered once it is due, and begins to gather anew.
    pub fn digest(&mut self, now: Timestamp) -> Option<Digest> {
        self.gathered.take_if(|gathered| gathered.due <= now).map(|gathered| gathered.digest)
    }

    /// Ends the cool-down that an event began, because it could not be delivered: the next one like it goes at once.
    pub fn failed(&mut self, event: Event<'_>) {
        if let Some(cooling) = &mut self.cooling {
            cooling.end(event);
        }
    }
}
