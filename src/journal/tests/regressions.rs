//! What once went wrong with a journal, and must not again.

use super::*;
use crate::journal::schema::PackedEvents;
use crate::journal::standing::Settled;
use crate::segment::{Disk, Schema, Segment, Step};
use std::fs;
use std::sync::Arc;

/// An open journal on a disk, with one handler, and what stamps its events.
struct Opened {
    journal: Journal,
    stamp: Arc<Stamp>,
    identity: Identity,
    base: u64,
}

fn open(home: &Path, options: Options) -> Opened {
    let identity = Identity::claim(home).unwrap();
    let (mut journal, recovery) = Journal::open(home, &identity, options, Arc::new(Disk)).unwrap();
    journal.enrol([("archive", true)]);
    journal.begin_run(identity.run, recovery.base, at(0)).unwrap();
    let modules = vec![ModuleName { app: "fleet".into(), module: "openssh".into() }];
    let stamp = Arc::new(Stamp { stream: identity.stream, run: identity.run, modules });
    Opened { journal, stamp, identity, base: recovery.base }
}

impl Opened {
    /// Commits events of these numbers, and the first input of them.
    fn commit(&mut self, numbers: std::ops::Range<u64>, now: Timestamp) {
        let mut group = Group::new(self.identity.run, self.base, self.base + numbers.end - 1);
        group.inputs = kept(numbers.start);
        group.blocks.push(block(&self.stamp, numbers));
        self.journal.commit(&mut group, now).unwrap();
    }

    fn settle(&mut self, events: std::ops::Range<u64>, state: State, now: Timestamp) {
        let settled =
            Settled { handler: "archive".into(), events, state, attempts: 1, time: now, note: None };
        self.journal.settle(&[settled], now).unwrap();
        self.journal.flush().unwrap();
    }
}

/// A segment begins with where every handler stands, which may be longer than half a segment.
#[test]
fn a_block_fits_behind_a_checkpoint_of_any_length() {
    let home = tempfile::tempdir().unwrap();
    let mut opened = open(home.path(), Options { events_segment: 4096, ..Options::default() });
    opened.commit(1..2001, at(1));
    let settled = |seq| {
        let state = if seq % 2 == 0 { State::Dead } else { State::Delivered };
        let (events, time) = (seq..seq + 1, at(2));
        Settled { handler: "archive".into(), events, state, attempts: 1, time, note: None }
    };
    let settled: Vec<_> = (0..2000).map(settled).collect();
    opened.journal.settle(&settled, at(2)).unwrap();
    let count = || files::segments(&layout::rooms(home.path())[1]).unwrap().len();
    let before = count();
    // As long as the 16 kB of the checkpoint, more or less.
    for size in [50, 100, 200, 400] {
        opened.commit(3000..3000 + size, at(3));
        assert!(count() < before + 10, "it began segment after segment");
    }
    drop(opened);
    assert!(verify(home.path()).unwrap().flaws.is_empty());
}

/// A crash right after a rotation leaves a segment with nothing in it.
#[test]
fn retention_takes_segments_from_the_oldest_on_and_leaves_no_hole() {
    let home = tempfile::tempdir().unwrap();
    let options = Options { events_segment: 4096, inputs_segment: 2048, ..Options::default() };
    let mut opened = open(home.path(), options);
    for number in 1..60 {
        opened.commit(number * 10..number * 10 + 10, at(number));
        let next = opened.journal.next();
        opened.settle(next - 10..next, State::Delivered, at(number));
    }
    drop(opened);
    let [_, events, _] = layout::rooms(home.path());
    let segments = files::segments(&events).unwrap();
    let middle = segments.len() / 2;
    let mut bytes = fs::read(&segments[middle].1).unwrap();
    bytes[usize::try_from(Segment::START).unwrap()..].fill(0);
    fs::write(&segments[middle].1, bytes).unwrap();

    let mut opened = open(home.path(), Options { retention_size: 8 * 4096, ..options });
    let state = Arc::default();
    let snapshot = Snapshot { run: 2, base: opened.base, position: u64::MAX, next: 0, state };
    opened.journal.snapshot(&snapshot, at(99)).unwrap();
    opened.journal.snapshot(&Snapshot { position: u64::MAX - 1, ..snapshot }, at(99)).unwrap();
    opened.journal.prune(at(100)).unwrap();
    let left: Vec<u32> = files::segments(&events).unwrap().into_iter().map(|(part, _)| part).collect();
    assert!(left.len() < segments.len(), "nothing went: {left:?}");
    assert!(left.windows(2).all(|pair| pair[1] == pair[0] + 1), "a hole: {left:?}");
    assert_eq!(left.last(), Some(&(u32::try_from(segments.len()).unwrap())), "the newest stays: {left:?}");
}

