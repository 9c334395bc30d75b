//! Floor 4: what stands beside a path: the files that it named before, their copies, and what came between them and the one
//! that it names now.
//!
//! Invariant: of what is gone on with, the place is told in one step with those that are given up for it; so nothing is read
//! twice or forgotten, wherever the process ends.

use super::Tail;
use super::old::Old;
use crate::ingest::follow::generations::{Beside, Found, Sought};
use crate::journal::{FileId, Mark, Place};
use crate::time::Timestamp;
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Instant;

impl Tail {
    /// Goes on with what the run before read by a path that names nothing now, and with what was put aside since. What is not
    /// found may be there again once the path is, as when nothing is mounted yet.
    pub(super) fn resume_without_name(&mut self, now: Instant) {
        if self.past.is_sought || self.past.marks.is_empty() {
            return;
        }
        let since = self.past.told;
        let (mut found, mut is_sought) = (Vec::new(), true);
        for mark in std::mem::take(&mut self.past.marks) {
            let beside = Beside { path: &self.path, held: &self.held, since };
            match mark.place.map(|place| beside.find(place, Some(mark.id), mark.id)) {
                Some(Ok(Sought::Found(one))) => {
                    self.moved(mark.id, one.claim.id);
                    found.push(one);
                    continue;
                }
                Some(Err(_)) => is_sought = false,
                _ => {}
            }
            self.past.marks.push(mark);
        }
        self.past.is_sought = is_sought;
        if is_sought && self.resume(found, since, None, now) {
            self.past.told = None;
        }
    }

    /// Waits for a while for a directory that cannot be listed: what was put aside in it since the run before is read first, and
    /// would be passed over now. Where that is forbidden, it does not pass.
    ///
    /// # Errors
    /// While it cannot be listed.
    pub(super) fn wait_for_directory(&mut self, now: Instant) -> io::Result<()> {
        if self.past.told.is_none() || self.past.marks.is_empty() {
            return Ok(());
        }
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        let Err(error) = (self.rules.list)(directory) else { return Ok(()) };
        let since = *self.past.blind.get_or_insert(now);
        if error.kind() == io::ErrorKind::PermissionDenied || now >= since + self.rules.rotated {
            return Ok(());
        }
        Err(io::Error::new(error.kind(), format!("its directory cannot be listed: {error}")))
    }

    /// Finds the copy that was made of a file before it was cut at this place.
    pub(super) fn copy(&mut self, place: Place, original: FileId, since: Option<Timestamp>) -> Option<Found> {
        let path = self.path.display();
        match (Beside { path: &self.path, held: &self.held, since }).find(place, None, original) {
            Ok(Sought::Found(copy)) => {
                tracing::info!(%path, copy = %copy.path.display(), "the file was cut; its copy is read to its end first");
                self.backlogs.moved(original, copy.claim.id);
                return Some(copy);
            }
            Err(error) => tracing::warn!(%path, %error, "cannot look for a copy of a file that was cut"),
            Ok(_) if place.offset > 0 => {
                tracing::info!(%path, at = place.offset, "the file was cut or written anew; it is read from its start");
            }
            Ok(_) => {}
        }
        self.backlogs.passed(original, u64::MAX);
        None
    }

    /// Finds a file that the path named in the run before, by whatever name it has now.
    pub(super) fn elsewhere(&mut self, mark: &Mark, since: Option<Timestamp>) -> Option<Found> {
        let path = self.path.display();
        let place = mark.place?;
        match (Beside { path: &self.path, held: &self.held, since }).find(place, Some(mark.id), mark.id) {
            Ok(Sought::Found(found)) => {
                self.moved(mark.id, found.claim.id);
                return Some(found);
            }
            Ok(Sought::Elsewhere) => {}
            Ok(Sought::Nowhere) => {
                tracing::warn!(
                    %path, at = place.offset,
                    "the file that was read in the run before is not there any more; if it went on behind this place, that is lost"
                );
                self.backlogs.passed(mark.id, u64::MAX);
                self.news.push(self.gone(mark.id));
            }
            Err(error) => {
                tracing::warn!(%path, %error, "cannot look for the file that was read in the run before")
            }
        }
        None
    }

    /// Notes that a file is gone on with in another one, which has the same content, unless it is the same.
    pub(super) fn moved(&mut self, from: FileId, to: FileId) {
        if from != to {
            self.backlogs.moved(from, to);
            self.news.push(self.gone(from));
        }
    }

    /// Goes on with files that the path named before, and behind them with those that were put aside since the run before
    /// and nobody knows, in the order in which they were written. Tells whether there are any.
    pub(super) fn resume(
        &mut self,
        mut found: Vec<Found>,
        since: Option<Timestamp>,
        live: Option<&File>,
        now: Instant,
    ) -> bool {
        match (Beside { path: &self.path, held: &self.held, since }).missed(&found, live) {
            Ok(missed) => {
                for missed in missed {
                    tracing::info!(path = %self.path.display(), file = %missed.path.display(),
                        "a file was put aside while nobody looked; it is read first");
                    found.push(missed);
                }
            }
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "cannot look for files that were put aside");
            }
        }
        found.sort_by_key(|found| found.age);
        let last = found.len().saturating_sub(1);
        let is_any = !found.is_empty();
        for (index, found) in found.into_iter().enumerate() {
            let (path, backlog) = (found.path.clone(), self.backlogs.end(found.claim.id));
            // Whoever writes to the last one may not have noticed yet.
            let until = if index == last { now + self.rules.rotated } else { now };
            match Old::found(found, backlog, until, now) {
                Ok(old) => {
                    self.news.push(old.mark(&self.path));
                    self.old.push_back(old);
                }
                Err(error) => {
                    tracing::warn!(path = %self.path.display(), file = %path.display(), %error,
                        "cannot go on with an older file; it is passed over");
                }
            }
        }
        is_any
    }
}
