//! Floor 6: how much each host said, and how its clock goes, for people to look at.
//!
//! No clock is compared with ours: a record's time is, with its arrival. Between them lie the clock's error and the time
//! that the record was on its way, which cannot be less than nothing; so the least of many differences tells the most of
//! the clock.
//!
//! Invariant: the figures decide nothing; hosts beyond [`limits::MAX_HOSTS`] have none.

use crate::batch::Sequenced;
use crate::detect::senders::{Note, Word};
use crate::limits;
use crate::time::Timestamp;
use hashbrown::HashTable;
use std::sync::Arc;

/// The figures of all hosts.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    table: HashTable<u32>,
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
struct Row {
    hash: u64,
    name: Arc<[u8]>,
    figures: HostFigures,
}

/// The figures of one host.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostFigures {
    /// Its records.
    pub records: u64,
    /// Arrival of the last one.
    pub last: Timestamp,
    least: Least,
}

/// The least lag within this while, and within the one before.
#[derive(Clone, Copy, Debug, Default)]
struct Least {
    begun: Timestamp,
    now: Option<i64>,
    before: Option<i64>,
}

impl HostFigures {
    /// By how many microseconds its clock is ahead; behind where that is negative.
    pub fn clock_ahead(&self) -> Option<i64> {
        let least = self.least.now.into_iter().chain(self.least.before).min();
        least.map(i64::saturating_neg)
    }
}

impl Hosts {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All hosts, in the order in which they were first heard.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &HostFigures)> {
        self.rows.iter().map(|row| (&*row.name, &row.figures))
    }

    /// Adds what was noted of a batch.
    pub(super) fn add(&mut self, batch: &Sequenced, notes: &[Note]) {
        let arrival = batch.arrivals.last();
        for note in notes.iter().filter(|note| note.word == Word::Heard) {
            let name = note.host.span.of(&batch.batch.bytes);
            if let Some(figures) = self.figures(note.host.hash, name) {
                figures.records += u64::from(note.records);
                figures.last = arrival;
                figures.least.add(arrival, note.lag);
            }
        }
    }

    fn figures(&mut self, hash: u64, name: &[u8]) -> Option<&mut HostFigures> {
        let rows = &mut self.rows;
        let is_it =
            |&index: &u32| rows.get(index as usize).is_some_and(|row| row.hash == hash && &*row.name == name);
        let index = match self.table.find(hash, is_it) {
            Some(index) => *index,
            None if rows.len() >= limits::MAX_HOSTS => return None,
            None => {
                let index = u32::try_from(rows.len()).ok()?;
                rows.push(Row { hash, name: name.into(), figures: HostFigures::default() });
                self.table
                    .insert_unique(hash, index, |&index| rows.get(index as usize).map_or(0, |row| row.hash));
                index
            }
        };
        rows.get_mut(index as usize).map(|row| &mut row.figures)
    }
}

impl Least {
    fn add(&mut self, arrival: Timestamp, lag: Option<i64>) {
        if arrival >= self.begun.plus(limits::CLOCK_WINDOW) {
            *self = Self { begun: arrival, now: None, before: self.now };
        }
        self.now = self.now.into_iter().chain(lag).min();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_told_by_the_least_lag_of_late() {
        let mut figures = HostFigures::default();
        assert_eq!(figures.clock_ahead(), None);
        let at = |minute: i64| Timestamp::from_micros(1_000_000_000_000_000 + minute * 60_000_000);
        for (minute, lag, expected) in [
            (0, Some(900), -900),
            (1, Some(300), -300),
            (2, Some(5_000), -300),
            (3, None, -300),
            (9, Some(-40), 40),
            (12, Some(700), 40),
            (23, Some(800), -700),
            (40, Some(900), -800),
        ] {
            figures.least.add(at(minute), lag);
            assert_eq!(figures.clock_ahead(), Some(expected), "after {minute} minutes");
        }
    }
}
