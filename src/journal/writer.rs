//! Floor 3: the journal as its one writer sees it.
//!
//! Invariant: what [`Journal::commit`] has returned from is durable. Where it fails for want of room, the same group can
//! be committed again, and nothing of it is written twice.

use super::error::{Flaw, JournalError, StartError};
use super::events::InputReader;
use super::group::Group;
use super::identity::Identity;
use super::marks::{self, Last, Mark, Marks};
use super::schema::{Checkpoint, EVENTS, Events, Followed, INPUTS, RunStart, RunStop};
use super::snapshots::{self, Snapshot, Snapshots};
use super::standing::{Settled, Standing, Standings};
use super::stream::{self, Pushed, Series, StreamWriter};
use super::strict::Strict;
use super::{deliveries, files, layout, recovery, retention};
use crate::limits;
use crate::segment::{Schema, Storage};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How a journal is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether inputs are kept too, so that no state is lost with a crash.
    pub observations: bool,
    /// For how long segments are kept.
    pub retention_age: Duration,
    /// Bytes that all segments together may take before the oldest go.
    pub retention_size: u64,
    /// Length of a segment of inputs, in bytes.
    pub inputs_segment: u64,
    /// Length of a segment of events, in bytes.
    pub events_segment: u64,
    /// A hash of the configuration, so that a change shows.
    pub configuration: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            observations: true,
            retention_age: limits::JOURNAL_RETENTION_AGE,
            retention_size: limits::JOURNAL_RETENTION_SIZE,
            inputs_segment: limits::INPUTS_SEGMENT_SIZE,
            events_segment: limits::EVENTS_SEGMENT_SIZE,
            configuration: 0,
        }
    }
}

/// What a journal held when it was opened.
#[derive(Debug)]
pub struct Recovery {
    /// The newest state of the correlator that is sound.
    pub snapshot: Option<Snapshot>,
    /// The inputs after it.
    pub inputs: InputReader,
    /// The position of the last input whose events are there: what is raised again up to it is there already.
    pub through: u64,
    /// Inputs of all runs so far: what the numbers of the next run are counted from.
    pub base: u64,
    /// When the last run was last heard of; nothing where there was none.
    pub last_time: Option<Timestamp>,
    /// Whether the last run ended as it should.
    pub stopped: bool,
    /// Whether the configuration is another than in the last run.
    pub reconfigured: bool,
    /// How far files had been read; what of them was read is in `inputs`, the snapshot, or before both.
    pub marks: Vec<Mark>,
    /// When a mark of each of their paths was last written: what became of its files later, no run has seen.
    pub told: BTreeMap<PathBuf, Timestamp>,
    /// What cannot be read.
    pub flaws: Vec<Flaw>,
    /// Bytes that a crash left of blocks, which nobody was told of; they have been closed off.
    pub torn: u64,
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    directory: PathBuf,
    options: Options,
    inputs: StreamWriter,
    events: StreamWriter,
    snapshots: Snapshots,
    /// How far files have been read.
    marks: Marks,
    /// The position of the last input that is accounted for in the stream of inputs.
    reached: u64,
    standings: Standings,
    /// The handlers that there are; all others' standings are orphans.
    active: BTreeSet<String>,
    /// The sequence number of the next event.
    next: u64,
    through: u64,
    /// Bytes of inputs since the last snapshot.
    unsaved: u64,
}

