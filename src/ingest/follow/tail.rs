//! Floor 4: what a path names, through all rotations.
//!
//! A path may come to name another file at any time: because the old one was renamed or removed, or because a link was
//! changed. The old one is read to its end first, and then for a while longer, since whoever writes may not have noticed. A
//! file may also be cut and written anew, after a copy was made of it: then the copy is read to its end first.
//!
//! Invariant: each line of a file is taken once, in its order; a place in a file is given up only for good reason, which is
//! logged.

mod aside;
mod old;

use self::old::Old;
use super::backlogs::Backlogs;
use super::board::Row;
use super::generations::{Beside, Sought};
use super::held::Held;
use super::open_file::{Lines, Look, OpenFile, Rules, claim, end_of, id, is_distinct, is_known};
use super::past::PathPast;
use crate::journal::{FileId, Mark, Place};
use crate::time::{Clock, SystemClock};
use std::collections::VecDeque;
use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Where a file begins that has not been read before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// At its first line.
    Start,
    /// At its first line; what is there now is a backlog.
    Backlog,
    /// At what is appended from now on.
    End,
}

/// What a step came to.
#[derive(Debug)]
pub(super) enum Step {
    /// Lines, perhaps none, and how far files have been read with them.
    Lines(Option<Lines>, Vec<Mark>),
    /// There is nothing now; at that instant there may be, even if no file changes.
    Idle(Option<Instant>),
    /// The path names nothing any more.
    Over,
}

/// Follows one path.
#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    rules: Rules,
    held: Held,
    /// Files that it named before, the oldest first.
    old: VecDeque<Old>,
    current: Option<OpenFile>,
    /// How far files are that has to be told.
    news: Vec<Mark>,
    /// What the run before knew of the path.
    past: PathPast,
    /// How far the backlogs of files go.
    backlogs: Backlogs,
    begin: Begin,
    /// Since when the path has named nothing.
    missing: Option<Instant>,
    /// The file that the path names, if it is being read by another name.
    same: Option<FileId>,
    /// What was last said to be wrong.
    trouble: Option<String>,
    /// Whether nobody knows yet what of the file was there before it was followed, because it cannot be looked at.
    is_blind: bool,
}

/// What the file is that the path names, by what is known of it.
#[derive(Debug)]
enum Seen {
    /// The one that was read up to this place.
    Known(Place),
    /// The same, but what stood before the place is not there any more.
    Cut(Place),
    /// A copy of the one of this mark.
    Copy(Mark, Place),
    /// Another one, to be begun at this place.
    New(Place),
}

impl Tail {
    /// Follows a path; `keeps_backlog` says whether it is to be known what of its files is a backlog.
    pub(super) fn new(
        path: PathBuf,
        rules: Rules,
        held: Held,
        (begin, keeps_backlog): (Begin, bool),
        past: PathPast,
    ) -> Self {
        let (backlogs, marks) = Backlogs::of(&path, past.marks, keeps_backlog);
        Self {
            path,
            rules,
            held,
            old: VecDeque::new(),
            current: None,
            news: Vec::new(),
            past: PathPast { marks, ..past },
            backlogs,
            begin,
            missing: None,
            same: None,
            trouble: None,
            is_blind: false,
        }
    }

    /// The same, of a file that could not be seen when it would have begun.
    pub(super) fn unseen(self) -> Self {
        Self { is_blind: true, ..self }
    }

    /// Whether it is known where the path's file begins to be read, as far as that will ever be.
    pub(super) fn has_begun(&self) -> bool {
        !self.is_blind
    }

    /// Does what there is to do next.
    pub(super) fn step(&mut self, now: Instant) -> Step {
        match self.try_step(now) {
            Ok(step) => {
                self.is_blind = false;
                let is_stuck = self.old.iter().any(Old::is_stuck);
                let is_open = self.current.is_some();
                let is_well = (is_open || self.missing.is_some()) && !is_stuck || matches!(step, Step::Over);
                if self.trouble.is_some() && is_well {
                    self.trouble = None;
                    let how =
                        if is_open { "the file can be read again" } else { "the file is not there any more" };
                    tracing::info!(path = %self.path.display(), "{how}");
                }
                step
            }
            Err(error) => {
                self.give_up_for_now();
                self.fix_beginning(&error);
                self.warn(&error);
                match self.news() {
                    news if news.is_empty() => Step::Idle(None),
                    news => Step::Lines(None, news),
                }
            }
        }
    }

