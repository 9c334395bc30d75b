//! What many connections, many sources and a long journal cost: whole processes, one figure after the other.
//!
//! `cargo bench --profile dist --bench scale`; it needs `ulimit -n 25000` for its 10,000 connections, and taskset, of
//! util-linux. The data lie in `$TMPDIR`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a tool for developers, on the command line"
)]

mod support {
    pub(crate) mod load;
    pub(crate) mod process;
    pub(crate) mod server;
}

use correlator::flood::{self, Amount, Destination, Place, SceneOptions, Source};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::load::Load;
use support::process::{self, end, ended};
use support::server::serve;

/// How much is measured: less where only the bench itself is tried.
struct Scale {
    connections: usize,
    records: usize,
    journal_records: u64,
    sources: &'static [u64],
    /// Attackers in each second of a simulated day.
    attackers: u32,
}

const MEASURED: Scale = Scale {
    connections: 10_000,
    records: 2_000_000,
    journal_records: 7_000_000,
    sources: &[1_000, 10_000, 100_000, 1_000_000],
    attackers: 100,
};
const TRIED: Scale =
    Scale { connections: 50, records: 2_000, journal_records: 2_000, sources: &[10, 100], attackers: 1 };

fn main() {
    let scale = if std::env::args().any(|word| word == "--bench") { MEASURED } else { TRIED };
    idle(&scale);
    sending(&scale);
    storm(&scale);
    by_sources(&scale);
    by_cores(&scale);
    day(&scale);
    start(&scale);
}

/// Memory of a process in MiB.
fn memory(child: &Child) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

fn many(connections: usize) -> String {
    format!("server.max_connections={}", connections + 100)
}

fn idle(scale: &Scale) {
    let home = tempfile::tempdir().unwrap();
    let (mut child, address) = serve(home.path(), &[&many(scale.connections)], Stdio::null());
    let before = memory(&child);
    let open: Vec<_> = (0..scale.connections).map(|_| TcpStream::connect(address).unwrap()).collect();
    // They are accepted in their order, so all are once the books have a record of the last one.
    let mut last = open.last().unwrap();
    last.write_all(b"10 <13>1 - - ").unwrap();
    assert_eq!(until_received(home.path(), 1), 1, "the last connection is accepted");
    let after = memory(&child);
    println!("{} idle connections: {after:.0} MiB, {before:.0} MiB without them", open.len());
    drop(open);
    end(&mut child);
}

fn sending(scale: &Scale) {
    let home = tempfile::tempdir().unwrap();
    let (mut child, address) = serve(home.path(), &[&many(scale.connections)], Stdio::null());
    let report = send(address, scale.connections, scale.connections as u64 * 20);
    let after = memory(&child);
    let told = until_received(home.path(), report.records);
    println!(
        "{} connections, each sending: {} records sent, {told} received, {after:.0} MiB after the last",
        report.connections - report.failed,
        report.records
    );
    end(&mut child);
}

fn send(address: SocketAddr, connections: usize, records: u64) -> flood::Report {
    flood::run(flood::Options {
        to: Destination::Tcp(Place { host: address.ip().to_string(), port: address.port() }),
        ca: None,
        identity: None,
        connections,
        rate: None,
        amount: Amount::Records(records),
        source: Source::Scene(SceneOptions::default()),
        truths: None,
    })
    .unwrap()
}

/// Waits until the server's books have so many records, as they do once these are correlated; gives how many they have.
/// What is lost never comes.
fn until_received(home: &Path, records: u64) -> u64 {
    let began = Instant::now();
    loop {
        let told = received(&home.join("data"));
        if told >= records || began.elapsed() > Duration::from_secs(20) {
            return told;
        }
    }
}

/// What the server has received by its own books.
fn received(data: &Path) -> u64 {
    let output =
        process::correlator().args(["status", "--format", "json", "--data-dir"]).arg(data).output().unwrap();
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    status["received"].as_u64().expect("a number of records")
}

/// All records from sshd, nobody logs in, from 5,000 addresses.
fn storm(scale: &Scale) {
    let options =
        SceneOptions { sshd_percent: 100, logins_percent: 0, sources: 5_000, ..SceneOptions::default() };
    let stream = Load::of(options).stream(scale.records);
    let home = tempfile::tempdir().unwrap();
    let set = ["server.durability=events", "apps.bench.handlers=['archive']", "handlers.archive.type=csv"];
    let (mut child, address) = serve(home.path(), &set, Stdio::null());
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(&stream).unwrap();
    drop(socket);
    let cpu = end(&mut child) * 1e6 / scale.records as f64;
    println!(
        "serve, events durable, CSV, a storm of guesses from 5,000 addresses: {cpu:.3} µs of CPU a record"
    );
}

