//! Floor 2: what the blocks of a capture archive.
//!
//! Invariant: a change to any type here changes the tag of the block that holds it.

use crate::segment::{Schema, Tag};
use rkyv::with::InlineAsBox;
use rkyv::{Archive, Serialize};

/// The frames of many batches.
///
/// Lengths, runs and bytes of all batches stand one after the other, in the order of the batches.
#[derive(Debug, Default, Archive, Serialize)]
pub(super) struct Frames {
    /// The origins that the batches of this block name.
    pub(super) origins: Vec<OriginEntry>,
    /// The batches.
    pub(super) batches: Vec<BatchEntry>,
    /// When frames arrived.
    pub(super) runs: Vec<RunEntry>,
    /// The length of each frame, with [`TRUNCATED`] set where it was cut.
    pub(super) lengths: Vec<u32>,
    /// The messages, without anything between them.
    pub(super) bytes: Vec<u8>,
}

/// Set in the length of a frame that was longer than the limit.
pub(super) const TRUNCATED: u32 = 1 << 31;

/// One origin.
#[derive(Debug, Archive, Serialize)]
pub(super) struct OriginEntry {
    pub(super) listener: String,
    pub(super) peer: String,
}

/// One batch: how much of each of the tables is its own.
#[derive(Debug, Archive, Serialize)]
pub(super) struct BatchEntry {
    /// Number of the first input.
    pub(super) first: u64,
    /// Index of its origin.
    pub(super) origin: u32,
    /// Frames; none in a tick.
    pub(super) frames: u32,
    /// Runs; one at least.
    pub(super) runs: u32,
}

/// From this frame of its batch on, this is the arrival.
#[derive(Debug, Archive, Serialize)]
pub(super) struct RunEntry {
    pub(super) index: u32,
    pub(super) arrival: i64,
}

impl Schema for Frames {
    const TAG: Tag = Tag(*b"FRM1");
}

/// The first block of a capture whose run went on from earlier ones.
#[derive(Debug, Archive, Serialize)]
pub(super) struct BeginningBody<'a> {
    /// What the correlator saved.
    #[rkyv(with = InlineAsBox)]
    pub(super) state: &'a [u8],
}

impl Schema for BeginningBody<'_> {
    const TAG: Tag = Tag(*b"BEG1");
}

/// The last block of a segment.
#[derive(Debug, Archive, Serialize)]
pub(super) struct EndMark {
    /// How the segment ended.
    pub(super) how: How,
}

/// How a segment ended.
#[derive(Clone, Copy, Debug, Archive, Serialize)]
pub(super) enum How {
    /// It was full: the capture goes on in the next segment.
    Rotated,
    /// The inputs were a file, which has no end in time.
    OfInput,
    /// The capture was closed, at this time in microseconds.
    Closed(i64),
    /// The capture had reached its greatest length, at the arrival of its last input in microseconds.
    Full(i64),
}

impl Schema for EndMark {
    const TAG: Tag = Tag(*b"END1");
}
