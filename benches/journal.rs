//! The journal: what it costs to lay down a batch's events, and what of its inputs meant something, and to read both back.
//!
//! `cargo bench --profile dist --bench journal`
//!
//! Nothing waits for the disk: what that costs is the disk's affair, and `durability` measures it with a whole server.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "criterion's macro writes main; a bench fails by panicking"
)]

mod support {
    #[expect(dead_code, reason = "records are wanted here, and no stream of them")]
    pub(crate) mod load;
    pub(crate) mod observe;
}

use correlator::batch::{Arrivals, Batch, FrameSpan, Origin, Sequenced};
use correlator::correlate::{App, Correlator, ModuleOptions, sshd};
use correlator::detect::{Detector, Interest};
use correlator::event::{EventBlock, Stamp, StreamId};
use correlator::flood::SceneOptions;
use correlator::journal::{EventReader, Group, Identity, InputReader, Journal, KeptInputs, Options, Page};
use correlator::segment::{Disk, Storage, StorageFile};
use correlator::span::Span;
use correlator::time::{MICROS_PER_SECOND, Timestamp, Zone};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::io;
use std::path::Path;
use std::sync::Arc;
use support::observe::observed;
use tempfile::TempDir;

/// Records of which the inputs and events are; half of them are sshd's.
const RECORDS: usize = 200_000;
/// Records in one batch: what a busy read holds.
const BATCH: usize = 1_700;

/// A batch, which of its frames meant something, and what they raised.
struct Folded {
    batch: Sequenced,
    frames: Vec<u32>,
    fired: bool,
    events: Arc<EventBlock>,
}

/// What the correlator hands on of the generated load.
fn folded() -> Vec<Folded> {
    let apps = [App {
        name: "fleet".into(),
        modules: vec![("openssh".into(), ModuleOptions::Sshd(sshd::Options::default()))],
    }];
    let stamp = Arc::new(Stamp { stream: StreamId(1), run: 1, modules: Correlator::modules(&apps) });
    let mut correlator = Correlator::new(&apps, Zone::UTC);
    let detector = Detector::new(Interest { sshd: true, records: false });
    let mut scratch = detector.scratch();
    let origin = Arc::new(Origin { listener: "bench".into(), peer: "192.0.2.1".into() });
    let mut load = support::load::Load::of(SceneOptions::default());
    let start = Timestamp::from_civil(2026, 2, 1, 0, 0).as_micros();
    let mut folded = Vec::new();
    for first in (1..=RECORDS as u64).step_by(BATCH) {
        let (mut bytes, mut frames) = (Vec::new(), Vec::new());
        for _ in 0..BATCH {
            let at = u32::try_from(bytes.len()).unwrap();
            load.next(&mut bytes);
            let span = Span::new(at, u32::try_from(bytes.len()).unwrap() - at);
            frames.push(FrameSpan { span, truncated: false });
        }
        // As many in a second as the load says.
        let arrival = start + i64::try_from(first).unwrap() * MICROS_PER_SECOND / 5_000;
        let arrival = Timestamp::from_micros(arrival + MICROS_PER_SECOND);
        let observations = observed(&detector, &mut scratch, (&bytes, &frames), arrival);
        let batch = Batch { origin: Arc::clone(&origin), bytes: bytes.into(), frames };
        let slot = folded.len() as u64;
        let batch = Sequenced { slot, first, arrivals: Arrivals::One(arrival), batch };
        let mut events = EventBlock::new(Arc::clone(&stamp));
        let fired = correlator.fold(&batch, &observations, &mut events);
        let frames = correlator.kept(&observations).collect();
        folded.push(Folded { batch, frames, fired, events: Arc::new(events) });
    }
    folded
}

/// A disk that says at once that everything is durable.
#[derive(Debug)]
struct Hasty;

#[derive(Debug)]
struct HastyFile(Box<dyn StorageFile>);

impl Storage for Hasty {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        Disk.create_directory(path)
    }

    fn create(&self, path: &Path, size: u64) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(HastyFile(Disk.create(path, size)?)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(HastyFile(Disk.open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }

    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn free(&self, path: &Path) -> io::Result<u64> {
        Disk.free(path)
    }
}

impl StorageFile for HastyFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A new data directory, and its journal in its first run.
fn begun() -> (TempDir, Journal) {
    let home = tempfile::tempdir().unwrap();
    let identity = Identity::claim(home.path()).unwrap();
    let (mut journal, _) =
        Journal::open(home.path(), &identity, Options::default(), Arc::new(Hasty)).unwrap();
    journal.begin_run(1, 0, Timestamp::EPOCH).unwrap();
    (home, journal)
}

/// Commits each batch's inputs, its events, or both, as the journal's thread does; gives them back with their memory.
fn append(journal: &mut Journal, folded: &[Folded], (inputs, events): (bool, bool)) {
    let mut spare = KeptInputs::default();
    for Folded { batch, frames, fired, events: block } in folded {
        let mut group = Group::new(1, 0, batch.first + batch.inputs() - 1);
        group.inputs = spare;
        if inputs {
            group.inputs.push(batch, frames.iter().copied(), *fired);
        }
        if events {
            group.blocks.push(Arc::clone(block));
        }
        journal.commit(&mut group, batch.arrivals.last()).unwrap();
        spare = group.inputs;
        spare.clear();
    }
}

/// Reads all events; how many there are.
fn read_events(data: &Path) -> usize {
    let mut reader = EventReader::open(data, 0).unwrap();
    let mut count = 0;
    while let Some(page) = reader.next_page().unwrap() {
        let Page::Events { block, .. } = page else { panic!("{page:?}") };
        count += block.len();
    }
    count
}

/// Reads all inputs; how many there are.
fn read_inputs(data: &Path) -> usize {
    let mut reader = InputReader::open(data, 0).unwrap();
    let mut count = 0;
    while let Some(block) = reader.next_block().unwrap() {
        count += block.unwrap().inputs.len();
    }
    count
}

fn journal(criterion: &mut Criterion) {
    let folded = folded();
    let (home, mut written) = begun();
    append(&mut written, &folded, (true, true));
    let (inputs, events) = (read_inputs(home.path()), read_events(home.path()));
    let raised: usize = folded.iter().map(|folded| folded.events.len()).sum();
    assert!(inputs > RECORDS / 4 && events > RECORDS / 10 && events == raised, "{inputs} {events} {raised}");

    let mut group = criterion.benchmark_group("journal");
    group.sample_size(20);
    for (what, count, parts) in [("inputs", inputs, (true, false)), ("events", events, (false, true))] {
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("append {what}"), |bencher| {
            bencher.iter_batched(
                begun,
                |(home, mut journal)| {
                    append(&mut journal, &folded, parts);
                    (home, journal)
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.throughput(Throughput::Elements(inputs as u64));
    group.bench_function("read inputs", |bencher| bencher.iter(|| read_inputs(home.path())));
    group.throughput(Throughput::Elements(events as u64));
    group.bench_function("read events", |bencher| bencher.iter(|| read_events(home.path())));
    group.finish();
}

criterion_group!(benches, journal);
criterion_main!(benches);