fn by_sources(scale: &Scale) {
    for &sources in scale.sources {
        let options =
            SceneOptions { sshd_percent: 100, logins_percent: 0, sources, ..SceneOptions::default() };
        let home = tempfile::tempdir().unwrap();
        let capture = capture(home.path(), options, scale.records);
        let cpu = replay(&capture, "0,1", "1").0 * 1e6 / scale.records as f64;
        println!("replay, guesses from {sources} addresses: {cpu:.3} µs of CPU a record");
    }
}

fn by_cores(scale: &Scale) {
    let home = tempfile::tempdir().unwrap();
    let capture = capture(home.path(), SceneOptions::default(), scale.records);
    let seconds = [("0", "1"), ("0,1", "1"), ("0,1", "2")];
    let [one, two, more] = seconds.map(|(cores, workers)| replay(&capture, cores, workers).1);
    println!("replay on two cores: {:.2} times as fast as on one", one / two);
    println!("and with a second worker: {:.2} times as fast as with one", two / more);
}

/// A day, by the times of its records, in which each attacker tries one name from an address of its own and goes.
fn day(scale: &Scale) {
    let mut child = process::correlator()
        .args(["replay", "--format", "json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let (mut attacker, mut hours) = (0_u32, Vec::new());
    for hour in 0..24 {
        for second in 0..3600 {
            let mut stream = Vec::new();
            let (minute, second) = (second / 60, second % 60);
            for _ in 0..scale.attackers {
                attacker += 1;
                // An odd factor gives each number another: addresses that never come again, all over the Internet.
                let address = Ipv4Addr::from_bits(attacker.wrapping_mul(0x9E37_79B1));
                let (user, port) = (attacker % 5_000, 1024 + attacker % 60_000);
                for text in [
                    format!("Invalid user u{user} from {address} port {port}"),
                    format!("Failed password for invalid user u{user} from {address} port {port} ssh2"),
                    format!("Connection closed by invalid user u{user} {address} port {port} [preauth]"),
                ] {
                    let (host, pid) = (attacker % 200, attacker % 4_000_000);
                    let time = format!("2026-11-25T{hour:02}:{minute:02}:{second:02}Z");
                    let record = format!("<38>1 {time} web{host} sshd {pid} - - {text}");
                    write!(stream, "{} {record}", record.len()).unwrap();
                }
            }
            pipe.write_all(&stream).unwrap();
        }
        // What is under way then is a part of a second.
        hours.push(memory(&child));
    }
    drop(pipe);
    ended(&mut child);
    let (first, most) = (hours[0], hours.iter().copied().fold(0.0, f64::max));
    println!(
        "a day of {attacker} addresses, three records each: {first:.0} MiB after an hour, {:.0} at its end, {most:.0} at most",
        hours[23]
    );
}

fn capture(home: &Path, options: SceneOptions, records: usize) -> std::path::PathBuf {
    let (raw, capture) = (home.join("raw"), home.join("capture"));
    std::fs::write(&raw, Load::of(options).stream(records)).unwrap();
    let mut import = process::correlator();
    import.args(["capture", "import", "--output"]).arg(&capture).arg(&raw).stderr(Stdio::null());
    assert!(import.status().unwrap().success());
    std::fs::remove_file(raw).unwrap();
    capture
}

/// CPU time and time that a replay takes on some of the cores, in seconds; the better of three.
fn replay(capture: &Path, cores: &str, workers: &str) -> (f64, f64) {
    let once = || {
        let begun = Instant::now();
        let mut child = Command::new("taskset")
            .args(["-c", cores])
            .arg(process::correlator().get_program())
            .args(["replay", "--format", "json", "--workers", workers])
            .arg(capture)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let cpu = ended(&mut child);
        (cpu, begun.elapsed().as_secs_f64())
    };
    let all = [once(), once(), once()];
    (
        all.map(|(cpu, _)| cpu).into_iter().fold(f64::MAX, f64::min),
        all.map(|(_, time)| time).into_iter().fold(f64::MAX, f64::min),
    )
}

/// From its start until it listens, with what it received before in its journal.
fn start(scale: &Scale) {
    let home = tempfile::tempdir().unwrap();
    let observations = ["server.durability=observations"];
    let (mut child, address) = serve(home.path(), &observations, Stdio::null());
    send(address, 1, scale.journal_records);
    end(&mut child);
    let bytes: u64 = walk(&home.path().join("data"));
    let begun = Instant::now();
    let (mut child, _) = serve(home.path(), &observations, Stdio::null());
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "start with {:.2} GiB of journal: {seconds:.2} s until it listens",
        bytes as f64 / f64::from(1 << 30)
    );
    end(&mut child);
}

fn walk(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let kind = entry.metadata().unwrap();
            if kind.is_dir() { walk(&entry.path()) } else { kind.len() }
        })
        .sum()
}
