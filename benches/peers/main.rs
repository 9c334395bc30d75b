//! Correlator beside its peers: the same records, the same work, in turn, in one run.
//!
//! `cargo bench --profile dist --bench peers -- [RECORDS] [ROUNDS]` sends octet-counted records of RFC 5424, half of
//! them sshd's, over one TCP connection to each of those that are installed, and tells the CPU time of each, the best of
//! the rounds, which take turns. Each has to find the logins and the failures among them and write them down: one that
//! has not written as many as there are is no result. `.ci/install` brings rsyslog and socat, and `benches/peers/install`
//! syslog-ng; `benches/peers/*` says how each is configured.

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a tool for developers, on the command line"
)]

#[path = "../support/load.rs"]
mod load;
#[path = "../support/peers.rs"]
mod peers;
#[path = "../support/process.rs"]
mod process;

use correlator::flood::SceneOptions;
use load::Load;
use peers::{Expected, Figures, Peer, configuration, lines, measure, rows};
use std::io::Write;
use std::path::Path;
use std::process::Command;

/// Where `benches/peers/install` puts things.
const UNPACKED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/peers");

const PEERS: [Peer; 6] = [
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
    // As the others work, which sync nothing.
    Peer {
        name: "correlator, nothing durable",
        command: |home, port| correlator(home, port, "none"),
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
    let mut command = process::correlator();
    command.args(["serve", "--listen", &format!("tcp://127.0.0.1:{port}")]);
    command.arg("--config").arg(configuration(home, port, "peers/correlator.toml"));
    command.arg("--data-dir").arg(home.join("data"));
    command.args(["--set", &format!("server.durability={durability}")]);
    command
}

fn syslog_ng(home: &Path, port: u16) -> Command {
    let root = Path::new(UNPACKED);
    let libraries = ["usr/lib/x86_64-linux-gnu", "usr/lib/syslog-ng", "lib/x86_64-linux-gnu"];
    let libraries = std::env::join_paths(libraries.map(|library| root.join(library)));
    let mut command = Command::new(root.join("usr/sbin/syslog-ng"));
    command.env("LD_LIBRARY_PATH", libraries.unwrap());
    command.args(["--foreground", "--no-caps", "--module-path"]).arg(root.join("usr/lib/syslog-ng/3.38"));
    command.arg("--cfgfile").arg(configuration(home, port, "peers/syslog-ng.conf"));
    for (option, file) in [("--persist-file", "persist"), ("--pidfile", "pid"), ("--control", "control")] {
        command.arg(option).arg(home.join(file));
    }
    command
}

fn rsyslog(home: &Path, port: u16) -> Command {
    let mut command = Command::new("rsyslogd");
    command.arg("-n").arg("-i").arg(home.join("pid"));
    command.arg("-f").arg(configuration(home, port, "peers/rsyslog.conf"));
    command
}

fn main() {
    let [records, rounds] = peers::numbers([2_000_000, 5], [1_000, 1]);
    let stream = Load::of(SceneOptions::default()).stream(records);
    let expected = Expected::of(&stream);
    let mut best: [Option<Figures>; PEERS.len()] = [None; PEERS.len()];
    for _ in 0..rounds {
        for (best, peer) in best.iter_mut().zip(&PEERS) {
            let figures = measure(peer, expected, |_| {}, |socket| socket.write_all(&stream).unwrap());
            *best = Figures::better(*best, figures);
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
