//! A journal of which something was damaged or lost after it had been written: that is told, and all else is read.

use super::super::*;
use super::{Promised, Script, at, block, events, kept, options, run, run_with};
use crate::event::{ModuleName, Stamp};
use crate::segment::faulty::FaultyDisk;
use crate::segment::{Segment, Step};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory with several segments of events, and a snapshot, from which nothing was removed.
fn whole(home: &Path) -> Promised {
    let mut promised = Promised::default();
    let options = Options { events_segment: 2 * 1024, ..lasting() };
    let script = Script { groups: 4, options, keeps_up: true };
    run_with(home, &FaultyDisk::default(), &mut promised, script).unwrap();
    promised
}

fn lasting() -> Options {
    Options { retention_size: u64::MAX, ..options() }
}

/// The events that a file holds, by their numbers, and where the blocks stand.
fn events_of(path: &Path) -> Vec<(std::ops::Range<usize>, std::ops::Range<u64>)> {
    let Ok(segment) = Segment::open(path) else { return Vec::new() };
    let mut found = Vec::new();
    for step in segment.steps() {
        let Step::Block(entry) = step else { continue };
        if !events::is_events(entry.tag) {
            continue;
        }
        if let Ok((count, _)) = events::extent(&segment, entry) {
            let place = usize::try_from(entry.offset).unwrap()..usize::try_from(entry.end()).unwrap();
            found.push((place, entry.first..entry.first + count));
        }
    }
    found
}

/// Where the last flush of a segment that has no end mark begins: damage from there on looks like a crash.
fn open_end(path: &Path) -> usize {
    let segment = Segment::map(path).unwrap();
    let tail = tail::tail(&segment);
    usize::try_from(if tail.is_ended { segment.bytes().len() as u64 } else { tail.last_flush }).unwrap()
}

/// Opens a copy of a damaged directory and goes on with it: what could be read before is there, and what is new is not
/// taken for anything that was.
fn goes_on(home: &Path, promised: &Promised, what: &str) -> Result<Vec<String>, IdentityError> {
    let (found, _) = events(home);
    let disk = FaultyDisk::default();
    let identity = Identity::claim_on(home, &disk)?;
    let (mut journal, mut recovery) =
        Journal::open(home, &identity, lasting(), Arc::new(disk.clone())).unwrap();
    if let Some(snapshot) = &recovery.snapshot {
        let state = format!("state at {}", snapshot.position);
        assert_eq!(snapshot.state.as_slice(), state.as_bytes(), "{what}");
    }
    let mut told: Vec<_> = recovery.flaws.iter().map(ToString::to_string).collect();
    while let Some(block) = recovery.inputs.next_block().unwrap() {
        told.extend(block.err().map(|flaw| flaw.to_string()));
    }
    if recovery.torn > 0 {
        told.push("torn".to_owned());
    }
    if !recovery.stopped {
        told.push("not ended as it should".to_owned());
    }
    journal.enrol([("archive", false)]);
    let base = recovery.base;
    journal.begin_run(identity.run, base, at(500)).unwrap();
    let modules = vec![ModuleName { app: "fleet".into(), module: "openssh".into() }];
    let stamp = Stamp { stream: identity.stream, run: identity.run, modules };
    let mut group = Group::new(identity.run, base, base + 3);
    group.inputs = kept(1);
    group.blocks.push(block(&Arc::new(stamp), 1..2));
    journal.commit(&mut group, at(501)).unwrap();

    let (after, _) = events(home);
    let is_new = |id: &String| !promised.events.iter().any(|(_, known)| known == id);
    let (new, old): (Vec<_>, Vec<_>) = after.into_iter().partition(|(_, id)| is_new(id));
    assert_eq!(new.len(), 1, "{what}: an id that was there before");
    assert!(found.iter().all(|event| old.contains(event)), "{what}: {found:?} became {old:?}");
    assert!(old.iter().all(|(seq, _)| *seq < new[0].0), "{what}: a number was given twice");
    Ok(told)
}

/// A copy of all files but one, of which there is something else.
fn copy(home: &Path, files: &[(PathBuf, Vec<u8>)], other: &Path, bytes: Option<&[u8]>) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for (path, contents) in files {
        let contents = if path == other { bytes } else { Some(&**contents) };
        let path = copy.path().join(path.strip_prefix(home).unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        contents.into_iter().for_each(|contents| fs::write(&path, contents).unwrap());
    }
    copy
}

