//! Floor 2: the batches of one block, cut out of the map without copying a message.
//!
//! Invariant: the tables of a block use each other up exactly; a block in which they do not yields nothing.

use super::schema::{ArchivedBatchEntry, ArchivedFrames, ArchivedRunEntry, TRUNCATED};
use crate::batch::{Arrivals, Batch, FrameSpan, Origin, Sequenced};
use crate::limits;
use crate::span::Span;
use crate::time::Timestamp;
use bytes::Bytes;
use rkyv::rend::u32_le;
use std::collections::VecDeque;
use std::sync::Arc;

/// Where a reader stands in the order of the inputs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// The slot of the next batch.
    pub(super) slot: u64,
    /// The least number that the next input may have.
    pub(super) next: u64,
}

/// What is not yet used up of a block's tables.
struct Rest<'a> {
    runs: &'a [ArchivedRunEntry],
    lengths: &'a [u32_le],
    bytes: Bytes,
}

/// Appends the batches of a block, whose bytes lie in `file`.
///
/// # Errors
/// Says how the block contradicts itself.
pub(super) fn unpack(
    file: &Bytes,
    block: &ArchivedFrames,
    place: &mut Place,
    out: &mut VecDeque<Sequenced>,
) -> Result<(), &'static str> {
    let origins: Vec<_> = block
        .origins
        .iter()
        .map(|origin| {
            Arc::new(Origin { listener: origin.listener.as_str().into(), peer: origin.peer.as_str().into() })
        })
        .collect();
    let mut rest =
        Rest { runs: &block.runs, lengths: &block.lengths, bytes: file.slice_ref(block.bytes.as_slice()) };
    let mut at = *place;
    for entry in block.batches.iter() {
        let origin = origins.get(entry.origin.to_native() as usize).ok_or("an origin is not in its table")?;
        let batch = rest.take(entry, Arc::clone(origin), at)?;
        at = Place { slot: at.slot + 1, next: batch.first.checked_add(batch.inputs()).ok_or(TOO_LARGE)? };
        out.push_back(batch);
    }
    if !(rest.runs.is_empty() && rest.lengths.is_empty() && rest.bytes.is_empty()) {
        return Err("frames belong to no batch");
    }
    *place = at;
    Ok(())
}

const TOO_LARGE: &str = "a number is too large";

impl Rest<'_> {
    fn take(
        &mut self,
        entry: &ArchivedBatchEntry,
        origin: Arc<Origin>,
        at: Place,
    ) -> Result<Sequenced, &'static str> {
        let first = entry.first.to_native();
        if first < at.next {
            return Err("numbers go back");
        }
        let count = entry.frames.to_native() as usize;
        if count > limits::MAX_BATCH_FRAMES {
            return Err("a batch has too many frames");
        }
        let arrivals = self.take_arrivals(entry.runs.to_native() as usize, entry.frames.to_native())?;
        let (frames, bytes) = self.take_frames(count)?;
        Ok(Sequenced { slot: at.slot, first, arrivals, batch: Batch { origin, bytes, frames } })
    }

    fn take_arrivals(&mut self, count: usize, frames: u32) -> Result<Arrivals, &'static str> {
        let (runs, rest) = self.runs.split_at_checked(count).ok_or("arrivals are missing")?;
        self.runs = rest;
        let of =
            |run: &ArchivedRunEntry| (run.index.to_native(), Timestamp::from_micros(run.arrival.to_native()));
        let sound = runs.first().is_some_and(|run| run.index == 0)
            && runs
                .windows(2)
                .all(|pair| matches!(pair, [a, b] if a.index < b.index && a.arrival <= b.arrival))
            && runs.last().is_some_and(|run| run.index < frames.max(1));
        match runs {
            _ if !sound => Err("arrivals are out of order"),
            [one] => Ok(Arrivals::One(of(one).1)),
            runs => Ok(Arrivals::Runs(runs.iter().map(of).collect())),
        }
    }

    fn take_frames(&mut self, count: usize) -> Result<(Vec<FrameSpan>, Bytes), &'static str> {
        let (lengths, rest) = self.lengths.split_at_checked(count).ok_or("frames are missing")?;
        self.lengths = rest;
        let mut frames = Vec::with_capacity(count);
        let mut end = 0_u32;
        for length in lengths {
            let length = length.to_native();
            let span = Span::new(end, length & !TRUNCATED);
            end = end.checked_add(span.len).ok_or(TOO_LARGE)?;
            frames.push(FrameSpan { span, truncated: length & TRUNCATED != 0 });
        }
        if end as usize > self.bytes.len() {
            return Err("bytes are missing");
        }
        Ok((frames, self.bytes.split_to(end as usize)))
    }
}
