//! Floor 3: what can go wrong with a journal.

use super::identity::IdentityError;
use super::strict::is_full;
use crate::segment::{Damage, EncodeError, OpenError};
use std::io;
use std::path::PathBuf;

/// Why a journal cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk is full. Nothing was lost: the same can be tried again once there is room.
    #[error("no room for {}", path.display())]
    Full {
        /// The file that there is no room for.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Nobody knows what is durable any more.
    #[error("cannot {action} {}", path.display())]
    Lost {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The events are numbered so high that they could not be numbered on, as no server has done: the journal is damaged.
    #[error(
        "the next event of the journal would have the number {next}, which none can have: the journal is damaged, or \
         somebody has changed it; move the directory `journal` away to begin anew"
    )]
    Numbers {
        /// The number.
        next: u64,
    },
    /// A block cannot be laid out.
    #[error("a block of the journal cannot be laid out")]
    Encode(#[from] EncodeError),
}

impl JournalError {
    /// Whether room on the disk would help.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }

    /// Classes an error of the system.
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| match is_full(&source) {
            true => Self::Full { path, source },
            false => Self::Lost { action, path, source },
        }
    }

    /// An error after which nobody knows what is durable, whatever its kind.
    pub(super) fn lost(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Lost { action, path, source }
    }
}

/// Why a journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The directory cannot be listed.
    #[error("cannot list {}", path.display())]
    List {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A segment cannot be opened, or is of a newer version.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A newer version wrote something that this one does not know.
    #[error("written by a newer version: {0}")]
    Newer(Damage),
}

/// Why a journal cannot be opened for writing.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It cannot be written.
    #[error("the journal cannot be written")]
    Write(#[from] JournalError),
    /// It cannot be read.
    #[error("the journal cannot be read")]
    Read(#[from] ReadError),
}

/// Something in a journal that cannot be read; everything else can.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// A place in a segment or snapshot.
    #[error(transparent)]
    Damage(#[from] Damage),
    /// A file that cannot be gone by at all.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A segment is missing between others.
    #[error("segment {part} of {} is missing", directory.display())]
    Missing {
        /// Where it should be.
        directory: PathBuf,
        /// Its place in the series.
        part: u32,
    },
    /// The file that says who the data directory is.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A segment or snapshot of another data directory.
    #[error("{} is of another stream than this data directory", .0.display())]
    Foreign(PathBuf),
    /// Events that a snapshot knows of are not there.
    #[error("the events from number {from} to {to} are missing in {}", directory.display())]
    LostEvents {
        /// Where they should be.
        directory: PathBuf,
        /// The sequence number of the first.
        from: u64,
        /// The sequence number after the last.
        to: u64,
    },
}

impl Flaw {
    /// Whether the system refused a file for now, which says nothing of what is in it.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Open(OpenError::Io { .. }))
    }
}
