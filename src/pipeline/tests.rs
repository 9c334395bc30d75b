//! Two runs with a real correlator over a disk on which each single operation fails in turn: what comes back is what an
//! uninterrupted fold of the committed inputs would have been, to the byte.

use super::Options;
use super::recovery::recover;
use super::rejects::Discard;
use super::worker::{Counts, Shared, observe};
use crate::batch::{Arrivals, Batch, FrameSpan, Origin, Sequenced};
use crate::correlate::{App, Correlator, End, ModuleOptions, Totals, hosts, sshd};
use crate::detect::{Detector, Observations};
use crate::event::{EventBlock, Stamp, StreamId, render};
use crate::journal::{
    self, EventReader, Group, Identity, Journal, JournalError, KeptInputs, Page, Settled, Snapshot, State,
};
use crate::segment::faulty::{Fault, FaultyDisk, Survives};
use crate::span::Span;
use crate::time::{Timestamp, Zone};
use bytes::Bytes;
use rkyv::util::AlignedVec;
use std::error::Error;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

const GROUPS: u64 = 5;

fn at(second: u64) -> Timestamp {
    Timestamp::EPOCH.plus(Duration::from_secs(second))
}

fn options(run: u32) -> Options {
    let module = ModuleOptions::Sshd(sshd::Options::default());
    let apps = vec![App { name: "fleet".into(), modules: vec![("openssh".into(), module)] }];
    let modules = Correlator::modules(&apps);
    let stamp = Arc::new(Stamp { stream: StreamId(7), run, modules });
    let (record_zones, other_zone, hosts) = (Vec::new(), Zone::UTC, hosts::Options::default());
    Options { workers: 1, apps, stamp, zone: Zone::UTC, record_zones, other_zone, hosts }
}

fn kept_by_journal() -> journal::Options {
    let (inputs_segment, events_segment) = (2 * 1024, 4 * 1024);
    let most = 14 * 1024;
    journal::Options { inputs_segment, events_segment, retention_size: most, ..journal::Options::default() }
}

/// A batch: a login, something that means nothing, and a failure or the login's end. So much time is between two of
/// them that timers fire.
fn batch(first: u64, time: u64) -> Sequenced {
    let text = |what: String| format!("<38>1 - web sshd {} - - {what}", 100 + time % 50);
    let last = match time % 3 {
        0 => format!("Failed password for root from 203.0.113.{} port 7 ssh2", time % 5),
        _ => format!("Disconnected from user u{0} 192.0.2.1 port {0}", time + 1024),
    };
    let login = format!("Accepted password for u{0} from 192.0.2.1 port {0} ssh2", time + 1024);
    let records = [text(login), text("nothing".into()), text(last)];
    let mut frames = Vec::new();
    let mut bytes = Vec::new();
    for record in records {
        let span = Span::new(u32::try_from(bytes.len()).unwrap(), u32::try_from(record.len()).unwrap());
        frames.push(FrameSpan { span, truncated: false });
        bytes.extend_from_slice(record.as_bytes());
    }
    let origin = Arc::new(Origin { listener: "lan".into(), peer: "192.0.2.9".into() });
    let batch = Batch { origin, bytes: Bytes::from(bytes), frames };
    Sequenced { slot: 0, first, arrivals: Arrivals::One(at(time * 200)), batch }
}

/// What a run was given, and whether that was promised to be durable.
#[derive(Clone, Debug)]
struct Fed {
    run: u32,
    base: u64,
    batches: Vec<Sequenced>,
    end: Option<Timestamp>,
    /// The position through which the journal has promised inputs.
    promised: u64,
    promised_end: bool,
}

/// A correlator, and what it takes to feed it.
struct Machine {
    shared: Shared,
    correlator: Correlator,
}

impl Machine {
    fn new(options: &Options, correlator: Correlator) -> Self {
        static DETECTOR: OnceLock<Arc<Detector>> = OnceLock::new();
        let new = || Arc::new(Detector::new(Correlator::interest(&options.apps)));
        let detector = Arc::clone(DETECTOR.get_or_init(new));
        let rejects = Arc::new(Discard);
        let rules = Arc::clone(&options.hosts.rules);
        let shared = Shared { detector, zones: Vec::new(), other_zone: Zone::UTC, rules, rejects };
        Self { shared, correlator: correlator.watching(options.hosts.clone()) }
    }

