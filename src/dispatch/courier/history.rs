//! Floor 5: what a handler's storm control knew before a restart, taken up again from the journal.
//!
//! Two passes: what became of events, and then those events; so memory is bounded by how many runs there are.

use super::Courier;
use crate::journal::{EventReader, Page, Ranges, ReadError, Settled, State};
use crate::limits;
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::ops::Range;

/// Runs of events by the first of them, with what became of them and when.
type Runs = BTreeMap<u64, (Range<u64>, State, Timestamp)>;

impl Courier {
    /// Takes up what waits for the digest, and the cool-downs that last.
    pub(super) fn recall(&mut self) {
        let now = self.clock.now();
        self.recall_since(self.sieve.cooldown().map(|time| now.minus(time)));
    }

    /// Takes up what waits for the digest; the cool-downs are left as they are.
    pub(super) fn gather_anew(&mut self) {
        self.recall_since(None);
    }

    fn recall_since(&mut self, cools: Option<Timestamp>) {
        if let Err(error) = self.try_recall(cools) {
            tracing::warn!(handler = &*self.name, %error, "the journal cannot be read: storm control begins anew");
        }
    }

    /// Takes up what waits for the digest, and the cool-downs that began after a time.
    fn try_recall(&mut self, cools: Option<Timestamp>) -> Result<(), ReadError> {
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
        while let Some(page) = reader.next_page()? {
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
    fn runs(&self, begin: u64, cools: Option<Timestamp>) -> Result<Runs, ReadError> {
        let mut runs = Runs::new();
        let mut missing: Ranges = self.standing.gathered.clone();
        let mut reader = EventReader::open(&self.feed.data, begin)?;
        while let Some(page) = reader.next_page()? {
            let Page::Settled(settled) = page else { continue };
            for Settled { events, state, time, .. } in
                settled.into_iter().filter(|run| run.handler == self.name)
            {
                match state {
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
        runs.extend(missing.iter().map(|range| (range.start, (range, State::Gathered, now))));
        Ok(runs)
    }
}
