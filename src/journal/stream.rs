//! Floor 3: the writing end of one of a journal's two streams.
//!
//! Blocks are laid out in memory and go to the disk together, by [`StreamWriter::flush`]. A segment is allocated whole
//! and given its header before it gets its name, so that a full disk shows there and not in the middle of a block.
//!
//! Invariant: whatever fails for want of room can be tried again, and is then done just once; after any other failure
//! the writer must not be used.

use super::error::JournalError;
use super::files;
use super::schema::{EVENTS, EVENTS_FORMAT, EndMark, SyncMark};
use crate::segment::{
    BlockEncoder, Entry, FileHeader, FileKind, OpenError, Program, Schema, Segment, Storage, StorageFile,
    random_salt,
};
use crate::time::Timestamp;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Room that is kept free at the end of each segment for the marks that end a flush and the segment.
const END_ROOM: u64 = 256;

/// What all segments of a stream have in common.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) directory: PathBuf,
    pub(super) kind: FileKind,
    pub(super) stream: u64,
    pub(super) run: u32,
    /// Length of a segment, unless a single block needs more.
    pub(super) segment_size: u64,
    /// Whether a segment is held in reserve, for when the disk is full.
    pub(super) reserve: bool,
}

/// Writes one stream.
#[derive(Debug)]
pub(super) struct StreamWriter {
    series: Series,
    open: Option<Open>,
    /// What laid out the blocks of the segment before, to be used again.
    spare: Option<BlockEncoder>,
    next_part: u32,
    /// Blocks of the reader's order so far: what the end mark of a segment repeats.
    last: (u64, Timestamp),
    has_reserve: bool,
}

/// The segment that is being written.
#[derive(Debug)]
struct Open {
    path: PathBuf,
    file: Box<dyn StorageFile>,
    size: u64,
    blocks: BlockEncoder,
    /// Whether its end mark has been laid out.
    ended: bool,
    /// Whether the mark has been laid out that ends the flush.
    marked: bool,
}

/// Whether a block was laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// In the segment that is open.
    Here,
    /// Not at all: it needs so many bytes, and a segment that has them is to be begun first.
    NoRoom(u64),
}

impl StreamWriter {
    /// Goes on behind what recovery has found.
    pub(super) fn new(series: Series, next_part: u32, resume: Option<Resume>) -> Result<Self, JournalError> {
        let mut writer = Self {
            series,
            open: None,
            spare: None,
            next_part,
            last: (0, Timestamp::EPOCH),
            has_reserve: false,
        };
        if let Some(resume) = resume {
            let path = files::segment(&writer.series.directory, resume.part);
            let mut file = writer.series.storage.open(&path).map_err(JournalError::io("open", &path))?;
            secure(&mut *file, &path, resume.last_flush..resume.end)?;
            let blocks = BlockEncoder::new(resume.salt, resume.end);
            writer.open = Some(Open { path, file, size: resume.size, blocks, ended: false, marked: false });
            // What one of an older format may not hold goes into the next.
            if resume.torn > 0 || resume.format != format(writer.series.kind) {
                writer.end_segment(resume.torn)?;
                writer.flush()?;
                writer.open = None;
            }
        }
        Ok(writer)
    }

    /// Lays out a block; `first` and `time` are what the index says of it.
    pub(super) fn push<T: Schema>(
        &mut self,
        block: &T,
        first: u64,
        time: Timestamp,
    ) -> Result<Pushed, JournalError> {
        let Some(open) = self.open.as_mut().filter(|open| !open.ended) else {
            return Ok(Pushed::NoRoom(length(block)?));
        };
        let start = open.blocks.end();
        let entry = open.blocks.push(block, first, time)?;
        if entry.end().saturating_add(END_ROOM) <= open.size {
            open.marked = false;
            self.last = (first, time);
            return Ok(Pushed::Here);
        }
        open.blocks.truncate(start);
        Ok(Pushed::NoRoom(entry.end() - start))
    }

    /// Ends the open segment and begins the next, which has room for blocks of so many bytes.
    pub(super) fn rotate(&mut self, needed: u64) -> Result<(), JournalError> {
        if self.open.is_some() {
            // The end mark goes alone: where it is sound, all before it was durable.
            self.flush()?;
            self.end_segment(0)?;
            self.flush()?;
            self.spare = self.open.take().map(|open| open.blocks);
        }
        // One that has to be longer is to hold more than that, too.
        let usual = self.series.segment_size;
        let needed = Segment::START.saturating_add(needed).saturating_add(END_ROOM);
        self.begin(if needed <= usual { usual } else { needed.saturating_add(usual / 2) })
    }

    fn end_segment(&mut self, torn: u64) -> Result<(), JournalError> {
        let Some(open) = self.open.as_mut().filter(|open| !open.ended) else { return Ok(()) };
        open.blocks.push(&EndMark { torn }, self.last.0, self.last.1)?;
        open.ended = true;
        Ok(())
    }

