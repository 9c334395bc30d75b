//! What a filter costs: per event, in blocks of a thousand; and once, when it is loaded.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use correlator::dispatch::Filter;
use correlator::event::{EventBlock, Field, Head, Kind, ModuleName, Severity, Stamp, StreamId};
use correlator::time::Timestamp;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

const EVENTS: u64 = 1_000;

const FILTERS: [(&str, &str); 4] = [
    ("one comparison", "severity >= WARNING"),
    ("three clauses", "severity >= INFO && fields.user == 'alice' && fields.duration > duration('1s')"),
    ("network", "in_net(fields.addr, ['10.0.0.0/8', '203.0.113.0/24'])"),
    ("pattern", "fields.user.matches('^(ali|bo)')"),
];

fn logins() -> EventBlock {
    let module = ModuleName { app: "ssh-report".into(), module: "openssh".into() };
    let mut block = EventBlock::new(Arc::new(Stamp { stream: StreamId(1), run: 1, modules: vec![module] }));
    for number in 0..EVENTS {
        let (kind, severity) = (Kind::SSHDLoginSucceeded, Severity::Info);
        let time = Timestamp::from_civil(2026, 2, 1, 36_000, 0);
        block
            .push(Head { number, ordinal: 0, module: 0, kind, severity, time })
            .text(Field::User, b"alice")
            .text(Field::Host, b"web-17.example.com")
            .addr(Field::Addr, [203, 0, 113, 9].into())
            .count(Field::Port, 50_000)
            .duration(Field::Duration, Duration::from_secs(4));
    }
    block
}

fn bench(criterion: &mut Criterion) {
    let block = logins();
    let mut group = criterion.benchmark_group("filter");
    group.throughput(Throughput::Elements(EVENTS));
    for (name, source) in FILTERS {
        let filter = Filter::compile(source).unwrap();
        group.bench_function(name, |bencher| {
            bencher.iter(|| block.iter().filter(|event| filter.wants(black_box(*event))).count());
        });
    }
    group.throughput(Throughput::Elements(1));
    let (_, three_clauses) = FILTERS[1];
    group.bench_function("load", |bencher| bencher.iter(|| Filter::compile(black_box(three_clauses))));
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
