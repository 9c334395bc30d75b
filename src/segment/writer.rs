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
    /// The block could not be archived.
    #[error("the block could not be archived")]
    Encode(#[source] BoxedError),
    /// The block is longer than a block's header can say.
    #[error("a block of {0} bytes is too long")]
    TooLong(usize),
    /// An earlier write failed.
    #[error("an earlier write failed")]
    Finished,
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
    salt: u64,
    position: u64,
    buffer: AlignedVec,
    failed: bool,
}

impl<W: Write> SegmentWriter<W> {
    /// Begins a segment by writing its header.
    ///
    /// # Errors
    /// When the header cannot be written.
    pub fn begin(mut out: W, header: &FileHeader) -> Result<Self, WriteError> {
        out.write_all(&header.encode())?;
        let position = FileHeader::SIZE as u64;
        Ok(Self { out, salt: header.salt, position, buffer: AlignedVec::new(), failed: false })
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
        let entry = self.encode(block, first, arrival)?;
        self.out.write_all(&self.buffer)?;
        self.position = entry.end();
        self.failed = false;
        Ok(entry)
    }

    /// Lays out a block in the buffer: its header, which needs the checksum, is filled in last.
    fn encode<T: Schema>(&mut self, block: &T, first: u64, arrival: Timestamp) -> Result<Entry, WriteError> {
        self.buffer.clear();
        self.buffer.extend_from_slice(&[0; Entry::SIZE]);
        to_bytes_in::<_, BoxedError>(block, &mut self.buffer).map_err(WriteError::Encode)?;
        let length = self.buffer.len().saturating_sub(Entry::SIZE);
        self.buffer.resize(self.buffer.len().next_multiple_of(ALIGNMENT), 0);
        let (header, payload) = self.buffer.split_at_mut(Entry::SIZE);
        let entry = Entry {
            offset: self.position,
            tag: T::TAG,
            length: u32::try_from(length).map_err(|_| WriteError::TooLong(length))?,
            first,
            arrival,
            checksum: crc32fast::hash(payload),
        };
        header.copy_from_slice(&entry.encode(self.salt));
        Ok(entry)
    }

    /// Length of the segment so far, in bytes.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// What the segment is written to.
    pub fn get_ref(&self) -> &W {
        &self.out
    }
}
