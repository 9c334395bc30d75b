//! What must hold of every data directory that a server starts on, whatever is in one of its files; shared with the fuzz
//! target.
//!
//! The directory is the golden one, with something else for one file: as it is, and once more with its checksums made to
//! match. It is verified, read, recovered as a server does at its start, and gone on with.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: it fails by panicking"
)]

use super::seal::sealed;
use correlator::correlate::{App, Correlator, ModuleOptions, hosts, sshd};
use correlator::event::{EventBlock, Head, Kind, Stamp};
use correlator::journal::{
    EventReader, Group, Identity, InputReader, Journal, Options, Page, Recovered, evidence, verify,
};
use correlator::pipeline::{self, recover};
use correlator::segment::Disk;
use correlator::time::{Timestamp, Zone};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// A file of a data directory, with what the golden one holds, and the kind of segment that it is.
pub(crate) struct Part {
    pub(crate) path: &'static str,
    pub(crate) golden: &'static [u8],
    kind: Option<[u8; 4]>,
}

/// The files of the golden data directory.
pub(crate) const PARTS: [Part; 4] = [
    Part {
        path: "journal/events/0000000001.segment",
        golden: include_bytes!("../golden/data-3/journal/events/0000000001.segment"),
        kind: Some(*b"EVTS"),
    },
    Part {
        path: "journal/inputs/0000000001.segment",
        golden: include_bytes!("../golden/data-3/journal/inputs/0000000001.segment"),
        kind: Some(*b"INPT"),
    },
    Part {
        path: "journal/snapshots/00000000000000000006.snapshot",
        golden: include_bytes!("../golden/data-3/journal/snapshots/00000000000000000006.snapshot"),
        kind: Some(*b"SNAP"),
    },
    Part { path: "identity", golden: include_bytes!("../golden/data-3/identity"), kind: None },
];

/// Long enough for the golden files, and not longer, so that this is quick.
const SEGMENT: u64 = 64 * 1024;

/// Starts on a directory of which one file holds other bytes, and once more with them sealed.
pub(crate) fn check(home: &Path, part: &Part, bytes: &[u8]) {
    start_on(home, part, bytes);
    if let Some(kind) = part.kind {
        start_on(home, part, &sealed(bytes, kind));
    }
}

fn start_on(home: &Path, changed: &Part, bytes: &[u8]) {
    fs::remove_dir_all(home).ok();
    for part in &PARTS {
        let path = home.join(part.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, if part.path == changed.path { bytes } else { part.golden }).unwrap();
    }
    verify(home).unwrap();
    let before = events(home);
    inputs(home, bytes.len().max(SEGMENT.try_into().unwrap()));
    evidence(home, &[1, 2, 7, u64::MAX]).unwrap();
    // What is not as any version wrote it, or is of a newer one, is refused.
    let Ok(identity) = Identity::claim(home) else { return };
    let id = go_on(home, &identity);
    let after = events(home);
    assert!(before.iter().all(|event| after.contains(event)), "{before:?} became {after:?}");
    if let Some(id) = id {
        assert_eq!(after.iter().filter(|(_, found)| *found == id).count(), 1, "{id} in {after:?}");
    }
    verify(home).unwrap();
}

/// Recovers and begins a run as a server does, and commits an event; its id, unless numbers are used up.
fn go_on(home: &Path, identity: &Identity) -> Option<String> {
    let options = Options { inputs_segment: SEGMENT, events_segment: SEGMENT, ..Options::default() };
    let now = Timestamp::from_civil(2026, 11, 26, 0, 0);
    let (mut journal, mut recovery) = Journal::open(home, identity, options, Arc::new(Disk)).ok()?;
    let apps = vec![App {
        name: "sshd".into(),
        modules: vec![("openssh".into(), ModuleOptions::Sshd(sshd::Options::default()))],
    }];
    let modules = Correlator::modules(&apps);
    let stamp = Arc::new(Stamp { stream: identity.stream, run: identity.run, modules });
    let how = pipeline::Options {
        workers: 0,
        apps,
        stamp: Arc::clone(&stamp),
        zone: Zone::UTC,
        record_zones: Vec::new(),
        other_zone: Zone::UTC,
        hosts: hosts::Options::default(),
    };
    recover(&mut journal, &mut recovery, &how, None, now).unwrap();
    journal.enrol([("archive", true)]);
    journal.begin_run(identity.run, recovery.base, now).unwrap();
    let mut block = EventBlock::new(stamp);
    let kind = Kind::ServerStats;
    block.push(Head { number: 1, ordinal: 0, module: 0, kind, severity: kind.spec().severity, time: now });
    let id = block.get(0).unwrap().id().to_string();
    let mut group = Group::new(identity.run, recovery.base, recovery.base.checked_add(1)?);
    group.blocks.push(Arc::new(block));
    journal.commit(&mut group, now).unwrap();
    journal.stop(identity.run, now).unwrap();
    Some(id)
}

/// All events that can be read, by number and id.
fn events(home: &Path) -> Vec<(u64, String)> {
    let mut reader = EventReader::open(home, 0).unwrap();
    let mut found = Vec::new();
    while let Some(page) = reader.next_page().unwrap() {
        if let Page::Events { first, block, .. } = page {
            for (place, event) in (0..).zip(block.iter()) {
                found.push((first.saturating_add(place), event.id().to_string()));
            }
        }
    }
    found
}

/// Reads all inputs, of which a file of so many bytes cannot hold more than these.
fn inputs(home: &Path, bytes: usize) {
    let mut reader = InputReader::open(home, 0).unwrap();
    while let Some(block) = reader.next_block().unwrap() {
        let Ok(block) = block else { continue };
        assert!(block.inputs.len() <= bytes, "{} inputs of {bytes} bytes", block.inputs.len());
        for input in &block.inputs {
            let Recovered::Input(input) = input else { continue };
            for frame in &input.batch.frames {
                assert_eq!(frame.span.of(&input.batch.bytes).len(), frame.span.len as usize);
            }
        }
    }
}