impl Journal {
    /// Opens the journal of a data directory, or creates it, and tells what it holds. The caller has claimed the
    /// directory.
    ///
    /// # Errors
    /// When it cannot be read or written, or is of a newer version; then nothing was touched.
    pub fn open(
        data: &Path,
        identity: &Identity,
        options: Options,
        storage: Arc<dyn Storage>,
    ) -> Result<(Self, Recovery), StartError> {
        let directory = layout::journal(data);
        let storage: Arc<dyn Storage> = Arc::new(Strict::new(storage));
        let [inputs, events, snapshots] = layout::rooms(data);
        [&inputs, &events, &snapshots].into_iter().try_for_each(|room| recovery::refuse_newer(room))?;
        make_rooms(&*storage, [&inputs, &events, &snapshots], [&directory, data])?;

        let series = |directory: &Path, kind, segment_size, reserve| Series {
            storage: Arc::clone(&storage),
            directory: directory.to_owned(),
            kind,
            stream: identity.stream.0,
            run: identity.run,
            segment_size,
            reserve,
        };
        let open = |series: Series| -> Result<_, StartError> {
            let (next, resume) = recovery::resume(&series.directory, series.kind, series.stream)?;
            let torn = resume.map_or(0, |resume| resume.torn);
            Ok((StreamWriter::new(series, next, resume)?, torn))
        };
        let (input_writer, torn_inputs) = open(series(&inputs, INPUTS, options.inputs_segment, false))?;
        let (event_writer, torn_events) = open(series(&events, EVENTS, options.events_segment, true))?;
        let past = recovery::past(&events)?;
        let found = snapshots::find(&snapshots)?;
        let (position, next) = found.newest.as_ref().map_or((0, 0), |newest| (newest.position, newest.next));
        let reached = recovery::last_position(&inputs)?;
        let base = reached.max(past.through).max(position);
        let Last { marks, told } = marks::last(&inputs)?;
        let reader = InputReader::after(&inputs, position)?;
        let kept_snapshots = Snapshots::after(series(&snapshots, INPUTS, 0, false), &found);
        let lost = recovery::lost_events(&events, past.next, next);
        let mut flaws = past.flaws;
        flaws.extend(found.flaws);
        flaws.extend(recovery::missing_inputs(&inputs, position)?);
        flaws.extend(recovery::foreign(&layout::rooms(data), identity.stream.0)?);
        if past.next.max(next) > limits::MAX_SAVED_COUNT {
            return Err(JournalError::Numbers { next: past.next.max(next) }.into());
        }
        flaws.extend(lost);
        let recovery = Recovery {
            snapshot: found.newest,
            inputs: reader,
            through: past.through,
            base,
            last_time: past.last_time,
            stopped: past.stopped,
            reconfigured: past.configuration.is_some_and(|hash| hash != options.configuration),
            marks: marks.iter().collect(),
            told,
            flaws,
            torn: torn_inputs + torn_events,
        };
        let journal = Self {
            directory,
            options,
            inputs: input_writer,
            events: event_writer,
            snapshots: kept_snapshots,
            marks,
            reached,
            active: BTreeSet::new(),
            next: past.next.max(next),
            through: past.through,
            standings: past.standings,
            unsaved: 0,
        };
        Ok((journal, recovery))
    }

