//! Floor 6: the correlator's state as it was when the last run ended, however it ended.
//!
//! The newest snapshot is restored, and the inputs after it are folded again. What that raises is in the journal already,
//! up to where its events reach; the rest is appended.
//!
//! Invariant: no event is raised twice, and none that inputs in the journal raised is left out.

use super::Options;
use super::backlog::Backlog;
use super::rejects::Discard;
use super::worker::{Counts, Shared, observe};
use crate::correlate::{Correlator, End, Totals};
use crate::detect::{Detector, Observations};
use crate::event::{EventBlock, Stamp};
use crate::ingest::Remembered;
use crate::journal::{self, EventReader, Flaw, Group, Journal, JournalError, Page, ReadError, Recovery};
use crate::time::Timestamp;
use std::path::Path;
use std::sync::Arc;

/// What was recovered.
#[derive(Debug)]
pub struct Recovered {
    /// The correlator, as it was.
    pub correlator: Correlator,
    /// Which of the inputs that were folded again were of a backlog.
    pub backlog: Backlog,
    /// Inputs that were folded again.
    pub inputs: u64,
    /// Events that were raised by them, and were not in the journal yet.
    pub events: u64,
    /// The last records of all senders.
    pub remembered: Remembered,
    /// What could not be read.
    pub flaws: Vec<Flaw>,
    /// What is not as it was, for which the snapshot could not be used.
    pub lost_state: Option<String>,
}

/// Why the state could not be recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The journal cannot be read.
    #[error("the journal cannot be read")]
    Read(#[from] ReadError),
    /// What was raised cannot be appended.
    #[error("the journal cannot be written")]
    Write(#[from] JournalError),
}

/// Brings the correlator back to where it was, and the journal's events to where its inputs are. `lost_inputs` says
/// whether inputs are not kept: then events tell what they can of what happened since the snapshot.
///
/// # Errors
/// When the journal cannot be read or written.
pub fn recover(
    journal: &mut Journal,
    recovery: &mut Recovery,
    options: &Options,
    lost_inputs: Option<&Path>,
    now: Timestamp,
) -> Result<Recovered, RecoverError> {
    let mut lost_state = None;
    let restored = recovery.snapshot.as_ref().and_then(|snapshot| {
        let restored = Correlator::restore(&options.apps, options.zone.clone(), &snapshot.state);
        restored.map_err(|error| lost_state = Some(error.to_string())).ok()
    });
    let new = || Correlator::new(&options.apps, options.zone.clone());
    let correlator = restored.unwrap_or_else(new).watching(options.hosts.clone());
    let shared = Shared {
        detector: Arc::new(Detector::new(Correlator::interest(&options.apps))),
        zones: options.record_zones.clone(),
        other_zone: options.other_zone.clone(),
        rules: Arc::clone(&options.hosts.rules),
        rejects: Arc::new(Discard),
    };
    let mut again = Again {
        correlator,
        backlog: Backlog::default(),
        // Without its state, its run begins anew, too.
        run: recovery.snapshot.as_ref().filter(|_| lost_state.is_none()).map(|snapshot| snapshot.run),
        known: recovery.through,
        stamp: Arc::clone(&options.stamp),
        inputs: 0,
        events: 0,
        remembered: Remembered::default(),
    };
    let mut flaws = Vec::new();
    while let Some(block) = recovery.inputs.next_block()? {
        match block {
            Ok(block) => again.fold(journal, &shared, &block, now)?,
            Err(flaw) => flaws.push(flaw),
        }
    }
    let Again { mut correlator, backlog, inputs, events, remembered, .. } = again;
    if let Some(data) = lost_inputs {
        let next = recovery.snapshot.as_ref().map_or(0, |snapshot| snapshot.next);
        absorb(&mut correlator, EventReader::open(data, next)?, next, &mut flaws)?;
    }
    Ok(Recovered { correlator, backlog, inputs, events, remembered, flaws, lost_state })
}

/// Takes the events from a sequence number on for what is left of the inputs that raised them.
fn absorb(
    correlator: &mut Correlator,
    mut reader: EventReader,
    next: u64,
    flaws: &mut Vec<Flaw>,
) -> Result<(), ReadError> {
    while let Some(page) = reader.next_page()? {
        match page {
            Page::Events { first, block, .. } => {
                let later = (first..).zip(block.iter()).filter(|(seq, _)| *seq >= next);
                later.for_each(|(_, event)| correlator.absorb(event));
            }
            Page::Settled(_) => {}
            Page::Flaw(flaw) => flaws.push(flaw),
        }
    }
    Ok(())
}

/// Inputs that are folded again.
struct Again {
    correlator: Correlator,
    backlog: Backlog,
    run: Option<u32>,
    /// The position up to which events are in the journal.
    known: u64,
    stamp: Arc<Stamp>,
    inputs: u64,
    events: u64,
    remembered: Remembered,
}

impl Again {
    fn fold(
        &mut self,
        journal: &mut Journal,
        shared: &Shared,
        block: &journal::RecoveredBlock,
        now: Timestamp,
    ) -> Result<(), JournalError> {
        if self.run != Some(block.run) {
            self.run = Some(block.run);
            self.correlator.begin_run(block.base);
        }
        let stamp = Stamp { run: block.run, ..(*self.stamp).clone() };
        let mut events = EventBlock::new(Arc::new(stamp));
        let mut scratch = shared.detector.scratch();
        let mut observations = Observations::default();
        for input in &block.inputs {
            self.inputs += 1;
            let known = block.base.saturating_add(input.number()) <= self.known;
            let before = events.len();
            match input {
                journal::Recovered::Input(sequenced) => {
                    self.remembered.note(&sequenced.batch);
                    observations.clear();
                    observe(shared, &mut scratch, sequenced, &mut observations, &mut Counts::default());
                    self.correlator.fold(sequenced, &observations, &mut events);
                    self.backlog.note(sequenced, block.base, (&mut events, before));
                }
                journal::Recovered::End { time, .. } => {
                    self.correlator.finish(End::At(*time), Totals::default(), &mut events);
                }
            }
            if known {
                events.truncate(before);
            }
        }
        if events.is_empty() {
            return Ok(());
        }
        self.events += events.len() as u64;
        let mut group = Group::new(block.run, block.base, block.through);
        group.blocks.push(Arc::new(events));
        journal.commit(&mut group, now)
    }
}
