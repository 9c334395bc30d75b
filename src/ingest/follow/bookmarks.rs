//! Floor 4: how far files have been read, on its way to the journal.
//!
//! Invariant: a mark is here before the batch that it stands behind can be durable; so whoever makes inputs durable finds
//! all marks that go with them.

use crate::journal::Mark;
use crate::limits;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Marks that wait to be durable with the inputs before them.
#[derive(Debug, Default)]
pub struct Bookmarks(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    /// Each behind the number of the last input before it; the numbers ascend.
    marks: VecDeque<(u64, Mark)>,
    /// Since when one waits.
    since: Option<Instant>,
}

impl Bookmarks {
    /// Takes marks behind a batch, to be durable together; `submit` hands the batch on and tells the number of its last input.
    pub(in crate::ingest) fn put(&self, marks: Vec<Mark>, submit: impl FnOnce() -> u64) {
        let mut waiting = self.lock();
        let number = submit();
        waiting.marks.extend(marks.into_iter().map(|mark| (number, mark)));
        waiting.since.get_or_insert_with(Instant::now);
    }

    /// Takes out the newest mark of each file among those up to an input.
    pub fn take(&self, through: u64) -> Vec<Mark> {
        let mut waiting = self.lock();
        let mut newest: Vec<Mark> = Vec::new();
        while let Some((_, mark)) = waiting.marks.pop_front_if(|(number, _)| *number <= through) {
            match newest.iter_mut().find(|known| (&known.path, known.id) == (&mark.path, mark.id)) {
                Some(known) => known.place = mark.place,
                None => newest.push(mark),
            }
        }
        waiting.since = (!waiting.marks.is_empty()).then(Instant::now);
        newest
    }

    /// Whether marks have waited for so long, or are so many, that they should be durable also where nothing came of the
    /// lines before them.
    pub fn are_due(&self) -> bool {
        let waiting = self.lock();
        waiting.marks.len() >= limits::WAITING_MARKS
            || waiting.since.is_some_and(|since| since.elapsed() >= limits::MARK_INTERVAL)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{FileId, Place};

    #[test]
    fn the_newest_mark_of_each_file_goes_with_its_inputs() {
        let bookmarks = Bookmarks::default();
        let mark = |inode, offset| Mark {
            path: "/log".into(),
            id: FileId { device: 1, inode },
            place: Some(Place { offset, ..Place::default() }),
        };
        for (number, inode, offset) in [(3, 1, 30), (5, 2, 50), (9, 1, 90), (12, 1, 120)] {
            bookmarks.put(vec![mark(inode, offset)], || number);
        }
        assert_eq!(bookmarks.take(2), []);
        assert_eq!(bookmarks.take(9), [mark(1, 90), mark(2, 50)]);
        assert_eq!(bookmarks.take(u64::MAX), [mark(1, 120)]);
    }

    #[test]
    fn marks_are_due_when_they_are_many() {
        let bookmarks = Bookmarks::default();
        let mark = Mark { path: "/log".into(), id: FileId { device: 1, inode: 1 }, place: None };
        for number in 1..=limits::WAITING_MARKS as u64 {
            assert!(!bookmarks.are_due());
            bookmarks.put(vec![mark.clone()], || number);
        }
        assert!(bookmarks.are_due());
        bookmarks.take(1);
        assert!(!bookmarks.are_due());
    }
}