#[test]
fn a_snapshot_that_somebody_deleted_is_as_good_as_removed() {
    let home = tempfile::tempdir().unwrap();
    let mut opened = open(home.path(), Options::default());
    let [_, _, snapshots] = layout::rooms(home.path());
    for position in [1, 2, 3] {
        let state = Arc::default();
        opened
            .journal
            .snapshot(&Snapshot { run: 1, base: 0, position, next: 0, state }, at(position))
            .unwrap();
        if position == 2 {
            fs::remove_file(files::snapshot(&snapshots, 1)).unwrap();
        }
    }
    assert_eq!(files::snapshots(&snapshots).unwrap().len(), 2);
}

/// A segment that has to be longer than the reserve takes its place.
#[test]
fn a_reserve_that_made_way_for_a_longer_segment_is_no_more() {
    let home = tempfile::tempdir().unwrap();
    let options = Options { events_segment: 4096, ..Options::default() };
    let begin = |home: &Path, disk: &FaultyDisk| {
        let identity = Identity::claim(home).unwrap();
        let (mut journal, recovery) =
            Journal::open(home, &identity, options, Arc::new(disk.clone())).unwrap();
        journal.begin_run(identity.run, recovery.base, at(0)).unwrap();
        journal.replenish().unwrap();
        (journal, identity)
    };
    let disk = FaultyDisk::default();
    drop(begin(home.path(), &disk));
    let before = disk.operations().len();

    let home = tempfile::tempdir().unwrap();
    // The segment's end is a write and a sync, and then comes the longer one, for which there is no room at first.
    let disk = FaultyDisk::failing(before + 2, Fault::Full);
    let (mut journal, identity) = begin(home.path(), &disk);
    let stamp = Arc::new(Stamp { stream: identity.stream, run: identity.run, modules: Vec::new() });
    let mut group = Group::new(identity.run, 0, 200);
    group.blocks.push(block(&stamp, 1..200));
    let full = journal.commit(&mut group, at(1)).unwrap_err();
    assert!(full.is_full() && disk.has_failed() && journal.lacks_reserve(), "{full:?}");
    journal.commit(&mut group, at(1)).unwrap();
    assert_eq!(events(home.path()).0.len(), 199);
}

/// Reads blocks of so many events while they are written to segments of a size: each is there, and none is a flaw.
fn read_while_written(blocks: u64, events: u64, events_segment: u64) {
    let home = tempfile::tempdir().unwrap();
    let mut opened = open(home.path(), Options { events_segment, ..Options::default() });
    let reader = std::thread::spawn({
        let mut reader = EventReader::open(home.path(), 0).unwrap();
        move || {
            let mut next = 0;
            while next < blocks * events {
                match reader.next_page().unwrap() {
                    Some(Page::Events { first, block, .. }) => {
                        assert_eq!(first, next);
                        next += block.len() as u64;
                    }
                    Some(Page::Flaw(flaw)) => panic!("{flaw}"),
                    Some(Page::Settled(_)) | None => {}
                }
            }
        }
    });
    for number in 0..blocks {
        opened.commit(number * events + 1..(number + 1) * events + 1, at(number));
    }
    reader.join().unwrap();
}

/// A reader may look at a block while it is being written, and again when the writer is past it.
#[test]
fn what_is_being_written_is_no_damage() {
    read_while_written(60, 4000, 4 * 1024 * 1024);
}

/// A reader may find nothing more in a segment, and then the next one: what was written in between comes first.
#[test]
fn what_is_written_while_a_segment_ends_is_not_passed_over() {
    read_while_written(300, 20, 4 * 1024);
}

