//! Floor 3: snapshots of the correlator's state, which are opaque bytes here.
//!
//! Invariant: a file with a snapshot's name is whole and durable; the two newest that are sound are kept, so that one
//! that is damaged later has another before it.

use super::error::{Flaw, JournalError, ReadError};
use super::files;
use super::schema::{ArchivedSnapshotBody, SNAPSHOT, SnapshotBody};
use super::stream::Series;
use crate::segment::{BlockEncoder, Damage, Fault, FileHeader, Program, Schema, Segment, Step, random_salt};
use crate::time::Timestamp;
use rkyv::util::AlignedVec;
use std::path::Path;
use std::sync::Arc;

/// Bytes that the block of a snapshot takes besides the state, at most.
const BODY_ROOM: usize = 256;

/// Snapshots that are kept.
const KEPT: usize = 2;

/// The state of the correlator between two inputs.
#[derive(Debug)]
pub struct Snapshot {
    /// The run in which it was taken.
    pub run: u32,
    /// Inputs of all runs before that one.
    pub base: u64,
    /// The position of the last input in it.
    pub position: u64,
    /// The sequence number of the first event that was raised after it; the journal fills it in when it is written.
    pub next: u64,
    /// What the correlator saved.
    pub state: Arc<AlignedVec>,
}

/// Writes snapshots.
#[derive(Debug)]
pub(super) struct Snapshots {
    series: Series,
    /// The positions of those that are kept, ascending.
    kept: Vec<u64>,
    /// The positions of those that were found damaged: they go once there is a new one.
    spoilt: Vec<u64>,
    /// Bytes of the state in the newest.
    pub(super) size: u64,
}

impl Snapshots {
    /// Goes on behind those that were found.
    pub(super) fn after(series: Series, found: &Found) -> Self {
        let size = found.newest.as_ref().map_or(0, |newest| newest.state.len() as u64);
        Self { series, kept: found.kept.clone(), spoilt: found.spoilt.clone(), size }
    }

    /// Writes a snapshot, and lets go of those before the one before it.
    pub(super) fn write(
        &mut self,
        snapshot: &Snapshot,
        next: u64,
        now: Timestamp,
    ) -> Result<(), JournalError> {
        let Series { storage, directory, .. } = &self.series;
        let header = FileHeader {
            format: FileHeader::FIRST_FORMAT,
            kind: SNAPSHOT,
            stream: self.series.stream,
            run: snapshot.run,
            part: 0,
            created: now,
            salt: random_salt(),
            program: Program::this(),
        };
        let mut block = BlockEncoder::new(header.salt, Segment::START);
        let Snapshot { run, base, position, state, .. } = snapshot;
        let body = SnapshotBody { run: *run, base: *base, position: *position, next, state };
        block.reserve(state.len() + BODY_ROOM);
        block.push(&body, *position, now)?;

        let aside = directory.join("snapshot.new");
        let mut file = storage.create(&aside, block.end()).map_err(JournalError::io("create", &aside))?;
        file.write_at(&header.encode(), 0).map_err(JournalError::io("write", &aside))?;
        file.write_at(block.waiting(), block.position()).map_err(JournalError::io("write", &aside))?;
        file.sync().map_err(JournalError::lost("sync", &aside))?;
        let path = files::snapshot(directory, *position);
        storage.rename(&aside, &path).map_err(JournalError::io("rename", &aside))?;
        storage.sync_directory(directory).map_err(JournalError::lost("sync", directory))?;

        for known in [&mut self.kept, &mut self.spoilt] {
            known.retain(|known| known != position);
        }
        self.kept.push(*position);
        self.size = state.len() as u64;
        let older = self.kept.len().saturating_sub(KEPT);
        let gone: Vec<_> = self.kept.drain(..older).chain(self.spoilt.drain(..)).collect();
        for (index, position) in gone.iter().enumerate() {
            let path = files::snapshot(directory, *position);
            if let Err(error) = storage.remove(&path) {
                // What cannot be removed now is known for the next time.
                self.spoilt.extend(gone.get(index..).unwrap_or_default());
                return Err(JournalError::io("remove", &path)(error));
            }
        }
        if !gone.is_empty() {
            // One that came back would want inputs that are gone.
            storage.sync_directory(directory).map_err(JournalError::lost("sync", directory))?;
        }
        Ok(())
    }

    /// The position before which no snapshot that is kept needs any input.
    pub(super) fn oldest(&self) -> u64 {
        self.kept.first().copied().unwrap_or_default()
    }
}

/// What snapshots a directory holds.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The newest that is sound.
    pub(super) newest: Option<Snapshot>,
    /// The positions of it and of those before it, ascending.
    pub(super) kept: Vec<u64>,
    /// The positions of those after it, which are damaged.
    pub(super) spoilt: Vec<u64>,
    /// What is wrong with them.
    pub(super) flaws: Vec<Flaw>,
}

/// Finds the newest snapshot that is sound.
pub(super) fn find(directory: &Path) -> Result<Found, ReadError> {
    let mut found = Found::default();
    let mut snapshots = files::snapshots(directory)?;
    while let Some((position, path)) = snapshots.pop() {
        match read(&path) {
            Ok(snapshot) => {
                found.newest = Some(snapshot);
                found.kept = snapshots.into_iter().map(|(position, _)| position).collect();
                found.kept.push(position);
                return Ok(found);
            }
            Err(flaw) => {
                found.flaws.push(flaw);
                found.spoilt.push(position);
            }
        }
    }
    Ok(found)
}

/// Reads one snapshot.
pub(super) fn read(path: &Path) -> Result<Snapshot, Flaw> {
    let segment = Segment::map(path)?;
    let damage = |fault| Damage { path: path.to_owned(), offset: Segment::START, fault };
    match segment.step(Segment::START) {
        Some(Step::Block(entry)) => {
            let body: &ArchivedSnapshotBody<'static> = segment.read::<SnapshotBody<'static>>(&entry)?;
            let mut state = AlignedVec::new();
            state.extend_from_slice(&body.state);
            let (run, base) = (body.run.to_native(), body.base.to_native());
            let (position, next) = (body.position.to_native(), body.next.to_native());
            Ok(Snapshot { run, base, position, next, state: Arc::new(state) })
        }
        Some(Step::Damage(_, fault)) => Err(damage(fault).into()),
        None => {
            let fault = Fault::Contents(SnapshotBody::TAG, "it is empty".to_owned());
            Err(damage(fault).into())
        }
    }
}
