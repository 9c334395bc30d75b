//! Floor 4: a file that a path named before, which is read before the one that it names now.
//!
//! Invariant: what is compressed is unpacked when it is its turn, and given up only once it could be and was read.

use super::Mark;
use crate::ingest::follow::generations::Found;
use crate::ingest::follow::open_file::{Look, OpenFile, Rules};
use crate::journal::FileId;
use crate::limits;
use std::io;
use std::mem;
use std::path::Path;
use std::time::Instant;

/// A file that a path named before.
#[derive(Debug)]
pub(super) struct Old {
    pub(super) id: FileId,
    stage: Stage,
    /// Until when it is read.
    pub(super) until: Instant,
    /// When it is tried again to unpack it, after that has failed.
    again: Option<Instant>,
}

#[derive(Debug)]
enum Stage {
    Open(Box<OpenFile>),
    /// Compressed, and where its backlog ends.
    Packed(Box<Found>, u64),
    /// Not to be read.
    Over,
}

impl Old {
    pub(super) fn new(file: OpenFile, until: Instant) -> Self {
        Self { id: file.id(), stage: Stage::Open(Box::new(file)), until, again: None }
    }

    /// One that was found; `backlog` is where its backlog ends.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn found(found: Found, backlog: u64, until: Instant, now: Instant) -> io::Result<Self> {
        if found.is_packed {
            let (id, stage) = (found.claim.id, Stage::Packed(Box::new(found), backlog));
            return Ok(Self { id, stage, until, again: None });
        }
        let Found { file, claim, place, .. } = found;
        Ok(Self::new(OpenFile::new(file, claim, place, now)?.with_backlog(backlog), until))
    }

    /// How far it has been read.
    pub(super) fn mark(&self, path: &Path) -> Mark {
        let place = match &self.stage {
            Stage::Open(file) => Some(file.place()),
            Stage::Packed(found, _) => Some(found.place),
            Stage::Over => None,
        };
        Mark { path: path.to_owned(), id: self.id, place }
    }

    /// Bytes that were there at the last look and have not been read; of what is compressed nobody knows.
    pub(super) fn left(&self) -> u64 {
        match &self.stage {
            Stage::Open(file) => file.left(),
            Stage::Packed(..) | Stage::Over => 0,
        }
    }

    /// Whether it has to be unpacked now to be read.
    pub(super) fn is_packed(&self, now: Instant) -> bool {
        matches!(self.stage, Stage::Packed(..)) && self.again.is_none_or(|again| again <= now)
    }

    /// Whether it could not be unpacked, and that is tried again.
    pub(super) fn is_stuck(&self) -> bool {
        self.again.is_some()
    }

    /// Unpacks what has to be unpacked now.
    ///
    /// # Errors
    /// When there is no room for it; it is tried again.
    pub(super) fn unpack(&mut self, rules: &Rules, now: Instant) -> io::Result<()> {
        if !self.is_packed(now) {
            return Ok(());
        }
        self.again = Some(now + limits::UNPACK_RETRY_TIME);
        let file = match &self.stage {
            Stage::Packed(found, _) => found.unpack(&rules.temporary).map_err(|error| {
                let file = found.path.display();
                io::Error::new(
                    error.kind(),
                    format!("{file} cannot be unpacked into a temporary file: {error}"),
                )
            })?,
            Stage::Open(_) | Stage::Over => None,
        };
        self.again = None;
        if let (Some(file), Stage::Packed(found, backlog)) =
            (file, mem::replace(&mut self.stage, Stage::Over))
        {
            let Found { path, claim, place, .. } = *found;
            match OpenFile::new(file, claim, place, now) {
                Ok(open) => self.stage = Stage::Open(Box::new(open.with_backlog(backlog))),
                Err(error) => {
                    tracing::warn!(file = %path.display(), %error, "cannot go on with an older file; it is passed over");
                }
            }
        }
        Ok(())
    }

    /// Reads what there is, as much as goes into one batch.
    pub(super) fn look(&mut self, rules: &Rules, now: Instant) -> io::Result<Look> {
        match &mut self.stage {
            Stage::Open(file) => file.look(rules, now),
            Stage::Packed(..) => Ok(Look::Begun(self.again.unwrap_or(now))),
            Stage::Over => {
                self.until = now;
                Ok(Look::End)
            }
        }
    }
}
