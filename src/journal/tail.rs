//! Floor 3: where the durable part of a segment ends.
//!
//! Each flush ends with a mark that says where the flush began. A flush is begun only once the one before is durable; so
//! of all flushes only the last can be half on the disk, and what is unsound in it, nobody was told of. Sound blocks at
//! its beginning are kept: they may be all that somebody was told of, where a mark has been damaged since.
//!
//! Invariant: what lies before the end found here is sound, or was durable and is damaged; of what lies behind it, nobody
//! was told, or it was damaged as a torn flush is.

use super::schema::{EndMark, SyncMark};
use crate::segment::{Entry, Fault, Schema, Segment, Step};

/// How a segment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    /// Where its durable part ends.
    pub(super) end: u64,
    /// Where the last flush began: what lies before it is certain to be on the disk.
    pub(super) last_flush: u64,
    /// Bytes behind that which were written.
    pub(super) torn: u64,
    /// Whether it has an end mark, so that nothing may be appended.
    pub(super) is_ended: bool,
}

/// Finds the end of the durable part.
pub(super) fn tail(segment: &Segment) -> Tail {
    let mut at = Segment::START;
    // Where the last flush ended, if it is sound, and else where it began; and the last place that is not sound.
    let (mut end, mut unsound) = (Segment::START, 0);
    let mut last_flush = Segment::START;
    while let Some(step) = segment.step(at) {
        at = step.end();
        match step {
            Step::Damage(_, Fault::Torn(_)) => break,
            Step::Damage(place, _) => unsound = place,
            Step::Block(entry) => match mark(segment, &entry) {
                Mark::Unsound => unsound = entry.offset,
                Mark::No => {}
                // It is written alone, once all before it is durable.
                Mark::End => return Tail { end: entry.end(), last_flush: at, torn: 0, is_ended: true },
                // The flush before this one was durable when this one began.
                Mark::Sync(start) => {
                    last_flush = start;
                    end = if unsound < start { entry.end() } else { start };
                }
            },
        }
    }
    let end = sound_from(segment, end);
    Tail { end, last_flush, torn: written_after(segment, end), is_ended: false }
}

/// Where the sound blocks from a place on end.
fn sound_from(segment: &Segment, place: u64) -> u64 {
    let mut end = place;
    while let Some(entry) = segment.block_at(end).filter(|entry| segment.verify(entry).is_ok()) {
        end = entry.end();
    }
    end
}

/// The first block of a segment that says what the segment begins with: none where a crash left nothing before the end.
pub(super) fn first_block(segment: &Segment) -> Option<Entry> {
    segment.block_at(Segment::START).filter(|entry| entry.tag != EndMark::TAG && entry.tag != SyncMark::TAG)
}

enum Mark {
    /// It is no mark.
    No,
    /// It is damaged, whatever it is.
    Unsound,
    /// A flush ends here that began there.
    Sync(u64),
    /// The segment ends here.
    End,
}

fn mark(segment: &Segment, entry: &Entry) -> Mark {
    if segment.verify(entry).is_err() {
        return Mark::Unsound;
    }
    match entry.tag {
        tag if tag == SyncMark::TAG => match segment.read::<SyncMark>(entry) {
            Ok(mark) => Mark::Sync(mark.start.to_native()),
            Err(_) => Mark::Unsound,
        },
        tag if tag == EndMark::TAG => Mark::End,
        _ => Mark::No,
    }
}

/// How many bytes behind a place were written, going by the last that is not zero.
fn written_after(segment: &Segment, place: u64) -> u64 {
    let from = usize::try_from(place).unwrap_or(usize::MAX);
    let rest = segment.bytes().get(from..).unwrap_or_default();
    rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
}
