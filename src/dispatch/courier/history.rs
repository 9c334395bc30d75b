//! Floor 5: what a handler's storm control knew before a restart, taken up again from the journal.
//!
//! Two passes: what became of events, and then those events; so memory is bounded by how many runs there are.

use super::{Courier, Flow};
use crate::causes::in_full;
use crate::dispatch::steady::Age;
use crate::journal::{EventReader, Page, Ranges, Settled, State};
use crate::limits;
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::error::Error;
use std::ops::Range;
use std::time::Duration;

/// Runs of events by the first of them, with what became of them and when.
type Runs = BTreeMap<u64, (Range<u64>, State, Timestamp)>;

/// What is to be taken up from the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dispatch) enum Recall {
    /// What waits for the digest, and the cool-downs that last.
    All,
    /// What waits for the digest.
    Gathered,
}

impl Courier {
    /// Takes something up, or waits until the journal can be read: without it, what is gathered would never go.
    pub(super) async fn take_up(&mut self, recall: Recall) -> Flow {
        let cools = self.sieve.cooldown().filter(|_| recall == Recall::All);
        let mut attempts = 0_u32;
        loop {
            self.sieve.forget_gathered();
            let recalled = self.try_recall(cools.map(|time| self.clock.now().minus(time)));
            let Err(why) = recalled.map_err(|error| in_full(&*error)) else {
                self.recall = None;
                return Flow::On;
            };
            attempts = attempts.saturating_add(1);
            self.warnings.unreadable(&why);
            if self.wait(attempts, Duration::ZERO, None).await == Flow::Stop {
                return Flow::Stop;
            }
        }
    }

    /// Takes up what waits for the digest, and the cool-downs that began after a time.
    fn try_recall(&mut self, cools: Option<Timestamp>) -> Result<(), Box<dyn Error>> {
        let lately = self.standing.cursor.saturating_sub(limits::COOLDOWN_RECALL_EVENTS);
        let begin = match (self.standing.gathered.first(), cools) {
            (None, None) => return Ok(()),
            (gathered, cools) => gathered.into_iter().chain(cools.map(|_| lately)).fold(u64::MAX, u64::min),
        };
        let runs = self.runs(begin, cools)?;
        if runs.is_empty() {
            return Ok(());
        }
        let mut reader = EventReader::open(&self.feed.data, begin)?;
        while let Some(page) = next_page(&mut reader)? {
            let Page::Events { first, block, .. } = page else { continue };
            if first >= self.standing.cursor {
                break;
            }
            for (seq, event) in (first..).zip(block.iter()) {
                let run = runs.range(..=seq).next_back().filter(|(_, (range, ..))| range.contains(&seq));
                match run.map(|(_, (_, state, time))| (*state, *time)) {
                    Some((State::Gathered, then)) => self.sieve.gather_again(seq, event, then),
                    Some((_, then)) => self.sieve.cool_again(event, then),
                    None => {}
                }
            }
        }
        Ok(())
    }

    /// What of this handler's history still matters: the first word on what is gathered, and what was delivered since.
    fn runs(&mut self, begin: u64, cools: Option<Timestamp>) -> Result<Runs, Box<dyn Error>> {
        let mut runs = Runs::new();
        let mut missing: Ranges = self.standing.gathered.clone();
        let mut tried: Option<(u32, Timestamp)> = None;
        let mut reader = EventReader::open(&self.feed.data, begin)?;
        while let Some(page) = next_page(&mut reader)? {
            let Page::Settled(settled) = page else { continue };
            for Settled { events, state, time, attempts, .. } in
                settled.into_iter().filter(|run| run.handler == self.name)
            {
                match state {
                    // A digest that failed; what went with one since is not gathered any more.
                    State::Gathered if attempts > 0 && self.standing.gathered.touches(&events) => {
                        tried = Some((attempts, tried.map_or(time, |(_, since)| since)));
                    }
                    State::Gathered => {
                        let found = missing.take(&events);
                        runs.extend(found.iter().map(|range| (range.start, (range, state, time))));
                    }
                    State::Delivered if cools.is_some_and(|since| time > since) && events.end > begin => {
                        runs.insert(events.start, (events, state, time));
                    }
                    _ => {}
                }
            }
        }
        // Checkpoints may have outlived what they sum up.
        let now = self.clock.now();
        if let (Some((attempts, since)), None) = (tried, self.tried) {
            self.tried = Some((attempts, Age::since(since, now)));
        }
        runs.extend(missing.iter().map(|range| (range.start, (range, State::Gathered, now))));
        Ok(runs)
    }
}

/// The next page; an error also where a file cannot be opened for now.
fn next_page(reader: &mut EventReader) -> Result<Option<Page>, Box<dyn Error>> {
    match reader.next_page()? {
        Some(Page::Flaw(flaw)) if flaw.may_pass() => Err(flaw.into()),
        page => Ok(page),
    }
}
