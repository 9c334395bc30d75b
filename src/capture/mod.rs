//! Floor 2: what was received, recorded to segment files and read back as it was.
//!
//! A capture is a series of segments: `PATH`, then `PATH.0001`, `PATH.0002` and so on. Each block holds the frames of
//! many batches, one after the other, with their numbers, arrivals and origins; ticks of the clock are kept too, so
//! that a replay sees the inputs of the live run and nothing else. Adjacent batches of one origin become one, which
//! changes no number and no arrival. Where the run went on from earlier ones, the first block is what was known by then.
//!
//! Invariant: what a [`Reader`] yields is what a [`Writer`] was given, or an error that says where it is not.

mod export;
mod parts;
mod pick;
mod reader;
mod schema;
mod series;
mod unpack;
mod writer;

pub use export::{Framing, export_record};
pub use pick::{Listing, ListingError, Pick};
pub use reader::{Damage, End, OpenError, Reader};
pub use writer::{AppendError, CreateError, Options, Writer};

use crate::event::StreamId;
use crate::segment::{FileHeader, FileKind};
use crate::time::Timestamp;

/// The kind of segment that captures are made of.
const KIND: FileKind = FileKind(*b"CAPT");

/// What a capture says of the inputs it holds, besides the inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The stream of inputs.
    pub stream: StreamId,
    /// The run of the server that received them; 0 for plain files.
    pub run: u32,
    /// When the capture was begun.
    pub created: Timestamp,
}

/// Whether a file that begins with these bytes is a capture, sound or not.
pub fn recognises(start: &[u8]) -> bool {
    FileHeader::recognises(start)
}

/// Whether a file that begins with these bytes is a capture whose very first bytes are damaged.
pub fn resembles(start: &[u8]) -> bool {
    FileHeader::resembles(start)
}

#[cfg(test)]
mod tests;