    /// Says which handlers there are. A new one begins with the next event, or with the first that is still there.
    pub fn enrol<'a>(&mut self, handlers: impl IntoIterator<Item = (&'a str, bool)>) {
        for (name, from_beginning) in handlers {
            let start = if from_beginning { self.first() } else { self.next };
            self.standings.entry(name.to_owned()).or_insert_with(|| Standing::new(start));
            self.active.insert(name.to_owned());
        }
    }

    /// The sequence number of the first event that is still there.
    fn first(&self) -> u64 {
        retention::first_event(self.events.directory()).unwrap_or(self.next)
    }

    /// Begins a run.
    ///
    /// # Errors
    /// When that cannot be made durable.
    pub fn begin_run(&mut self, run: u32, base: u64, now: Timestamp) -> Result<(), JournalError> {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let start = RunStart { run, base, version, configuration: self.options.configuration };
        self.through = self.through.max(base);
        if !self.marks.is_empty() {
            let all = self.marks.block();
            self.push_to_inputs(&all, self.reached, now)?;
            self.inputs.flush()?;
        }
        self.push_to_events(&start, self.next, now)?;
        // A handler that is new is known from here on, whatever comes: what is raised now is its to deliver.
        self.push_to_events(&self.checkpoint(), self.next, now)?;
        self.events.flush()
    }

    /// Ends a run as it should.
    ///
    /// # Errors
    /// When that cannot be made durable.
    pub fn stop(&mut self, run: u32, now: Timestamp) -> Result<(), JournalError> {
        self.push_to_events(&RunStop { run }, self.next, now)?;
        self.events.flush()
    }

    /// Lays out what became of events; it is written with the next commit, or by [`Journal::flush`].
    ///
    /// # Errors
    /// When a segment has to be begun and cannot. What is full may be tried again.
    pub fn settle(&mut self, settled: &[Settled], now: Timestamp) -> Result<(), JournalError> {
        if settled.is_empty() {
            return Ok(());
        }
        self.push_to_events(&deliveries::block(settled), self.next, now)?;
        for settled in settled {
            if let Some(standing) = self.standings.get_mut(&*settled.handler) {
                standing.apply(settled);
            }
        }
        Ok(())
    }

    /// Makes a group durable: first the inputs, then the events.
    ///
    /// # Errors
    /// When that fails. Where the disk is full, the same group may be committed again.
    pub fn commit(&mut self, group: &mut Group, now: Timestamp) -> Result<(), JournalError> {
        if self.options.observations {
            self.commit_inputs(group, now)?;
        }
        while let Some(block) = group.blocks.get(group.firsts.len()) {
            let next = self.after(block.len())?;
            let raised = block.iter().map(|event| event.head().number).filter(|number| *number > 0);
            let through = raised.last().map_or(self.through, |number| group.base.saturating_add(number));
            let events = Events { through: through.max(self.through), table: block.table() };
            self.push_to_events(&events, self.next, now)?;
            self.through = self.through.max(through);
            group.firsts.push(self.next);
            self.next = next;
        }
        self.events.flush()?;
        // Without inputs, lines whose events are lost must be read again: better twice than never.
        if self.options.observations { Ok(()) } else { self.commit_inputs(group, now) }
    }

    /// The sequence number after so many more events.
    fn after(&self, events: usize) -> Result<u64, JournalError> {
        self.next.checked_add(events as u64).ok_or(JournalError::Numbers { next: self.next })
    }

    /// Makes the inputs of a group durable, as far as they are kept, and how far files had been read.
    fn commit_inputs(&mut self, group: &mut Group, now: Timestamp) -> Result<(), JournalError> {
        if !self.options.observations {
            group.inputs.clear();
        }
        if group.inputs.is_empty() && group.marks.is_empty() {
            return Ok(());
        }
        if !group.inputs_laid_out {
            let size = group.inputs.size();
            let inputs = group.inputs.block(group.run, group.base, group.through);
            if group.marks.is_empty() {
                self.push_to_inputs(inputs, group.through, now)?;
            } else {
                let marks = group.marks.iter().map(marks::row).collect();
                self.push_to_inputs(&Followed { inputs, marks }, group.through, now)?;
            }
            group.marks.iter().for_each(|mark| self.marks.apply(mark.clone()));
            self.reached = group.through;
            self.unsaved += size as u64;
            group.inputs_laid_out = true;
        }
        self.inputs.flush()
    }

    /// Writes what was laid out, and makes it durable.
    ///
    /// # Errors
    /// When that fails.
    pub fn flush(&mut self) -> Result<(), JournalError> {
        self.events.flush()
    }

    /// Whether nothing is set aside for when the disk is full: [`Journal::replenish`] is to be called.
    pub fn lacks_reserve(&self) -> bool {
        self.events.lacks_reserve()
    }

    /// Sets room aside in which deliveries are noted while the disk is full.
    ///
    /// # Errors
    /// When that fails. Without room, everything else goes on.
    pub fn replenish(&mut self) -> Result<(), JournalError> {
        self.events.replenish()
    }

    /// Whether nothing waits for being written.
    pub fn is_clean(&self) -> bool {
        self.events.is_clean()
    }

    fn push_to_inputs<T: Schema>(
        &mut self,
        block: &T,
        position: u64,
        now: Timestamp,
    ) -> Result<(), JournalError> {
        while let Pushed::NoRoom(needed) = self.inputs.push(block, position, now)? {
            if self.marks.is_empty() {
                self.inputs.rotate(needed)?;
                continue;
            }
            let all = self.marks.block();
            self.inputs.rotate(needed.saturating_add(stream::length(&all)?))?;
            let pushed = self.inputs.push(&all, self.reached, now)?;
            debug_assert_eq!(pushed, Pushed::Here, "the segment is as large as it has to be");
        }
        Ok(())
    }

    fn push_to_events<T: Schema>(
        &mut self,
        block: &T,
        first: u64,
        now: Timestamp,
    ) -> Result<(), JournalError> {
        while let Pushed::NoRoom(needed) = self.events.push(block, first, now)? {
            let checkpoint = self.checkpoint();
            self.events.rotate(needed.saturating_add(stream::length(&checkpoint)?))?;
            let pushed = self.events.push(&checkpoint, self.next, now)?;
            debug_assert_eq!(pushed, Pushed::Here, "the segment is as large as it has to be");
        }
        Ok(())
    }

    fn checkpoint(&self) -> Checkpoint {
        let handlers = self.standings.iter().map(|(name, standing)| standing.row(name)).collect();
        Checkpoint { through: self.through, handlers }
    }

    /// Writes a snapshot of the correlator's state. Everything up to it has been committed.
    ///
    /// # Errors
    /// When it cannot be made durable. Without room, the older ones still stand.
    pub fn snapshot(&mut self, snapshot: &Snapshot, now: Timestamp) -> Result<(), JournalError> {
        self.snapshots.write(snapshot, self.next, now)?;
        self.unsaved = 0;
        Ok(())
    }

    /// Whether so much came since the last snapshot that another is due: a segment, and several times what a snapshot
    /// takes, so that a large state is not written more often than what it is made of.
    pub fn wants_snapshot(&self) -> bool {
        let spacing = self.snapshots.size.saturating_mul(limits::SNAPSHOT_SPACING);
        self.unsaved >= self.options.inputs_segment.max(spacing)
    }

    /// Removes segments that are older or more than what is kept, unless something still needs them.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn prune(&mut self, now: Timestamp) -> Result<(), JournalError> {
        let needed = retention::Needed {
            event: self
                .standings
                .iter()
                .filter(|(name, _)| self.active.contains(*name))
                .fold(self.next, |oldest, (_, standing)| oldest.min(standing.oldest_needed())),
            input: self.snapshots.oldest(),
        };
        let gone = retention::removable(
            [self.inputs.directory(), self.events.directory()],
            needed,
            &self.options,
            now,
        );
        let storage = &self.events.series().storage;
        for path in gone {
            storage.remove(&path).map_err(JournalError::io("remove", &path))?;
            // One after the other, so that a crash leaves no hole in the series.
            let directory = path.parent().unwrap_or(&self.directory);
            storage.sync_directory(directory).map_err(JournalError::lost("sync", directory))?;
        }
        Ok(())
    }

    /// Bytes that are free on the disk, and how many there should be at least; nothing where the system does not say.
    pub fn room(&self) -> Option<(u64, u64)> {
        let free = self.events.series().storage.free(&self.directory).ok()?;
        let segments = self.options.inputs_segment.saturating_add(self.options.events_segment);
        Some((free, segments.saturating_mul(limits::DISK_LOW_SEGMENTS)))
    }

    /// Where every handler stands, orphans among them.
    pub fn standings(&self) -> &Standings {
        &self.standings
    }

    /// The sequence number of the next event.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Where the journal is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

