//! Floor 3: checks everything in a journal: every block, snapshot and cursor.
//!
//! Invariant: nothing is changed; a journal that is being written at the same time is sound up to where it ends.

use super::deliveries::settled;
use super::error::{Flaw, ReadError};
use super::events::{is_events, thaw};
use super::recovery;
use super::schema::{Checkpoint, Deliveries, EndMark, Files, Followed, Inputs, RunStart, RunStop, SyncMark};
use super::standing::{Standing, Standings};
use super::tail::tail;
use super::{files, identity, inputs, layout, snapshots};
use crate::segment::{Damage, Entry, Fault, Schema, Segment, Step};
use std::path::{Path, PathBuf};

/// What was checked, and what was found.
#[derive(Debug, Default)]
pub struct Report {
    /// Segments of both streams.
    pub segments: u64,
    /// Blocks in them.
    pub blocks: u64,
    /// Inputs that are kept.
    pub inputs: u64,
    /// Events.
    pub events: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// What is not sound.
    pub flaws: Vec<Flaw>,
    /// Where a crash has left part of a block, and how many bytes: nobody was told of what stood there, so it is sound.
    pub torn: Vec<(PathBuf, u64)>,
}

/// Checks the journal of a data directory.
///
/// # Errors
/// When a directory cannot be listed.
pub fn verify(data: &Path) -> Result<Report, ReadError> {
    let [inputs, events, snapshots] = layout::rooms(data);
    let mut report = Report::default();
    match identity::read(data) {
        Ok(Some((stream, _))) => {
            report.flaws.extend(recovery::foreign(&layout::rooms(data), stream.0)?);
        }
        Ok(None) => report.flaws.extend(identity::missing(data).map(Flaw::from)),
        Err(error) => report.flaws.push(error.into()),
    }
    for directory in [&inputs, &events] {
        let mut state = Stream::default();
        let segments = files::segments(directory)?;
        let last = segments.last().map(|(part, _)| *part);
        let mut expected = segments.first().map_or(0, |(part, _)| *part);
        for (part, path) in segments {
            if part != expected {
                let directory = directory.clone();
                report.flaws.push(Flaw::Missing { directory, part: expected });
                state = Stream::default();
            }
            expected = part.saturating_add(1);
            report.segment(&path, Some(part) == last, &mut state);
        }
    }
    let (mut oldest, mut next) = (None, 0);
    for (position, path) in files::snapshots(&snapshots)? {
        report.snapshots += 1;
        match snapshots::read(&path) {
            Ok(snapshot) => {
                oldest = oldest.or(Some(position));
                next = next.max(snapshot.next);
            }
            Err(flaw) => report.flaws.push(flaw),
        }
    }
    report.flaws.extend(recovery::missing_inputs(&inputs, oldest.unwrap_or_default())?);
    // The end is looked at once more: a snapshot may have been taken since, behind events that are there by now.
    report.flaws.extend(recovery::lost_events(&events, recovery::past(&events)?.next, next));
    Ok(report)
}

/// What the blocks of a stream so far make the next ones to be.
#[derive(Debug, Default)]
struct Stream {
    /// The sequence number of the next event, once it is known.
    next: Option<u64>,
    /// Where every handler stands, once a checkpoint has told, and as long as no block was lost.
    standings: Option<Standings>,
}

impl Report {
    fn segment(&mut self, path: &Path, is_last: bool, state: &mut Stream) {
        self.segments += 1;
        let segment = match Segment::map(path) {
            Ok(segment) => segment,
            Err(error) => {
                *state = Stream::default();
                return self.flaws.push(error.into());
            }
        };
        let tail = tail(&segment);
        let mut at = Segment::START;
        while let Some(step) = segment.step(at) {
            if is_last && at >= tail.end {
                // The next start closes it.
                return self.torn.push((path.to_owned(), tail.torn));
            }
            at = step.end();
            let checked = match step {
                Step::Damage(offset, fault) => Err(segment.damage(offset, fault)),
                Step::Block(entry) => {
                    self.blocks += 1;
                    self.block(&segment, &entry, state)
                }
            };
            match checked {
                Ok(true) => return,
                Ok(false) => {}
                Err(damage) => {
                    *state = Stream::default();
                    self.flaws.push(damage.into());
                }
            }
        }
    }

    /// Checks one block; whether it ends its segment.
    fn block(&mut self, segment: &Segment, entry: &Entry, state: &mut Stream) -> Result<bool, Damage> {
        let contents = |what: String| segment.damage(entry.offset, Fault::Contents(entry.tag, what));
        match entry.tag {
            tag if tag == EndMark::TAG => {
                let torn = segment.read::<EndMark>(entry)?.torn.to_native();
                if torn > 0 {
                    self.torn.push((segment.path().to_owned(), torn));
                }
                return Ok(true);
            }
            tag if tag == Inputs::TAG || tag == Followed::TAG => {
                let block = inputs::read(segment, entry)?;
                self.inputs += block.map_or(0, |block| block.inputs.len() as u64);
            }
            tag if tag == Files::TAG => drop(segment.read::<Files>(entry)?),
            tag if is_events(tag) => {
                let block = thaw(segment, entry)?;
                self.events += block.len() as u64;
                let expected = state.next.replace(entry.first.saturating_add(block.len() as u64));
                if let Some(expected) = expected.filter(|expected| *expected != entry.first) {
                    return Err(contents(format!("events from {} where {expected} is due", entry.first)));
                }
            }
            tag if tag == Deliveries::TAG => {
                for settled in settled(segment, entry)? {
                    let Some(standings) = &mut state.standings else { break };
                    let start = settled.events.start;
                    let standing = standings.entry(settled.handler.to_string());
                    standing.or_insert_with(|| Standing::new(start)).apply(&settled);
                }
            }
            tag if tag == Checkpoint::TAG => {
                let block = segment.read::<Checkpoint>(entry)?;
                let rows = block.handlers.iter();
                let now: Standings =
                    rows.map(|row| (row.name.as_str().to_owned(), Standing::from_row(row))).collect();
                let known = state.standings.replace(now.clone()).unwrap_or_default();
                let wrong = known.iter().find(|(name, standing)| now.get(*name) != Some(standing));
                if let Some((name, _)) = wrong {
                    return Err(contents(format!(
                        "handler `{name}` does not stand where its deliveries led"
                    )));
                }
                if let Some((name, _)) = now.iter().find(|(_, standing)| !standing.is_balanced(entry.first)) {
                    return Err(contents(format!("the counts of handler `{name}` do not add up")));
                }
                state.next = Some(entry.first);
            }
            tag if tag == RunStart::TAG => drop(segment.read::<RunStart>(entry)?),
            tag if tag == SyncMark::TAG => drop(segment.read::<SyncMark>(entry)?),
            tag if tag == RunStop::TAG => drop(segment.read::<RunStop>(entry)?),
            tag => return Err(segment.damage(entry.offset, Fault::UnknownTag(tag))),
        }
        Ok(false)
    }
}
