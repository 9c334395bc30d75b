//! A journal over a disk on which each single operation fails in turn.

mod damage;
mod regressions;

use super::*;
use crate::batch::{Arrivals, Batch, FrameSpan, Origin, Sequenced};
use crate::event::{Event, EventBlock, Field, Head, Kind, ModuleName, Severity, Stamp};
use crate::segment::faulty::{Fault, FaultyDisk, Operation, Survives};
use crate::span::Span;
use crate::time::Timestamp;
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Segments so small that a run has several, and some of them go.
fn options() -> Options {
    let (inputs_segment, events_segment) = (2 * 1024, 3 * 1024);
    Options { inputs_segment, events_segment, retention_size: 10 * 1024, ..Options::default() }
}

pub(super) fn at(second: u64) -> Timestamp {
    Timestamp::EPOCH.plus(Duration::from_secs(second))
}

pub(super) fn block(stamp: &Arc<Stamp>, numbers: std::ops::Range<u64>) -> Arc<EventBlock> {
    let mut block = EventBlock::new(Arc::clone(stamp));
    for number in numbers {
        let (kind, severity) = (Kind::SSHDLoginFailed, Severity::Notice);
        let head = Head { number, ordinal: 0, module: 0, kind, severity, time: at(number) };
        block.push(head).text(Field::User, format!("user {number}").as_bytes()).evidence([number]);
    }
    Arc::new(block)
}

/// A batch of three frames, of which the first and the last meant something.
fn kept(first: u64) -> KeptInputs {
    let text = format!("{first:<10}{:<10}{:<10}", "nothing", first + 2);
    let frames = (0..3).map(|index| FrameSpan { span: Span::new(index * 10, 10), truncated: index == 2 });
    let origin = Arc::new(Origin { listener: "lan".into(), peer: "192.0.2.1".into() });
    let batch = Batch { origin, bytes: Bytes::from(text), frames: frames.collect() };
    let sequenced = Sequenced { slot: 0, first, arrivals: Arrivals::One(at(first)), batch };
    let mut inputs = KeptInputs::default();
    inputs.push(&sequenced, [0, 2].into_iter(), first.is_multiple_of(2));
    inputs
}

/// What a run has been promised.
#[derive(Debug, Default)]
struct Promised {
    /// Events, by sequence number.
    events: Vec<(u64, String)>,
    /// The position through which inputs are durable.
    through: u64,
    /// Whether the run was ended.
    stopped: bool,
}

/// A log that was read as far as the inputs go, and a file that is there in every second group only.
fn marks(number: u64, through: u64) -> [Mark; 2] {
    let mark = |path: &str, inode, offset: Option<u64>| {
        let id = FileId { device: 1, inode };
        let place = offset.map(|offset| Place { offset, known: 9, hash: u64::MAX, mid_line: true });
        Mark { path: path.into(), id, place }
    };
    [mark("/log", 1, Some(through)), mark("/other", 2, number.is_multiple_of(2).then_some(0))]
}

const GROUPS: u64 = 9;

/// How a run goes.
#[derive(Clone, Copy, Debug)]
struct Script {
    groups: u64,
    options: Options,
    /// Whether the handler does.
    keeps_up: bool,
}

/// Tries again for as long as the disk is full.
fn insist<T>(mut action: impl FnMut() -> Result<T, JournalError>) -> Result<T, JournalError> {
    loop {
        match action() {
            Err(error) if error.is_full() => {}
            result => return result,
        }
    }
}

/// A run: groups of inputs and events, deliveries, snapshots, retention.
fn run(home: &Path, disk: &FaultyDisk, promised: &mut Promised) -> Result<(), Box<dyn std::error::Error>> {
    run_with(home, disk, promised, Script { groups: GROUPS, options: options(), keeps_up: true })
}

fn run_with(
    home: &Path,
    disk: &FaultyDisk,
    promised: &mut Promised,
    script: Script,
) -> Result<(), Box<dyn std::error::Error>> {
    let identity = Identity::claim_on(home, disk)?;
    let open = || Journal::open(home, &identity, script.options, Arc::new(disk.clone()));
    let (mut journal, recovery) = match open() {
        Err(StartError::Write(error)) if error.is_full() => open()?,
        opened => opened?,
    };
    let result = work(&mut journal, &identity, (recovery.base, script), promised);
    if let Err(JournalError::Lost { .. }) = &result {
        let mut group = Group::new(identity.run, recovery.base, u64::MAX);
        group.inputs = kept(1_000_000);
        let again = journal.commit(&mut group, at(0));
        assert!(matches!(again, Err(JournalError::Lost { .. })), "it goes on: {again:?} after {result:?}");
        assert!(matches!(journal.stop(identity.run, at(0)), Err(JournalError::Lost { .. })));
    }
    Ok(result?)
}