    /// Says what is wrong, once.
    fn warn(&mut self, error: &io::Error) {
        let trouble = error.to_string();
        if self.trouble.as_ref() != Some(&trouble) {
            tracing::warn!(path = %self.path.display(), "cannot follow the file: {trouble}; it is tried again");
            self.trouble = Some(trouble);
        }
    }

    /// Whether the next step is to unpack a file first, which takes time.
    pub(super) fn has_to_unpack(&self, now: Instant) -> bool {
        self.old.front().is_some_and(|old| old.is_packed(now))
    }

    /// Unpacks the file that is read next, if it is compressed.
    pub(super) fn unpack(&mut self, now: Instant) {
        if let Some(Err(error)) = self.old.front_mut().map(|old| old.unpack(&self.rules, now)) {
            self.warn(&error);
        }
    }

    /// What the run before knew of the path and was of no use yet.
    pub(super) fn into_past(self) -> PathPast {
        let Self { mut past, backlogs, .. } = self;
        past.marks.extend(backlogs.into_marks());
        past
    }

    /// Tells how far the path has been read, after a step.
    pub(super) fn tell(&self, row: &mut Row, step: &Step) {
        row.position = self.current.as_ref().map(|current| (current.id(), current.place().offset));
        row.same = self.same;
        row.left_of_old = self.old.iter().map(Old::left).sum();
        row.trouble.clone_from(&self.trouble);
        if let Step::Lines(Some(lines), _) = step
            && !lines.frames.is_empty()
        {
            row.last_record = Some(SystemClock.now());
        }
    }

    /// Closes a file that cannot be read; once it can, it is gone on with where it was.
    fn give_up_for_now(&mut self) {
        if let Some(current) = self.current.take() {
            self.past.marks.push(mark(&self.path, &current));
        }
    }

    /// Notes where to begin in a file that was there before it was followed and cannot be read yet. So that is known in the
    /// next run, too.
    fn fix_beginning(&mut self, error: &io::Error) {
        let was_blind = std::mem::take(&mut self.is_blind);
        // What is no text may become so only when it is written anew; of what was read before, more is known.
        if self.begin == Begin::Start
            || error.kind() == io::ErrorKind::InvalidData
            || !self.past.marks.is_empty()
        {
            return;
        }
        let metadata = std::fs::metadata(&self.path);
        self.is_blind = metadata.is_err();
        let Some(metadata) = metadata.ok().filter(Metadata::is_file) else { return };
        let (id, length) = (id(&metadata), metadata.len());
        if self.begin == Begin::Backlog {
            self.backlogs.begin(id, length);
        }
        if was_blind {
            self.tell_of_unseen();
        }
        let offset = if self.begin == Begin::End { length } else { 0 };
        let mark = Mark { path: self.path.clone(), id, place: Some(Place { offset, ..Place::default() }) };
        self.news.push(mark.clone());
        self.past.marks.push(mark);
        self.begin = Begin::Start;
    }

    /// Tells that what could not be seen at the start is passed over, if it is.
    fn tell_of_unseen(&self) {
        if self.begin == Begin::End {
            tracing::warn!(path = %self.path.display(), "the file could not be seen at the start; what is in it now is passed over");
        }
    }

    /// What has to be told; the ends of backlogs come first.
    fn news(&mut self) -> Vec<Mark> {
        let backlogs = std::iter::from_fn(|| self.backlogs.news());
        backlogs.collect::<Vec<_>>().into_iter().chain(self.news.drain(..)).collect()
    }

