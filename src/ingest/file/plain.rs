//! Floor 4: the batches of a plain file.
//!
//! Invariant: a batch holds at most [`limits::MAX_BATCH_FRAMES`] frames and is yielded when its arrivals are settled,
//! one batch after it was read; only an incomplete frame is ever copied.

use super::Options;
use super::clock::{Clock, Step};
use super::cutter::Cutter;
use super::pipe::Pipe;
use super::sniff::UTF8_BOM;
use super::source::Source;
use super::unpack::{Content, Packing};
use crate::batch::{Arrivals, Batch, FrameSpan, Origin, Sequenced};
use crate::event::StreamId;
use crate::limits;
use crate::time::{Clock as _, SystemClock, Timestamp, Zone};
use crate::wire::framing::{FramingError, Mode};
use crate::wire::{Format, Record};
use bytes::Bytes;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A time without a year lies in the year that brings it nearest to the records before it: half a year either way,
/// less the day that parsing leaves to clocks that run ahead.
const HALF_A_YEAR: Duration = Duration::from_secs(181 * 86_400);

/// Why a plain file cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system does not give its bytes.
    #[error("cannot read {} on from byte {offset}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// Its compressed content cannot be unpacked.
    #[error("{} is damaged: it cannot be unpacked ({format}) on from near byte {offset}: {source}", path.display())]
    Packed {
        /// The file.
        path: PathBuf,
        /// How it is compressed.
        format: &'static str,
        /// Where, in the compressed file.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// It is not framed as it was said to be.
    #[error("{}: {source}", path.display())]
    Framing {
        /// The file.
        path: PathBuf,
        /// How not.
        source: FramingError,
    },
}

/// Reads one plain file, as an iterator over its batches.
#[derive(Debug)]
pub struct PlainFile {
    path: PathBuf,
    content: Supply,
    packing: Option<Packing>,
    total: u64,
    modified: Timestamp,
    stream: StreamId,
    origin: Arc<Origin>,
    years: Years,
    cutter: Cutter,
    /// Bytes that were read and not yet framed.
    rest: Bytes,
    /// Whether nothing has been read.
    is_new: bool,
    clock: Clock,
    /// Batches whose arrivals may not be settled yet.
    held: VecDeque<Held>,
    /// How many batches were read.
    batches: u64,
    ended: bool,
    /// Why it ended, when that was not at its end; yielded last.
    failure: Option<ReadError>,
    slot: u64,
    /// Whether times have leapt back for want of a year.
    leapt: bool,
    /// Number and arrival that the next input follows on.
    next: u64,
    arrival: Option<Timestamp>,
}

/// Where the bytes come from.
#[derive(Debug)]
enum Supply {
    Stored(Content),
    Piped(Pipe),
}

impl Supply {
    fn offset(&self) -> u64 {
        match self {
            Self::Stored(content) => content.offset(),
            Self::Piped(pipe) => pipe.offset(),
        }
    }

    fn read(&mut self, most: usize, out: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Stored(content) => content.read(most, out),
            Self::Piped(pipe) => pipe.read(most, out),
        }
    }

    /// Now, if nothing comes for so long; never of a file.
    fn idle_for(&self, patience: Duration) -> Option<Timestamp> {
        match self {
            Self::Piped(pipe) if pipe.is_idle(patience) => Some(SystemClock.now()),
            Self::Stored(_) | Self::Piped(_) => None,
        }
    }
}

/// What finds the year of a time that has none.
#[derive(Debug)]
struct Years {
    /// The reference of the first such time, where somebody said its year; else it is the latest.
    first: Option<Timestamp>,
    /// What no reference may be later than.
    latest: Timestamp,
    zone: Zone,
}

/// A batch that was read.
#[derive(Debug)]
struct Held {
    batch: u64,
    bytes: Bytes,
    frames: Vec<FrameSpan>,
    runs: Vec<(u32, Timestamp)>,
}

impl PlainFile {
    /// Reads a file, which may be packed.
    pub(super) fn stored(
        path: &Path,
        source: &Source,
        (packing, mode): (Option<Packing>, Option<Mode>),
        options: &Options,
    ) -> Self {
        let supply = Supply::Stored(source.content(packing));
        Self {
            packing,
            total: source.len(),
            ..Self::new(path, supply, (source.hash(packing), source.modified()), (mode, options))
        }
    }

    /// Reads what comes through a pipe, as it comes.
    pub(super) fn piped(path: &Path, pipe: Pipe, mode: Option<Mode>, options: &Options) -> Self {
        let known = (pipe.stream(), SystemClock.now());
        Self::new(path, Supply::Piped(pipe), known, (mode, options))
    }

