//! `correlator serve` as a process: many peers at once, hostile ones among them; its own log fed back to it; its end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test program: its helpers fail by panicking"
)]

#[path = "support/child.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod child;

use child::{Guard, Lines, PATIENCE, output, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::Duration;

/// A server that runs as a child, with a data directory of its own.
struct Server {
    child: Guard,
    address: SocketAddr,
    events: Lines,
    said: Lines,
}

/// What a server said and did by its end.
struct Ended {
    code: Option<i32>,
    log: String,
    events: Vec<Value>,
}

impl Server {
    fn start(home: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
        command
            .args(["serve", "--listen", "tcp://127.0.0.1:0", "--data-dir"])
            .arg(home.join("data"))
            .args(["--set", "handlers.console.format=json"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = Guard::start(&mut command);
        let (events, mut said) = (child.told(), child.said());
        let address = said.listening("tcp");
        Self { child, address, events, said }
    }

    /// Bytes of memory that it occupied at most.
    fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Asks it to stop, and waits until it has.
    fn stop(mut self) -> Ended {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let log = self.said.by_ref().map(|line| line + "\n").collect();
        let code = self.child.ended().code();
        let events = self.events.map(|line| serde_json::from_str(&line).unwrap()).collect();
        Ended { code, log, events }
    }
}

impl Ended {
    /// The number that stands after a word at the start of a line of the totals.
    fn total(&self, word: &str) -> u64 {
        let line = self.log.lines().find(|line| line.split_whitespace().next() == Some(word));
        let line = line.unwrap_or_else(|| panic!("no `{word}` in: {}", self.log));
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    fn of_kind(&self, kind: &str) -> usize {
        self.events.iter().filter(|event| event["kind"] == kind).count()
    }
}

/// Connects from an address of this machine's own network, so that the peers can be told apart.
fn connect(from: &str, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(from.parse().unwrap(), 0).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    // What was written is on its way at once, not when the server has acknowledged what came before.
    socket.set_tcp_nodelay(true).unwrap();
    socket.into()
}

/// Ends a stream, and waits until the server has read all of it.
fn end(mut peer: TcpStream) {
    peer.shutdown(Shutdown::Write).unwrap();
    // A server that has refused the peer resets the connection.
    peer.read_to_end(&mut Vec::new()).ok();
}

fn counted(record: &str) -> String {
    format!("{} {record}", record.len())
}

#[test]
fn a_thousand_honest_peers_lose_nothing_to_hostile_ones_beside_them() {
    const PEERS: usize = 1000;
    const ROUNDS: usize = 5;
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(home.path(), &[]);
    let to = server.address;

    let mut loris = connect("127.0.0.66", to);
    loris.write_all(b"400 <38>1 2026-02-01T00:00:00Z never").unwrap();
    let mut liar = connect("127.0.0.67", to);
    liar.write_all(
        b"999999999 \n<38>1 - web1 sshd 1 - - Accepted password for root from 6.6.6.6 port 22 ssh2\n",
    )
    .unwrap();
    let mut greedy = connect("127.0.0.67", to);
    greedy.write_all(b"00000000000000001 x\n").unwrap();
    let mut garbage = connect("127.0.0.68", to);
    garbage
        .write_all(&(0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<_>>())
        .unwrap();

    let peers: Vec<TcpStream> = (0..PEERS).map(|_| connect("127.0.0.1", to)).collect();
    // All rounds are sent by a few threads in step, so that all thousand connections stay open throughout.
    let step = Barrier::new(8);
    thread::scope(|scope| {
        for (worker, chunk) in peers.chunks(PEERS / 8).enumerate() {
            let step = &step;
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    for (index, mut peer) in chunk.iter().enumerate() {
                        let pid = 1000 + worker * PEERS + index;
                        let text = format!(
                            "<38>1 2026-02-01T00:00:0{round}Z web{worker} sshd-session {pid} - - Failed password for alice from 192.0.2.{} port {pid} ssh2",
                            index % 250
                        );
                        peer.write_all(counted(&text).as_bytes()).unwrap();
                    }
                    step.wait();
                }
            });
        }
    });
    for peer in peers {
        end(peer);
    }
    for hostile in [liar, greedy, garbage] {
        end(hostile);
    }
    let peak = server.peak_memory();
    drop(loris);
    let ended = server.stop();
    println!(
        "{PEERS} connections, {} records received, peak memory {} MiB",
        ended.total("received"),
        peak >> 20
    );
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(ended.total("parsed") >= (PEERS * ROUNDS) as u64, "{}", ended.log);
    assert_eq!(ended.total("received"), ended.total("parsed") + ended.total("rejected"), "{}", ended.log);
    assert_eq!(
        ended.total("observations"),
        (PEERS * ROUNDS) as u64,
        "honest records, each once: {}",
        ended.log
    );
    assert!(!ended.log.contains("of 127.0.0.1:"), "nothing honest is rejected: {}", ended.log);
    assert_eq!(ended.of_kind("SSHDSessionStarted"), 0, "what stands inside a frame is no record");
    assert!(peak < 200 << 20, "peak memory {peak}");
}

#[test]
fn the_report_of_our_own_log_lines_does_not_feed_itself() {
    let home = tempfile::tempdir().unwrap();
    let arguments = [
        "--set",
        "apps.ssh-report.modules.all.type=report",
        "--set",
        "apps.ssh-report.modules.all.max_length=200",
    ];
    let server = Server::start(home.path(), &arguments);
    let mut host = connect("127.0.0.1", server.address);
    for line in ["stopping", "records rejected", "listening"] {
        // As rsyslog and journald pass on what the service writes to standard error.
        host.write_all(counted(&format!("<30>1 - web1 correlator 4711 - - INFO {line}")).as_bytes()).unwrap();
        host.write_all(
            counted(&format!("<30>Feb  1 00:00:00 web1 correlator[4711]: INFO {line}")).as_bytes(),
        )
        .unwrap();
    }
    host.write_all(counted("<30>1 - web1 cron 1 - - a job").as_bytes()).unwrap();
    end(host);
    let ended = server.stop();
    assert_eq!(ended.total("received"), 7);
    assert_eq!(ended.total("own"), 6);
    assert_eq!(ended.of_kind("ReportRecord"), 1, "only the record that is not ours");
}

#[test]
fn stopping_reads_what_has_arrived_and_tells_the_totals() {
    let home = tempfile::tempdir().unwrap();
    let capture = home.path().join("live.capture");
    let server = Server::start(home.path(), &["--capture", capture.to_str().unwrap()]);
    let mut open = connect("127.0.0.1", server.address);
    for n in 0..500 {
        let text = format!(
            "<38>1 - web1 sshd {n} - - Failed password for root from 203.0.113.9 port {} ssh2",
            2000 + n
        );
        open.write_all(counted(&text).as_bytes()).unwrap();
    }
    // A second peer's end proves that the first one was accepted; it stays open, with what it sent in its socket.
    end(connect("127.0.0.1", server.address));
    let ended = server.stop();
    assert_eq!((ended.code, ended.total("received"), ended.total("observations")), (Some(0), 500, 500));
    assert!(ended.log.contains("console: ") && ended.log.contains("csv: "), "{}", ended.log);
    assert!(ended.of_kind("SSHDAttemptsExceeded") >= 1);
    assert_eq!(ended.events.last().unwrap()["kind"], "ServerStats");
    assert_eq!(ended.events.last().unwrap()["fields"]["received"], 500);

    let replayed = output(
        Command::new(env!("CARGO_BIN_EXE_correlator")).args(["replay", "--format", "json"]).arg(&capture),
    );
    assert!(replayed.status.success());
    let replayed = String::from_utf8(replayed.stdout).unwrap();
    let replayed: Vec<Value> = replayed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(replayed, ended.events, "a replay gives the same events, with the same ids");
}

/// A server that reads its configuration from a pipe, and waits there until the test writes it.
fn starting(home: &Path) -> (Guard, fs::File) {
    let pipe = home.join("correlator.toml");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
    command.args(["serve", "--listen", "tcp://127.0.0.1:0", "--data-dir"]).arg(home.join("data"));
    command.arg("--config").arg(&pipe).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = Guard::start(&mut command);
    // This waits until the server reads.
    (child, fs::OpenOptions::new().write(true).open(pipe).unwrap())
}

#[test]
fn a_server_that_is_told_to_stop_while_it_starts_stops_in_good_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let home = tempfile::tempdir().unwrap();
        let (mut child, mut pipe) = starting(home.path());
        let said = child.said();
        kill_process(Pid::from_child(&child), signal).unwrap();
        pipe.write_all(b"[apps.a.modules.s]\ntype = \"sshd\"\n").unwrap();
        drop(pipe);
        let said = said.map(|line| line + "\n").collect::<String>();
        assert_eq!(child.ended().code(), Some(0), "{signal:?}: {said}");
        assert!(said.contains("stopping: ") && said.contains("\nreceived      0\n"), "{said}");
    }
}

