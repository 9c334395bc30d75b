//! Correlator beside its peers: the same records, the same work, in turn, in one run.
//!
//! `cargo bench --profile dist --bench peers -- [RECORDS] [ROUNDS]` sends octet-counted records of RFC 5424, half of
//! them sshd's, over one TCP connection to each of those that are installed, and tells the CPU time of each, the best of
//! the rounds, which take turns. Each has to find the logins and the failures among them and write them down: one that
//! has not written as many as there are is no result. `.ci/install` brings rsyslog and socat, and `benches/peers/install`
//! syslog-ng; `benches/peers/*` says how each is configured.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a tool for developers, on the command line"
)]

#[path = "../support/load.rs"]
mod load;
#[path = "../support/process.rs"]
mod process;

use load::Load;
use process::end;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where `benches/peers/install` puts things.
const UNPACKED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/peers");

/// Time that a server has to listen.
const START: Duration = Duration::from_secs(20);

/// One that is measured.
struct Peer {
    name: &'static str,
    /// The command that starts it, given a directory of its own and the port that it is to listen on.
    command: fn(&Path, u16) -> Command,
    /// Whether it has written down what there is to be found.
    is_done: fn(&Path, Expected) -> bool,
}

/// What there is to be found.
#[derive(Clone, Copy)]
struct Expected {
    accepted: usize,
    failed: usize,
}

const PEERS: [Peer; 5] = [
    Peer { name: "reading and throwing away (socat)", command: socat, is_done: |_, _| true },
    Peer {
        name: "correlator, events durable",
        command: |home, port| correlator(home, port, "events"),
        is_done: rows,
    },
    Peer {
        name: "correlator, observations durable",
        command: |home, port| correlator(home, port, "observations"),
        is_done: rows,
    },
    Peer { name: "syslog-ng", command: syslog_ng, is_done: lines },
    Peer { name: "rsyslog", command: rsyslog, is_done: lines },
];

fn socat(_home: &Path, port: u16) -> Command {
    let mut command = Command::new("socat");
    command.args(["-u", "-b", "262144"]).arg(format!("TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr"));
    command.arg("OPEN:/dev/null");
    command
}

fn correlator(home: &Path, port: u16, durability: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
    command.args(["serve", "--listen", &format!("tcp://127.0.0.1:{port}")]);
    command.arg("--config").arg(configuration(home, port, "correlator.toml"));
    command.arg("--data-dir").arg(home.join("data"));
    command.args(["--set", &format!("server.durability={durability}")]);
    command
}

fn syslog_ng(home: &Path, port: u16) -> Command {
    let root = Path::new(UNPACKED).join("usr");
    let libraries = ["usr/lib/x86_64-linux-gnu", "usr/lib/syslog-ng", "lib/x86_64-linux-gnu"];
    let libraries = libraries.map(|library| Path::new(UNPACKED).join(library));
    let mut command = Command::new(root.join("sbin/syslog-ng"));
    command.env("LD_LIBRARY_PATH", std::env::join_paths(libraries).unwrap());
    command.args(["--foreground", "--no-caps", "--module-path"]).arg(root.join("lib/syslog-ng/3.38"));
    command.arg("--cfgfile").arg(configuration(home, port, "syslog-ng.conf"));
    for (option, file) in [("--persist-file", "persist"), ("--pidfile", "pid"), ("--control", "control")] {
        command.arg(option).arg(home.join(file));
    }
    command
}

fn rsyslog(home: &Path, port: u16) -> Command {
    let mut command = Command::new("rsyslogd");
    command.arg("-n").arg("-i").arg(home.join("pid"));
    command.arg("-f").arg(configuration(home, port, "rsyslog.conf"));
    command
}

fn configuration(home: &Path, port: u16, name: &str) -> PathBuf {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers").join(name)).unwrap();
    let text = text.replace("@PORT@", &port.to_string()).replace("@DIRECTORY@", home.to_str().unwrap());
    let path = home.join(name);
    fs::write(&path, text).unwrap();
    path
}

/// A line for each record.
fn lines(home: &Path, expected: Expected) -> bool {
    let text = fs::read(home.join("matches")).unwrap_or_default();
    memchr::memchr_iter(b'\n', &text).count() == expected.accepted + expected.failed
}

