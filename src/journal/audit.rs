//! Floor 3: the audit trail: events together with what became of them in each handler.
//!
//! What became of an event may stand anywhere behind it. So events are read segment by segment, and for each segment the
//! deliveries behind it are read until nothing about its events is open any more; where the handlers stand at the end
//! tells what is open. That is a few blocks as a rule, and the rest of the stream where a handler was away for long.
//!
//! Invariant: nothing is changed, and no more is held than one segment and what became of its events.

use super::error::{Flaw, ReadError};
use super::events::{is_events, thaw};
use super::fates::{Fate, Fates};
use super::reader::{Item, StreamReader};
use super::schema::Deliveries;
use super::standing::{Settled, Standings};
use super::tail::first_block;
use super::{deliveries, files, layout, recovery, snapshots};
use crate::event::{Event, EventBlock};
use crate::limits;
use crate::segment::{Entry, OpenError, Schema, Segment};
use crate::time::Timestamp;
use std::path::{Path, PathBuf};

/// The audit trail of a journal, as it was when it was opened.
#[derive(Debug)]
pub struct Audit {
    directory: PathBuf,
    standings: Standings,
    next: u64,
    /// The sequence number of the next event when the newest snapshot was taken.
    known: u64,
}

/// The events of one segment.
#[derive(Debug, Default)]
pub struct Chapter {
    part: u32,
    blocks: Vec<Part>,
    /// What of the segment cannot be read.
    pub flaws: Vec<Flaw>,
    fates: Fates,
}

/// Some events that were committed together.
#[derive(Debug)]
struct Part {
    /// Sequence number of the first.
    first: u64,
    /// How many events of the segment stand before them.
    before: usize,
    block: EventBlock,
}

impl Audit {
    /// Reads where the handlers of a data directory's journal stand.
    ///
    /// # Errors
    /// When the journal cannot be listed.
    pub fn open(data: &Path) -> Result<Self, ReadError> {
        let [_, directory, snapshots] = layout::rooms(data);
        // Before the events: what a server adds in between is missed by no snapshot.
        let known = snapshots::find(&snapshots)?.newest.map_or(0, |snapshot| snapshot.next);
        let past = recovery::past(&directory)?;
        Ok(Self { directory, standings: past.standings, next: past.next, known })
    }

    /// Where every handler stood.
    pub fn standings(&self) -> &Standings {
        &self.standings
    }

    /// The sequence number of the next event.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The segments that may hold events that were committed at an instant or after it, in order, and those of all that
    /// are missing, with what is missing at the end.
    ///
    /// # Errors
    /// When the journal cannot be listed.
    pub fn segments(&self, since: Timestamp) -> Result<(Vec<u32>, Vec<Flaw>), ReadError> {
        let segments = files::segments(&self.directory)?;
        let mut missing = Vec::new();
        for ((part, _), (next, _)) in segments.iter().zip(segments.iter().skip(1)) {
            let absent = (part.saturating_add(1)..*next).take(limits::MAX_MISSING_TOLD);
            missing.extend(absent.map(|part| Flaw::Missing { directory: self.directory.clone(), part }));
        }
        missing.extend(recovery::lost_events(&self.directory, self.next, self.known));
        let begins = |path: &PathBuf| Some(first_block(&Segment::map(path).ok()?)?.arrival);
        let nexts = segments.iter().skip(1).map(|(_, path)| begins(path)).chain([None]);
        let parts = segments.iter().zip(nexts);
        let parts = parts.filter(|(_, until)| until.is_none_or(|until| until >= since));
        Ok((parts.map(|((part, _), _)| *part).collect(), missing))
    }