    fn try_step(&mut self, now: Instant) -> io::Result<Step> {
        loop {
            let news = self.news();
            if !news.is_empty() {
                return Ok(Step::Lines(None, news));
            }
            if let Some(step) = self.step_old(now) {
                return Ok(step);
            }
            let until = self.old.front().map(|old| old.until);
            let earliest = |other: Instant| Some(until.map_or(other, |until| until.min(other)));
            let Some(current) = &mut self.current else {
                if self.open(now)? {
                    continue;
                }
                return Ok(if self.is_over(now) { Step::Over } else { Step::Idle(until) });
            };
            match current.look(&self.rules, now)? {
                Look::Lines(lines) => {
                    self.backlogs.passed(current.id(), current.place().offset);
                    return Ok(Step::Lines(Some(lines), vec![mark(&self.path, current)]));
                }
                Look::Begun(due) => return Ok(Step::Idle(earliest(due))),
                Look::Cut => self.cut(now),
                Look::End if self.has_moved(now)? => {
                    let until = now + self.rules.rotated;
                    self.old.extend(self.current.take().map(|old| Old::new(old, until)));
                }
                Look::End => return Ok(Step::Idle(until)),
            }
        }
    }

    /// Reads on what the path named before, in order.
    fn step_old(&mut self, now: Instant) -> Option<Step> {
        self.unpack(now);
        for (index, old) in self.old.iter_mut().enumerate() {
            match old.look(&self.rules, now) {
                Ok(Look::Lines(lines)) => {
                    let mark = old.mark(&self.path);
                    self.backlogs.passed(old.id, mark.place.map_or(u64::MAX, |place| place.offset));
                    return Some(Step::Lines(Some(lines), vec![mark]));
                }
                Ok(Look::Begun(due)) => return Some(Step::Idle(Some(due))),
                Ok(Look::End | Look::Cut) => {}
                Err(error) => {
                    tracing::warn!(path = %self.path.display(), %error, "cannot read on what the path named before");
                    old.until = now;
                }
            }
            // It goes before the next is unpacked: there may be no room for both.
            if index == 0 && old.until <= now {
                break;
            }
        }
        let over = self.old.pop_front_if(|old| old.until <= now)?;
        self.backlogs.passed(over.id, u64::MAX);
        Some(Step::Lines(None, vec![self.gone(over.id)]))
    }

