//! Floor 1: the header of a block, and what ties a payload to the type that it archives.
//!
//! Invariant: a block header that decodes belongs to this file and this offset, and was written whole.

use super::{ALIGNMENT, field};
use crate::time::Timestamp;
use rkyv::api::high::{HighSerializer, HighValidator};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::BoxedError;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::util::AlignedVec;
use std::fmt;

/// The schema of a block's payload: letters that name it, and last the schema's version.
///
/// Archives carry no description of themselves: one that is read by another schema gives wrong values without an
/// error. So each change of a schema, however small, is a new tag.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tag(pub [u8; 4]);

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A type that blocks archive.
pub trait Schema:
    for<'a, 'b> rkyv::Serialize<HighSerializer<&'b mut AlignedVec, ArenaHandle<'a>, BoxedError>>
    + rkyv::Archive<Archived: for<'a> CheckBytes<HighValidator<'a, BoxedError>>>
{
    /// The tag of its blocks.
    const TAG: Tag;
}

/// What the index tells of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where its header stands in the file.
    pub offset: u64,
    /// What its payload is.
    pub tag: Tag,
    /// Length of the payload, without padding.
    pub length: u32,
    /// Number of the first input in it.
    pub first: u64,
    /// Arrival of the first input in it.
    pub arrival: Timestamp,
    /// Checksum of the payload and its padding.
    pub(super) checksum: u32,
}

impl Entry {
    /// Length of a block's header in the file.
    pub const SIZE: usize = 48;

    /// Lays the header out as it stands in the file.
    pub(super) fn encode(&self, salt: u64) -> [u8; Self::SIZE] {
        let mut out = Vec::with_capacity(Self::SIZE);
        out.extend_from_slice(&salt.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.tag.0);
        out.extend_from_slice(&self.length.to_le_bytes());
        out.extend_from_slice(&self.first.to_le_bytes());
        out.extend_from_slice(&self.arrival.as_micros().to_le_bytes());
        out.extend_from_slice(&self.checksum.to_le_bytes());
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        field(&out, 0)
    }

    /// Reads the header at `offset` of a file, or nothing when none stands there.
    pub(super) fn decode(file: &[u8], offset: u64, salt: u64) -> Option<Self> {
        let start = usize::try_from(offset).ok()?;
        let bytes: [u8; Self::SIZE] = file.get(start..start.checked_add(Self::SIZE)?)?.try_into().ok()?;
        let (covered, checksum) = bytes.split_last_chunk::<4>()?;
        let sound = covered.starts_with(&salt.to_le_bytes())
            && u64::from_le_bytes(field(covered, 8)) == offset
            && crc32fast::hash(covered) == u32::from_le_bytes(*checksum);
        sound.then(|| Self {
            offset,
            tag: Tag(field(covered, 16)),
            length: u32::from_le_bytes(field(covered, 20)),
            first: u64::from_le_bytes(field(covered, 24)),
            arrival: Timestamp::from_micros(i64::from_le_bytes(field(covered, 32))),
            checksum: u32::from_le_bytes(field(covered, 40)),
        })
    }

    /// The payload and its padding, or nothing when the file ends before they do.
    pub(super) fn padded<'a>(&self, file: &'a [u8]) -> Option<&'a [u8]> {
        let start = usize::try_from(self.offset).ok()?.checked_add(Self::SIZE)?;
        let length = usize::try_from(self.length).ok()?.checked_next_multiple_of(ALIGNMENT)?;
        file.get(start..start.checked_add(length)?)
    }

    /// Where the next block begins.
    pub fn end(&self) -> u64 {
        let padded = u64::from(self.length).next_multiple_of(ALIGNMENT as u64);
        self.offset.saturating_add(Self::SIZE as u64).saturating_add(padded)
    }
}
