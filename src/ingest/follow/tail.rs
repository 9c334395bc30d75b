//! Floor 4: what a path names, through all rotations.
//!
//! A path may come to name another file at any time: because the old one was renamed or removed, or because a link was
//! changed. The old one is read to its end first, and then for a while longer, since whoever writes may not have noticed. A
//! file may also be cut and written anew, after a copy was made of it: then the copy is read to its end first.
//!
//! Invariant: each line of a file is taken once, in its order; a place in a file is given up only for good reason, which is
//! logged.

use super::backlogs::Backlogs;
use super::board::Row;
use super::held::{Claim, Held};
use super::open_file::{Lines, Look, OpenFile, Rules, claim, end_of, id, is_known};
use crate::journal::{FileId, Mark, Place};
use crate::limits;
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
    /// Lines, perhaps none, and how far their file has been read with them.
    Lines(Option<Lines>, Mark),
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
    /// Files that it named before, the oldest first, and until when each is read.
    old: VecDeque<(OpenFile, Instant)>,
    current: Option<OpenFile>,
    /// Whether how far the newest file is read has to be told.
    is_news: bool,
    /// How far files of this path had been read in the run before.
    marks: Vec<Mark>,
    /// How far the backlogs of files go.
    backlogs: Backlogs,
    begin: Begin,
    /// Since when the path has named nothing.
    missing: Option<Instant>,
    /// What was last said to be wrong.
    trouble: Option<String>,
}

impl Tail {
    pub(super) fn new(path: PathBuf, rules: Rules, held: Held, (begin, marks): (Begin, Vec<Mark>)) -> Self {
        let (old, current) = (VecDeque::new(), None);
        let (missing, trouble) = (None, None);
        let (backlogs, marks) = Backlogs::of(&path, marks, begin == Begin::Backlog);
        Self { path, rules, held, old, current, is_news: false, marks, backlogs, begin, missing, trouble }
    }

    /// Does what there is to do next.
    pub(super) fn step(&mut self, now: Instant) -> Step {
        match self.try_step(now) {
            Ok(step) => {
                if self.trouble.is_some() && (self.current.is_some() || matches!(step, Step::Over)) {
                    self.trouble = None;
                    tracing::info!(path = %self.path.display(), "the file can be read again");
                }
                step
            }
            Err(error) => {
                self.give_up_for_now();
                let trouble = error.to_string();
                if self.trouble.as_ref() != Some(&trouble) {
                    tracing::warn!(path = %self.path.display(), "cannot follow the file: {trouble}; it is tried again");
                    self.trouble = Some(trouble);
                }
                Step::Idle(None)
            }
        }
    }

