//! A server that is killed at random moments, again and again: nothing that was committed is lost or altered.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test program: its helpers fail by panicking"
)]

#[path = "support/child.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod child;

use child::{Guard, PATIENCE};
use correlator::config::{Environment, Request, Settings};
use correlator::correlate::{Correlator, hosts};
use correlator::event::{Stamp, render};
use correlator::journal::{self, EventReader, Identity, Journal, Page, Standing, Standings, State, verify};
use correlator::pipeline::{Options, recover};
use correlator::segment::Disk;
use correlator::time::{Timestamp, Zone};
use rkyv::util::AlignedVec;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// How often the server is killed, unless the variable `KILLS` says otherwise.
const KILLS: u64 = 12;

/// System calls at which it is killed in every other round, and at which of its thread's calls: they stand for taking a
/// run number, recovery, commits, rotation, snapshots and what is removed.
const STEPS: [(&str, u64); 12] = [
    ("/^rename", 1),
    ("fdatasync", 1),
    ("pwrite64", 3),
    ("/^rename", 2),
    ("fdatasync", 2),
    ("/^unlink", 1),
    ("fdatasync", 4),
    ("/^rename", 3),
    ("pwrite64", 6),
    ("fdatasync", 9),
    ("/^rename", 5),
    ("/^unlink", 2),
];

/// Whether there is a program that can kill another at a system call.
fn has_strace() -> bool {
    let found = Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "true"])
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        println!("skipped: needs strace, to kill at chosen system calls");
    }
    found
}

/// A server, perhaps under strace, that ends with the test.
struct Server(Guard);

impl Drop for Server {
    fn drop(&mut self) {
        // If strace alone were killed, the server would go on.
        kill_children(self.0.id());
    }
}