/// Whoever looks for what was written since has to know since when.
#[test]
fn when_a_path_was_last_told_of_outlives_that_all_marks_are_written_anew() {
    let home = tempfile::tempdir().unwrap();
    let mut opened = open(home.path(), Options { inputs_segment: 2048, ..Options::default() });
    let mut commit = |number, path: &str, is_there: bool| {
        let mut group = Group::new(opened.identity.run, opened.base, opened.base + number);
        let id = FileId { device: 1, inode: 2 };
        group.marks.push(Mark { path: path.into(), id, place: is_there.then(Place::default) });
        opened.journal.commit(&mut group, at(number)).unwrap();
    };
    commit(10, "/quiet", true);
    commit(20, "/gone", true);
    commit(30, "/log", true);
    commit(40, "/gone", false);
    let told = |home: &Path| {
        let opened = open(home, Options { inputs_segment: 2048, ..Options::default() });
        let (_, recovery) =
            Journal::open(home, &opened.identity, Options::default(), Arc::new(Disk)).unwrap();
        recovery.told.into_iter().map(|(path, time)| (path.display().to_string(), time)).collect::<Vec<_>>()
    };
    drop(opened);
    let expected = [("/log".to_owned(), at(30)), ("/quiet".to_owned(), at(10))];
    for _ in 0..3 {
        assert_eq!(told(home.path()), expected);
    }
    // A segment that begins with all marks: nothing of a path was told since, and nothing before counts.
    let mut opened = open(home.path(), Options { inputs_segment: 2048, ..Options::default() });
    for number in 50..90 {
        let mut group = Group::new(opened.identity.run, opened.base, opened.base + number);
        let place = Some(Place { offset: number, ..Place::default() });
        group.marks.push(Mark { path: "/log".into(), id: FileId { device: 1, inode: 2 }, place });
        opened.journal.commit(&mut group, at(number)).unwrap();
    }
    drop(opened);
    let told = told(home.path());
    assert_eq!(told[0], ("/log".to_owned(), at(89)));
    assert!(told[1].1 > at(50) && told[1].1 < at(89), "{told:?}");
}

/// A snapshot tells how many events there were when it was taken.
#[test]
fn a_newest_segment_that_somebody_deleted_is_missed() {
    let home = tempfile::tempdir().unwrap();
    let mut opened = open(home.path(), Options { events_segment: 4096, ..Options::default() });
    (1..200).for_each(|number| opened.commit(number..number + 1, at(number)));
    let (run, position) = (opened.identity.run, opened.base + 199);
    let snapshot = Snapshot { run, base: opened.base, position, next: 0, state: Arc::default() };
    opened.journal.snapshot(&snapshot, at(200)).unwrap();
    drop(opened);
    assert!(verify(home.path()).unwrap().flaws.is_empty());
    let events = &layout::rooms(home.path())[1];
    let (_, newest) = files::segments(events).unwrap().pop().unwrap();
    fs::remove_file(newest).unwrap();
    let told: Vec<_> = verify(home.path()).unwrap().flaws.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("the events from number ") && told[0].contains(" to 199 are missing"),
        "{told:?}"
    );
    // Who lists events is told so, too.
    let (_, missing) = Audit::open(home.path()).unwrap().segments(Timestamp::MIN).unwrap();
    assert_eq!(missing.iter().map(ToString::to_string).collect::<Vec<_>>(), told);
}

/// An earlier version passes over blocks whose tag it does not know, and refuses a format that it does not know.
#[test]
fn packed_events_stand_in_no_segment_of_a_version_that_does_not_know_them() {
    let home = tempfile::tempdir().unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/data-2");
    copy(&golden, home.path());
    let mut opened = open(home.path(), Options { events_segment: 4096, ..Options::default() });
    opened.commit(opened.base + 1..opened.base + 3, at(2_000_000_001));
    let formats: Vec<_> = files::segments(&layout::rooms(home.path())[1])
        .unwrap()
        .into_iter()
        .map(|(_, path)| {
            let segment = Segment::open(&path).unwrap();
            let is_packed =
                |step: &Step| matches!(step, Step::Block(entry) if entry.tag == PackedEvents::TAG);
            (segment.header().format, segment.steps().iter().any(is_packed))
        })
        .collect();
    assert_eq!(formats, [(1, false), (2, true)]);
    let inputs = files::segments(&layout::rooms(home.path())[0]).unwrap();
    assert_eq!(Segment::open(&inputs[0].1).unwrap().header().format, 1, "these are what they were");
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}
