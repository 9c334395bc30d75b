//! What an event costs on its way out: as JSON, as a line, as a row of CSV; per event, in blocks of a thousand.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use correlator::event::render::{self, LocalTime, Paint};
use correlator::event::{EventBlock, Field, Head, Kind, ModuleName, Severity, Stamp, StreamId};
use correlator::handlers::{Environment, Selection, csv};
use correlator::time::{SystemClock, Timestamp, Zone};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

const EVENTS: u64 = 1_000;

/// Logins that ended, with the fields that a record-by-record correlation fills.
fn logins() -> EventBlock {
    let module = ModuleName { app: "ssh-report".into(), module: "openssh".into() };
    let stamp = Stamp { stream: StreamId(0x1234_5678_9abc_def0), run: 3, modules: vec![module] };
    let mut block = EventBlock::new(Arc::new(stamp));
    for number in 0..EVENTS {
        let start = Timestamp::from_civil(2026, 2, 1, 36_000, 123_456 + number as i64);
        let finish = start.plus(Duration::from_micros(4_250_123));
        let (kind, severity) = (Kind::SSHDLoginSucceeded, Severity::Info);
        let head = Head { number: 1_000_000 + number, ordinal: 0, module: 0, kind, severity, time: finish };
        block
            .push(head)
            .text(Field::User, b"alice")
            .text(Field::Auth, b"publickey")
            .text(Field::Host, b"web-17.example.com")
            .addr(Field::Addr, [203, 0, 113, 9].into())
            .count(Field::Port, 50_000 + number)
            .count(Field::Pid, 4_711)
            .text(Field::KeyType, b"ED25519")
            .text(Field::Fingerprint, b"SHA256:jR9xV2mAbcdefghijklmnopqrstuvwxyz0123456789")
            .count(Field::Failures, 0)
            .time(Field::Start, start)
            .time(Field::Finish, finish)
            .duration(Field::Duration, finish.since(start))
            .text(Field::EndReason, b"disconnect")
            .evidence([number, number + 10, number + 20]);
    }
    block
}

fn bench(criterion: &mut Criterion) {
    let block = Arc::new(logins());
    let berlin = Zone::named("Europe/Berlin").unwrap();
    let mut group = criterion.benchmark_group("render");
    group.throughput(Throughput::Elements(EVENTS));
    let mut out = Vec::new();
    group.bench_function("json", |bencher| {
        bencher.iter(|| {
            out.clear();
            block.iter().for_each(|event| render::json(&mut out, event));
            black_box(out.len())
        });
    });
    group.bench_function("summary", |bencher| {
        bencher.iter(|| {
            out.clear();
            block.iter().for_each(|event| render::summary(&mut out, event));
            black_box(out.len())
        });
    });
    let mut times = LocalTime::new(berlin.clone());
    group.bench_function("line", |bencher| {
        bencher.iter(|| {
            out.clear();
            block.iter().for_each(|event| render::line(&mut out, event, &mut times, Paint::Plain));
            black_box(out.len())
        });
    });
    let directory = tempfile::tempdir().unwrap();
    let environment = Environment::new(Arc::new(SystemClock), berlin, directory.path());
    // Rotation at a size keeps the bench from filling the disk.
    let options = csv::Options { rotate: csv::Rotate::Size(64 << 20), keep: 0, ..csv::Options::default() };
    let mut handler = csv::build(options, &environment).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let all = Selection::all(Arc::clone(&block));
    group.bench_function("csv", |bencher| {
        bencher.iter(|| runtime.block_on(handler.deliver(black_box(&all))));
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