/// A row for each login that began; what failed has a row for each connection that has ended, of two failures at most.
fn rows(home: &Path, expected: Expected) -> bool {
    let count = |kind: &str| {
        let reader = csv::Reader::from_path(home.join(format!("openssh-{kind}.csv")));
        reader.map_or(0, |reader| reader.into_records().map(Result::unwrap).count())
    };
    let failed = (count("SSHDLoginFailed") + load::OPEN) * 2;
    count("SSHDSessionStarted") == expected.accepted && failed >= expected.failed
}

/// What one round came to.
#[derive(Clone, Copy)]
struct Figures {
    cpu_seconds: f64,
    seconds: f64,
    memory_mib: f64,
}

/// Sends the load to a server; nothing if it is not installed.
fn measure(peer: &Peer, stream: &[u8], expected: Expected) -> Option<Figures> {
    let home = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = (peer.command)(home.path(), port);
    let log = fs::File::create(home.path().join("log")).unwrap();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let mut child = command.spawn().ok()?;
    let mut socket = connect(port, home.path());
    let begun = Instant::now();
    socket.write_all(stream).unwrap();
    let memory = peak_memory(&child);
    // Whoever has read everything closes its end, too.
    socket.shutdown(Shutdown::Write).unwrap();
    socket.read_to_end(&mut Vec::new()).unwrap_or_default();
    let memory_mib = memory.max(peak_memory(&child));
    let cpu_seconds = end(&mut child);
    let seconds = begun.elapsed().as_secs_f64();
    let log = fs::read_to_string(home.path().join("log")).unwrap_or_default();
    assert!((peer.is_done)(home.path(), expected), "{} did not do its work: {log}", peer.name);
    Some(Figures { cpu_seconds, seconds, memory_mib })
}

/// Connects as soon as somebody listens.
fn connect(port: u16, home: &Path) -> TcpStream {
    let begun = Instant::now();
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(socket) => return socket,
            Err(_) if begun.elapsed() < START => std::thread::sleep(Duration::from_millis(5)),
            Err(error) => {
                let log = fs::read_to_string(home.join("log")).unwrap_or_default();
                panic!("nobody listens: {error}\n{log}")
            }
        }
    }
}

/// The most memory that a process has occupied, in MiB; 0 once it has ended.
fn peak_memory(child: &Child) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or_default() / 1024.0
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let is_measured = words.iter().any(|word| word == "--bench");
    let mut numbers = words.iter().filter_map(|word| word.parse::<usize>().ok());
    let records = numbers.next().unwrap_or(if is_measured { 2_000_000 } else { 1_000 });
    let rounds = numbers.next().unwrap_or(if is_measured { 5 } else { 1 });

    let stream = Load::with_percent(50).stream(records);
    let count = |text: &[u8]| memchr::memmem::find_iter(&stream, text).count();
    let expected = Expected { accepted: count(b" - - Accepted "), failed: count(b" - - Failed ") };
    let mut best: [Option<Figures>; PEERS.len()] = [None; PEERS.len()];
    for _ in 0..rounds {
        for (best, peer) in best.iter_mut().zip(&PEERS) {
            let figures = measure(peer, &stream, expected);
            let is_better = |now: &Figures| best.is_none_or(|best| now.cpu_seconds < best.cpu_seconds);
            *best = figures.filter(is_better).or(*best);
        }
    }
    println!("{records} records, half of them sshd's, over one connection: CPU time, the best of {rounds}");
    println!("| | µs a record | times correlator's | records a second | peak memory, MiB |");
    println!("| --- | --- | --- | --- | --- |");
    let ours = best.get(1).copied().flatten().map_or(f64::NAN, |figures| figures.cpu_seconds);
    for (peer, figures) in PEERS.iter().zip(best) {
        let Some(Figures { cpu_seconds, seconds, memory_mib }) = figures else {
            println!("| {} | not installed |", peer.name);
            continue;
        };
        let records = records as f64;
        println!(
            "| {} | {:.3} | {:.1} | {:.0} | {memory_mib:.0} |",
            peer.name,
            cpu_seconds * 1e6 / records,
            cpu_seconds / ours,
            records / seconds,
        );
    }
}
