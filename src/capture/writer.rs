//! Floor 2: records batches to a capture.
//!
//! Invariant: a capture that could not be written once is never written again, and says so once; what stands in its
//! files by then stays readable up to the last whole block.

use super::schema::{BatchEntry, BeginningBody, EndMark, Frames, How, OriginEntry, RunEntry, TRUNCATED};
use super::{Identity, KIND, parts};
use crate::batch::{Origin, Sequenced};
use crate::limits;
use crate::segment::{FileHeader, Program, SegmentWriter, WriteError, create_private, random_salt};
use crate::time::Timestamp;
use hashbrown::HashMap;
use std::fs::{self, File};
use std::hash::RandomState;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How large a capture may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Length at which a segment is closed and the next one begun, in bytes.
    pub segment_size: u64,
    /// Length of all segments together at which the capture is closed, in bytes; the state at its beginning is not counted.
    pub total_size: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_size: limits::CAPTURE_SEGMENT_SIZE, total_size: limits::CAPTURE_TOTAL_SIZE }
    }
}

impl Options {
    /// Segments of the usual length, as many as there can be: for a capture whose inputs are finite.
    pub fn unlimited() -> Self {
        Self { total_size: u64::MAX, ..Self::default() }
    }
}

/// Why a capture was not begun.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// A file of the capture's name exists.
    #[error("{} exists already; a capture never overwrites", .0.display())]
    Exists(PathBuf),
    /// The file cannot be created or written.
    #[error("cannot create {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: WriteError,
    },
}