    /// Reads the events of a segment.
    ///
    /// # Errors
    /// When the journal cannot be listed.
    pub fn read(&self, part: u32) -> Result<Chapter, ReadError> {
        let path = files::segment(&self.directory, part);
        let mut reader = StreamReader::from_part(&self.directory, part);
        let mut chapter = Chapter { part, ..Chapter::default() };
        while let Some(item) = reader.next()? {
            match item {
                Item::Block(segment, _) if segment.path() != path => break,
                Item::Block(segment, entry) if is_events(entry.tag) => chapter.add(&segment, &entry),
                Item::Block(..) => {}
                Item::Flaw(flaw) if is_of(&flaw, &path) => chapter.flaws.push(flaw),
                Item::Flaw(_) => break,
            }
        }
        Ok(chapter)
    }

    /// Reads what became of a segment's events.
    ///
    /// # Errors
    /// When the journal cannot be listed.
    pub fn follow_up(&self, chapter: &mut Chapter) -> Result<(), ReadError> {
        let sequences = chapter.blocks.iter().flat_map(Part::sequences);
        let mut fates = Fates::new(&self.standings, sequences);
        let mut reader = StreamReader::from_part(&self.directory, chapter.part);
        while fates.is_open()
            && let Some(item) = reader.next()?
        {
            for settled in settled(item) {
                for (range, from) in chapter.blocks.iter().filter_map(|part| part.overlap(&settled)) {
                    fates.take(&settled, range, from);
                }
            }
        }
        chapter.fates = fates;
        Ok(())
    }

    /// Finds an event by its identity, as it is displayed: its segment and its sequence number. The newest are looked at
    /// first.
    ///
    /// # Errors
    /// When the journal cannot be listed.
    pub fn find(&self, id: &str) -> Result<Option<(Chapter, u64)>, ReadError> {
        let (parts, _) = self.segments(Timestamp::MIN)?;
        for part in parts.into_iter().rev() {
            let chapter = self.read(part)?;
            let found = chapter.events().find(|(_, event)| event.id().to_string() == id);
            if let Some(seq) = found.map(|(seq, _)| seq) {
                return Ok(Some((chapter, seq)));
            }
        }
        Ok(None)
    }

    /// Everything that happened to an event of a segment, in order, up to [`limits::MAX_AUDIT_ENTRIES`].
    ///
    /// # Errors
    /// When the journal cannot be listed.
    pub fn trail(&self, chapter: &Chapter, seq: u64) -> Result<Vec<Settled>, ReadError> {
        let mut trail = Vec::new();
        let mut reader = StreamReader::from_part(&self.directory, chapter.part);
        while trail.len() < limits::MAX_AUDIT_ENTRIES
            && let Some(item) = reader.next()?
        {
            trail.extend(settled(item).into_iter().filter(|settled| settled.events.contains(&seq)));
        }
        Ok(trail)
    }
}

impl Chapter {
    fn add(&mut self, segment: &Segment, entry: &Entry) {
        match thaw(segment, entry) {
            Ok(block) => {
                let before = self.blocks.last().map_or(0, |last| last.before + last.block.len());
                self.blocks.push(Part { first: entry.first, before, block });
            }
            Err(damage) => self.flaws.push(damage.into()),
        }
    }

    /// The events, in order, each with its sequence number.
    pub fn events(&self) -> impl Iterator<Item = (u64, Event<'_>)> {
        self.blocks.iter().flat_map(|part| part.sequences().zip(part.block.iter()))
    }

    /// The event with a sequence number.
    pub fn event(&self, seq: u64) -> Option<Event<'_>> {
        let part = self.part_of(seq)?;
        part.block.get(usize::try_from(seq.checked_sub(part.first)?).ok()?)
    }

    /// What became of an event in every handler that it was to go to, once that was read.
    pub fn fates(&self, seq: u64) -> impl Iterator<Item = (&str, Fate<'_>)> {
        let index = self.part_of(seq).and_then(|part| part.index(seq));
        self.fates.of(index, seq)
    }

    fn part_of(&self, seq: u64) -> Option<&Part> {
        let after = self.blocks.partition_point(|part| part.first <= seq);
        self.blocks.get(after.checked_sub(1)?).filter(|part| part.sequences().contains(&seq))
    }
}