fn work(
    journal: &mut Journal,
    identity: &Identity,
    (base, script): (u64, Script),
    promised: &mut Promised,
) -> Result<(), JournalError> {
    let modules = vec![ModuleName { app: "fleet".into(), module: "openssh".into() }];
    let stamp = Arc::new(Stamp { stream: identity.stream, run: identity.run, modules });
    journal.enrol([("archive", false)]);
    insist(|| journal.begin_run(identity.run, base, at(0)))?;
    insist(|| journal.replenish())?;
    for number in 0..script.groups {
        let first = number * 3 + 1;
        let mut group = Group::new(identity.run, base, base + first + 2);
        group.inputs = kept(first);
        group.marks.extend(marks(number, group.through));
        group.blocks.extend([block(&stamp, first..first + 2), block(&stamp, first + 2..first + 3)]);
        insist(|| journal.commit(&mut group, at(first)))?;
        promised.through = base + first + 2;
        for (seq, block) in group.committed() {
            promised.events.extend((seq..).zip(block.iter().map(id)));
        }
        // The handler is an event behind, or falls back by one with each group.
        let cursor = journal.standings()["archive"].cursor;
        let events = cursor..if script.keeps_up { journal.next() - 1 } else { cursor + 2 };
        let (handler, state) = (Arc::from("archive"), State::Delivered);
        let settled = [Settled { handler, events, state, attempts: 1, time: at(first), note: None }];
        insist(|| journal.settle(&settled, at(first)))?;
        if number % 3 == 2 {
            let mut state = rkyv::util::AlignedVec::new();
            state.extend_from_slice(format!("state at {}", base + first + 2).as_bytes());
            let snapshot = Snapshot {
                run: identity.run,
                base,
                position: base + first + 2,
                next: 0,
                state: Arc::new(state),
            };
            insist(|| journal.snapshot(&snapshot, at(first)))?;
            insist(|| journal.prune(at(first)))?;
        }
        insist(|| journal.flush())?;
        insist(|| journal.replenish())?;
    }
    insist(|| journal.stop(identity.run, at(script.groups * 3)))?;
    promised.stopped = true;
    Ok(())
}

/// A run without a fault; the position of its last input.
pub(super) fn run_of_groups(home: &Path) -> u64 {
    let mut promised = Promised::default();
    let options = Options { retention_size: u64::MAX, ..options() };
    let script = Script { groups: 12, options, keeps_up: false };
    run_with(home, &FaultyDisk::default(), &mut promised, script).unwrap();
    promised.through
}

fn id(event: Event<'_>) -> String {
    event.id().to_string()
}

fn events(home: &Path) -> (Vec<(u64, String)>, Vec<String>) {
    let mut reader = EventReader::open(home, 0).unwrap();
    let (mut events, mut flaws) = (Vec::new(), Vec::new());
    while let Some(page) = reader.next_page().unwrap() {
        match page {
            Page::Events { first, block, .. } => events.extend((first..).zip(block.iter().map(id))),
            Page::Settled(_) => {}
            Page::Flaw(flaw) => flaws.push(flaw.to_string()),
        }
    }
    (events, flaws)
}

