//! What it costs to understand a record: by hand, by the automata, not at all, and when it is another program's.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use correlator::detect::{Detector, Interest, Observations, Subject};
use correlator::time::{Timestamp, Zone};
use correlator::wire::Record;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use std::hint::black_box;

/// Name, program and message.
const CASES: &[(&str, &str, &str)] = &[
    ("other program", "CRON", "(root) CMD (command -v debian-sa1 > /dev/null && debian-sa1 1 1)"),
    ("fast/failed password", "sshd", "Failed password for root from 203.0.113.9 port 48398 ssh2"),
    (
        "fast/failed password, invalid user",
        "sshd",
        "Failed password for invalid user admin from 203.0.113.9 port 48398 ssh2",
    ),
    (
        "fast/accepted publickey",
        "sshd-session",
        "Accepted publickey for alice from 203.0.113.9 port 54802 ssh2: ED25519 SHA256:XV4VWHNcdZmiLNC/bUiCa0+c3NDN+rZTemJYyIW8IXw",
    ),
    ("fast/invalid user", "sshd", "Invalid user admin from 203.0.113.9 port 48398"),
    (
        "fast/connection closed",
        "sshd-session",
        "Connection closed by authenticating user root 203.0.113.9 port 48398 [preauth]",
    ),
    (
        "fast/received disconnect",
        "sshd",
        "Received disconnect from 203.0.113.9 port 48398:11: disconnected by user",
    ),
    ("fast/session closed", "sshd", "pam_unix(sshd:session): session closed for user alice"),
    (
        "fast/pam failure",
        "sshd",
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.9  user=root",
    ),
    ("automata/one pass", "sshd", "Connection from 203.0.113.9 port 54796 on 192.0.2.1 port 22 rdomain \"\""),
    (
        "automata/backtrack",
        "sshd-session",
        "Starting session: shell on pts/0 for alice from 203.0.113.9 port 48398 id 0",
    ),
    (
        "fast/disconnecting",
        "sshd-session",
        "Disconnecting authenticating user root 203.0.113.9 port 48398: Too many authentication failures [preauth]",
    ),
    (
        "automata/repeated",
        "sshd",
        "message repeated 2 times: [ Failed password for root from 203.0.113.9 port 48398 ssh2]",
    ),
    ("automata/pam other", "sshd", "pam_env(sshd:session): deprecated reading of user environment enabled"),
    ("unrecognised", "sshd", "Something that no pattern of any version of OpenSSH matches"),
];

fn bench(criterion: &mut Criterion) {
    let detector = Detector::new(Interest { sshd: true, records: false });
    let mut group = criterion.benchmark_group("detect");
    for (name, app, message) in CASES {
        let bytes = format!("<38>1 2026-11-23T05:14:16.794Z web-17.example.com {app} 4711 - - {message}");
        let bytes = bytes.as_bytes();
        let record = Record::parse(bytes, Timestamp::EPOCH, &Zone::UTC).unwrap();
        let mut scratch = detector.scratch();
        let mut out = Observations::default();
        group.bench_function(*name, |bencher| {
            bencher.iter(|| {
                // As in a batch: the memory of the observations is kept and written again.
                if out.entries.len() >= 512 {
                    out.clear();
                }
                let record = black_box(&record);
                let subject = Subject {
                    record,
                    bytes,
                    frame: 0,
                    truncated: false,
                    arrival: Timestamp::EPOCH,
                    host: None,
                };
                detector.observe(&mut scratch, subject, &mut out);
            });
            black_box(&out);
        });
    }
    group.finish();
    criterion.bench_function("compile the patterns", |bencher| {
        bencher.iter_batched(
            || Interest { sshd: true, records: false },
            |interest| black_box(Detector::new(interest)),
            BatchSize::PerIteration,
        );
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