    fn new(
        path: &Path,
        content: Supply,
        (stream, modified): (StreamId, Timestamp),
        (mode, options): (Option<Mode>, &Options),
    ) -> Self {
        let origin = Origin { listener: path.to_string_lossy().into_owned(), peer: String::new() };
        Self {
            path: path.to_owned(),
            stream,
            origin: Arc::new(origin),
            years: Years::new(modified, options),
            content,
            packing: None,
            total: 0,
            modified,
            cutter: Cutter::new(mode, options),
            rest: Bytes::new(),
            is_new: true,
            clock: Clock::default(),
            held: VecDeque::new(),
            batches: 0,
            ended: false,
            failure: None,
            slot: 0,
            leapt: false,
            next: 1,
            arrival: None,
        }
    }

    /// What is left where nothing in it is a record: that it is damaged; nothing if it is not.
    pub(super) fn damaged(mut self) -> Option<Self> {
        let mut part = Vec::with_capacity(limits::READ_SIZE);
        loop {
            part.clear();
            match self.content.read(limits::READ_SIZE, &mut part) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(source) => {
                    self.fail(self.unreadable(source));
                    return Some(self);
                }
            }
        }
    }

    /// The hash of the content; of what comes through a pipe, that of its first frame.
    pub fn stream(&self) -> StreamId {
        self.stream
    }

    /// Its length as it is, in bytes; 0 where nobody knows.
    pub fn total_bytes(&self) -> u64 {
        self.total
    }

    /// How many of these bytes have been read.
    pub fn bytes_done(&self) -> u64 {
        self.content.offset()
    }

    /// The time that the last records were near, of this file or of those before it; nothing where none has told its time.
    pub fn near(&self) -> Option<Timestamp> {
        self.clock.near()
    }

    /// Goes on where another file ended: with this number, at this arrival at the earliest, and near this time.
    pub fn follow(&mut self, next: u64, arrival: Timestamp, near: Option<Timestamp>) {
        self.next = next;
        self.clock.advance_to(arrival);
        self.clock.follow(near);
        self.arrival = Some(arrival);
    }

    /// Reads and times one more batch, or notes the end.
    fn read_batch(&mut self) {
        let mut frames = Vec::new();
        let bytes = loop {
            let reference = |time: Option<Timestamp>| self.years.reference(time.or(self.clock.near()));
            let (advanced, bytes) = self.cutter.advance(&self.rest, &mut frames, &reference);
            match advanced {
                Ok(consumed) => self.rest = self.rest.slice(consumed.min(self.rest.len())..),
                Err(source) => self.fail(ReadError::Framing { path: self.path.clone(), source }),
            }
            if !frames.is_empty() || self.ended {
                break bytes;
            }
            // Nobody waits for the next record to know that this one is over.
            let is_whole = self.cutter.may_end_at(&self.rest)
                && self.content.idle_for(limits::QUIET_RECORD_TIME).is_some();
            if is_whole || !self.fill() {
                self.ended |= !is_whole;
                let rest = std::mem::take(&mut self.rest);
                let reference = |time: Option<Timestamp>| self.years.reference(time.or(self.clock.near()));
                let bytes = self.cutter.finish(rest, &mut frames, &reference);
                if let Some(cut) = frames.last_mut().filter(|_| self.failure.is_some()) {
                    cut.truncated = true;
                }
                break bytes;
            }
        };
        if !frames.is_empty() {
            self.time(bytes, frames);
        }
    }

    /// Reads on, behind what is not yet framed. Tells whether there was anything.
    fn fill(&mut self) -> bool {
        let mut buffer = Vec::with_capacity(self.rest.len() + limits::READ_SIZE);
        buffer.extend_from_slice(&self.rest);
        let read = self.content.read(limits::READ_SIZE, &mut buffer);
        let count = read.unwrap_or_else(|source| {
            self.fail(self.unreadable(source));
            0
        });
        if count == 0 {
            return false;
        }
        if let Supply::Piped(_) = self.content {
            self.years.live_until(SystemClock.now());
        }
        self.rest = Bytes::from(buffer);
        if std::mem::take(&mut self.is_new) && self.rest.starts_with(UTF8_BOM) {
            self.rest = self.rest.slice(UTF8_BOM.len()..);
        }
        true
    }

    fn unreadable(&self, source: io::Error) -> ReadError {
        let (path, offset) = (self.path.clone(), self.content.offset());
        match self.packing {
            None => ReadError::Io { path, offset, source },
            Some(packing) => ReadError::Packed { path, format: packing.name(), offset, source },
        }
    }

    /// Ends the file here; what was read before comes first.
    fn fail(&mut self, error: ReadError) {
        self.ended = true;
        self.failure = Some(error);
    }

    /// Holds a batch, and lets its records move the clock.
    fn time(&mut self, bytes: Bytes, frames: Vec<FrameSpan>) {
        let batch = self.batches;
        self.batches += 1;
        self.held.push_back(Held { batch, bytes, frames, runs: Vec::new() });
        let mut steps = Vec::new();
        let Some(held) = self.held.back() else { return };
        for (index, frame) in (0..).zip(&held.frames) {
            let reference = self.years.reference(self.clock.near());
            let record = Record::parse(frame.span.of(&held.bytes), reference, &self.years.zone);
            let Ok(record) = record else { continue };
            let Some(time) = record.timestamp else { continue };
            let leaps = self.clock.near().is_some_and(|near| time.plus(HALF_A_YEAR) < near);
            if leaps && record.format == Format::Rfc3164 && !std::mem::replace(&mut self.leapt, true) {
                tracing::warn!(
                    "{}: times without a year leap back to {time}, because they would lie after the file's modification \
                     time; where that is wrong, give the year of the first record with --year",
                    self.path.display()
                );
            }
            steps.extend(self.clock.note((batch, index), time));
        }
        for step in steps {
            self.enter(step);
        }
    }

    /// Enters a step of the clock into the batch it belongs to.
    fn enter(&mut self, ((batch, index), arrival): Step) {
        if let Some(held) = self.held.iter_mut().find(|held| held.batch == batch) {
            held.runs.push((index, arrival));
        }
    }

    /// The arrivals of a batch, which begin with what was the arrival before it.
    ///
    /// Before the first time that any record tells, it is that one; where none is in sight, the time at which the
    /// file was last written, or the end of the year that was said where that is before it: by a later one, the year of a time
    /// without one could not be found any more.
    fn arrivals(&mut self, mut runs: Vec<(u32, Timestamp)>) -> Arrivals {
        let before = self.arrival.or(runs.first().map(|run| run.1)).unwrap_or_else(|| {
            let unseen = self.years.first.map_or(self.modified, |first| first.min(self.modified));
            self.clock.advance_to(unseen);
            unseen
        });
        runs.retain(|(_, arrival)| *arrival > before);
        if runs.first().is_none_or(|(index, _)| *index > 0) {
            runs.insert(0, (0, before));
        }
        self.arrival = runs.last().map(|run| run.1);
        match runs.as_slice() {
            [(_, one)] => Arrivals::One(*one),
            _ => Arrivals::Runs(runs),
        }
    }

    fn release(&mut self, held: Held) -> Sequenced {
        let arrivals = self.arrivals(held.runs);
        let batch = Batch { origin: Arc::clone(&self.origin), bytes: held.bytes, frames: held.frames };
        let sequenced = Sequenced { slot: self.slot, first: self.next, arrivals, batch };
        self.slot += 1;
        self.next += sequenced.inputs();
        sequenced
    }
}

