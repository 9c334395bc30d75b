//! Floor 3: windows and sets of recent keys in a saved state: a row for each says how much of the columns is its own.
//!
//! Invariant: what is read keeps to the caps of `limits`.

use super::columns::{Column, Damaged, length};
use crate::correlate::window::{Counts, Memory, Recent, Seen, Tally, Window};
use crate::limits;
use crate::time::Timestamp;
use rkyv::{Archive, Deserialize, Serialize};

/// The columns.
#[derive(Debug, Archive, Serialize, Deserialize)]
pub(in crate::correlate) struct Windows {
    tallies: Vec<TallyRow>,
    seen: Vec<SeenRow>,
}

/// Some occurrences.
#[derive(Debug, Archive, Serialize, Deserialize)]
struct TallyRow {
    at: Timestamp,
    number: u64,
    count: u32,
}

/// One key of a set; the key itself stands in a column of the caller's.
#[derive(Debug, Archive, Serialize, Deserialize)]
struct SeenRow {
    newest: Timestamp,
    count: u32,
    unforgiven: u32,
}

/// One set of recent keys.
#[derive(Debug, Archive, Serialize, Deserialize)]
pub(in crate::correlate) struct RecentRow {
    newest: Timestamp,
    seen: u32,
    replace: u32,
    replaced: u32,
}

impl Windows {
    /// Columns with room for so many tallies, and for so many keys of sets.
    pub(in crate::correlate) fn with_room(tallies: usize, keys: usize) -> Self {
        Self { tallies: Vec::with_capacity(tallies), seen: Vec::with_capacity(keys) }
    }

    /// Bytes that they take in an archive.
    pub(in crate::correlate) fn size(&self) -> usize {
        size_of::<ArchivedTallyRow>() * self.tallies.len() + size_of::<ArchivedSeenRow>() * self.seen.len()
    }

    /// Appends a window; the row keeps how many tallies it has.
    pub(in crate::correlate) fn put_window(&mut self, window: &Window) -> u32 {
        let tallies = window.tallies();
        self.tallies.extend(tallies.iter().map(|&Tally { at, number, count }| TallyRow {
            at,
            number,
            count,
        }));
        length(tallies.len())
    }

    /// Appends a set, and gives its keys to be put in order.
    pub(in crate::correlate) fn put_recent<K: Copy + PartialEq>(
        &mut self,
        recent: &Recent<K>,
        mut put: impl FnMut(K),
    ) -> RecentRow {
        for Seen { key, counts: Counts { newest, count, unforgiven } } in recent.iter() {
            put(key);
            self.seen.push(SeenRow { newest, count, unforgiven });
        }
        let Recent { replace, replaced, newest, .. } = *recent;
        RecentRow { newest, seen: length(recent.len()), replace, replaced }
    }
}

/// The columns, to be read.
#[derive(Debug)]
pub(in crate::correlate) struct WindowsIn {
    tallies: Column<TallyRow>,
    seen: Column<SeenRow>,
}

impl WindowsIn {
    pub(in crate::correlate) fn new(windows: Windows) -> Self {
        Self { tallies: Column::new(windows.tallies), seen: Column::new(windows.seen) }
    }

    /// The next window.
    pub(in crate::correlate) fn window(&mut self, tallies: u32) -> Result<Window, Damaged> {
        let rows = self.tallies.take(tallies, limits::WINDOW_ENTRIES)?;
        let window = Window::of(rows.map(|TallyRow { at, number, count }| Tally { at, number, count }));
        if !window.tallies().is_sorted_by_key(|tally| tally.at) {
            return Err(Damaged("a window is not in the order of time"));
        }
        Ok(window)
    }

    /// The next set, whose keys `key` gives in order. A key that comes twice, as two networks do that a shorter prefix
    /// makes one, stands where it came first; `spare` takes the other.
    pub(in crate::correlate) fn recent<K: Copy + PartialEq>(
        &mut self,
        row: &RecentRow,
        memory: Memory,
        mut key: impl FnMut() -> Result<K, Damaged>,
        mut spare: impl FnMut(K),
    ) -> Result<Recent<K>, Damaged> {
        let rows = self.seen.take(row.seen, memory.cap)?;
        let RecentRow { newest, replace, replaced, .. } = *row;
        let mut recent = Recent::default();
        (recent.newest, recent.replace, recent.replaced) = (newest, replace, replaced);
        for SeenRow { newest, count, unforgiven } in rows {
            let key = key()?;
            if recent.holds(key) {
                spare(key);
            } else {
                recent.put(Seen { key, counts: Counts { newest, count, unforgiven } });
            }
        }
        if replace as usize >= memory.cap {
            return Err(Damaged("a set makes room where it has none"));
        }
        Ok(recent)
    }

    /// Takes the end of the columns.
    pub(in crate::correlate) fn finish(self) -> Result<(), Damaged> {
        self.tallies.finish()?;
        self.seen.finish()
    }
}
