//! Floor 3: inputs into the journal and back.
//!
//! Only what meant something is kept: the frames that were observed, the arrivals that fired timers, the end of a run.
//! Between them numbers are left out; each frame comes back as a batch of its own, with the number that it had.
//!
//! Invariant: folding what comes back raises the events that folding all inputs raised, with the same ids.

use super::evidence::EvidenceRecord;
use super::schema::{ArchivedInputs, BatchRow, Followed, FrameRow, Inputs, OriginRow};
use crate::batch::{Arrivals, Batch, FrameSpan, Origin, Sequenced};
use crate::segment::{Damage, Entry, Fault, Schema, Segment};
use crate::span::Span;
use crate::time::Timestamp;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Arc;

/// Inputs that meant something, gathered until they are made durable.
///
/// What is kept of a batch is copied: a batch that lent its bytes for as long as a disk takes would hold back a whole
/// read buffer for a line of text. The memory serves again, see [`KeptInputs::clear`].
#[derive(Debug, Default)]
pub struct KeptInputs {
    /// All but the origins, which are laid out last.
    inputs: Inputs,
    origins: Vec<Arc<Origin>>,
    places: HashMap<Arc<Origin>, u32>,
}

impl KeptInputs {
    /// Adds the frames of a batch that were observed; their indices ascend, and one may come several times. `fired` says
    /// whether its arrival fired timers. What meant nothing is left out.
    pub fn push(&mut self, sequenced: &Sequenced, frames: impl Iterator<Item = u32>, fired: bool) {
        let Sequenced { first, arrivals, batch, .. } = sequenced;
        let before = self.inputs.frames.len();
        let mut last = None;
        for index in frames {
            let Some(frame) = batch.frames.get(index as usize).filter(|_| last != Some(index)) else {
                continue;
            };
            last = Some(index);
            self.inputs.bytes.extend_from_slice(frame.span.of(&batch.bytes));
            self.inputs.frames.push(FrameRow { index, length: frame.span.len, truncated: frame.truncated });
        }
        let frames = self.inputs.frames.len() - before;
        if frames > 0 || fired {
            let row = BatchRow {
                first: *first,
                arrival: arrivals.last().as_micros(),
                origin: self.place(&batch.origin),
                frames: u32::try_from(frames).unwrap_or(u32::MAX),
                fired,
                end: false,
            };
            self.inputs.batches.push(row);
        }
    }

    /// Adds the end of the run's inputs.
    pub fn push_end(&mut self, number: u64, time: Timestamp) {
        let row = BatchRow {
            first: number,
            arrival: time.as_micros(),
            origin: 0,
            frames: 0,
            fired: false,
            end: true,
        };
        self.inputs.batches.push(row);
    }

    /// Adds what was gathered after this.
    pub fn append(&mut self, later: &Self) {
        let origins: Vec<u32> = later.origins.iter().map(|origin| self.place(origin)).collect();
        self.inputs.batches.extend(later.inputs.batches.iter().map(|row| BatchRow {
            origin: origins.get(row.origin as usize).copied().unwrap_or_default(),
            ..*row
        }));
        self.inputs.frames.extend_from_slice(&later.inputs.frames);
        self.inputs.bytes.extend_from_slice(&later.inputs.bytes);
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.inputs.batches.is_empty()
    }

    /// Bytes of it, about.
    pub fn size(&self) -> usize {
        self.inputs.bytes.len()
            + self.inputs.frames.len() * size_of::<FrameRow>()
            + self.inputs.batches.len() * size_of::<BatchRow>()
    }

    /// The records among these that stand at some positions, in order; `base` is the count of the inputs of all earlier
    /// runs.
    pub fn records(&self, base: u64, positions: &[u64]) -> Vec<EvidenceRecord> {
        let mut frames = self.inputs.frames.iter();
        let (mut found, mut at) = (Vec::new(), 0);
        for batch in &self.inputs.batches {
            for frame in frames.by_ref().take(batch.frames as usize) {
                let span = Span::new(at, frame.length);
                at = at.saturating_add(frame.length);
                let position = base.saturating_add(batch.first).saturating_add(u64::from(frame.index));
                let Some(origin) = self.origins.get(batch.origin as usize) else { continue };
                if positions.contains(&position) {
                    found.push(EvidenceRecord {
                        position,
                        arrival: Timestamp::from_micros(batch.arrival),
                        listener: origin.listener.clone(),
                        peer: origin.peer.clone(),
                        bytes: span.of(&self.inputs.bytes).to_vec(),
                        truncated: frame.truncated,
                    });
                }
            }
        }
        found
    }

    /// Forgets everything but the memory that it took.
    pub fn clear(&mut self) {
        let Inputs { origins, batches, frames, bytes, .. } = &mut self.inputs;
        origins.clear();
        batches.clear();
        frames.clear();
        bytes.clear();
        self.origins.clear();
        self.places.clear();
    }

    /// Whether it has memory to serve again.
    pub fn has_room(&self) -> bool {
        self.inputs.batches.capacity() > 0
    }

    /// The block that a journal keeps of it.
    pub(super) fn block(&mut self, run: u32, base: u64, through: u64) -> &Inputs {
        let row =
            |origin: &Arc<Origin>| OriginRow { listener: origin.listener.clone(), peer: origin.peer.clone() };
        self.inputs.origins.clear();
        self.inputs.origins.extend(self.origins.iter().map(row));
        (self.inputs.run, self.inputs.base, self.inputs.through) = (run, base, through);
        &self.inputs
    }

    fn place(&mut self, origin: &Arc<Origin>) -> u32 {
        if let Some(place) = self.places.get(origin) {
            return *place;
        }
        let place = u32::try_from(self.origins.len()).unwrap_or(u32::MAX);
        self.origins.push(Arc::clone(origin));
        self.places.insert(Arc::clone(origin), place);
        place
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

/// Reads the inputs of a block of a segment; nothing where the block holds other things.
pub(super) fn read(segment: &Segment, entry: &Entry) -> Result<Option<RecoveredBlock>, Damage> {
    let block = match entry.tag {
        tag if tag == Inputs::TAG => segment.read::<Inputs>(entry)?,
        tag if tag == Followed::TAG => &segment.read::<Followed<'static>>(entry)?.inputs,
        _ => return Ok(None),
    };
    let contents = |what: &str| segment.damage(entry.offset, Fault::Contents(entry.tag, what.to_owned()));
    thaw(block, segment).map(Some).map_err(contents)
}

/// Reads inputs, or says how they contradict themselves.
fn thaw(block: &ArchivedInputs, segment: &Segment) -> Result<RecoveredBlock, &'static str> {
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