impl Part {
    fn sequences(&self) -> std::ops::Range<u64> {
        self.first..self.first.saturating_add(self.block.len() as u64)
    }

    /// The place of an event among all of its segment.
    fn index(&self, seq: u64) -> Option<usize> {
        Some(self.before + usize::try_from(seq.checked_sub(self.first)?).ok()?)
    }

    /// The places of the events that a run tells of, and the sequence number of the first.
    fn overlap(&self, settled: &Settled) -> Option<(std::ops::Range<usize>, u64)> {
        let own = self.sequences();
        let (start, end) = (settled.events.start.max(own.start), settled.events.end.min(own.end));
        let places = self.index(start)?..self.index(end)?;
        (!places.is_empty()).then_some((places, start))
    }
}

/// What an item tells of deliveries; what cannot be read tells nothing.
fn settled(item: Item) -> Vec<Settled> {
    match item {
        Item::Block(segment, entry) if entry.tag == Deliveries::TAG => {
            deliveries::settled(&segment, &entry).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// Whether something that cannot be read is in a file.
fn is_of(flaw: &Flaw, file: &Path) -> bool {
    match flaw {
        Flaw::Damage(damage) => damage.path == file,
        Flaw::Open(OpenError::Io { path, .. } | OpenError::Header { path, .. }) => path == file,
        Flaw::Foreign(path) => path == file,
        Flaw::Missing { .. } | Flaw::LostEvents { .. } | Flaw::Identity(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::run_of_groups;
    use super::super::{Journal, Options, State};
    use super::*;
    use crate::segment::Disk;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    /// A handler, the state, attempts, and the last error.
    type Told = (String, Option<State>, u32, Option<String>);

    fn told(audit: &Audit) -> BTreeMap<u64, Vec<Told>> {
        let (parts, missing) = audit.segments(Timestamp::MIN).unwrap();
        assert!(missing.is_empty());
        let mut all = BTreeMap::new();
        for part in parts {
            let mut chapter = audit.read(part).unwrap();
            assert!(chapter.flaws.is_empty(), "{:?}", chapter.flaws);
            audit.follow_up(&mut chapter).unwrap();
            for (seq, _) in chapter.events() {
                let fates = chapter.fates(seq).map(|(handler, fate)| {
                    (handler.to_owned(), fate.state, fate.attempts, fate.error.map(str::to_owned))
                });
                assert!(all.insert(seq, fates.collect()).is_none(), "{seq} twice");
            }
        }
        all
    }

    /// Lets something happen to events of a journal.
    fn happen(home: &Path, steps: &[(u64, u64, State, u32, Option<&str>)]) {
        let identity = super::super::Identity::claim(home).unwrap();
        let (mut journal, _) = Journal::open(home, &identity, Options::default(), Arc::new(Disk)).unwrap();
        journal.enrol([("archive", false)]);
        for (start, end, state, attempts, note) in steps {
            let settled = Settled {
                handler: "archive".into(),
                events: *start..*end,
                state: *state,
                attempts: *attempts,
                time: Timestamp::EPOCH,
                note: note.map(str::to_owned),
            };
            journal.settle(&[settled], Timestamp::EPOCH).unwrap();
        }
        journal.flush().unwrap();
    }

    #[test]
    fn what_waits_in_a_digest_that_fails_is_told_with_the_reason() {
        let home = tempfile::tempdir().unwrap();
        run_of_groups(home.path());
        let first = Audit::open(home.path()).unwrap().standings()["archive"].cursor;
        let (gathered, why) = (State::Gathered, Some("connection refused"));
        happen(home.path(), &[(first, first + 2, gathered, 0, None), (first, first + 2, gathered, 3, why)]);
        let told = told(&Audit::open(home.path()).unwrap());
        let expected = ("archive".to_owned(), Some(gathered), 3, why.map(str::to_owned));
        assert_eq!([&told[&first], &told[&(first + 1)]], [&vec![expected.clone()], &vec![expected]]);
    }

    #[test]
    fn every_event_is_told_with_where_it_stands() {
        let home = tempfile::tempdir().unwrap();
        run_of_groups(home.path());
        let audit = Audit::open(home.path()).unwrap();
        // Of three events of a group two were delivered, one by one group after the other.
        let (next, cursor) = (audit.next(), audit.standings()["archive"].cursor);
        assert!(audit.segments(Timestamp::MIN).unwrap().0.len() > 1 && cursor < next);
        let of = |state, attempts, error: Option<&str>| {
            vec![("archive".to_owned(), Some(state), attempts, error.map(str::to_owned))]
        };
        let all = told(&audit);
        assert!(all.keys().copied().eq(0..next));
        assert!((0..cursor).all(|seq| all[&seq] == of(State::Delivered, 1, None)));
        assert!((cursor..next).all(|seq| all[&seq] == of(State::Gathered, 0, None)), "they wait");

        let (dead, failing) = (cursor + 1, cursor + 4);
        happen(
            home.path(),
            &[
                (cursor, cursor + 3, State::Failed, 1, Some("451 later")),
                (cursor, cursor + 1, State::Delivered, 2, None),
                (dead, dead + 2, State::Dead, 2, Some("550 no such user")),
                (dead, dead + 1, State::Requeued, 0, Some("sent again by an operator")),
                (cursor + 3, cursor + 4, State::Filtered, 0, None),
                (dead, dead + 1, State::Delivered, 1, None),
                // Settled before: it is left as it is.
                (0, 1, State::Dropped, 0, Some("too late")),
                (failing, failing + 2, State::Failed, 7, Some("refused")),
            ],
        );
        let all = told(&Audit::open(home.path()).unwrap());
        assert_eq!(all[&0], of(State::Delivered, 1, None));
        assert_eq!(all[&cursor], of(State::Delivered, 2, Some("451 later")));
        assert_eq!(all[&dead], of(State::Delivered, 1, Some("550 no such user")));
        assert_eq!(all[&(dead + 1)], of(State::Dead, 2, Some("550 no such user")));
        assert_eq!(all[&(cursor + 3)], of(State::Filtered, 0, None));
        assert_eq!(all[&failing], of(State::Failed, 7, Some("refused")));
    }

    #[test]
    fn an_event_is_found_by_its_id_with_all_that_happened() {
        let home = tempfile::tempdir().unwrap();
        run_of_groups(home.path());
        let audit = Audit::open(home.path()).unwrap();
        let (cursor, stream) = (audit.standings()["archive"].cursor, {
            let chapter = audit.read(audit.segments(Timestamp::MIN).unwrap().0[0]).unwrap();
            chapter.events().next().unwrap().1.id().stream
        });
        happen(
            home.path(),
            &[
                (cursor, cursor + 2, State::Failed, 1, Some("451")),
                (cursor, cursor + 2, State::Dead, 2, Some("550")),
                (cursor + 1, cursor + 2, State::Dropped, 0, Some("spam")),
            ],
        );
        let audit = Audit::open(home.path()).unwrap();
        assert!(audit.find(&format!("{stream}.1.999.fleet.openssh.0")).unwrap().is_none());
        let id = format!("{stream}.1.{}.fleet.openssh.0", cursor + 2);
        let (chapter, seq) = audit.find(&id).unwrap().unwrap();
        assert_eq!(chapter.event(seq).unwrap().id().to_string(), id);
        assert_eq!(seq, cursor + 1);
        let trail = audit.trail(&chapter, seq).unwrap();
        let states: Vec<_> = trail.iter().map(|settled| (settled.state, settled.attempts)).collect();
        assert_eq!(states, [(State::Failed, 1), (State::Dead, 2), (State::Dropped, 0)]);
    }
}
