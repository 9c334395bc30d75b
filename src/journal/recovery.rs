//! Floor 3: what a journal holds when it is opened: where everything stood when the last run ended, however it ended.
//!
//! Invariant: nothing is changed here; what is damaged is told, and passed over.

use super::error::{Flaw, ReadError};
use super::events::{extent, is_events};
use super::reader::{Item, StreamReader};
use super::schema::{Checkpoint, Deliveries, Followed, Inputs, RunStart, RunStop, SyncMark};
use super::standing::{Standing, Standings};
use super::stream::Resume;
use super::tail::{Tail, first_block, tail};
use super::{deliveries, files, schema};
use crate::segment::{
    Damage, Entry, Fault, FileHeader, FileKind, HeaderError, OpenError, Schema, Segment, Step,
};
use crate::time::Timestamp;
use std::path::{Path, PathBuf};

/// The number of the first segment of a stream.
const FIRST_PART: u32 = 1;

/// What the stream of events tells.
#[derive(Debug, Default)]
pub(super) struct Past {
    pub(super) standings: Standings,
    /// The sequence number of the next event.
    pub(super) next: u64,
    /// The position of the last input of which the events are there.
    pub(super) through: u64,
    /// When the last block was written.
    pub(super) last_time: Option<Timestamp>,
    /// Whether the last run has ended as it should; true also when there was none.
    pub(super) stopped: bool,
    /// The configuration of the last run, by its hash.
    pub(super) configuration: Option<u64>,
    pub(super) flaws: Vec<Flaw>,
}

/// Refuses what a newer version wrote, before anything is touched: a file in a newer format, and, in the newest file of
/// a directory, blocks that this version does not know.
pub(super) fn refuse_newer(directory: &Path) -> Result<(), ReadError> {
    let segments = files::segments(directory)?.into_iter().map(|(_, path)| path);
    let snapshots = files::snapshots(directory)?.into_iter().map(|(_, path)| path);
    let mut newest = None;
    for path in segments.chain(snapshots) {
        match Segment::map(&path) {
            Err(error @ OpenError::Header { source: HeaderError::TooNew(_), .. }) => return Err(error.into()),
            Err(_) => {}
            Ok(segment) => newest = Some(segment),
        }
    }
    let Some(segment) = newest else { return Ok(()) };
    let mut at = Segment::START;
    while let Some(step) = segment.step(at) {
        at = step.end();
        match step {
            Step::Block(entry) if !schema::TAGS.contains(&entry.tag) => {
                return Err(ReadError::Newer(segment.damage(entry.offset, Fault::UnknownTag(entry.tag))));
            }
            Step::Block(_) | Step::Damage(..) => {}
        }
    }
    Ok(())
}

/// Reads the stream of events from its last checkpoint on.
pub(super) fn past(directory: &Path) -> Result<Past, ReadError> {
    let segments = files::segments(directory)?;
    let has_checkpoint = |path: &Path| {
        let segment = Segment::map(path).ok();
        segment.is_some_and(|segment| {
            let first = segment.block_at(Segment::START).filter(|entry| entry.tag == Checkpoint::TAG);
            first.is_some_and(|entry| segment.read::<Checkpoint>(&entry).is_ok())
        })
    };
    let start = segments.iter().rev().find(|(_, path)| has_checkpoint(path)).or(segments.first());
    // Where a run begins may stand in an earlier segment; that it has stopped is always the last word.
    let mut past = Past { stopped: segments.is_empty(), ..Past::default() };
    let mut reader = StreamReader::from_part(directory, start.map_or(0, |(part, _)| *part));
    while let Some(item) = reader.next()? {
        match item {
            Item::Flaw(flaw) => past.flaws.push(flaw),
            Item::Block(segment, entry) => {
                if let Err(damage) = past.take(&segment, &entry) {
                    past.flaws.push(damage.into());
                }
            }
        }
    }
    Ok(past)
}

