//! Floor 3: what is remembered of each source that failed, and of each user that sources failed for.
//!
//! Invariant: both tables are bounded; what is full gives up the entry that has been quiet longest, to within the
//! laziness of its queue, and the choice depends on nothing but the inputs.

use super::network::SourceKey;
use crate::correlate::names::NameId;
use crate::correlate::window::{Crossing, Recent, Window};
use crate::time::Timestamp;
use ahash::RandomState;
use hashbrown::HashTable;
use std::collections::VecDeque;
use std::hash::Hash;
use std::time::Duration;

/// What is remembered of one source.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// Its failures, keys not counted.
    pub(super) failures: Window,
    pub(super) attempts: Crossing,
    /// The users it tried, with its failures for each.
    pub(super) users: Recent<NameId>,
    pub(super) enumeration: Crossing,
    /// Its connections that did not authenticate in time, where there were any.
    pub(super) timeouts: Option<Box<Window>>,
}

/// What is remembered of one existing user.
#[derive(Debug, Default)]
pub(super) struct Target {
    /// Its name, which it holds.
    pub(super) user: NameId,
    /// The sources that failed for it.
    pub(super) sources: Recent<SourceKey>,
    /// When it was last told.
    pub(super) told: Option<Timestamp>,
}

/// What is remembered of a host that drops connections.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    /// Its name, which it holds.
    pub(super) host: NameId,
    /// When it was last told.
    pub(super) told: Option<Timestamp>,
    /// Connections dropped since.
    pub(super) dropped: u64,
    /// Whether all of these came from trusted networks.
    pub(super) trusted: bool,
    /// Arrival of its newest record.
    pub(super) last: Timestamp,
    /// Number of its newest record.
    pub(super) number: u64,
}

/// One entry of a [`Ledger`].
#[derive(Debug)]
struct Slot<K, T> {
    key: K,
    last: Timestamp,
    entry: T,
}

/// A bounded table of entries that are given up once they have been quiet for a while.
///
/// Its queue is lazy: an entry stands in it once, and is looked at when its time comes; if it has spoken since, it
/// goes to the back. So speaking costs nothing.
#[derive(Debug)]
pub(super) struct Ledger<K, T> {
    table: HashTable<u32>,
    slots: Vec<Slot<K, T>>,
    free: Vec<u32>,
    queue: VecDeque<(u32, Timestamp)>,
    cap: usize,
    quiet: Duration,
    random: RandomState,
}

/// When an entry of a [`Ledger`] last spoke, and when it is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) last: Timestamp,
    pub(super) due: Timestamp,
}

/// Entries that are passed over because they have spoken, before one is given up nevertheless.
const SECOND_CHANCES: usize = 8;

impl<K: Copy + Eq + Hash, T: Default> Ledger<K, T> {
    pub(super) fn new(cap: usize, quiet: Duration, random: RandomState) -> Self {
        let (table, slots, free, queue) = (HashTable::new(), Vec::new(), Vec::new(), VecDeque::new());
        Self { table, slots, free, queue, cap, quiet, random }
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    #[cfg(test)]
    pub(super) fn set_cap(&mut self, cap: usize) {
        self.cap = cap;
    }

    /// How long an entry is quiet before it is given up.
    pub(super) fn quiet(&self) -> Duration {
        self.quiet
    }

    /// When the next entry is looked at.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.queue.front().map(|(_, due)| *due)
    }

    /// Whether a new entry needs room first.
    pub(super) fn is_full(&self) -> bool {
        self.table.len() >= self.cap
    }

    fn place(&self, key: K) -> Option<u32> {
        let hash = self.random.hash_one(key);
        self.table.find(hash, |&index| self.slots.get(index as usize).is_some_and(|s| s.key == key)).copied()
    }

    /// The entry of a key.
    pub(super) fn get(&self, key: K) -> Option<&T> {
        self.place(key).and_then(|index| self.slots.get(index as usize)).map(|slot| &slot.entry)
    }

    /// The entry of a key, to be changed.
    pub(super) fn get_mut(&mut self, key: K) -> Option<&mut T> {
        self.place(key).and_then(|index| self.at(index))
    }

    /// The entry at a place that [`Ledger::find`] or [`Ledger::add`] gave; of use until the next entry is taken out.
    pub(super) fn at(&mut self, place: u32) -> Option<&mut T> {
        self.slots.get_mut(place as usize).map(|slot| &mut slot.entry)
    }

