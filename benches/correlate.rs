//! What correlation costs: one observation of a fleet's usual day, and one of a storm from 5,000 addresses.
//!
//! Only the fold is measured, of a correlator that has run for a while; the observations are made before, from the text
//! of records. Two fifths of the usual day's observations raise an event, and a third of the storm's.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "criterion's macro writes main; a bench fails by panicking"
)]

mod support {
    pub(crate) mod observe;
}

use bytes::Bytes;
use correlator::batch::{Arrivals, Batch, FrameSpan, Origin, Sequenced};
use correlator::correlate::{App, Correlator, ModuleOptions, sshd};
use correlator::detect::{Detector, Interest, Observations};
use correlator::event::{EventBlock, Stamp, StreamId};
use correlator::span::Span;
use correlator::time::{MICROS_PER_SECOND, Timestamp, Zone};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::observe::observed;

const NOON: Timestamp = Timestamp::from_civil(2026, 3, 1, 43_200, 0);
/// Observations that one iteration folds.
const OBSERVATIONS: usize = 100_000;
/// Records in one batch: what a busy read holds.
const BATCH: usize = 1_000;

/// A process and what it says.
type Said = (u32, String);

/// A login that ends, as 9.2 logs it, with one failure before it in every fourth.
fn login(index: u32, said: &mut Vec<Said>) {
    let (m, c) = (2 * index + 100, 2 * index + 101);
    let addr = Ipv4Addr::from(0x0A00_0000 + index % 2_000);
    let (port, user) = (1024 + index % 60_000, index % 2_000);
    if index.is_multiple_of(4) {
        said.push((m, format!("Failed password for user{user} from {addr} port {port} ssh2")));
    }
    said.push((m, format!("Accepted password for user{user} from {addr} port {port} ssh2")));
    said.push((
        m,
        format!("pam_unix(sshd:session): session opened for user user{user}(uid=1000) by (uid=0)"),
    ));
    said.push((c, format!("Received disconnect from {addr} port {port}:11: disconnected by user")));
    said.push((c, format!("Disconnected from user user{user} {addr} port {port}")));
    said.push((m, format!("pam_unix(sshd:session): session closed for user user{user}")));
}

/// A guess at a password of a user that does not exist, from one of 5,000 addresses.
fn guess(index: u32, said: &mut Vec<Said>) {
    let m = index + 100;
    let addr = Ipv4Addr::from(0xC633_0000 + index.wrapping_mul(2_654_435_761) % 5_000);
    let (port, user) = (1024 + index % 60_000, index.wrapping_mul(40_503) % 1_000);
    said.push((m, format!("Invalid user name{user} from {addr} port {port}")));
    said.push((m, format!("Failed password for invalid user name{user} from {addr} port {port} ssh2")));
    said.push((m, format!("Connection closed by invalid user name{user} {addr} port {port} [preauth]")));
}

/// Batches of what is said by `say`, at 10,000 records a second from 50 hosts.
fn batches(say: impl Fn(u32, &mut Vec<Said>)) -> Vec<(Sequenced, Observations)> {
    let detector = Detector::new(Interest { sshd: true, records: false });
    let mut scratch = detector.scratch();
    let mut said = Vec::new();
    let mut records = Vec::new();
    for index in 0_u32.. {
        if records.len() >= OBSERVATIONS {
            break;
        }
        say(index, &mut said);
        let host = index % 50;
        records.extend(said.drain(..).map(|(pid, message)| (host, pid, message)));
    }
    // As many connections as a busy fleet has at once are told of in turns.
    let mut turns: Vec<Vec<_>> = (0..64).map(|_| Vec::new()).collect();
    for (at, chunk) in records[..OBSERVATIONS].chunk_by(|a, b| a.1 / 2 == b.1 / 2 && a.0 == b.0).enumerate() {
        turns[at % 64].extend(chunk);
    }
    let mut turns: Vec<_> = turns.into_iter().map(Vec::into_iter).collect();
    let records: Vec<_> = (0..OBSERVATIONS * 2).filter_map(|turn| turns[turn % 64].next()).collect();
    let origin = Arc::new(Origin { listener: "tcp".into(), peer: "192.0.2.1".into() });
    let mut first = 1;
    let mut batches = Vec::new();
    for records in records.chunks(BATCH) {
        let now = i64::try_from(first).unwrap() * MICROS_PER_SECOND / 10_000;
        let arrival = Timestamp::from_micros(NOON.as_micros() + now);
        let (mut bytes, mut frames) = (Vec::new(), Vec::new());
        for (host, pid, message) in records {
            let start = u32::try_from(bytes.len()).unwrap();
            bytes
                .extend_from_slice(format!("<38>1 {arrival} host{host} sshd {pid} - - {message}").as_bytes());
            let len = u32::try_from(bytes.len()).unwrap() - start;
            frames.push(FrameSpan { span: Span::new(start, len), truncated: false });
        }
        let bytes = Bytes::from(bytes);
        let observations = observed(&detector, &mut scratch, (&bytes, &frames), arrival);
        let (inputs, slot) = (frames.len() as u64, batches.len() as u64);
        let batch = Batch { origin: Arc::clone(&origin), bytes, frames };
        batches.push((Sequenced { slot, first, arrivals: Arrivals::One(arrival), batch }, observations));
        first += inputs;
    }
    batches
}

/// Moves everything on by two minutes, by which all connections are over and forgotten.
fn later(batches: &mut [(Sequenced, Observations)]) {
    let by = Duration::from_secs(120);
    for (batch, observations) in batches {
        batch.first += OBSERVATIONS as u64;
        batch.arrivals = Arrivals::One(batch.arrivals.last().plus(by));
        observations.entries.iter_mut().for_each(|entry| entry.time = entry.time.plus(by));
    }
}

fn fold(criterion: &mut Criterion) {
    let apps = [App {
        name: "fleet".into(),
        modules: vec![("openssh".into(), ModuleOptions::Sshd(sshd::Options::default()))],
    }];
    let stamp = Stamp { stream: StreamId(1), run: 1, modules: Correlator::modules(&apps) };
    let mut events = EventBlock::new(Arc::new(stamp));
    let mut group = criterion.benchmark_group("correlate");
    group.throughput(Throughput::Elements(OBSERVATIONS as u64));
    group.sample_size(20).measurement_time(Duration::from_secs(5));
    for (name, mut batches) in [("logins", batches(login)), ("storm", batches(guess))] {
        let mut correlator = Correlator::new(&apps, Zone::UTC);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                let mut spent = Duration::ZERO;
                for _ in 0..iterations {
                    later(&mut batches);
                    let start = Instant::now();
                    for (batch, observations) in &batches {
                        correlator.fold(batch, observations, &mut events);
                        events.clear();
                    }
                    spent += start.elapsed();
                }
                spent
            });
        });
    }
    group.finish();
}

criterion_group!(benches, fold);
criterion_main!(benches);