#[test]
fn a_second_signal_while_a_server_starts_ends_it_at_once() {
    let home = tempfile::tempdir().unwrap();
    let (mut child, _never_written) = starting(home.path());
    let mut said = child.said();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.ended().code(), Some(0));
    let told = "warning: a second signal ends the server at once; it has not begun to receive anything\n";
    assert_eq!(said.rest(), told);
}

#[test]
fn what_a_sender_writes_until_it_sees_the_end_survives_a_stop() {
    let home = tempfile::tempdir().unwrap();
    let capture = home.path().join("live.capture");
    let server = Server::start(home.path(), &["--capture", capture.to_str().unwrap()]);
    let mut host = connect("127.0.0.1", server.address);
    // Between two records it looks for a millisecond whether the server has ended the connection.
    host.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let (begun, has_begun) = mpsc::channel();
    let sender = thread::spawn(move || {
        let mut sent = 0;
        while host.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
            host.write_all(counted(&format!("<38>1 - web1 cron {sent} - - x")).as_bytes()).unwrap();
            sent += 1;
            begun.send(()).ok();
        }
        sent
    });
    for _ in 0..20 {
        has_begun.recv_timeout(PATIENCE).unwrap();
    }
    let ended = server.stop();
    let sent = sender.join().unwrap();
    assert_eq!((ended.code, ended.total("received")), (Some(0), sent));
    let listed = output(
        Command::new(env!("CARGO_BIN_EXE_correlator"))
            .args(["capture", "list", "--format", "json"])
            .arg(&capture),
    );
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(listed.matches(" web1 cron ").count() as u64, sent, "{listed}");
}

