//! Floor 3: reads events and inputs back, while the journal is being written or afterwards.

use super::deliveries;
use super::error::{Flaw, ReadError};
use super::inputs::{self, RecoveredBlock};
use super::reader::{Item, StreamReader};
use super::schema::{Deliveries, PackedEvents, UnpackedEvents};
use super::standing::Settled;
use super::tail::first_block;
use super::{files, layout};
use crate::event::{EventBlock, Table};
use crate::segment::{Damage, Entry, Fault, Schema, Segment, Tag};
use crate::time::Timestamp;
use std::io;
use std::ops::Range;
use std::path::Path;

/// Reads inputs from a position on.
#[derive(Debug)]
pub struct InputReader {
    blocks: StreamReader,
    after: u64,
}

impl InputReader {
    /// The inputs after a position, in a directory of segments.
    pub(super) fn after(directory: &Path, after: u64) -> Result<Self, ReadError> {
        // A block bears the position through which it reaches, so the one that is wanted may stand one segment before.
        Ok(Self { blocks: StreamReader::from_first(directory, after)?, after })
    }

    /// The inputs from a position on, in a data directory: what the evidence of an event is found by.
    ///
    /// # Errors
    /// When the journal cannot be listed.
    pub fn open(data: &Path, from: u64) -> Result<Self, ReadError> {
        let [inputs, ..] = layout::rooms(data);
        Self::after(&inputs, from.saturating_sub(1))
    }

    /// The next block with inputs after the position, or something that cannot be read.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub fn next_block(&mut self) -> Result<Option<Result<RecoveredBlock, Flaw>>, ReadError> {
        while let Some(item) = self.blocks.next()? {
            let (segment, entry) = match item {
                Item::Block(segment, entry) => (segment, entry),
                Item::Flaw(flaw) => return Ok(Some(Err(flaw))),
            };
            if entry.first <= self.after {
                continue;
            }
            let Some(read) = inputs::read(&segment, &entry).transpose() else { continue };
            let (after, base) = (self.after, read.as_ref().map_or(0, |block| block.base));
            return Ok(Some(read.map_err(Flaw::from).map(|mut block| {
                block.inputs.retain(|input| base.saturating_add(input.number()) > after);
                block
            })));
        }
        Ok(None)
    }
}

/// What the stream of events holds, piece by piece.
#[derive(Debug)]
pub enum Page {
    /// Events.
    Events {
        /// The sequence number of the first.
        first: u64,
        /// When they were committed.
        time: Timestamp,
        /// The events.
        block: EventBlock,
    },
    /// What became of some in handlers.
    Settled(Vec<Settled>),
    /// Something that cannot be read.
    Flaw(Flaw),
}

/// Reads events from a sequence number on.
#[derive(Debug)]
pub struct EventReader {
    blocks: StreamReader,
}

impl EventReader {
    /// Reads the events of a data directory from the block on that may hold the event `first`.
    ///
    /// # Errors
    /// When the journal cannot be listed.
    pub fn open(data: &Path, first: u64) -> Result<Self, ReadError> {
        let [_, events, _] = layout::rooms(data);
        Ok(Self { blocks: StreamReader::from_first(&events, first)? })
    }

    /// Reads the events of a data directory from a segment on.
    pub(super) fn from_part(data: &Path, part: u32) -> Self {
        let [_, events, _] = layout::rooms(data);
        Self { blocks: StreamReader::from_part(&events, part) }
    }

    /// Makes what was read durable, if it is not.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.blocks.sync()
    }

    /// The next page; nothing where the journal ends so far.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub fn next_page(&mut self) -> Result<Option<Page>, ReadError> {
        while let Some(item) = self.blocks.next()? {
            let (segment, entry) = match item {
                Item::Block(segment, entry) => (segment, entry),
                Item::Flaw(flaw) => return Ok(Some(Page::Flaw(flaw))),
            };
            let page = match entry.tag {
                tag if is_events(tag) => events(&segment, &entry),
                tag if tag == Deliveries::TAG => {
                    deliveries::settled(&segment, &entry).map(Page::Settled).map_err(Flaw::from)
                }
                _ => continue,
            };
            return Ok(Some(page.unwrap_or_else(Page::Flaw)));
        }
        Ok(None)
    }
}

fn events(segment: &Segment, entry: &Entry) -> Result<Page, Flaw> {
    Ok(Page::Events { first: entry.first, time: entry.arrival, block: thaw(segment, entry)? })
}

/// Whether a block holds events, of either shape.
pub(super) fn is_events(tag: Tag) -> bool {
    tag == PackedEvents::TAG || tag == UnpackedEvents::TAG
}

/// The events of a block of either shape.
pub(super) fn thaw(segment: &Segment, entry: &Entry) -> Result<EventBlock, Damage> {
    let thawed = if entry.tag == UnpackedEvents::TAG {
        segment.read::<UnpackedEvents<'static>>(entry)?.table.thaw()
    } else {
        segment.read::<PackedEvents<'static>>(entry)?.table.thaw()
    };
    thawed.map_err(|error| segment.damage(entry.offset, Fault::Contents(entry.tag, error.to_string())))
}

/// How many events a block of either shape has, and the position of the last input that is accounted for.
pub(super) fn extent(segment: &Segment, entry: &Entry) -> Result<(u64, u64), Damage> {
    let (count, through) = if entry.tag == UnpackedEvents::TAG {
        let block = segment.read::<UnpackedEvents<'static>>(entry)?;
        (block.table.count(), block.through)
    } else {
        let block = segment.read::<PackedEvents<'static>>(entry)?;
        (block.table.count(), block.through)
    };
    Ok((count as u64, through.to_native()))
}

/// A sequence number before which the journal of a data directory holds no event any more; nothing where that cannot be
/// told.
pub fn first_kept(data: &Path) -> Option<u64> {
    let [_, events, _] = layout::rooms(data);
    let (_, path) = files::segments(&events).ok()?.into_iter().next()?;
    Some(first_block(&Segment::map(&path).ok()?)?.first)
}

/// The sequence numbers of the events that were committed in one block with an event, and when; nothing where that cannot
/// be read.
///
/// # Errors
/// When the journal cannot be listed.
pub fn committed_with(data: &Path, seq: u64) -> Result<Option<(Range<u64>, Timestamp)>, ReadError> {
    let mut reader = EventReader::open(data, seq)?;
    while let Some(page) = reader.next_page()? {
        let Page::Events { first, time, block } = page else { continue };
        let events = first..first.saturating_add(block.len() as u64);
        if events.end > seq {
            return Ok(events.contains(&seq).then_some((events, time)));
        }
    }
    Ok(None)
}