    fn fold(&mut self, sequenced: &Sequenced, events: &mut EventBlock, inputs: &mut KeptInputs) {
        let mut observations = Observations::default();
        let mut scratch = self.shared.detector.scratch();
        observe(&self.shared, &mut scratch, sequenced, &mut observations, &mut Counts::default());
        let fired = self.correlator.fold(sequenced, &observations, events);
        inputs.push(sequenced, self.correlator.kept(&observations), fired);
    }
}

fn state(correlator: &Correlator) -> Vec<u8> {
    let mut state = AlignedVec::new();
    correlator.save(&mut state).unwrap();
    state.into_vec()
}

fn lines(block: &EventBlock) -> impl Iterator<Item = String> + '_ {
    block.iter().map(|event| {
        let mut line = Vec::new();
        render::json(&mut line, event);
        String::from_utf8(line).unwrap()
    })
}

/// The state and the events of an uninterrupted fold through a position, with the end of its last run or without.
fn reference(fed: &[Fed], position: u64, with_end: bool) -> (Vec<u8>, Vec<String>) {
    let first = options(1);
    let mut machine = Machine::new(&first, Correlator::new(&first.apps, Zone::UTC));
    let mut told = Vec::new();
    for fed in fed {
        let through =
            |sequenced: &&Sequenced| fed.base + sequenced.first + sequenced.inputs() - 1 <= position;
        let batches: Vec<_> = fed.batches.iter().take_while(through).collect();
        if batches.is_empty() {
            continue;
        }
        machine.correlator.begin_run(fed.base);
        let mut events = EventBlock::new(options(fed.run).stamp);
        let inputs = &mut KeptInputs::default();
        batches.iter().for_each(|sequenced| machine.fold(sequenced, &mut events, inputs));
        let is_last = machine.correlator.position() == position;
        if let Some(end) = fed.end.filter(|_| !is_last || with_end) {
            machine.correlator.finish(End::At(end), Totals::default(), &mut events);
        }
        told.extend(lines(&events));
    }
    (state(&machine.correlator), told)
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

/// One run of a server, to its end or to where it cannot go on.
fn run(home: &Path, disk: &FaultyDisk, fed: &mut Vec<Fed>) -> Result<(), Box<dyn Error>> {
    let identity = Identity::claim_on(home, disk)?;
    let options = options(identity.run);
    let (mut journal, mut recovery) =
        Journal::open(home, &identity, kept_by_journal(), Arc::new(disk.clone()))?;
    let recovered = recover(&mut journal, &mut recovery, &options, None, at(0))?;
    let (base, run) = (recovery.base, identity.run);
    journal.enrol([("archive", true)]);
    insist(|| journal.begin_run(run, base, at(0)))?;
    insist(|| journal.replenish())?;
    let mut machine = Machine::new(&options, recovered.correlator);
    machine.correlator.begin_run(base);
    let batches = Vec::new();
    fed.push(Fed { run, base, batches, end: None, promised: 0, promised_end: false });
    let fed = fed.last_mut().unwrap();

    for number in 0..=GROUPS {
        let mut events = EventBlock::new(Arc::clone(&options.stamp));
        let mut group = Group::new(run, base, 0);
        if number < GROUPS {
            for half in 0..2 {
                let sequenced = batch((number * 2 + half) * 3 + 1, base + number * 2 + half);
                fed.batches.push(sequenced.clone());
                machine.fold(&sequenced, &mut events, &mut group.inputs);
            }
        } else {
            let end = at((base + GROUPS * 2) * 200);
            fed.end = Some(end);
            machine.correlator.finish(End::At(end), Totals::default(), &mut events);
            group.inputs.push_end(machine.correlator.last_number(), end);
        }
        group.through = machine.correlator.position();
        group.blocks.extend((!events.is_empty()).then(|| Arc::new(events)));
        insist(|| journal.commit(&mut group, at(number)))?;
        fed.promised = group.through;
        fed.promised_end = fed.end.is_some();

        let events = journal.standings()["archive"].cursor..journal.next();
        let (handler, state_now) = (Arc::from("archive"), State::Delivered);
        let settled =
            Settled { handler, events, state: state_now, attempts: 1, time: at(number), note: None };
        insist(|| journal.settle(std::slice::from_ref(&settled), at(number)))?;
        insist(|| journal.flush())?;
        insist(|| journal.replenish())?;
        if number % 3 == 1 {
            let mut saved = AlignedVec::new();
            machine.correlator.save(&mut saved)?;
            let position = machine.correlator.position();
            let snapshot = Snapshot { run, base, position, next: 0, state: Arc::new(saved) };
            insist(|| journal.snapshot(&snapshot, at(number)))?;
            insist(|| journal.prune(at(number)))?;
        }
    }
    insist(|| journal.stop(run, at(99)))?;
    Ok(())
}

/// What is there after all that was fed, however it ended.
fn check(home: &Path, fed: &[Fed], what: &str) {
    let disk = FaultyDisk::default();
    let identity = Identity::claim_on(home, &disk).unwrap();
    let (mut journal, mut recovery) =
        Journal::open(home, &identity, kept_by_journal(), Arc::new(disk.clone())).unwrap();
    let recovered = recover(&mut journal, &mut recovery, &options(identity.run), None, at(0)).unwrap();
    assert!(recovery.flaws.is_empty() && recovered.flaws.is_empty(), "{what}");
    assert_eq!(recovered.lost_state, None, "{what}");

    let position = recovered.correlator.position();
    let promised = fed.iter().map(|fed| fed.promised).max().unwrap_or_default();
    assert!(position >= promised, "{what}: {position} of {promised}");
    let promised_end = fed.iter().any(|fed| fed.promised == position && fed.promised_end);
    let mut reader = EventReader::open(home, 0).unwrap();
    let (mut first, mut found) = (None, Vec::new());
    while let Some(page) = reader.next_page().unwrap() {
        if let Page::Events { first: seq, block, .. } = page {
            first.get_or_insert(usize::try_from(seq).unwrap());
            found.extend(lines(&block));
        }
    }
    let ends = if promised_end { &[true][..] } else { &[true, false] };
    let fits = |with_end: &bool| {
        let (state, events) = reference(fed, position, *with_end);
        let there = events.get(first.unwrap_or(events.len())..).unwrap_or_default();
        state == self::state(&recovered.correlator) && there == found
    };
    assert!(ends.iter().any(fits), "{what}: not what an uninterrupted fold through {position} gives");
}

fn both(home: &Path, disk: &FaultyDisk, fed: &mut Vec<Fed>) -> Result<(), Box<dyn Error>> {
    run(home, disk, fed)?;
    run(home, disk, fed)
}

#[test]
fn whatever_operation_fails_the_state_is_that_of_an_uninterrupted_fold() {
    let whole = tempfile::tempdir().unwrap();
    let (disk, mut fed) = (FaultyDisk::default(), Vec::new());
    both(whole.path(), &disk, &mut fed).unwrap();
    check(whole.path(), &fed, "without a fault");
    let operations = disk.operations();
    // Each operation takes a while: `EVERY_FAULT=1 cargo test pipeline::tests`. Without it the faults share them.
    let step = if std::env::var_os("EVERY_FAULT").is_some() { 1 } else { 23 };
    for (offset, fault) in [Fault::Full, Fault::Error, Fault::Crash].into_iter().enumerate() {
        for (at, operation) in operations.iter().enumerate().skip(offset * step / 3).step_by(step) {
            let home = tempfile::tempdir().unwrap();
            let (disk, mut fed) = (FaultyDisk::failing(at, fault), Vec::new());
            let result = both(home.path(), &disk, &mut fed);
            let what = format!("{fault:?} at {at}, {operation:?}: {result:?}");
            assert!(fault == Fault::Full || result.is_err(), "{what}");
            disk.crash(if fault == Fault::Full { Survives::All } else { Survives::Some(at as u64) });
            check(home.path(), &fed, &what);
        }
    }
}