#[test]
fn events_that_a_handler_could_not_deliver_are_told_at_the_end() {
    let home = tempfile::tempdir().unwrap();
    // Where the handler wants a directory, there is a file.
    fs::create_dir(home.path().join("data")).unwrap();
    fs::write(home.path().join("data/csv"), "").unwrap();
    let one_login = |options: &[&str]| {
        let server = Server::start(home.path(), options);
        let mut host = connect("127.0.0.1", server.address);
        let login = "<38>1 - web1 sshd 1 - - Accepted password for a from 192.0.2.1 port 9 ssh2";
        host.write_all(counted(login).as_bytes()).unwrap();
        end(host);
        server.stop()
    };
    let ended = one_login(&["--set", "server.durability=none"]);
    assert_eq!(ended.code, Some(3), "{}", ended.log);
    let (said, why) = ended.log.split_once("events were not delivered by handler `csv`: ").expect(&ended.log);
    assert!(said.contains("delivered     csv: 0 of ") && !said.contains("failed for"), "{said}");
    assert!(why.contains("Not a directory") || why.contains("File exists"), "{why}");

    // With a journal they wait, and the next start delivers them once it can.
    let ended = one_login(&[]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let (_, why) = ended.log.split_once("events wait in the journal for handler `csv`: ").expect(&ended.log);
    assert!(why.contains("Not a directory") || why.contains("File exists"), "{why}");
    fs::remove_file(home.path().join("data/csv")).unwrap();
    let ended = Server::start(home.path(), &[]).stop();
    assert!(!ended.log.contains("wait in the journal"), "{}", ended.log);
    let rows = fs::read_to_string(home.path().join("data/csv/sshd-SSHDSessionStarted.csv")).unwrap();
    assert_eq!(rows.lines().count(), 2, "{rows}");
}

#[test]
fn a_log_for_programs_is_json_from_the_first_line_to_the_last() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(home.path(), &["--set", "server.log_format=json"]);
    let ended = server.stop();
    assert_eq!(ended.code, Some(0));
    let lines: Vec<Value> = ended.log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said = |start: &str| lines.iter().any(|line| line["message"].as_str().unwrap().starts_with(start));
    assert!(said("stopping") && said("received      0"), "{}", ended.log);
}

