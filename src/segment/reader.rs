//! Floor 1: reads the blocks of a segment through its memory map, stepping over what is damaged.
//!
//! Invariant: what a reader hands out was checked: the header when the segment was opened, the payload when it is
//! asked for. Damage ends nothing but the block it is in.

use super::block::{Entry, Schema, Tag};
use super::{ALIGNMENT, FileHeader, HeaderError, map};
use bytes::Bytes;
use rkyv::rancor::BoxedError;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Why a segment cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be opened or mapped.
    #[error("cannot open {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file's header is not one that we can go by.
    #[error("cannot read {}", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// Why.
        source: HeaderError,
    },
}

/// A place in a segment that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: at offset {offset}: {fault}", path.display())]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Where the damage begins.
    pub offset: u64,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong at a place of a segment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The header of a block is damaged; the next sound one stands further on.
    #[error("no sound block header; {0} bytes are skipped")]
    Gap(u64),
    /// The file ends within a block, or nothing sound follows.
    #[error("torn: the last {0} bytes are no whole block")]
    Torn(u64),
    /// The payload has changed since it was written.
    #[error("a block of {0} bytes is damaged: its checksum does not match")]
    Checksum(u32),
    /// A block of a kind that this program does not know.
    #[error("a block of unknown kind `{0}`")]
    UnknownTag(Tag),
    /// The checksum matches, but the contents contradict themselves.
    #[error("a block of kind `{0}` contradicts itself: {1}")]
    Contents(Tag, String),
}

/// What stands next in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A block with a sound header.
    Block(Entry),
    /// Damage, from this offset.
    Damage(u64, Fault),
}

impl Step {
    /// Where what comes after it begins.
    pub fn end(&self) -> u64 {
        match self {
            Self::Block(entry) => entry.end(),
            Self::Damage(at, Fault::Gap(bytes) | Fault::Torn(bytes)) => at.saturating_add(*bytes),
            Self::Damage(at, _) => at.saturating_add(ALIGNMENT as u64),
        }
    }
}

/// An open segment: its header, and the index of its blocks.
#[derive(Debug)]
pub struct Segment {
    path: PathBuf,
    header: FileHeader,
    file: Bytes,
    steps: Vec<Step>,
}

impl Segment {
    /// Opens and maps a segment, and walks the headers of its blocks.
    ///
    /// # Errors
    /// When the file cannot be mapped or its header cannot be gone by. Damage further in is no error: it is a
    /// [`Step`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let mut segment = Self::map(path)?;
        let mut at = Self::START;
        while let Some(step) = segment.step(at) {
            at = step.end();
            segment.steps.push(step);
        }
        Ok(segment)
    }

    /// Where the first block of every segment stands.
    pub const START: u64 = FileHeader::SIZE as u64;

    /// Opens and maps a segment without looking for its blocks: they are found by [`Segment::step`], also those that
    /// are written later.
    ///
    /// # Errors
    /// When the file cannot be mapped or its header cannot be gone by.
    pub fn map(path: &Path) -> Result<Self, OpenError> {
        let io_error = |source| OpenError::Io { path: path.to_owned(), source };
        let file = map::map(&File::open(path).map_err(io_error)?).map_err(io_error)?;
        let header = FileHeader::decode(&file)
            .map_err(|source| OpenError::Header { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), header, file, steps: Vec::new() })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What stands at its head.
    pub fn header(&self) -> &FileHeader {
        &self.header
    }

    /// What stands at an offset where a block may begin: nothing, where the file ends or was not written yet.
    pub fn step(&self, at: u64) -> Option<Step> {
        let (file, end) = (&self.file, self.file.len() as u64);
        if at >= end {
            return None;
        }
        if let Some(entry) = self.block_at(at) {
            return Some(Step::Block(entry));
        }
        if is_unwritten(file, at) {
            return None;
        }
        let next = (at..end).step_by(ALIGNMENT).skip(1).find(|&place| self.block_at(place).is_some());
        let skipped = next.unwrap_or(end).saturating_sub(at);
        let fault = if next.is_some() { Fault::Gap(skipped) } else { Fault::Torn(skipped) };
        Some(Step::Damage(at, fault))
    }

    /// The entry of the block at an offset, when its header is sound and the file holds all of its payload.
    pub fn block_at(&self, at: u64) -> Option<Entry> {
        Entry::decode(&self.file, at, self.header.salt).filter(|entry| entry.padded(&self.file).is_some())
    }

    /// Its blocks and damages, in the order of the file.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The whole file; parts of it keep the map alive.
    pub fn bytes(&self) -> &Bytes {
        &self.file
    }

    /// Names this file as the place of some damage.
    pub fn damage(&self, offset: u64, fault: Fault) -> Damage {
        Damage { path: self.path.clone(), offset, fault }
    }

    /// Compares the checksum of a block's payload.
    ///
    /// # Errors
    /// When it does not match.
    pub fn verify(&self, entry: &Entry) -> Result<(), Damage> {
        self.payload(entry).map(drop)
    }

    /// Gives access to a block, after its checksum was compared and its archive validated.
    ///
    /// # Errors
    /// When the block is of another schema, or damaged.
    pub fn read<T: Schema>(&self, entry: &Entry) -> Result<&T::Archived, Damage> {
        if entry.tag != T::TAG {
            return Err(self.damage(entry.offset, Fault::UnknownTag(entry.tag)));
        }
        rkyv::access::<T::Archived, BoxedError>(self.payload(entry)?)
            .map_err(|error| self.damage(entry.offset, Fault::Contents(entry.tag, error.to_string())))
    }

    fn payload(&self, entry: &Entry) -> Result<&[u8], Damage> {
        entry
            .padded(&self.file)
            .filter(|padded| crc32fast::hash(padded) == entry.checksum)
            .and_then(|padded| padded.get(..usize::try_from(entry.length).ok()?))
            .ok_or_else(|| self.damage(entry.offset, Fault::Checksum(entry.length)))
    }
}

/// Whether a file holds nothing but zeros from an offset on: space that was allocated and never written.
fn is_unwritten(file: &[u8], from: u64) -> bool {
    let rest = usize::try_from(from).ok().and_then(|from| file.get(from..)).unwrap_or_default();
    rest.iter().all(|&byte| byte == 0)
}
