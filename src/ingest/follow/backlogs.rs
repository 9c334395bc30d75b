//! Floor 4: how far the backlogs of files go: what was in them when they were first followed.
//!
//! The end of a backlog is noted in the journal as the place of a file is, by a path that no file has; so a restart in the
//! midst of it does not make news of history.
//!
//! Invariant: the end of a backlog is told before any place in the file is.

use crate::batch::Origin;
use crate::journal::{FileId, Mark, Place};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// The backlogs of the files of one path that have not been read to their end.
#[derive(Debug)]
pub(super) struct Backlogs {
    /// By what path they are noted.
    path: PathBuf,
    ends: Vec<(FileId, u64)>,
    /// What is to be noted.
    news: VecDeque<Mark>,
}

/// By what path the backlogs of a path's files are noted.
pub(super) fn noted_by(path: &Path) -> PathBuf {
    let origin = Origin { listener: String::new(), peer: path.to_string_lossy().into_owned() };
    origin.backlog().peer.into()
}

impl Backlogs {
    /// Those that the run before had not read to their end, if they are still wanted to be known; and all other marks.
    pub(super) fn of(path: &Path, marks: Vec<Mark>, is_wanted: bool) -> (Self, Vec<Mark>) {
        let path = noted_by(path);
        let (own, others): (Vec<_>, Vec<_>) = marks.into_iter().partition(|mark| mark.path == path);
        let ends = own.iter().filter_map(|mark| Some((mark.id, mark.place?.offset)));
        let mut backlogs = Self { ends: ends.collect(), path, news: VecDeque::new() };
        if !is_wanted {
            backlogs.ends.clone().into_iter().for_each(|(id, _)| backlogs.passed(id, u64::MAX));
        }
        (backlogs, others)
    }

    /// Notes that everything up to here is a backlog.
    pub(super) fn begin(&mut self, id: FileId, end: u64) {
        if end > 0 {
            self.ends.push((id, end));
            let place = Some(Place { offset: end, ..Place::default() });
            self.news.push_back(Mark { path: self.path.clone(), id, place });
        }
    }

    /// Notes that what was left of a file's backlog is now in its copy.
    pub(super) fn moved(&mut self, from: FileId, to: FileId) {
        if from != to {
            self.begin(to, self.end(from));
            self.passed(from, u64::MAX);
        }
    }

    /// Where the backlog of a file ends; 0 if it has none.
    pub(super) fn end(&self, id: FileId) -> u64 {
        self.ends.iter().find(|(known, _)| *known == id).map_or(0, |(_, end)| *end)
    }

    /// Forgets the backlog of a file that has been read up to here, if that is all of it.
    pub(super) fn passed(&mut self, id: FileId, offset: u64) {
        let before = self.ends.len();
        self.ends.retain(|(known, end)| *known != id || *end > offset);
        if self.ends.len() < before {
            self.news.push_back(Mark { path: self.path.clone(), id, place: None });
        }
    }

    /// What the run after this one would know.
    pub(super) fn into_marks(self) -> impl Iterator<Item = Mark> {
        let Self { path, ends, .. } = self;
        ends.into_iter().map(move |(id, offset)| {
            let place = Some(Place { offset, ..Place::default() });
            Mark { path: path.clone(), id, place }
        })
    }

    /// What is to be noted next.
    pub(super) fn news(&mut self) -> Option<Mark> {
        self.news.pop_front()
    }
}