#[test]
fn a_quiet_log_says_no_more_than_it_was_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(home.path(), &["--set", "server.log_level=error"]);
    assert!(!server.stop().log.contains("INFO"));
}

#[test]
fn a_capture_goes_on_in_files_of_the_configured_size() {
    let home = tempfile::tempdir().unwrap();
    let capture = home.path().join("live.capture");
    let options = ["--capture", capture.to_str().unwrap(), "--set", "server.capture_segment_size=4MiB"];
    let server = Server::start(home.path(), &options);
    let mut host = connect("127.0.0.1", server.address);
    let record = counted(&format!("<38>1 - web1 cron 1 - - {}", "x".repeat(8000)));
    for _ in 0..1000 {
        host.write_all(record.as_bytes()).unwrap();
    }
    end(host);
    assert_eq!(server.stop().total("received"), 1000);
    assert!(home.path().join("live.capture.0001").exists());
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(home.path(), &[]);
    let second = output(
        Command::new(env!("CARGO_BIN_EXE_correlator"))
            .args(["serve", "--listen", "tcp://127.0.0.1:0", "--data-dir"])
            .arg(home.path().join("data")),
    );
    assert_eq!(second.status.code(), Some(3));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("in use by another correlator"), "{said}");
    assert_eq!(server.stop().code, Some(0));
}

#[test]
fn a_server_that_cannot_listen_leaves_no_capture_behind() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(home.path(), &[]);
    let capture = home.path().join("never.capture");
    let second = output(
        Command::new(env!("CARGO_BIN_EXE_correlator"))
            .args(["serve", "--listen", &format!("tcp://{}", server.address), "--data-dir"])
            .arg(home.path().join("other"))
            .arg("--capture")
            .arg(&capture),
    );
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(3), "{said}");
    assert!(said.contains("another program listens there"), "{said}");
    assert!(!said.contains("os error"), "the reason is told once: {said}");
    assert!(!capture.exists());
    assert_eq!(server.stop().code, Some(0));

    let third = output(
        Command::new(env!("CARGO_BIN_EXE_correlator"))
            .args(["serve", "--listen", "tcp://127.0.0.1:0", "--data-dir"])
            .arg(home.path().join("other"))
            .arg("--capture")
            .arg(home.path()),
    );
    let said = String::from_utf8(third.stderr).unwrap();
    assert!(third.status.code() == Some(3) && said.contains("it is there, and no file"), "{said}");
}

#[test]
fn a_log_that_cannot_be_written_and_a_hang_up_change_nothing() {
    let home = tempfile::tempdir().unwrap();
    let full = || Stdio::from(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let capture = home.path().join("full.capture");
    let child = Command::new(env!("CARGO_BIN_EXE_correlator"))
        .args(["serve", "--listen", "tcp://127.0.0.1:0", "--data-dir"])
        .arg(home.path().join("data"))
        .arg("--capture")
        .arg(&capture)
        .stdout(Stdio::piped())
        .stderr(full())
        .spawn();
    let mut child = Guard(child.unwrap());
    let events = Lines::of(child.stdout.take().unwrap());
    // Its standard error is lost, and so the address: the capture's first tick tells that it runs.
    wait_for("the first tick", || {
        assert!(child.try_wait().unwrap().is_none(), "the server ended");
        fs::metadata(&capture).ok().filter(|file| file.len() > 96)
    });
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.ended().code(), Some(0));
    let events = events.collect::<String>();
    assert!(events.contains("ServerStats"), "it ended in order: {events}");

    let replay = |out: Stdio| {
        let mut replay = Command::new(env!("CARGO_BIN_EXE_correlator"));
        replay.arg("replay").arg(&capture).stdout(out).stderr(Stdio::null()).status().unwrap().code()
    };
    assert_eq!(replay(Stdio::null()), Some(0));
    assert_eq!(replay(full()), Some(3), "events that could not be written are no success");
}
