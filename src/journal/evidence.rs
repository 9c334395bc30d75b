//! Floor 3: the raw records that an event rests on, found again by their positions.
//!
//! A block bears the position through which it reaches, so segments and blocks are passed over by their headers, and only
//! what holds something wanted is read.
//!
//! Invariant: what is handed out was received as it stands; what is not there any more, or damaged, is left out.

use super::error::ReadError;
use super::inputs::{self, Recovered};
use super::schema::SyncMark;
use super::stream::is_end;
use super::tail::first_block;
use super::{files, layout};
use crate::event::render;
use crate::limits;
use crate::segment::{Entry, Schema, Segment, Step};
use crate::time::Timestamp;
use std::collections::BTreeSet;
use std::path::Path;

/// One record, as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceRecord {
    /// Its number among the inputs of all runs.
    pub position: u64,
    /// When it arrived.
    pub arrival: Timestamp,
    /// The listener that took it.
    pub listener: String,
    /// Who sent it.
    pub peer: String,
    /// The record.
    pub bytes: Vec<u8>,
    /// Whether it is the beginning of a longer one.
    pub truncated: bool,
}

/// Finds records by their positions, in ascending order. Those that are not in the journal of the data directory, because
/// inputs are not kept, or not any more, or are damaged, are left out; so are those after the first
/// [`limits::MAX_EVIDENCE_RECORDS`], and from [`limits::MAX_EVIDENCE_BYTES`] on they are cut.
///
/// # Errors
/// When the journal cannot be listed.
pub fn evidence(data: &Path, positions: &[u64]) -> Result<Vec<EvidenceRecord>, ReadError> {
    let [directory, ..] = layout::rooms(data);
    let all: BTreeSet<u64> = positions.iter().copied().collect();
    let mut search = Search {
        wanted: all.into_iter().take(limits::MAX_EVIDENCE_RECORDS).collect(),
        found: Vec::new(),
        room: limits::MAX_EVIDENCE_BYTES,
    };
    // One that cannot be read, or was removed a moment ago, holds nothing that could be found.
    let segments = files::segments(&directory)?.into_iter();
    let mut segments = segments.filter_map(|(_, path)| Segment::map(&path).ok()).peekable();
    while let Some(segment) = segments.next() {
        let Some(first) = search.wanted.first() else { break };
        // What comes before the first block of the next segment is in this one, or in none.
        let next = segments.peek().and_then(first_block);
        if next.is_none_or(|next| *first <= next.first) {
            search.segment(&segment);
        }
    }
    Ok(search.found)
}

/// Writes records as a JSON array.
pub fn write_records(out: &mut Vec<u8>, records: &[EvidenceRecord]) {
    out.push(b'[');
    for (index, record) in records.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let EvidenceRecord { position, arrival, truncated, .. } = record;
        let head = format!(
            "{comma}{{\"position\":{position},\"arrival\":\"{arrival}\",\"truncated\":{truncated},\"listener\":"
        );
        out.extend_from_slice(head.as_bytes());
        render::json_string(out, record.listener.as_bytes());
        out.extend_from_slice(b",\"peer\":");
        render::json_string(out, record.peer.as_bytes());
        out.extend_from_slice(b",\"record\":");
        render::json_string(out, &record.bytes);
        out.push(b'}');
    }
    out.push(b']');
}

/// What is looked for, and what was found.
struct Search {
    wanted: BTreeSet<u64>,
    found: Vec<EvidenceRecord>,
    /// Bytes that may still be handed out.
    room: usize,
}

impl Search {
    fn segment(&mut self, segment: &Segment) {
        let mut at = Segment::START;
        while let Some(step) = segment.step(at) {
            at = step.end();
            let Step::Block(entry) = step else { continue };
            if is_end(&entry) || self.wanted.is_empty() {
                return;
            }
            if entry.tag != SyncMark::TAG && self.wanted.first().is_some_and(|first| *first <= entry.first) {
                self.block(segment, &entry);
            }
        }
    }

    fn block(&mut self, segment: &Segment, entry: &Entry) {
        let block = inputs::read(segment, entry).ok().flatten();
        let block =
            block.into_iter().flat_map(|block| block.inputs.into_iter().map(move |i| (block.base, i)));
        for (base, input) in block {
            let position = base.saturating_add(input.number());
            let Recovered::Input(input) = input else { continue };
            // An arrival that fired timers has the number of the first frame that came with it.
            let Some(frame) = input.batch.frames.first() else { continue };
            if !self.wanted.remove(&position) {
                continue;
            }
            let whole = frame.span.of(&input.batch.bytes);
            let bytes = whole.get(..self.room).unwrap_or(whole);
            self.room = self.room.saturating_sub(bytes.len());
            self.found.push(EvidenceRecord {
                position,
                arrival: input.arrivals.last(),
                listener: input.batch.origin.listener.clone(),
                peer: input.batch.origin.peer.clone(),
                bytes: bytes.to_vec(),
                truncated: frame.truncated || bytes.len() < whole.len(),
            });
        }
        // What should be here, or before, is nowhere else.
        self.wanted = self.wanted.split_off(&entry.first.saturating_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::run_of_groups;
    use super::*;

    fn texts(found: &[EvidenceRecord]) -> Vec<(u64, String)> {
        let text = |record: &EvidenceRecord| String::from_utf8(record.bytes.clone()).unwrap();
        found.iter().map(|record| (record.position, text(record).trim().to_owned())).collect()
    }

    #[test]
    fn records_are_found_by_position_across_segments_and_runs() {
        let home = tempfile::tempdir().unwrap();
        let [first, second] = [run_of_groups(home.path()), run_of_groups(home.path())];
        assert!(second > first);
        let [directory, ..] = layout::rooms(home.path());
        assert!(files::segments(&directory).unwrap().len() > 1, "several segments");

        // Of each three frames the middle one meant nothing, and is not kept.
        let base = second - first;
        let positions = [base + 6, base + 4, base + 5, base + 4, second + 100, 0];
        let found = evidence(home.path(), &positions).unwrap();
        assert_eq!(texts(&found), [(base + 4, "4".to_owned()), (base + 6, "6".to_owned())]);
        let [whole, cut] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((whole.listener.as_str(), whole.peer.as_str()), ("lan", "192.0.2.1"));
        assert_eq!(whole.arrival, Timestamp::from_micros(4_000_000));
        assert!(!whole.truncated && cut.truncated);

        let all: Vec<u64> = (1..=second).collect();
        let kept = evidence(home.path(), &all).unwrap();
        let numbers: Vec<u64> = kept.iter().map(|record| record.position).collect();
        assert!(numbers.is_sorted() && numbers.contains(&(second - 2)) && numbers.contains(&second));
        let one_by_one = all.iter().flat_map(|position| evidence(home.path(), &[*position]).unwrap());
        assert_eq!(one_by_one.collect::<Vec<_>>(), kept);
    }

    #[test]
    fn what_is_damaged_is_left_out_and_the_rest_found() {
        let home = tempfile::tempdir().unwrap();
        let last = run_of_groups(home.path());
        let [directory, ..] = layout::rooms(home.path());
        let all: Vec<u64> = (1..=last).collect();
        let before = evidence(home.path(), &all).unwrap();
        let (_, path) = files::segments(&directory).unwrap().pop().unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[900] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let after = evidence(home.path(), &all).unwrap();
        assert!(after.len() < before.len() && !after.is_empty());
        assert!(after.iter().all(|record| before.contains(record)));
        assert!(evidence(&home.path().join("nowhere"), &[1]).unwrap().is_empty());
    }
}