    /// The place of a key that speaks now, if it is there.
    pub(super) fn find(&mut self, key: K, now: Timestamp) -> Option<u32> {
        let index = self.place(key)?;
        let slot = self.slots.get_mut(index as usize)?;
        slot.last = slot.last.max(now);
        Some(index)
    }

    /// The entry of a key that speaks now, made if it is not there; the caller has made room.
    pub(super) fn entry(&mut self, key: K, now: Timestamp) -> Option<&mut T> {
        let place = self.find(key, now).unwrap_or_else(|| self.add(key, now));
        self.at(place)
    }

    /// All entries with their keys, in the order of the queue.
    pub(super) fn queued(&self) -> impl Iterator<Item = (K, Standing, &T)> {
        self.queue.iter().filter_map(|&(index, due)| {
            let slot = self.slots.get(index as usize)?;
            Some((slot.key, Standing { last: slot.last, due }, &slot.entry))
        })
    }

    /// Adds an entry at the end of the queue, unless there is no room or the key is there.
    pub(super) fn restore(&mut self, key: K, standing: Standing) -> Option<&mut T> {
        if self.is_full() || self.place(key).is_some() {
            return None;
        }
        let index = self.add(key, standing.last);
        if let Some((_, due)) = self.queue.back_mut() {
            *due = standing.due;
        }
        self.at(index)
    }

    /// The place of a key that is not there, made; the caller has made room.
    pub(super) fn add(&mut self, key: K, now: Timestamp) -> u32 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { key, last: now, entry: T::default() });
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(slot) = self.slots.get_mut(index as usize) {
            (slot.key, slot.last) = (key, now);
        }
        let (slots, random) = (&self.slots, &self.random);
        self.table.insert_unique(random.hash_one(key), index, |&other| {
            slots.get(other as usize).map_or(0, |slot| random.hash_one(slot.key))
        });
        self.queue.push_back((index, now.plus(self.quiet)));
        index
    }

    /// Takes out an entry that has been quiet for long enough by now, and lets the caller empty it; its memory is
    /// kept for the next one.
    pub(super) fn expire(&mut self, now: Timestamp) -> Option<&mut T> {
        while self.queue.front().is_some_and(|(_, due)| *due <= now) {
            let (index, _) = self.queue.pop_front()?;
            let due = self.slots.get(index as usize)?.last.plus(self.quiet);
            if due <= now {
                return self.take_out(index);
            }
            self.queue.push_back((index, due));
        }
        None
    }

    /// Takes out the entry that has been quiet longest, roughly.
    pub(super) fn evict(&mut self) -> Option<&mut T> {
        for _ in 0..SECOND_CHANCES {
            let (index, due) = *self.queue.front()?;
            let real = self.slots.get(index as usize)?.last.plus(self.quiet);
            if real <= due {
                break;
            }
            self.queue.pop_front();
            self.queue.push_back((index, real));
        }
        let (index, _) = self.queue.pop_front()?;
        self.take_out(index)
    }

    fn take_out(&mut self, index: u32) -> Option<&mut T> {
        let slot = self.slots.get_mut(index as usize)?;
        let hash = self.random.hash_one(slot.key);
        if let Ok(found) = self.table.find_entry(hash, |&other| other == index) {
            found.remove();
        }
        self.free.push(index);
        Some(&mut slot.entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    fn ledger(cap: usize) -> Ledger<u32, u32> {
        Ledger::new(cap, Duration::from_secs(100), RandomState::with_seed(3))
    }

    #[test]
    fn an_entry_goes_once_it_has_been_quiet() {
        let mut ledger = ledger(10);
        *ledger.entry(1, at(0)).unwrap() = 11;
        *ledger.entry(2, at(10)).unwrap() = 22;
        ledger.entry(1, at(50));
        assert_eq!(ledger.expire(at(109)).copied(), None, "1 spoke at 50, 2 at 10");
        assert_eq!(ledger.expire(at(110)).copied(), Some(22));
        assert_eq!(ledger.expire(at(149)).copied(), None);
        assert_eq!(ledger.expire(at(150)).copied(), Some(11));
        assert_eq!((ledger.get(1), ledger.len()), (None, 0));
    }

    #[test]
    fn a_full_table_gives_up_what_has_been_quiet() {
        let mut ledger = ledger(3);
        for key in 1..=3 {
            *ledger.entry(key, at(i64::from(key))).unwrap() = key;
        }
        ledger.entry(1, at(9));
        assert!(ledger.is_full());
        assert_eq!(ledger.evict().copied(), Some(2), "1 has spoken since");
        assert_eq!(ledger.entry(4, at(10)).copied(), Some(2), "memory is kept; emptying is the caller's");
    }
}
