//! Floor 2: reads a capture back, batch by batch.
//!
//! Invariant: numbers ascend; what could not be read is an error between the batches that could, never a batch.

use super::Identity;
use super::schema::{ArchivedBeginningBody, BeginningBody, EndMark, Frames};
use super::series::{Part, Series};
use super::unpack::{Place, unpack};
use crate::batch::Sequenced;
use crate::event::StreamId;
use crate::segment::{self, Entry, Fault, Program, Schema, Segment, Step};
use crate::time::Timestamp;
use rkyv::util::AlignedVec;
use std::collections::VecDeque;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

/// Why a capture cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The first segment cannot be read.
    #[error(transparent)]
    Segment(#[from] segment::OpenError),
    /// The file is a segment, but not of a capture.
    #[error("{} is not a capture", .0.display())]
    OtherKind(PathBuf),
    /// The file is a later segment; a capture is read from its first.
    #[error("{} is part {part} of a capture; name its first segment instead", path.display())]
    LaterPart {
        /// The file.
        path: PathBuf,
        /// Which part it is.
        part: u32,
    },
    /// The directory in which later segments would stand cannot be read.
    #[error("cannot look for the later segments of {}", path.display())]
    Directory {
        /// The capture.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Something of a capture that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// A damaged place in a segment.
    #[error(transparent)]
    Place(#[from] segment::Damage),
    /// A segment that cannot be read at all.
    #[error("{}: {}", .0, .0.source().map(ToString::to_string).unwrap_or_default())]
    Segment(segment::OpenError),
    /// A file with the name of a later segment that belongs to something else.
    #[error("{} has the name of a later segment but is not of this capture", .0.display())]
    Foreign(PathBuf),
    /// A segment that must have been there.
    #[error("{} is missing: the segment before it says that the capture goes on", .0.display())]
    Missing(PathBuf),
    /// A segment without an end mark.
    #[error("{} has no end mark: it was cut off, or is still being written", .0.display())]
    NoEnd(PathBuf),
}

impl Damage {
    /// Whether this says only where the capture ends: it was cut off in the middle of a write, or goes on.
    pub fn is_cut_off(&self) -> bool {
        match self {
            Self::NoEnd(_) => true,
            Self::Place(place) => matches!(place.fault, Fault::Torn(_)),
            _ => false,
        }
    }
}

/// How a capture ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was closed at this time; what is open then stays open.
    Closed(Timestamp),
    /// Its inputs were a file, which has no end in time.
    OfInput,
    /// It had reached its greatest length, and what was received went on.
    Full,
    /// It has no end mark: cut off, damaged there, or still being written.
    Torn,
}

/// Reads one capture, as an iterator over its batches and over what could not be read.
#[derive(Debug)]
pub struct Reader {
    series: Series,
    /// What to read next: index of the part, index of the step in it.
    at: (usize, usize),
    /// Batches of the block last read.
    ready: VecDeque<Sequenced>,
    place: Place,
}

impl Reader {
    /// Opens a capture: its first segment, and those that follow it.
    ///
    /// # Errors
    /// When the first segment cannot be read at all, or is not the first of a capture. All other damage is yielded
    /// in its place.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let series = Series::open(path)?;
        Ok(Self { series, at: (0, 0), ready: VecDeque::new(), place: Place::default() })
    }

    /// What the capture says of its inputs.
    pub fn identity(&self) -> Identity {
        let header = &self.series.header;
        Identity { stream: StreamId(header.stream), run: header.run, created: header.created }
    }

    /// What the correlator had saved before the first input, where the run went on from earlier ones.
    ///
    /// # Errors
    /// When it is damaged, which the reader yields in its place, too.
    pub fn beginning(&self) -> Result<Option<AlignedVec>, Damage> {
        let Some(Part::Segment(segment)) = self.series.parts.first() else { return Ok(None) };
        let Some(Step::Block(entry)) = segment.steps().first() else { return Ok(None) };
        if entry.tag != BeginningBody::TAG {
            return Ok(None);
        }
        let body: &ArchivedBeginningBody<'static> = segment.read::<BeginningBody<'static>>(entry)?;
        let mut state = AlignedVec::with_capacity(body.state.len());
        state.extend_from_slice(&body.state);
        Ok(Some(state))
    }

    /// The version of the program that wrote it.
    pub fn program(&self) -> Program {
        self.series.header.program
    }

    /// How the capture ends.
    pub fn end(&self) -> End {
        self.series.end
    }

    /// Its segments that can be read, with their indices.
    pub fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.series.parts.iter().filter_map(|part| match part {
            Part::Segment(segment) => Some(segment),
            Part::Damage(_) => None,
        })
    }

    /// Length of all segments together, in bytes.
    pub fn total_bytes(&self) -> u64 {
        self.segments().map(|segment| segment.bytes().len() as u64).sum()
    }

    /// How many of these bytes have been read.
    pub fn bytes_done(&self) -> u64 {
        let mut done = 0;
        for (index, part) in self.series.parts.iter().enumerate().take(self.at.0.saturating_add(1)) {
            let Part::Segment(segment) = part else { continue };
            done += match segment.steps().get(self.at.1) {
                Some(Step::Block(entry)) if index == self.at.0 => entry.offset,
                Some(Step::Damage(offset, _)) if index == self.at.0 => *offset,
                _ => segment.bytes().len() as u64,
            };
        }
        done
    }

    /// Goes to the block that would hold an input, by the index: what comes next may begin before it, and lies after
    /// it when the capture does not hold it.
    pub fn seek(&mut self, number: u64) {
        let mut found = (0, 0);
        for (index, part) in self.series.parts.iter().enumerate() {
            let Part::Segment(segment) = part else { continue };
            let before = |step: &Step| matches!(step, Step::Block(entry) if entry.tag == Frames::TAG && entry.first <= number);
            if let Some(step) = segment.steps().iter().rposition(before) {
                found = (index, step);
            }
        }
        self.at = found;
        self.ready.clear();
        self.place = Place { next: 0, ..self.place };
    }

    /// Reads the next step: batches into `ready`, or damage. Nothing at the end.
    fn advance(&mut self) -> Option<Result<(), Damage>> {
        let part = self.series.parts.get_mut(self.at.0)?;
        let segment = match part {
            Part::Segment(segment) => segment,
            Part::Damage(damage) => {
                self.at = (self.at.0 + 1, 0);
                return Some(damage.take().map_or(Ok(()), Err));
            }
        };
        let Some(step) = segment.steps().get(self.at.1) else {
            self.at = (self.at.0 + 1, 0);
            return Some(Ok(()));
        };
        self.at.1 += 1;
        Some(match step {
            Step::Block(entry) => read_block(segment, entry, &mut self.place, &mut self.ready),
            Step::Damage(offset, fault) => Err(segment.damage(*offset, fault.clone()).into()),
        })
    }
}

impl Iterator for Reader {
    type Item = Result<Sequenced, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Some(Ok(batch));
            }
            if let Err(damage) = self.advance()? {
                return Some(Err(damage));
            }
        }
    }
}

fn read_block(
    segment: &Segment,
    entry: &Entry,
    place: &mut Place,
    ready: &mut VecDeque<Sequenced>,
) -> Result<(), Damage> {
    if entry.tag == EndMark::TAG {
        segment.read::<EndMark>(entry)?;
        return Ok(());
    }
    if entry.tag == BeginningBody::TAG {
        segment.read::<BeginningBody<'static>>(entry)?;
        return Ok(());
    }
    let frames = segment.read::<Frames>(entry)?;
    unpack(segment.bytes(), frames, place, ready).map_err(|what| {
        ready.clear();
        segment.damage(entry.offset, Fault::Contents(entry.tag, what.to_owned())).into()
    })
}
