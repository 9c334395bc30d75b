//! Floor 1: the on-disk format that captures and journals share: a header, then checksummed blocks.
//!
//! ```text
//! file    = header block* unwritten?          everything little-endian, everything at multiples of 16
//! header  = 96 bytes: magic, format, kind, stream, run, part, creation, salt, program, checksum
//! block   = 48 bytes: salt, offset, tag, length, first number, first arrival, two checksums
//!           payload: an rkyv archive of the type that the tag names, zero-padded to a multiple of 16
//! ```
//!
//! Every block header names its own place and repeats the salt, which nobody outside can guess: bytes that a sender
//! put into a record can therefore never pass for a block, not even while a reader looks for the next sound block
//! after a damaged one. The chain of headers is the index; nothing else has to be kept in step with it.
//!
//! Invariants: a byte, once written, is never changed, and no file is ever made shorter; a block is handed out only
//! after its checksums matched and its archive was validated; a schema that changes takes a new [`Tag`].

mod block;
#[cfg(test)]
pub(crate) mod faulty;
mod header;
mod map;
mod reader;
mod storage;
mod writer;

pub use block::{Entry, Schema, Tag};
pub use header::{FileHeader, FileKind, HeaderError, Program, random_salt};
pub use reader::{Damage, Fault, OpenError, Segment, Step};
pub use storage::{Disk, Storage, StorageFile};
pub use writer::{BlockEncoder, EncodeError, SegmentWriter, WriteError, create_private};

/// Everything in a segment begins at a multiple of this many bytes, which is what archives need.
const ALIGNMENT: usize = 16;

/// Reads a fixed-size field of a header; the callers' offsets lie within it.
fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..at + N).and_then(|part| part.try_into().ok()).unwrap_or([0; N])
}

#[cfg(test)]
mod tests;