impl CreateError {
    /// Whether there is no room for it.
    pub fn is_full(&self) -> bool {
        let Self::Io { source: WriteError::Io(error), .. } = self else { return false };
        matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// Why a capture ended before it was closed. It is said once; the writer then takes batches and does nothing.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The capture was not begun.
    #[error("the capture cannot be begun")]
    Begin(#[source] CreateError),
    /// A segment cannot be written.
    #[error("cannot write {}; the capture ends here", path.display())]
    Write {
        /// The segment.
        path: PathBuf,
        /// Why.
        source: WriteError,
    },
    /// The next segment cannot be created.
    #[error("the capture cannot go on in its next segment")]
    Rotate(#[source] CreateError),
    /// The capture has reached its greatest length. Everything so far is in it, and it is closed.
    #[error("{} has reached its greatest length at {total} bytes; the capture ends here", path.display())]
    Full {
        /// The capture.
        path: PathBuf,
        /// How long it is.
        total: u64,
    },
}

/// Writes one capture.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    options: Options,
    header: FileHeader,
    /// The segment being written; none once the writer is finished.
    segment: Option<SegmentWriter<File>>,
    /// Length of the segments before this one.
    earlier: u64,
    /// How much of all that does not count towards the greatest length: the state at the beginning.
    uncounted: u64,
    block: Pending,
}

impl Writer {
    /// Creates the first segment of a capture.
    ///
    /// # Errors
    /// When a file of its name, or of a later segment's name, exists, or it cannot be created.
    pub fn create(path: &Path, identity: Identity, options: Options) -> Result<Self, CreateError> {
        if let Ok(Some((_, later))) = parts::later(path).map(|parts| parts.into_iter().next()) {
            return Err(CreateError::Exists(later));
        }
        let header = FileHeader {
            format: FileHeader::FIRST_FORMAT,
            kind: KIND,
            stream: identity.stream.0,
            run: identity.run,
            part: 0,
            created: identity.created,
            salt: random_salt(),
            program: Program::this(),
        };
        let segment = Some(begin(path, &header)?);
        let block = Pending::default();
        Ok(Self { path: path.to_owned(), options, header, segment, earlier: 0, uncounted: 0, block })
    }

    /// Writes what the correlator had saved before the first input. Comes before every batch, and does not count towards the
    /// capture's greatest length.
    ///
    /// # Errors
    /// When it could not be written: the capture ends here, as in [`Writer::append`].
    pub fn begin_with(&mut self, state: &[u8]) -> Result<(), AppendError> {
        let Some(segment) = &mut self.segment else { return Ok(()) };
        let before = segment.position();
        let written = segment.append(&BeginningBody { state }, 0, self.header.created).map(drop);
        // All other blocks are far smaller.
        segment.release();
        self.uncounted = segment.position().saturating_sub(before);
        self.noting(written)
    }

    /// Takes one batch. It is written with its block: once that is full, or by [`Writer::flush`].
    ///
    /// # Errors
    /// When the capture ends here: a segment could not be written, or the capture is full. Said once; the writer is
    /// finished after that, and takes what comes without an error.
    pub fn append(&mut self, batch: &Sequenced) -> Result<(), AppendError> {
        if self.is_finished() {
            return Ok(());
        }
        self.block.push(batch);
        if self.block.is_full() { self.flush() } else { Ok(()) }
    }

    /// Writes what is waiting, however little it is.
    ///
    /// # Errors
    /// As [`Writer::append`].
    pub fn flush(&mut self) -> Result<(), AppendError> {
        let Some(segment) = &mut self.segment else { return Ok(()) };
        let Some((first, arrival)) = self.block.head() else { return Ok(()) };
        let written = segment.append(&self.block.tables, first, arrival).map(drop);
        self.block.clear();
        self.noting(written)?;
        self.rotate()
    }

    /// Closes the capture: at a time, or without one when its inputs were a file.
    ///
    /// # Errors
    /// As [`Writer::append`].
    pub fn finish(mut self, closed_at: Option<Timestamp>) -> Result<(), AppendError> {
        self.flush()?;
        self.close(closed_at.map_or(How::OfInput, |at| How::Closed(at.as_micros())))
    }

    /// Whether the writer has ended, and takes batches without keeping them.
    pub fn is_finished(&self) -> bool {
        self.segment.is_none()
    }

    /// Goes on in the next segment, or ends the capture, when this one has reached its size.
    fn rotate(&mut self) -> Result<(), AppendError> {
        let position = self.segment.as_ref().map_or(0, SegmentWriter::position);
        let total = self.earlier.saturating_add(position);
        let next = self.header.part.saturating_add(1);
        if total.saturating_sub(self.uncounted) >= self.options.total_size
            || position >= self.options.segment_size && next >= limits::CAPTURE_SEGMENTS
        {
            self.close(How::Full(self.block.last.as_micros()))?;
            return Err(AppendError::Full { path: self.path.clone(), total });
        }
        if position < self.options.segment_size {
            return Ok(());
        }
        self.close(How::Rotated)?;
        self.earlier = total;
        self.header.part = next;
        let segment = begin(&parts::path_of(&self.path, next), &self.header).map_err(AppendError::Rotate)?;
        self.segment = Some(segment);
        Ok(())
    }

    /// Ends the segment with a mark, and has the system write it out.
    fn close(&mut self, how: How) -> Result<(), AppendError> {
        let Some(mut segment) = self.segment.take() else { return Ok(()) };
        let marked = segment.append(&EndMark { how }, self.block.next, self.block.last).map(drop);
        // Only the end of a capture is worth waiting for the disk: a pause at each rotation would stall the server.
        let rotates = matches!(how, How::Rotated);
        let synced = marked.and_then(|()| if rotates { Ok(()) } else { Ok(segment.get_ref().sync_data()?) });
        self.noting(synced)
    }

    /// Finishes the writer when a write has failed.
    fn noting(&mut self, written: Result<(), WriteError>) -> Result<(), AppendError> {
        written.map_err(|source| {
            self.segment = None;
            AppendError::Write { path: parts::path_of(&self.path, self.header.part), source }
        })
    }
}

fn begin(path: &Path, header: &FileHeader) -> Result<SegmentWriter<File>, CreateError> {
    create_private(path)
        .map_err(WriteError::from)
        .and_then(|file| {
            // Nothing would ever be in it.
            SegmentWriter::begin(file, header).inspect_err(|_| drop(fs::remove_file(path)))
        })
        .map_err(|source| match source {
            WriteError::Io(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                CreateError::Exists(path.to_owned())
            }
            source => CreateError::Io { path: path.to_owned(), source },
        })
}

/// The block that is being filled.
#[derive(Debug, Default)]
struct Pending {
    tables: Frames,
    origins: HashMap<Arc<Origin>, u32, RandomState>,
    /// Number after the last input so far, in this block or an earlier one.
    next: u64,
    /// Arrival of the last input so far.
    last: Timestamp,
}

impl Pending {
    /// Number and arrival of the first input.
    fn head(&self) -> Option<(u64, Timestamp)> {
        let (batch, run) = (self.tables.batches.first()?, self.tables.runs.first()?);
        Some((batch.first, Timestamp::from_micros(run.arrival)))
    }

    fn is_full(&self) -> bool {
        self.tables.bytes.len() >= limits::CAPTURE_BLOCK_BYTES
            || self.tables.lengths.len() >= limits::CAPTURE_BLOCK_INPUTS
            || self.tables.batches.len() >= limits::CAPTURE_BLOCK_INPUTS
    }

    fn push(&mut self, batch: &Sequenced) {
        let before = self.open_batch(batch);
        for (index, arrival) in batch.arrivals.runs() {
            self.push_run(before.saturating_add(index), arrival.as_micros());
        }
        for frame in &batch.batch.frames {
            let bytes = frame.span.of(&batch.batch.bytes);
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX) & !TRUNCATED;
            self.tables.bytes.extend_from_slice(bytes);
            self.tables.lengths.push(if frame.truncated { length | TRUNCATED } else { length });
        }
        self.next = batch.first.saturating_add(batch.inputs());
        self.last = batch.arrivals.last();
    }

    /// Makes room for the frames of a batch: at the end of the batch before, where that joins on and is of the same
    /// origin. Returns how many frames that one held.
    fn open_batch(&mut self, batch: &Sequenced) -> u32 {
        let origin = self.intern(&batch.batch.origin);
        let frames = u32::try_from(batch.batch.frames.len()).unwrap_or(u32::MAX);
        if let Some(open) = self.tables.batches.last_mut() {
            let joined = open.frames.saturating_add(frames);
            let joins = open.origin == origin && self.next == batch.first && open.frames > 0 && frames > 0;
            if joins && joined as usize <= limits::MAX_BATCH_FRAMES {
                return std::mem::replace(&mut open.frames, joined);
            }
        }
        self.tables.batches.push(BatchEntry { first: batch.first, origin, frames, runs: 0 });
        0
    }

    /// Notes when the frames from this one on arrived, unless that is when those before them did.
    fn push_run(&mut self, index: u32, arrival: i64) {
        let Some(open) = self.tables.batches.last_mut() else { return };
        if open.runs > 0 && self.tables.runs.last().is_some_and(|run| run.arrival == arrival) {
            return;
        }
        open.runs += 1;
        self.tables.runs.push(RunEntry { index, arrival });
    }

    fn intern(&mut self, origin: &Arc<Origin>) -> u32 {
        let next = u32::try_from(self.tables.origins.len()).unwrap_or(u32::MAX);
        *self.origins.entry_ref(origin).or_insert_with(|| {
            self.tables
                .origins
                .push(OriginEntry { listener: origin.listener.clone(), peer: origin.peer.clone() });
            next
        })
    }

    /// Empties the tables and keeps their room.
    fn clear(&mut self) {
        self.origins.clear();
        self.tables.origins.clear();
        self.tables.batches.clear();
        self.tables.runs.clear();
        self.tables.lengths.clear();
        self.tables.bytes.clear();
    }
}
