//! The same inputs give the same events, with the same ids, in the same order: live or replayed, with any number of
//! workers, and however the bytes of the streams were cut into reads.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "what fails in a test should fail loudly"
)]

#[path = "../benches/support/load.rs"]
#[allow(dead_code, reason = "the load serves benches too")]
mod load;

use correlator::batch::Sequenced;
use correlator::capture::{self, Reader, Writer};
use correlator::correlate::{App, Correlator, End, ModuleOptions, hosts, report, sshd};
use correlator::event::{Stamp, StreamId, render};
use correlator::flood::SceneOptions;
use correlator::ingest::{self, Inherited};
use correlator::pipeline::{
    CaptureThread, Discard, EventSink, Folded, Gate, Ledger, Listening, Live, Options, Outputs, Pace,
    Pipeline, Reading, feed,
};
use correlator::time::{SystemClock, Timestamp, Zone};
use load::Load;
use proptest::prelude::*;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

/// Keeps the events as the JSON lines that a user would see.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl EventSink for Lines {
    fn offer(&mut self, folded: Folded) {
        let Some(block) = folded.events else { return };
        let mut lines = self.0.lock().unwrap();
        for event in block.iter() {
            render::json(&mut lines, event);
            lines.push(b'\n');
        }
    }
}

impl Lines {
    fn take(self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

fn apps() -> Vec<App> {
    let openssh = ("openssh".to_owned(), ModuleOptions::Sshd(sshd::Options::default()));
    let strict = sshd::Options { login_failure_limit: 2, ipv6_prefix: 48, ..sshd::Options::default() };
    let second = ("strict".to_owned(), ModuleOptions::Sshd(strict));
    let records = ("records".to_owned(), ModuleOptions::Report(report::Options::default()));
    vec![
        App { name: "fleet".to_owned(), modules: vec![openssh, second] },
        App { name: "all".to_owned(), modules: vec![records] },
    ]
}

fn options(workers: usize, stream: StreamId, run: u32) -> Options {
    let stamp = Arc::new(Stamp { stream, run, modules: Correlator::modules(&apps()) });
    Options {
        workers,
        apps: apps(),
        stamp,
        zone: Zone::named("Europe/Berlin").unwrap(),
        record_zones: Vec::new(),
        other_zone: Zone::UTC,
        hosts: hosts::Options::default(),
    }
}

/// Receives what `peers` send at the same time, each over its own connection and in pieces of its own size, into a
/// capture; gives the events and the counts.
fn live(capture: &Path, peers: &[(Vec<u8>, usize)]) -> (String, Ledger) {
    let identity = capture::Identity { stream: StreamId(77), run: 3, created: Timestamp::EPOCH };
    let writer = Writer::create(capture, identity, capture::Options::default()).unwrap();
    let lines = Lines::default();
    let outputs = Outputs {
        events: Box::new(lines.clone()),
        recorder: Some(Box::new(CaptureThread::start(Ok(writer), None).unwrap())),
        rejects: Arc::new(Discard),
        state: None,
    };
    let listeners = vec![ingest::Options::new("lan", "127.0.0.1:0".parse::<SocketAddr>().unwrap())];
    let listening = Listening {
        listeners,
        inherited: Inherited::default(),
        max_connections: 1000,
        threads: 2,
        files: (Vec::new(), 0),
    };
    let live = Live::start(
        listening.bind().unwrap(),
        options(2, identity.stream, identity.run),
        outputs,
        SystemClock,
        Reading::default(),
    )
    .unwrap();
    let address = live.addresses()[0].1.socket().unwrap();
    thread::scope(|scope| {
        for (stream, piece) in peers {
            scope.spawn(move || send(address, stream, *piece));
        }
    });
    let (ledger, _) = live.stop();
    (lines.take(), ledger)
}

/// Sends a stream in pieces, and waits until the server has read all of it.
fn send(address: SocketAddr, stream: &[u8], piece: usize) {
    let mut peer = TcpStream::connect(address).unwrap();
    for piece in stream.chunks(piece) {
        peer.write_all(piece).unwrap();
    }
    peer.shutdown(Shutdown::Write).unwrap();
    peer.read_to_end(&mut Vec::new()).unwrap();
}

/// Replays a capture, with its batches as they are, or, to cut the reads elsewhere, each split in two.
fn replay(capture: &Path, workers: usize, split: bool) -> String {
    let reader = Reader::open(capture).unwrap();
    let identity = reader.identity();
    let capture::End::Closed(closed) = reader.end() else { panic!("the capture was closed") };
    let lines = Lines::default();
    let outputs =
        Outputs { events: Box::new(lines.clone()), recorder: None, rejects: Arc::new(Discard), state: None };
    let (gate, permits) = Gate::for_thread(workers);
    let pipeline = Pipeline::start(options(workers, identity.stream, identity.run), gate, outputs).unwrap();
    let batches = reader.map(|batch| batch.expect("an undamaged capture"));
    let batches: Vec<Sequenced> = if split { batches.flat_map(halves).collect() } else { batches.collect() };
    assert!(feed(&pipeline, &permits, Pace::Full, || true, batches));
    pipeline.finish(End::At(closed));
    lines.take()
}

fn halves(whole: Sequenced) -> Vec<Sequenced> {
    let middle = whole.batch.frames.len() / 2;
    if middle == 0 {
        return vec![whole];
    }
    let part = |from: usize, to: usize| {
        let mut part = whole.clone();
        part.first += from as u64;
        part.batch.frames = whole.batch.frames[from..to].to_vec();
        let runs: Vec<(u32, Timestamp)> = whole.arrivals.runs().collect();
        let began = runs.iter().rfind(|(index, _)| *index as usize <= from).unwrap().1;
        let later = runs.iter().filter(|(index, _)| (*index as usize) > from && (*index as usize) < to);
        let later = later.map(|(index, at)| (*index - from as u32, *at));
        part.arrivals = correlator::batch::Arrivals::Runs([(0, began)].into_iter().chain(later).collect());
        part
    };
    vec![part(0, middle), part(middle, whole.batch.frames.len())]
}

/// Deals the records of a load to peers, by host, so that the records of one host stay in order.
fn deal(records: usize, peers: usize, percent: u64) -> Vec<Vec<u8>> {
    let mut load = Load::of(SceneOptions { sshd_percent: percent, ..SceneOptions::default() });
    let mut streams = vec![Vec::new(); peers];
    let mut message = Vec::new();
    for _ in 0..records {
        message.clear();
        load.next(&mut message);
        let record = std::str::from_utf8(&message).unwrap();
        let host = record.split(' ').nth(2).unwrap();
        let number: usize = host[3..6].parse().unwrap();
        let stream = &mut streams[number % peers];
        stream.extend_from_slice(format!("{} {record}", record.len()).as_bytes());
    }
    streams
}

#[test]
fn fifty_connections_and_200_000_records_replay_to_the_same_events() {
    let home = tempfile::tempdir().unwrap();
    let capture = home.path().join("live.capture");
    let peers: Vec<_> = deal(200_000, 50, 50).into_iter().map(|stream| (stream, 30_000)).collect();
    let (events, ledger) = live(&capture, &peers);
    assert_eq!((ledger.total.received, ledger.total.parsed), (200_000, 200_000));
    assert_eq!(ledger.peers["127.0.0.1"], ledger.total);
    let count =
        |kind: &str| events.lines().filter(|line| line.contains(&format!("\"kind\":\"{kind}\""))).count();
    assert!(count("SSHDLoginSucceeded") > 20_000, "sessions were found: {}", count("SSHDLoginSucceeded"));
    assert_eq!(count("ReportRecord"), 200_000);
    assert!(events.lines().last().unwrap().contains("ServerStats"));
    for workers in [0, 1, 2, 4] {
        assert!(replay(&capture, workers, false) == events, "{workers} workers");
    }
    assert!(replay(&capture, 2, true) == events, "split batches");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn streams_cut_anywhere_replay_to_the_same_events(
        percent in 0_u64..=100,
        pieces in prop::collection::vec(1_usize..3000, 1..6),
    ) {
        let home = tempfile::tempdir().unwrap();
        let capture = home.path().join("live.capture");
        let peers: Vec<_> = deal(600, pieces.len(), percent).into_iter().zip(pieces).collect();
        let (events, ledger) = live(&capture, &peers);
        prop_assert_eq!(ledger.total.parsed, 600);
        for (workers, split) in [(1, false), (3, false), (2, true)] {
            prop_assert!(replay(&capture, workers, split) == events);
        }
    }
}