fn serve(data: &Path, step: Option<(&str, u64)>) -> Server {
    let program = env!("CARGO_BIN_EXE_correlator");
    let mut command = Command::new(program);
    if let Some((call, when)) = step {
        command = Command::new("strace");
        command.args(["-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e", &format!("trace={call}")]);
        command.args(["-e", &format!("inject={call}:signal=KILL:when={when}"), program]);
    }
    command
        .args(["serve", "--listen", "tcp://127.0.0.1:0", "--data-dir"])
        .arg(data)
        .args(["--set", "server.journal_segment_size=64KiB", "--set", "server.snapshot_interval=1s"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    Server(Guard::start(&mut command))
}

/// Waits until a server listens; nothing when it was killed before.
fn address(server: &mut Server) -> Option<SocketAddr> {
    let listening = server.0.said().find(|line| {
        assert!(!line.starts_with("error"), "{line}");
        line.contains(" tcp://")
    });
    listening.map(|line| child::address(&line, "tcp"))
}

/// Records that are sent to one server at most.
const MOST: usize = 20_000;

/// Kills what a program has started: a server that has got by the step at which it was to be killed.
fn kill_children(of: u32) {
    let children = fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
    for pid in children.split_whitespace().filter_map(|pid| pid.parse().ok()) {
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
    }
}

/// Sends sessions and failures until the server goes, or has had enough.
fn load(address: SocketAddr, next: &AtomicU64) {
    let Ok(mut server) = TcpStream::connect(address) else { return };
    server.set_write_timeout(Some(PATIENCE)).unwrap();
    for _ in 0..MOST {
        let n = next.fetch_add(1, Relaxed);
        let (host, port) = (n % 7, 1024 + n % 60_000);
        let mut texts = vec![format!(
            "Failed password for invalid user u{} from 203.0.113.{} port {port} ssh2",
            n % 50,
            n % 200
        )];
        if n.is_multiple_of(3) {
            texts = vec![
                format!("Accepted password for a{} from 192.0.2.{} port {port} ssh2", n % 9, n % 250),
                format!("Disconnected from user a{} 192.0.2.{} port {port}", n % 9, n % 250),
            ];
        }
        for text in texts {
            let record = format!("<38>1 - web{host} sshd {} - - {text}", 1000 + n % 30_000);
            if server.write_all(format!("{} {record}", record.len()).as_bytes()).is_err() {
                return;
            }
        }
    }
}

/// All events by sequence number, as JSON, and where each handler stands after all that was told.
fn events(data: &Path) -> (BTreeMap<u64, String>, Vec<journal::Settled>) {
    let mut reader = EventReader::open(data, 0).unwrap();
    let (mut events, mut settled) = (BTreeMap::new(), Vec::new());
    while let Some(page) = reader.next_page().unwrap() {
        match page {
            Page::Events { first, block, .. } => {
                for (seq, event) in (first..).zip(block.iter()) {
                    let mut line = Vec::new();
                    render::json(&mut line, event);
                    assert_eq!(events.insert(seq, String::from_utf8(line).unwrap()), None, "{seq} twice");
                }
            }
            Page::Settled(runs) => settled.extend(runs),
            Page::Flaw(flaw) => panic!("{flaw}"),
        }
    }
    (events, settled)
}

fn id(event: &str) -> String {
    serde_json::from_str::<serde_json::Value>(event).unwrap()["id"].as_str().unwrap().to_owned()
}

/// The rows of all CSV files, by id. The same event may be there more than once, but then it is the same.
fn rows(data: &Path) -> BTreeMap<String, String> {
    let mut rows = BTreeMap::new();
    for entry in fs::read_dir(data.join("csv")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for row in text.lines().skip(1) {
            let id = row.split(',').next().unwrap().to_owned();
            if let Some(before) = rows.insert(id, row.to_owned()) {
                assert_eq!(before, row, "an id with different content");
            }
        }
    }
    rows
}

/// The state that a server with this journal would start from.
fn state(data: &Path) -> Vec<u8> {
    let environment = Environment { default_file: "/nonexistent".into(), ..Environment::default() };
    let request = Request { data_dir: Some(data.to_owned()), ..Request::default() };
    let settings = Settings::load(&request, &environment).unwrap();
    let identity = Identity::claim(data).unwrap();
    let options = journal::Options::default();
    let (mut journal, mut recovery) = Journal::open(data, &identity, options, Arc::new(Disk)).unwrap();
    let apps = settings.modules();
    let modules = Correlator::modules(&apps);
    let options = Options {
        workers: 1,
        apps,
        stamp: Arc::new(Stamp { stream: identity.stream, run: identity.run, modules }),
        zone: Zone::UTC,
        record_zones: Vec::new(),
        other_zone: Zone::UTC,
        hosts: hosts::Options::default(),
    };
    let recovered = recover(&mut journal, &mut recovery, &options, None, Timestamp::EPOCH).unwrap();
    assert!(recovered.flaws.is_empty(), "{:?}", recovered.flaws);
    assert_eq!(recovered.lost_state, None);
    assert_eq!(recovered.events, 0, "a server that stopped as it should has left nothing to raise");
    let mut state = AlignedVec::new();
    recovered.correlator.save(&mut state).unwrap();
    state.into_vec()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// Kills the server in the midst of recovery: without snapshots everything is folded again, which takes a while.
fn kill_recovery(data: &Path, kills: u64) {
    for round in 0..kills {
        // It may have been killed before it made the directory again.
        fs::remove_dir_all(data.join("journal/snapshots")).ok();
        let mut server = serve(data, None);
        let after = Duration::from_millis(20 + round * 41 % 400);
        assert!(crossbeam_channel::never::<()>().recv_timeout(after).is_err());
        server.0.crash();
    }
}

/// Starts the server, and stops it as it should be.
fn start_and_stop(data: &Path) {
    let mut server = serve(data, None);
    address(&mut server).unwrap();
    server.0.terminate();
    assert!(server.0.ended().success());
}

/// Runs a server under load, until it is killed at a step or after a time.
fn run_until_killed(data: &Path, step: Option<(&str, u64)>, after: Duration, next: &AtomicU64) {
    let mut server = serve(data, step);
    let pid = server.0.id();
    let killer = step.is_none().then(|| {
        thread::spawn(move || {
            // The moment is what is tested; nothing waits for it.
            assert!(crossbeam_channel::never::<()>().recv_timeout(after).is_err());
            let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        })
    });
    if let Some(address) = address(&mut server) {
        load(address, next);
    }
    killer.into_iter().for_each(|killer| killer.join().unwrap());
    kill_children(pid);
    server.0.ended();
}

#[test]
fn a_server_that_is_killed_loses_and_alters_nothing() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let kills = std::env::var("KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let has_strace = has_strace();
    let next = AtomicU64::new(0);
    let mut before = BTreeMap::new();
    for round in 0..kills {
        let step = STEPS[usize::try_from(round / 2).unwrap() % STEPS.len()];
        let step = Some(step).filter(|_| has_strace && round % 2 == 1);
        // From the very start on, in which recovery runs, to far into the load.
        run_until_killed(&data, step, Duration::from_millis(round * 7919 % 700), &next);
        let (events, _) = events(&data);
        for (seq, event) in &before {
            assert_eq!(
                events.get(seq),
                Some(event),
                "an event that was there is another after round {round}"
            );
        }
        before = events;
    }
    assert!(before.len() > 100, "{} events are no load", before.len());

    kill_recovery(&data, kills.div_ceil(4));
    start_and_stop(&data);

    let report = verify(&data).unwrap();
    assert!(report.flaws.is_empty(), "{:?}", report.flaws);
    let (events, settled) = events(&data);
    for (seq, event) in &before {
        assert_eq!(events.get(seq), Some(event));
    }
    let ids: BTreeSet<_> = events.values().map(|event| id(event)).collect();
    assert_eq!(ids.len(), events.len(), "each id once");
    let rows = rows(&data);
    let missing: Vec<_> = ids.iter().filter(|id| !rows.contains_key(*id)).collect();
    assert!(missing.is_empty(), "{} of {} did not reach the handler: {missing:?}", missing.len(), ids.len());
    let unknown: Vec<_> = rows.keys().filter(|id| !ids.contains(*id)).collect();
    assert!(unknown.is_empty(), "the handler has what is not in the journal: {unknown:?}");

    let mut standings = Standings::new();
    for settled in settled {
        assert_eq!(settled.state, State::Delivered);
        standings.entry(settled.handler.to_string()).or_insert_with(|| Standing::new(0)).apply(&settled);
    }
    let end = events.len() as u64;
    assert_eq!(standings.len(), 2);
    assert!(standings.values().all(|standing| standing.cursor == end && standing.is_balanced(end)));

    // The same inputs without an interruption and without snapshots give the same state.
    let whole = home.path().join("whole");
    copy(&data, &whole);
    fs::remove_dir_all(whole.join("journal/snapshots")).unwrap();
    assert!(state(&data) == state(&whole), "the state differs from that of an uninterrupted run");
}
