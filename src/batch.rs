//! Floor 1: bytes and spans on their way from a reader to the correlator.
//!
//! Invariant: every span of a batch lies within its bytes, and the spans are in the order of their arrival.

use crate::span::Span;
use crate::time::Timestamp;
use bytes::Bytes;
use std::sync::Arc;

/// One syslog message within the bytes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameSpan {
    /// Where the message stands, without its count or delimiter.
    pub span: Span,
    /// Whether the message was longer than the limit and the rest of it was discarded.
    pub truncated: bool,
}

/// Where the bytes of a batch came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The listener's name in the configuration, or the path of a file.
    pub listener: String,
    /// The peer's address without its port, or nothing where there is no peer.
    pub peer: String,
}

/// The bytes of one read and the complete frames in them.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Where they came from.
    pub origin: Arc<Origin>,
    /// The bytes; usually a pooled buffer that returns to its pool when the last reference goes.
    pub bytes: Bytes,
    /// The complete frames, in order. A batch without frames is a clock tick.
    pub frames: Vec<FrameSpan>,
}

/// When the frames of a batch arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// All at once: the batch is one read.
    One(Timestamp),
    /// In runs: from the frame of this index on, up to the next run, this is the arrival. Indices and instants
    /// ascend, and the first index is 0.
    Runs(Vec<(u32, Timestamp)>),
}

impl Arrivals {
    /// The runs, each as the index of its first frame and the arrival.
    pub fn runs(&self) -> impl Iterator<Item = (u32, Timestamp)> + '_ {
        let (one, runs) = match self {
            Self::One(arrival) => (Some((0, *arrival)), &[][..]),
            Self::Runs(runs) => (None, runs.as_slice()),
        };
        one.into_iter().chain(runs.iter().copied())
    }

    /// The arrival of the last frame.
    pub fn last(&self) -> Timestamp {
        match self {
            Self::One(arrival) => *arrival,
            Self::Runs(runs) => runs.last().map_or(Timestamp::MIN, |run| run.1),
        }
    }
}

/// A batch with its place in the order of inputs.
#[derive(Clone, Debug)]
pub struct Sequenced {
    /// Place among the batches of this run, without gaps, from 0: what the reorder ring goes by.
    pub slot: u64,
    /// Number of the first input in the batch. A tick takes one number, any other batch one for each frame.
    pub first: u64,
    /// When the inputs arrived.
    pub arrivals: Arrivals,
    /// The bytes and frames.
    pub batch: Batch,
}

impl Sequenced {
    /// How many numbers the batch takes.
    pub fn inputs(&self) -> u64 {
        self.batch.frames.len().max(1) as u64
    }

    /// Whether the batch is a clock tick: no frames, only a number and an arrival.
    pub fn is_tick(&self) -> bool {
        self.batch.frames.is_empty()
    }
}