/// Makes the directories that are missing, durably, and removes what a crash has left half made in them.
fn make_rooms(storage: &dyn Storage, rooms: [&Path; 3], above: [&Path; 2]) -> Result<(), StartError> {
    for path in rooms {
        storage.create_directory(path).map_err(JournalError::io("create", path))?;
        storage.sync_directory(path).map_err(JournalError::lost("sync", path))?;
    }
    for path in above {
        storage.sync_directory(path).map_err(JournalError::lost("sync", path))?;
    }
    for room in rooms {
        for path in files::half_made(room)? {
            storage.remove(&path).map_err(JournalError::io("remove", &path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, block, run_of_groups};
    use super::*;
    use crate::event::{ModuleName, Stamp, StreamId};
    use crate::segment::Disk;

    #[test]
    fn numbers_that_no_event_can_have_are_refused_and_never_begin_anew() {
        let home = tempfile::tempdir().unwrap();
        run_of_groups(home.path());
        let open = || {
            let identity = Identity::claim(home.path()).unwrap();
            Journal::open(home.path(), &identity, Options::default(), Arc::new(Disk))
        };
        let (mut journal, _) = open().unwrap();
        journal.next = u64::MAX - 1;
        let mut group = Group::new(2, 0, 0);
        let module = ModuleName { app: "fleet".to_owned(), module: "sshd".to_owned() };
        let stamp = Stamp { stream: StreamId(1), run: 2, modules: vec![module] };
        group.blocks.push(block(&Arc::new(stamp), 1..3));
        let refused = journal.commit(&mut group, at(1)).unwrap_err();
        assert!(matches!(refused, JournalError::Numbers { next } if next == u64::MAX - 1), "{refused}");
        assert_eq!(journal.next(), u64::MAX - 1);

        // This leaves a block with such a number.
        journal.stop(2, at(2)).unwrap();
        drop(journal);
        let StartError::Write(refused) = open().unwrap_err() else {
            panic!("it is refused for another reason")
        };
        let said = refused.to_string();
        assert!(said.contains("18446744073709551614") && said.contains("the journal is damaged"), "{said}");
    }
}