impl Iterator for PlainFile {
    type Item = Result<Sequenced, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let waits = self.held.front().is_some_and(|held| self.clock.pending_batch() == Some(held.batch));
            // What comes through a pipe is judged by the time of day, when no further record does it.
            let is_alone = waits && !self.ended && self.held.len() == 1;
            let by = is_alone.then(|| self.content.idle_for(limits::PIPE_PATIENCE)).flatten();
            if waits && (!is_alone || by.is_some()) {
                if let Some(step) = self.clock.settle(by) {
                    self.enter(step);
                }
            } else if !waits && let Some(held) = self.held.pop_front() {
                return Some(Ok(self.release(held)));
            } else if self.ended {
                return self.failure.take().map(Err);
            } else {
                self.read_batch();
            }
        }
    }
}

impl Years {
    fn new(modified: Timestamp, options: &Options) -> Self {
        let zone = options.zone.clone();
        let Some(year) = options.year else { return Self { first: None, latest: modified, zone } };
        // A day before the end of the year, because parsing allows for a day.
        let end = zone.instant(Timestamp::from_civil(i64::from(year), 12, 31, 0, -1));
        let latest = if modified < end { Timestamp::MAX } else { modified };
        Self { first: Some(end), latest, zone }
    }

    /// Goes on to a moment at which records still come.
    fn live_until(&mut self, now: Timestamp) {
        self.latest = self.latest.max(now);
    }

    /// What a time without a year is read with, when the records before it were near this time.
    fn reference(&self, near: Option<Timestamp>) -> Timestamp {
        match near {
            Some(near) => near.plus(HALF_A_YEAR).min(self.latest),
            None => self.first.unwrap_or(self.latest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_time_that_comes_through_a_pipe_has_the_year_in_which_it_comes() {
        let at = |day, hour: i64| Timestamp::from_civil(2026, 12, day, hour * 3600, 0);
        let mut years = Years::new(at(1, 12), &Options::default());
        years.live_until(at(5, 12));
        let record =
            Record::parse(b"<38>Dec  4 10:00:00 web1 sshd[1]: x", years.reference(None), &years.zone);
        assert_eq!(record.unwrap().timestamp, Some(at(4, 10)), "though it was opened days before");
    }
}