/// What a data directory must hold after a run that was promised this.
fn check(home: &Path, promised: &Promised, what: &str) {
    let disk = FaultyDisk::default();
    let identity = Identity::claim_on(home, &disk).unwrap();
    let (mut journal, mut recovery) =
        Journal::open(home, &identity, options(), Arc::new(disk.clone())).unwrap();
    assert_eq!(recovery.flaws.len(), 0, "{what}: {:?}", recovery.flaws);
    assert!(recovery.stopped || !promised.stopped, "{what}");
    assert!(recovery.base >= promised.through, "{what}: {} < {}", recovery.base, promised.through);

    let report = verify(home).unwrap();
    assert!(report.flaws.is_empty(), "{what}: {:?}", report.flaws);
    let (found, flaws) = events(home);
    assert!(flaws.is_empty(), "{what}: {flaws:?}");
    let first = found.first().map_or(0, |(seq, _)| *seq);
    let skip = usize::try_from(first).unwrap();
    let kept = promised.events.get(skip..).unwrap_or_default();
    assert!(found.starts_with(kept), "{what}: {} of {}", found.len(), promised.events.len());
    assert!(found.iter().map(|(seq, _)| *seq).eq(first..first + found.len() as u64), "{what}: no gap");
    assert_eq!(journal.next(), first + found.len() as u64, "{what}");
    let cursor = journal.standings().get("archive").map_or(0, |standing| standing.cursor);
    assert!(first <= cursor, "{what}: what is still to be delivered is gone");

    let mut last = recovery.snapshot.as_ref().map_or(0, |snapshot| snapshot.position);
    if let Some(snapshot) = &recovery.snapshot {
        assert_eq!(snapshot.state.as_slice(), format!("state at {last}").as_bytes(), "{what}");
    }
    let mut was_tick = false;
    while let Some(block) = recovery.inputs.next_block().unwrap() {
        let block = block.unwrap();
        for input in &block.inputs {
            let Recovered::Input(input) = input else { panic!("{what}: an end") };
            let position = block.base + input.first;
            // What fires timers has the number of the first frame that came with it.
            assert!(position > last || (position == last && was_tick), "{what}: {position} after {last}");
            (last, was_tick) = (position, input.is_tick());
            if let Some(frame) = input.batch.frames.first() {
                let text = format!("{:<10}", input.first);
                assert_eq!(frame.span.of(&input.batch.bytes), text.as_bytes(), "{what}");
            }
        }
    }
    assert!(last >= promised.through, "{what}: inputs to {last} of {}", promised.through);

    // How far a file was read is as far as its inputs are there, and no further.
    let log = recovery.marks.iter().find(|mark| mark.path == Path::new("/log"));
    assert_eq!(log.map_or(0, |mark| mark.place.unwrap().offset), recovery.base, "{what}");
    let number = recovery.base.saturating_sub(1) / 3;
    let expected = marks(number, recovery.base).into_iter().filter(|mark| mark.place.is_some());
    assert!(
        recovery.base == 0 || expected.eq(recovery.marks.iter().cloned()),
        "{what}: {:?}",
        recovery.marks
    );

    // It goes on where it was.
    journal.enrol([("archive", false)]);
    if let Some(standing) = journal.standings().get("archive") {
        assert!(standing.is_balanced(journal.next()), "{what}: {standing:?}");
    }
    journal.begin_run(identity.run, recovery.base, at(500)).unwrap();
    let stamp = Stamp { stream: identity.stream, run: identity.run, modules: Vec::new() };
    let mut group = Group::new(identity.run, recovery.base, recovery.base + 1);
    group.blocks.push(block(&Arc::new(stamp), 1..2));
    journal.commit(&mut group, at(501)).unwrap();
    assert_eq!(events(home).0.len(), found.len() + 1, "{what}");
}

#[test]
fn whatever_operation_fails_nothing_promised_is_lost() {
    let whole = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let mut promised = Promised::default();
    run(whole.path(), &disk, &mut promised).unwrap();
    check(whole.path(), &promised, "without a fault");
    let operations = disk.operations();
    use Operation::{Create, CreateDirectory, Open, Remove, Rename, Sync, SyncDirectory, Write};
    for operation in [Create, CreateDirectory, Open, Remove, Rename, Sync, SyncDirectory, Write] {
        assert!(operations.contains(&operation), "a run without {operation:?} is none");
    }
    let segments = files::segments(&layout::rooms(whole.path())[1]).unwrap();
    assert!(segments[0].0 > 1 && segments.len() > 1, "nothing was removed: {segments:?}");

    for fault in Fault::ALL {
        for (at, operation) in operations.iter().enumerate() {
            let only_writes = matches!(fault, Fault::Short | Fault::ShortFull);
            if only_writes && *operation != Write {
                continue;
            }
            let some = Survives::Some(at as u64);
            let takes_all = fault == Fault::Crash || std::env::var_os("EVERY_FAULT").is_some();
            let all = [some, Survives::All, Survives::Nothing];
            for survives in all.into_iter().take(if takes_all { 3 } else { 1 }) {
                let home = tempfile::tempdir().unwrap();
                let disk = FaultyDisk::failing(at, fault);
                let mut promised = Promised::default();
                let result = run(home.path(), &disk, &mut promised);
                let what = format!("{fault:?} at {at}, {operation:?}, {survives:?}: {result:?}");
                assert!(disk.has_failed(), "{what}");
                match fault {
                    // A sync that fails is never tried again, whatever the reason; what makes room for something is.
                    Fault::Full | Fault::ShortFull => {
                        let for_room = !matches!(operation, Sync | SyncDirectory);
                        let in_journal = result.as_ref().err().is_none_or(|e| !e.is::<IdentityError>());
                        assert!(result.is_ok() || !for_room || !in_journal, "{what}");
                    }
                    Fault::Short | Fault::Error | Fault::Crash => assert!(result.is_err(), "{what}"),
                }
                disk.crash(survives);
                check(home.path(), &promised, &what);
            }
        }
    }
}