#[test]
fn a_flipped_bit_anywhere_costs_its_block_and_is_told() {
    let home = tempfile::tempdir().unwrap();
    let promised = whole(home.path());
    let files = contents(home.path());
    let lasts: Vec<_> = layout::rooms(home.path())
        .iter()
        .filter_map(|room| files::segments(room).unwrap().pop().map(|(_, path)| path))
        .collect();
    assert_eq!(verify(home.path()).unwrap().flaws.len(), 0);
    // All bytes of the long files take a while: `EVERY_BYTE=1 cargo test damage`.
    let step = if std::env::var_os("EVERY_BYTE").is_some() { 1 } else { 31 };
    for (path, whole) in files.iter().filter(|(path, _)| path.extension().is_none_or(|end| end != "new")) {
        let used = whole.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let known = events_of(path);
        let torn_from = if lasts.contains(path) { open_end(path) } else { whole.len() };
        let file = fs::File::options().write(true).open(path).unwrap();
        for place in (0..used).step_by(if used > FILE_HEADER * 8 { step } else { 1 }) {
            let mut bytes = whole.clone();
            bytes[place] ^= 1 << (place % 8);
            file.write_all_at(&bytes[place..=place], place as u64).unwrap();
            let what = format!("byte {place} of {}", path.display());

            let report = verify(home.path()).unwrap();
            let is_said = !report.flaws.is_empty() || place >= torn_from && !report.torn.is_empty();
            assert!(is_said, "nothing was said of {what}");

            let (found, _) = events(home.path());
            assert!(found.iter().all(|event| promised.events.contains(event)), "{what}");
            let hurt = |(block, _): &&(std::ops::Range<usize>, _)| {
                place < FILE_HEADER || block.contains(&place) || place >= torn_from && block.end > place
            };
            let may_lack: Vec<_> = known.iter().filter(hurt).flat_map(|(_, events)| events.clone()).collect();
            let lacks = promised.events.iter().filter(|event| !found.contains(event));
            lacks.for_each(|(seq, _)| assert!(may_lack.contains(seq), "{what} costs event {seq}"));

            // A start costs more to try; every byte of a snapshot and the identity, and some of the others.
            if place % (step * 5) == 0 || path.extension().is_none_or(|end| end == "snapshot") {
                let copy = copy(home.path(), &files, path, Some(&bytes));
                let told = goes_on(copy.path(), &promised, &what);
                assert_eq!(told.is_err(), path.ends_with("identity"), "{what}: {told:?}");
            }
            file.write_all_at(&whole[place..=place], place as u64).unwrap();
        }
    }
}

const FILE_HEADER: usize = crate::segment::FileHeader::SIZE;

#[test]
fn a_missing_file_costs_what_it_held_and_is_told() {
    let home = tempfile::tempdir().unwrap();
    let promised = whole(home.path());
    let files = contents(home.path());
    for (path, _) in files.iter().filter(|(path, _)| !path.ends_with("lock") && !path.ends_with("next.new")) {
        let what = format!("without {}", path.display());
        let copy = copy(home.path(), &files, path, None);
        let (found, _) = events(copy.path());
        let held: Vec<_> = events_of(path).into_iter().flat_map(|(_, events)| events).collect();
        let lacks: Vec<_> = promised.events.iter().filter(|event| !found.contains(event)).collect();
        assert!(lacks.iter().all(|(seq, _)| held.contains(seq)), "{what}: {lacks:?}");
        let report = verify(copy.path()).unwrap();
        let gone_on = goes_on(copy.path(), &promised, &what);
        if path.ends_with("identity") {
            assert!(gone_on.is_err() && !report.flaws.is_empty(), "{what}");
            continue;
        }
        let told = gone_on.unwrap();
        // Snapshots go in time, and so do the first segments: nobody misses what nobody needs any more.
        let is_needed =
            path.extension().is_none_or(|end| end != "snapshot") && !path.ends_with("0000000001.segment");
        assert!(!is_needed || !report.flaws.is_empty() || !told.is_empty(), "nothing was said {what}");
    }
}

/// All files of a directory with their contents.
fn contents(home: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut rooms = vec![home.to_owned()];
    while let Some(room) = rooms.pop() {
        for entry in std::fs::read_dir(room).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                rooms.push(path);
            } else {
                found.push((path.clone(), std::fs::read(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// Gives a file of segments a header of a later format, or its last block a tag of a later schema.
fn modernise(path: &Path, in_header: bool) {
    let mut bytes = std::fs::read(path).unwrap();
    let segment = Segment::open(path).unwrap();
    let last = segment.steps().iter().rev().find_map(|step| match step {
        Step::Block(entry) => Some(usize::try_from(entry.offset).unwrap()),
        Step::Damage(..) => None,
    });
    let (range, change) = if in_header { (0..92, 10) } else { (last.unwrap()..last.unwrap() + 44, 19) };
    bytes[range.start + change] = b'9';
    let checksum = crc32fast::hash(&bytes[range.clone()]);
    bytes[range.end..range.end + 4].copy_from_slice(&checksum.to_le_bytes());
    std::fs::write(path, &bytes).unwrap();
}

#[test]
fn a_newer_journal_is_refused_untouched() {
    for (room, in_header) in [(0, true), (0, false), (1, true), (1, false), (2, true), (2, false)] {
        let home = tempfile::tempdir().unwrap();
        run(home.path(), &FaultyDisk::default(), &mut Promised::default()).unwrap();
        let rooms = layout::rooms(home.path());
        let segments = files::segments(&rooms[room]).unwrap().into_iter().map(|(_, path)| path);
        let snapshots = files::snapshots(&rooms[room]).unwrap().into_iter().map(|(_, path)| path);
        let path = segments.chain(snapshots).last().unwrap();
        modernise(&path, in_header);
        let before = contents(home.path());
        let error = Identity::claim(home.path()).unwrap_err();
        let text = format!("{:#}", anyhow::Error::from(error));
        assert!(text.contains("newer") && text.contains(&*path.to_string_lossy()), "{text}");
        assert_eq!(contents(home.path()), before, "{text}");
    }
}