impl Past {
    fn take(&mut self, segment: &Segment, entry: &Entry) -> Result<(), Damage> {
        self.last_time = Some(entry.arrival);
        // Events whose block is damaged are lost, but their numbers are not given again.
        self.next = self.next.max(entry.first);
        match entry.tag {
            tag if tag == Checkpoint::TAG => {
                let block = segment.read::<Checkpoint>(entry)?;
                self.through = self.through.max(block.through.to_native());
                self.standings = block
                    .handlers
                    .iter()
                    .map(|row| (row.name.as_str().to_owned(), Standing::from_row(row)))
                    .collect();
            }
            tag if is_events(tag) => {
                let (count, through) = extent(segment, entry)?;
                self.next = entry.first.saturating_add(count);
                self.through = self.through.max(through);
            }
            tag if tag == Deliveries::TAG => {
                for settled in deliveries::settled(segment, entry)? {
                    if let Some(standing) = self.standings.get_mut(&*settled.handler) {
                        standing.apply(&settled);
                    } else {
                        let mut standing = Standing::new(settled.events.start);
                        standing.apply(&settled);
                        self.standings.insert(settled.handler.to_string(), standing);
                    }
                }
            }
            tag if tag == RunStart::TAG => {
                let block = segment.read::<RunStart>(entry)?;
                self.stopped = false;
                self.configuration = Some(block.configuration.to_native());
            }
            tag if tag == RunStop::TAG => self.stopped = true,
            tag if tag == SyncMark::TAG => {}
            tag => return Err(segment.damage(entry.offset, Fault::UnknownTag(tag))),
        }
        Ok(())
    }
}

/// What is missing at the end of the events, from this number on, where a snapshot was taken behind more of them: they were
/// durable before it.
pub(super) fn lost_events(directory: &Path, from: u64, to: u64) -> Option<Flaw> {
    (from < to).then(|| Flaw::LostEvents { directory: directory.to_owned(), from, to })
}

/// The position of the last input that a stream of inputs accounts for.
pub(super) fn last_position(directory: &Path) -> Result<u64, ReadError> {
    let segments = files::segments(directory)?;
    let mut last = 0;
    for (_, path) in segments.iter().rev() {
        let Ok(segment) = Segment::open(path) else { continue };
        for step in segment.steps() {
            let Step::Block(entry) = step else { continue };
            if entry.tag == Inputs::TAG || entry.tag == Followed::TAG {
                // Also where its inputs are lost, their positions are taken.
                last = last.max(entry.first);
            }
        }
        if last > 0 {
            break;
        }
    }
    Ok(last)
}

/// Files that are of another stream than the data directory's own.
pub(super) fn foreign(rooms: &[PathBuf], stream: u64) -> Result<Vec<Flaw>, ReadError> {
    let mut flaws = Vec::new();
    for room in rooms {
        let segments = files::segments(room)?.into_iter().map(|(_, path)| path);
        let snapshots = files::snapshots(room)?.into_iter().map(|(_, path)| path);
        let is_foreign =
            |path: &Path| Segment::map(path).is_ok_and(|segment| segment.header().stream != stream);
        flaws.extend(segments.chain(snapshots).filter(|path| is_foreign(path)).map(Flaw::Foreign));
    }
    Ok(flaws)
}

/// What is missing of the inputs after a position, if segments before the first that is there may have held some. The
/// first that is kept reaches back to the oldest snapshot, or is the very first.
pub(super) fn missing_inputs(directory: &Path, position: u64) -> Result<Option<Flaw>, ReadError> {
    let segments = files::segments(directory)?;
    let Some((part, path)) = segments.first().filter(|(part, _)| *part > FIRST_PART) else { return Ok(None) };
    let begins = Segment::map(path).ok().and_then(|segment| first_block(&segment));
    let missing = Flaw::Missing { directory: directory.to_owned(), part: part.saturating_sub(1) };
    Ok(begins.filter(|entry| entry.first > position).map(|_| missing))
}

/// Where a stream is gone on with: the number of the next new segment, and the open segment, if there is one.
pub(super) fn resume(
    directory: &Path,
    kind: FileKind,
    stream: u64,
) -> Result<(u32, Option<Resume>), ReadError> {
    let Some((part, path)) = files::segments(directory)?.into_iter().next_back() else {
        return Ok((FIRST_PART, None));
    };
    let next = part.saturating_add(1);
    let Ok(segment) = Segment::map(&path) else { return Ok((next, None)) };
    if segment.header().kind != kind || segment.header().stream != stream {
        return Ok((next, None));
    }
    let Tail { end, last_flush, torn, is_ended } = tail(&segment);
    let size = segment.bytes().len() as u64;
    let FileHeader { format, salt, .. } = *segment.header();
    let resume = Resume { part, format, salt, end, last_flush, size, torn };
    Ok((next, (!is_ended).then_some(resume)))
}
