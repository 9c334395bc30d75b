//! Floor 4: which files are being read, by whatever name.
//!
//! Invariant: no file is read by two at once, and one that somebody goes on with after another is read on where that one
//! stopped.

use crate::journal::{FileId, Place};
use crate::limits;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The files that are read, and how far those have been that are not read any more.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    files: Arc<Mutex<HashMap<FileId, State>>>,
    /// Whether it was said that beside one of them there are more files than are looked at.
    is_cut: Arc<AtomicBool>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// How far, once somebody has begun.
    Read(Option<Place>),
    Left(Place),
}

/// The right to read a file; dropping it gives it up.
#[derive(Debug)]
pub(super) struct Claim {
    held: Held,
    pub(super) id: FileId,
    /// How far the file has been read, once somebody has begun.
    pub(super) place: Option<Place>,
}

impl Held {
    /// Begins with what is known of files that nobody reads yet.
    pub(super) fn new(places: HashMap<FileId, Place>) -> Self {
        let left = places.into_iter().map(|(id, place)| (id, State::Left(place)));
        Self { files: Arc::new(Mutex::new(left.collect())), is_cut: Arc::default() }
    }

    /// Whether nobody has said yet that there are more files than are looked at; the caller does.
    pub(super) fn says_cut(&self) -> bool {
        !self.is_cut.swap(true, Relaxed)
    }

    /// Takes a file, unless somebody else reads it; tells how far it was read before.
    pub(super) fn claim(&self, id: FileId) -> Option<Claim> {
        let mut held = self.lock();
        let place = match held.get(&id) {
            Some(State::Read(_)) => return None,
            Some(State::Left(place)) => Some(*place),
            None => None,
        };
        held.insert(id, State::Read(place));
        Some(Claim { held: self.clone(), id, place })
    }

    /// How far files have been read, also those that are being read, the farthest first.
    pub(super) fn places(&self) -> Vec<Place> {
        let mut places: Vec<_> = self
            .lock()
            .values()
            .filter_map(|state| match state {
                State::Left(place) => Some(*place),
                State::Read(place) => *place,
            })
            .collect();
        places.sort_unstable_by_key(|place| std::cmp::Reverse(place.offset));
        places
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<FileId, State>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// Notes how far the file has been read.
    pub(super) fn reach(&mut self, place: Place) {
        self.place = Some(place);
        self.held.lock().insert(self.id, State::Read(self.place));
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut held = self.held.lock();
        match self.place {
            Some(place) if held.len() <= limits::MAX_FILE_MARKS => {
                held.insert(self.id, State::Left(place));
            }
            _ => drop(held.remove(&self.id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reads_at_a_time_and_the_next_goes_on() {
        let (held, id) = (Held::default(), FileId { device: 1, inode: 2 });
        let mut first = held.claim(id).unwrap();
        assert!(first.place.is_none() && held.claim(id).is_none());
        let place = Place { offset: 77, ..Place::default() };
        first.reach(place);
        assert_eq!(held.places(), [place]);
        drop(first);
        assert_eq!(held.claim(id).unwrap().place, Some(place));
    }
}