    /// Whether the path names another file than the one that is open, or has named none for long.
    fn has_moved(&mut self, now: Instant) -> io::Result<bool> {
        let named = match std::fs::metadata(&self.path) {
            Ok(metadata) => Some(id(&metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let open = self.current.as_ref();
        match named {
            Some(named) => {
                self.missing = None;
                Ok(open.is_some_and(|open| open.id() != named))
            }
            None => {
                let since = *self.missing.get_or_insert(now);
                Ok(open.is_some_and(OpenFile::is_unlinked) || now >= since + self.rules.rotated)
            }
        }
    }

    /// Whether the path is of no use any more.
    fn is_over(&self, now: Instant) -> bool {
        let since = self.missing.filter(|_| self.old.is_empty());
        since.is_some_and(|since| now >= since + self.rules.rotated)
    }

    /// Opens what the path names; tells whether there is something to read, or to say.
    fn open(&mut self, now: Instant) -> io::Result<bool> {
        self.same = None;
        let claimed = match claim(&self.path, &self.held) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let is_first = self.missing.is_none();
                self.missing.get_or_insert(now);
                self.begin = Begin::Start;
                if is_first {
                    self.resume_without_name(now);
                }
                return Ok(!self.old.is_empty() && is_first);
            }
            claimed => claimed?,
        };
        // By another name it is being read already.
        let Some((file, metadata, claim)) = claimed else {
            self.same = std::fs::metadata(&self.path).ok().map(|metadata| id(&metadata));
            return Ok(false);
        };
        self.missing = None;
        self.wait_for_directory(now)?;
        let (own, mut others): (Vec<_>, Vec<_>) =
            self.past.marks.iter().cloned().partition(|mark| mark.id == claim.id);
        let noted = claim.place.or_else(|| own.first().and_then(|mark| mark.place));
        let seen = self.judge((&file, &metadata), noted, &others)?;
        let since = self.past.told.take();
        let is_new = matches!(seen, Seen::New(_));
        // An empty file is the same before and after rotation.
        let was_empty = noted.is_some_and(|place| place.known == 0);
        let mut found = Vec::new();
        let (place, is_other) = match seen {
            Seen::Known(place) => (place, was_empty),
            Seen::Copy(mark, place) => {
                tracing::info!(path = %self.path.display(), at = place.offset, "the file is another one with the same content; it is read on");
                others.retain(|other| other.id != mark.id);
                self.moved(mark.id, claim.id);
                (place, false)
            }
            Seen::Cut(place) => {
                found.extend(self.copy(place, claim.id, since));
                (Place::default(), true)
            }
            Seen::New(place) => {
                if !others.is_empty() {
                    self.begin = Begin::Start;
                }
                (place, !others.is_empty())
            }
        };
        found.extend(others.iter().filter_map(|mark| self.elsewhere(mark, since)));
        self.resume(found, since.filter(|_| is_other), Some(&file), now);
        let id = claim.id;
        match OpenFile::new(file, claim, place, now) {
            Ok(open) => {
                if is_new && self.begin == Begin::Backlog {
                    self.backlogs.begin(id, metadata.len());
                }
                if is_new && self.is_blind {
                    self.tell_of_unseen();
                }
                (self.begin, self.past.marks) = (Begin::Start, Vec::new());
                let open = open.with_backlog(self.backlogs.end(id));
                self.news.push(mark(&self.path, &open));
                self.current = Some(open);
                Ok(true)
            }
            Err(error) => {
                self.past.marks = own;
                Err(error)
            }
        }
    }

    /// What a file is that the path names, which was noted to be read up to a place, beside marks of other files.
    fn judge(
        &self,
        (file, metadata): (&File, &Metadata),
        noted: Option<Place>,
        others: &[Mark],
    ) -> io::Result<Seen> {
        if let Some(place) = noted {
            return Ok(if metadata.len() < place.offset || !is_known(file, &place)? {
                Seen::Cut(place)
            } else if place.known == 0 {
                Seen::Known(end_of(file, place.offset)?)
            } else {
                Seen::Known(place)
            });
        }
        for mark in others {
            if let Some(place) = mark.place
                && is_known(file, &place)?
                && self.is_copied(mark.id, place)
            {
                return Ok(Seen::Copy(mark.clone(), place));
            }
        }
        if self.begin == Begin::Start && others.is_empty() {
            let mut places = self.held.places().into_iter();
            if let Some(place) = places.find(|place| {
                place.offset <= metadata.len() && is_distinct(place) && is_known(file, place).unwrap_or(false)
            }) {
                tracing::info!(path = %self.path.display(), at = place.offset, "the file is a copy of another one that was read up to there; it is read on");
                return Ok(Seen::New(place));
            }
        }
        let is_end = self.begin == Begin::End && others.is_empty();
        Ok(Seen::New(if is_end { end_of(file, metadata.len())? } else { Place::default() }))
    }

    /// Whether a file that has the same bytes before a place is a copy. Where those are few, files may begin alike, and the one
    /// that was read be there by another name.
    fn is_copied(&self, original: FileId, place: Place) -> bool {
        let beside = Beside { path: &self.path, held: &self.held, since: self.past.told };
        is_distinct(&place)
            || place.known > 0
                && matches!(beside.find(place, Some(original), original), Ok(Sought::Nowhere) | Err(_))
    }

    /// Begins anew in a file that was cut, after what a copy of it has more.
    fn cut(&mut self, now: Instant) {
        if let Some(current) = &mut self.current {
            let (place, id) = (current.place(), current.id());
            current.restart();
            let anew = mark(&self.path, current);
            let copy = self.copy(place, id, None);
            self.resume(copy.into_iter().collect(), None, None, now);
            self.news.push(anew);
        }
    }

    /// The mark of a file that nobody will read any more.
    fn gone(&self, id: FileId) -> Mark {
        Mark { path: self.path.clone(), id, place: None }
    }
}

/// How far a file has been read.
fn mark(path: &Path, file: &OpenFile) -> Mark {
    Mark { path: path.to_owned(), id: file.id(), place: Some(file.place()) }
}

#[cfg(test)]
mod tests;