    /// Tells how far the path has been read, after a step.
    pub(super) fn tell(&self, row: &mut Row, step: &Step) {
        row.position = self.current.as_ref().map(|current| (current.id(), current.place().offset));
        row.left_of_old = self.old.iter().map(|(old, _)| old.left()).sum();
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
            self.marks.push(mark(&self.path, &current));
        }
    }

    fn try_step(&mut self, now: Instant) -> io::Result<Step> {
        loop {
            if let Some(mark) = self.backlogs.news() {
                return Ok(Step::Lines(None, mark));
            }
            if let Some(step) = self.step_old(now)? {
                return Ok(step);
            }
            let until = self.old.front().map(|(_, until)| *until);
            let earliest = |other: Instant| Some(until.map_or(other, |until| until.min(other)));
            let Some(current) = &mut self.current else {
                if self.open(now)? {
                    continue;
                }
                return Ok(if self.is_over(now) { Step::Over } else { Step::Idle(until) });
            };
            if std::mem::take(&mut self.is_news) {
                return Ok(Step::Lines(None, mark(&self.path, current)));
            }
            match current.look(&self.rules, now)? {
                Look::Lines(lines) => {
                    self.backlogs.passed(current.id(), current.place().offset);
                    return Ok(Step::Lines(Some(lines), mark(&self.path, current)));
                }
                Look::Begun(due) => return Ok(Step::Idle(earliest(due))),
                Look::Cut => self.cut(now)?,
                Look::End if self.has_moved(now)? => {
                    let until = now + self.rules.rotated;
                    self.old.extend(self.current.take().map(|old| (old, until)));
                }
                Look::End => return Ok(Step::Idle(until)),
            }
        }
    }

    /// Reads on what the path named before, in order.
    fn step_old(&mut self, now: Instant) -> io::Result<Option<Step>> {
        for (old, until) in &mut self.old {
            match old.look(&self.rules, now) {
                Ok(Look::Lines(lines)) => {
                    self.backlogs.passed(old.id(), old.place().offset);
                    return Ok(Some(Step::Lines(Some(lines), mark(&self.path, old))));
                }
                Ok(Look::Begun(due)) => return Ok(Some(Step::Idle(Some(due)))),
                Ok(Look::End | Look::Cut) => {}
                Err(error) => {
                    tracing::warn!(path = %self.path.display(), %error, "cannot read on what the path named before");
                    *until = now;
                }
            }
        }
        let over = self.old.pop_front_if(|(_, until)| *until <= now);
        over.iter().for_each(|(old, _)| self.backlogs.passed(old.id(), u64::MAX));
        Ok(over
            .map(|(old, _)| Step::Lines(None, Mark { path: self.path.clone(), id: old.id(), place: None })))
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
        let claimed = match claim(&self.path, &self.held) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.missing.get_or_insert(now);
                self.begin = Begin::Start;
                return Ok(false);
            }
            claimed => claimed?,
        };
        // By another name it is being read already.
        let Some((file, metadata, claim)) = claimed else { return Ok(false) };
        self.missing = None;
        let marks = std::mem::take(&mut self.marks);
        let (own, others): (Vec<_>, Vec<_>) = marks.into_iter().partition(|mark| mark.id == claim.id);
        if !others.is_empty() {
            self.begin = Begin::Start;
            others.iter().for_each(|mark| self.resume_elsewhere(mark, now));
        }
        let noted = claim.place.or_else(|| own.first().and_then(|mark| mark.place));
        let place = self.first_place(&file, &metadata, noted, now)?;
        let id = claim.id;
        match OpenFile::new(file, claim, place, now) {
            Ok(open) => {
                if noted.is_none() && self.begin == Begin::Backlog {
                    self.backlogs.begin(id, metadata.len());
                }
                self.current = Some(open.with_backlog(self.backlogs.end(id)));
            }
            Err(error) => {
                self.marks.extend(own);
                return Err(error);
            }
        }
        (self.begin, self.is_news) = (Begin::Start, true);
        Ok(true)
    }

    /// Where to begin in a file that may have been read before, as far as was noted.
    fn first_place(
        &mut self,
        file: &File,
        metadata: &Metadata,
        noted: Option<Place>,
        now: Instant,
    ) -> io::Result<Place> {
        match noted {
            Some(place) if metadata.len() >= place.offset && is_known(file, &place)? => Ok(place),
            Some(place) => {
                self.resume_copy(&place, id(metadata), now);
                Ok(Place::default())
            }
            None if self.begin == Begin::End => end_of(file, metadata.len()),
            None => Ok(Place::default()),
        }
    }

    /// Begins anew in a file that was cut, after what a copy of it has more.
    fn cut(&mut self, now: Instant) -> io::Result<()> {
        if let Some(current) = &mut self.current {
            let (place, id) = (current.place(), current.id());
            current.restart();
            self.is_news = true;
            self.resume_copy(&place, id, now);
        }
        Ok(())
    }

    /// Goes on in the copy that was made of a file before it was cut.
    fn resume_copy(&mut self, place: &Place, original: FileId, now: Instant) {
        let path = self.path.display();
        match self.find(place, None, original) {
            Some((copy, file, claim)) => {
                tracing::info!(%path, copy = %copy.display(), "the file was cut; its copy is read to its end first");
                self.backlogs.moved(original, claim.id);
                self.go_on((file, claim), *place, now, now);
                return;
            }
            None if place.offset > 0 => {
                tracing::info!(%path, at = place.offset, "the file was cut or written anew; it is read from its start");
            }
            None => {}
        }
        self.backlogs.passed(original, u64::MAX);
    }

    /// Goes on with a file that the path named in the run before, by whatever name it has now.
    fn resume_elsewhere(&mut self, mark: &Mark, now: Instant) {
        let Some(place) = mark.place else { return };
        match self.find(&place, Some(mark.id), mark.id) {
            Some((_, file, claim)) => {
                self.go_on((file, claim), place, now, now + self.rules.rotated);
            }
            None => tracing::warn!(
                path = %self.path.display(), at = place.offset,
                "the file that was read in the run before is not there any more; what was written behind this place is lost"
            ),
        }
    }

    fn go_on(&mut self, (file, claim): (File, Claim), place: Place, now: Instant, until: Instant) {
        let backlog = self.backlogs.end(claim.id);
        match OpenFile::new(file, claim, place, now) {
            Ok(open) => self.old.push_back((open.with_backlog(backlog), until)),
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "cannot go on with an older file")
            }
        }
    }

    /// Finds a file beside the path that is known by a place in it: the one with this identity, or else a copy, which has a
    /// longer name. `original` itself is no copy.
    fn find(
        &self,
        place: &Place,
        wanted: Option<FileId>,
        original: FileId,
    ) -> Option<(PathBuf, File, Claim)> {
        let own = self.path.file_name()?.as_encoded_bytes();
        let (mut same, mut copies) = (Vec::new(), Vec::new());
        let entries = std::fs::read_dir(self.path.parent().unwrap_or(Path::new("/"))).ok()?;
        for entry in entries.flatten().take(limits::MAX_LISTED_FILES) {
            let Some(metadata) = entry.metadata().ok().filter(Metadata::is_file) else { continue };
            let name = entry.file_name();
            if metadata.len() < place.offset {
                continue;
            }
            if Some(id(&metadata)) == wanted {
                same.push(entry.path());
            } else if id(&metadata) != original
                && name.as_encoded_bytes().len() > own.len()
                && name.as_encoded_bytes().starts_with(own)
            {
                copies.push(entry.path());
            }
        }
        copies.sort();
        same.into_iter().chain(copies).find_map(|path| {
            let (file, _, claim) = claim(&path, &self.held).ok()??;
            // A file of which nothing was read is known by its identity alone.
            let is_it =
                if place.known == 0 { Some(claim.id) == wanted } else { is_known(&file, place).ok()? };
            is_it.then_some((path, file, claim))
        })
    }
}

/// How far a file has been read.
fn mark(path: &Path, file: &OpenFile) -> Mark {
    Mark { path: path.to_owned(), id: file.id(), place: Some(file.place()) }
}

#[cfg(test)]
mod tests;
