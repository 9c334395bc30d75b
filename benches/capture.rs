//! Captures: what recording a batch costs, and what reading it back does.
//!
//! `cargo bench --profile dist --bench capture`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a bench that fails should fail loudly"
)]

mod support {
    pub(crate) mod load;
}

use correlator::batch::{Arrivals, Batch, FrameSpan, Origin, Sequenced};
use correlator::capture::{Identity, Options, Reader, Writer};
use correlator::event::StreamId;
use correlator::flood::SceneOptions;
use correlator::ingest::file::{Input, Options as FileOptions};
use correlator::limits;
use correlator::time::Timestamp;
use correlator::wire::framing::{self, Framer};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

const RECORDS: usize = 400_000;

/// The load as it would be read from a connection.
fn batches(stream: Vec<u8>) -> Vec<Sequenced> {
    let stream = bytes::Bytes::from(stream);
    let origin = Arc::new(Origin { listener: "bench".into(), peer: "192.0.2.1".into() });
    let mut framer = Framer::new(framing::Options::default());
    let (mut at, mut first, mut found) = (0, 1, Vec::new());
    loop {
        let end = stream.len().min(at + limits::READ_SIZE);
        let mut frames: Vec<FrameSpan> = Vec::new();
        let consumed =
            framer.advance(stream.get(at..end).unwrap(), &mut frames, limits::MAX_BATCH_FRAMES).unwrap();
        if frames.is_empty() {
            return found;
        }
        let arrivals = Arrivals::One(Timestamp::from_micros(i64::try_from(first).unwrap()));
        let batch = Batch { origin: Arc::clone(&origin), bytes: stream.slice(at..end), frames };
        let sequenced = Sequenced { slot: found.len() as u64, first, arrivals, batch };
        first += sequenced.inputs();
        at += consumed;
        found.push(sequenced);
    }
}

fn write(path: &Path, batches: &[Sequenced]) {
    let identity = Identity { stream: StreamId(1), run: 1, created: Timestamp::EPOCH };
    let mut writer = Writer::create(path, identity, Options::default()).unwrap();
    for batch in batches {
        writer.append(batch).unwrap();
    }
    writer.finish(None).unwrap();
}

/// Reads all of it and touches each span.
fn scan(path: &Path) -> usize {
    Reader::open(path).unwrap().map(|batch| count(&batch.unwrap())).sum()
}

fn count(batch: &Sequenced) -> usize {
    batch.batch.frames.iter().map(|frame| black_box(frame.span).len as usize).sum()
}

fn captures(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().unwrap();
    let stream = support::load::Load::of(SceneOptions::default()).stream(RECORDS);
    let raw = directory.path().join("raw");
    std::fs::write(&raw, &stream).unwrap();
    let batches = batches(stream);
    let sound = directory.path().join("sound.cap");
    write(&sound, &batches);

    let mut group = criterion.benchmark_group("capture");
    group.throughput(Throughput::Elements(RECORDS as u64)).sample_size(20);
    let fresh = directory.path().join("fresh.cap");
    group.bench_function("write", |bencher| {
        bencher.iter_batched(
            || drop(std::fs::remove_file(&fresh)),
            |()| write(&fresh, &batches),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("scan", |bencher| bencher.iter(|| scan(&sound)));
    group.bench_function("plain", |bencher| {
        bencher.iter(|| {
            let input = Input::open(&raw, &FileOptions::default()).unwrap();
            input.map(|batch| count(&batch.unwrap())).sum::<usize>()
        });
    });
    group.finish();
}

criterion_group!(benches, captures);
criterion_main!(benches);
