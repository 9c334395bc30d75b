//! Floor 1: appends blocks to a segment.
//!
//! Invariant: a block reaches the file by one write, header first, and nothing is written after a write that failed.

use super::block::{Entry, Schema};
use super::{ALIGNMENT, FileHeader};
use crate::time::Timestamp;
use rkyv::api::high::to_bytes_in;
use rkyv::rancor::BoxedError;
use rkyv::util::AlignedVec;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Why a block was not written. The segment takes no more blocks after that.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The system did not take the bytes.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The block could not be laid out.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// An earlier write failed.
    #[error("an earlier write failed")]
    Finished,
}

/// Why a block could not be laid out.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The block could not be archived.
    #[error("the block could not be archived")]
    Archive(#[source] BoxedError),
    /// The block is longer than a block's header can say.
    #[error("a block of {0} bytes is too long")]
    TooLong(usize),
}

/// Lays out blocks as they stand in a segment, one after the other, until they are written.
#[derive(Debug)]
pub struct BlockEncoder {
    salt: u64,
    /// Where the first of the waiting bytes will stand.
    position: u64,
    waiting: AlignedVec,
}

impl BlockEncoder {
    /// Begins at a place of a segment, which is a multiple of 16.
    pub fn new(salt: u64, position: u64) -> Self {
        Self { salt, position, waiting: AlignedVec::new() }
    }

    /// Goes on at a place of another segment, in the memory that it has; nothing may be waiting.
    pub fn turn_to(&mut self, salt: u64, position: u64) {
        debug_assert!(self.waiting.is_empty(), "what waits belongs to the segment before");
        self.waiting.clear();
        (self.salt, self.position) = (salt, position);
    }

    /// Makes room for blocks of so many bytes, so that large ones are not moved while they grow.
    pub fn reserve(&mut self, bytes: usize) {
        self.waiting.reserve(bytes);
    }

    /// Lays out a block behind those that wait and returns its entry in the index; `first` and `arrival` are those of
    /// the first input in it.
    ///
    /// # Errors
    /// When the block cannot be archived. Nothing of it is left.
    pub fn push<T: Schema>(
        &mut self,
        block: &T,
        first: u64,
        arrival: Timestamp,
    ) -> Result<Entry, EncodeError> {
        let start = self.waiting.len();
        let entry = self.lay_out(block, first, arrival);
        if entry.is_err() {
            self.waiting.resize(start, 0);
        }
        entry
    }

    /// The header is filled in last: it needs the checksum.
    fn lay_out<T: Schema>(
        &mut self,
        block: &T,
        first: u64,
        arrival: Timestamp,
    ) -> Result<Entry, EncodeError> {
        let start = self.waiting.len();
        let offset = self.end();
        self.waiting.extend_from_slice(&[0; Entry::SIZE]);
        to_bytes_in::<_, BoxedError>(block, &mut self.waiting).map_err(EncodeError::Archive)?;
        let length = self.waiting.len().saturating_sub(start).saturating_sub(Entry::SIZE);
        self.waiting.resize(self.waiting.len().next_multiple_of(ALIGNMENT), 0);
        let Some((header, payload)) =
            self.waiting.get_mut(start..).and_then(<[u8]>::split_first_chunk_mut::<{ Entry::SIZE }>)
        else {
            return Err(EncodeError::TooLong(length));
        };
        let entry = Entry {
            offset,
            tag: T::TAG,
            length: u32::try_from(length).map_err(|_| EncodeError::TooLong(length))?,
            first,
            arrival,
            checksum: crc32fast::hash(payload),
        };
        *header = entry.encode(self.salt);
        Ok(entry)
    }

    /// Where the waiting bytes belong.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Where the next block will stand.
    pub fn end(&self) -> u64 {
        self.position.saturating_add(self.waiting.len() as u64)
    }

    /// The blocks that wait for being written.
    pub fn waiting(&self) -> &[u8] {
        &self.waiting
    }

    /// Takes the waiting bytes for written.
    pub fn written(&mut self) {
        self.position = self.end();
        self.waiting.clear();
    }

    /// Gives back the memory in which nothing waits.
    fn release(&mut self) {
        if self.waiting.is_empty() {
            self.waiting = AlignedVec::new();
        }
    }

    /// Forgets the blocks from a place on that have not been written.
    pub fn truncate(&mut self, end: u64) {
        let keep = usize::try_from(end.saturating_sub(self.position)).unwrap_or(usize::MAX);
        if keep < self.waiting.len() {
            self.waiting.resize(keep, 0);
        }
    }
}

/// Creates a file that only its owner may read, where none is yet.
///
/// # Errors
/// When something stands there already, or the system does not let us.
pub fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Writes one segment.
#[derive(Debug)]
pub struct SegmentWriter<W> {
    out: W,
    blocks: BlockEncoder,
    failed: bool,
}

impl<W: Write> SegmentWriter<W> {
    /// Begins a segment by writing its header.
    ///
    /// # Errors
    /// When the header cannot be written.
    pub fn begin(mut out: W, header: &FileHeader) -> Result<Self, WriteError> {
        out.write_all(&header.encode())?;
        let blocks = BlockEncoder::new(header.salt, FileHeader::SIZE as u64);
        Ok(Self { out, blocks, failed: false })
    }

    /// Appends a block and returns its entry in the index; `first` and `arrival` are those of the first input in it.
    ///
    /// # Errors
    /// When the block cannot be archived or written, or an earlier one could not be.
    pub fn append<T: Schema>(
        &mut self,
        block: &T,
        first: u64,
        arrival: Timestamp,
    ) -> Result<Entry, WriteError> {
        if self.failed {
            return Err(WriteError::Finished);
        }
        self.failed = true;
        let entry = self.blocks.push(block, first, arrival)?;
        self.out.write_all(self.blocks.waiting())?;
        self.blocks.written();
        self.failed = false;
        Ok(entry)
    }

    /// Gives back the memory in which blocks are laid out, as after one that was larger than those to come.
    pub fn release(&mut self) {
        self.blocks.release();
    }

    /// Length of the segment so far, in bytes.
    pub fn position(&self) -> u64 {
        self.blocks.position()
    }

    /// What the segment is written to.
    pub fn get_ref(&self) -> &W {
        &self.out
    }
}