    fn begin(&mut self, size: u64) -> Result<(), JournalError> {
        let Series { storage, directory, .. } = &self.series;
        let aside = self.reserve_path();
        let mut file = if self.has_reserve && size <= self.series.segment_size {
            storage.open(&aside).map_err(JournalError::io("open", &aside))?
        } else {
            // Where this fails, the reserve is no more.
            self.has_reserve = false;
            storage.create(&aside, size).map_err(JournalError::io("create", &aside))?
        };
        let header = self.header();
        file.write_at(&header.encode(), 0).map_err(JournalError::io("write", &aside))?;
        file.sync().map_err(JournalError::lost("sync", &aside))?;
        let path = files::segment(directory, self.next_part);
        storage.rename(&aside, &path).map_err(JournalError::io("rename", &aside))?;
        storage.sync_directory(directory).map_err(JournalError::lost("sync", directory))?;
        self.has_reserve = false;
        self.next_part = self.next_part.saturating_add(1);
        let mut blocks = self.spare.take().unwrap_or_else(|| BlockEncoder::new(0, 0));
        blocks.turn_to(header.salt, Segment::START);
        self.open = Some(Open { path, file, size, blocks, ended: false, marked: false });
        Ok(())
    }

    fn header(&self) -> FileHeader {
        FileHeader {
            format: format(self.series.kind),
            kind: self.series.kind,
            stream: self.series.stream,
            run: self.series.run,
            part: self.next_part,
            created: self.last.1,
            salt: random_salt(),
            program: Program::this(),
        }
    }

    fn reserve_path(&self) -> PathBuf {
        self.series.directory.join("next.new")
    }

    /// Whether a segment is to be set aside for when the disk is full.
    pub(super) fn lacks_reserve(&self) -> bool {
        self.series.reserve && !self.has_reserve
    }

    /// Sets a segment aside for when the disk is full, if this stream has a reserve and it is not there.
    pub(super) fn replenish(&mut self) -> Result<(), JournalError> {
        if self.lacks_reserve() {
            let path = self.reserve_path();
            let created = self.series.storage.create(&path, self.series.segment_size);
            created.map_err(JournalError::io("create", &path))?;
            self.has_reserve = true;
        }
        Ok(())
    }

    /// Whether nothing waits to be written.
    pub(super) fn is_clean(&self) -> bool {
        self.open.as_ref().is_none_or(|open| open.blocks.waiting().is_empty())
    }

    /// Writes what was laid out, and makes it durable.
    pub(super) fn flush(&mut self) -> Result<(), JournalError> {
        let Some(open) = self.open.as_mut().filter(|open| !open.blocks.waiting().is_empty()) else {
            return Ok(());
        };
        if !open.ended && !open.marked {
            open.blocks.push(&SyncMark { start: open.blocks.position() }, self.last.0, self.last.1)?;
            open.marked = true;
        }
        let written = open.file.write_at(open.blocks.waiting(), open.blocks.position());
        written.map_err(JournalError::io("write", &open.path))?;
        open.file.sync().map_err(JournalError::lost("sync", &open.path))?;
        open.blocks.written();
        open.marked = false;
        Ok(())
    }

    /// What all segments of the stream have in common.
    pub(super) fn series(&self) -> &Series {
        &self.series
    }

    pub(super) fn directory(&self) -> &Path {
        &self.series.directory
    }
}

/// The format of the blocks that this version writes into segments of a kind.
fn format(kind: FileKind) -> u16 {
    if kind == EVENTS { EVENTS_FORMAT } else { FileHeader::FIRST_FORMAT }
}

/// Bytes that a block takes in a segment.
pub(super) fn length<T: Schema>(block: &T) -> Result<u64, JournalError> {
    let mut blocks = BlockEncoder::new(0, 0);
    blocks.push(block, 0, Timestamp::EPOCH)?;
    Ok(blocks.end())
}

/// Makes durable what the last flush has left in a segment. The run before may have been killed before its last sync, or that
/// may have failed; then the system would not write these bytes by itself, though it shows them. They are written
/// again as they are.
fn secure(file: &mut dyn StorageFile, path: &Path, unsure: Range<u64>) -> Result<(), JournalError> {
    let segment = Segment::map(path).map_err(|error| match error {
        OpenError::Io { path, source } => JournalError::Lost { action: "read", path, source },
        OpenError::Header { path, source } => {
            JournalError::Lost { action: "read", path, source: io::Error::other(source) }
        }
    })?;
    let [start, end] = [unsure.start, unsure.end].map(|place| usize::try_from(place).unwrap_or(usize::MAX));
    let bytes = segment.bytes().get(start..end).unwrap_or_default();
    file.write_at(bytes, unsure.start).map_err(JournalError::lost("write", path))?;
    file.sync().map_err(JournalError::lost("sync", path))
}

/// A segment that recovery has found, to be gone on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resume {
    pub(super) part: u32,
    pub(super) format: u16,
    pub(super) salt: u64,
    /// Where the next block goes.
    pub(super) end: u64,
    /// Where the last flush began.
    pub(super) last_flush: u64,
    pub(super) size: u64,
    /// Bytes behind that which are no block.
    pub(super) torn: u64,
}

/// Whether an entry is the end of its segment.
pub(super) fn is_end(entry: &Entry) -> bool {
    entry.tag == EndMark::TAG
}
