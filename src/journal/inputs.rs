//! Floor 3: inputs into the journal and back.
//!
//! Only what meant something is kept: the frames that were observed, the arrivals that fired timers, the end of a run.
//! Between them numbers are left out; each frame comes back as a batch of its own, with the number that it had.
//!
//! Invariant: folding what comes back raises the events that folding all inputs raised, with the same ids.

use super::schema::{ArchivedInputs, BatchRow, FrameRow, Inputs, OriginRow};
use crate::batch::{Arrivals, Batch, FrameSpan, Origin, Sequenced};
use crate::segment::Segment;
use crate::span::Span;
use crate::time::Timestamp;
use bytes::Bytes;
use std::sync::Arc;

/// A batch that was folded, and what of it meant something.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The batch.
    pub sequenced: Sequenced,
    /// The frames that were observed, ascending.
    pub frames: Vec<u32>,
    /// Whether its arrival fired timers.
    pub fired: bool,
}

impl Inputs {
    /// Adds a batch.
    pub(super) fn push(&mut self, kept: &Kept) {
        let Sequenced { first, arrivals, batch, .. } = &kept.sequenced;
        let row = BatchRow {
            first: *first,
            arrival: arrivals.last().as_micros(),
            origin: self.intern(&batch.origin),
            frames: u32::try_from(kept.frames.len()).unwrap_or(u32::MAX),
            fired: kept.fired,
            end: false,
        };
        self.batches.push(row);
        for index in &kept.frames {
            let Some(frame) = batch.frames.get(*index as usize) else { continue };
            self.bytes.extend_from_slice(frame.span.of(&batch.bytes));
            self.frames.push(FrameRow { index: *index, length: frame.span.len, truncated: frame.truncated });
        }
    }

    /// Adds the end of the run's inputs.
    pub(super) fn push_end(&mut self, number: u64, time: Timestamp) {
        let row = BatchRow {
            first: number,
            arrival: time.as_micros(),
            origin: 0,
            frames: 0,
            fired: false,
            end: true,
        };
        self.batches.push(row);
    }

    /// The same origins come again and again, and a group has few.
    fn intern(&mut self, origin: &Origin) -> u32 {
        let known =
            self.origins.iter().position(|row| row.peer == origin.peer && row.listener == origin.listener);
        let index = known.unwrap_or_else(|| {
            self.origins.push(OriginRow { listener: origin.listener.clone(), peer: origin.peer.clone() });
            self.origins.len() - 1
        });
        u32::try_from(index).unwrap_or(u32::MAX)
    }
}

/// One input, come back.
#[derive(Clone, Debug)]
pub enum Recovered {
    /// A frame, or an arrival that fired timers, which is a batch without frames.
    Input(Sequenced),
    /// The end of the run's inputs.
    End {
        /// Its number.
        number: u64,
        /// The time.
        time: Timestamp,
    },
}

impl Recovered {
    /// Its number within its run.
    pub fn number(&self) -> u64 {
        match self {
            Self::Input(sequenced) => sequenced.first,
            Self::End { number, .. } => *number,
        }
    }
}

/// The inputs of one block.
#[derive(Clone, Debug)]
pub struct RecoveredBlock {
    /// The run that received them.
    pub run: u32,
    /// Inputs of all runs before that one.
    pub base: u64,
    /// The position through which all inputs are accounted for.
    pub through: u64,
    /// The inputs, in the order of their numbers.
    pub inputs: Vec<Recovered>,
}

/// Reads the inputs of a block of a segment, or says how it contradicts itself.
pub(super) fn read(block: &ArchivedInputs, segment: &Segment) -> Result<RecoveredBlock, &'static str> {
    let origin = |row: &super::schema::ArchivedOriginRow| {
        Arc::new(Origin { listener: row.listener.as_str().to_owned(), peer: row.peer.as_str().to_owned() })
    };
    let origins: Vec<Arc<Origin>> = block.origins.iter().map(origin).collect();
    let nobody = Arc::new(Origin { listener: String::new(), peer: String::new() });
    let bytes: Bytes = segment.bytes().slice_ref(&block.bytes);
    let mut frames = block.frames.iter();
    let mut at = 0_u32;
    let mut inputs = Vec::new();
    for row in block.batches.iter() {
        let first = row.first.to_native();
        let arrival = Timestamp::from_micros(row.arrival.to_native());
        if row.end {
            inputs.push(Recovered::End { number: first, time: arrival });
            continue;
        }
        let origin = origins.get(row.origin.to_native() as usize).unwrap_or(&nobody);
        let mut input = |number, frames| {
            let batch = Batch { origin: Arc::clone(origin), bytes: bytes.clone(), frames };
            let arrivals = Arrivals::One(arrival);
            inputs.push(Recovered::Input(Sequenced { slot: 0, first: number, arrivals, batch }));
        };
        if row.fired {
            input(first, Vec::new());
        }
        for _ in 0..row.frames.to_native() {
            let frame = frames.next().ok_or("it has fewer frames than its batches name")?;
            let span = Span::new(at, frame.length.to_native());
            at = at.checked_add(span.len).ok_or("its frames are too long")?;
            if at as usize > bytes.len() {
                return Err("its frames are longer than its bytes");
            }
            let number = first.saturating_add(frame.index.to_native().into());
            input(number, vec![FrameSpan { span, truncated: frame.truncated }]);
        }
    }
    let (run, base, through) = (block.run.to_native(), block.base.to_native(), block.through.to_native());
    Ok(RecoveredBlock { run, base, through, inputs })
}
