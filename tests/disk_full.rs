//! A server whose disk runs full, and one whose disk fails: real processes on a real, small file system.

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

use child::{Guard, Lines, output, wait_for};
use correlator::event::render;
use correlator::journal::{EventReader, Page, verify};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

/// Set in the process that has the small file system.
const INSIDE: &str = "CORRELATOR_TEST_DISK";

/// A server, what it says, and what its handler tells.
struct Server {
    child: Guard,
    log: Lines,
    events: Lines,
    address: SocketAddr,
}

fn serve(command: Command, data: &Path) -> Server {
    serve_with(command, data, &[])
}

fn serve_with(mut command: Command, data: &Path, arguments: &[&str]) -> Server {
    let mut child = command
        .args(["serve", "--listen", "tcp://127.0.0.1:0", "--data-dir"])
        .arg(data)
        .args(["--set", "server.journal_segment_size=64KiB", "--set", "server.snapshot_interval=1s"])
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = Lines::of(child.stderr.take().unwrap());
    let events = Lines::of(child.stdout.take().unwrap());
    let address = log.find_map(|line| {
        assert!(!line.starts_with("error"), "{line}");
        line.split("tcp://").nth(1)?.split_whitespace().next()?.parse().ok()
    });
    Server { child: Guard(child), log, events, address: address.expect("it listens") }
}

fn correlator() -> Command {
    Command::new(env!("CARGO_BIN_EXE_correlator"))
}

/// Mounts a file system in memory with these options.
fn mount(options: &str, at: &Path) {
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).status();
    assert!(mounted.unwrap().success());
}

/// A login in four records; the others are long and mean nothing.
fn record(n: u64) -> String {
    let text = match n % 4 {
        0 => format!(
            "Accepted password for u{} from 192.0.2.{} port {} ssh2",
            n % 50,
            n % 200,
            1024 + n % 60_000
        ),
        _ => format!("nothing {}", "x".repeat(2000)),
    };
    let record = format!("<38>1 - web{} sshd {} - - {text}", n % 7, 1000 + n % 30_000);
    format!("{} {record}", record.len())
}

fn events(data: &Path) -> BTreeMap<u64, Vec<u8>> {
    let mut reader = EventReader::open(data, 0).unwrap();
    let mut events = BTreeMap::new();
    while let Some(page) = reader.next_page().unwrap() {
        match page {
            Page::Events { first, block, .. } => {
                for (seq, event) in (first..).zip(block.iter()) {
                    let mut line = Vec::new();
                    render::json(&mut line, event);
                    events.insert(seq, line);
                }
            }
            Page::Settled(_) => {}
            Page::Flaw(flaw) => panic!("{flaw}"),
        }
    }
    events
}

/// Writes a file until so many bytes are free.
fn fill(file: &mut File, disk: &Path, free: u64) {
    loop {
        let now = rustix::fs::statvfs(disk).unwrap();
        let now = now.f_bavail * now.f_frsize;
        let wanted = usize::try_from(now.saturating_sub(free)).unwrap().min(64 * 1024);
        if wanted == 0 || file.write_all(&vec![b'x'; wanted]).is_err() {
            return;
        }
    }
}

/// Runs this test again in a mount namespace of its own; whether this process is the one within.
fn is_inside(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let unshare = || {
        let mut unshare = Command::new("unshare");
        unshare.arg("--mount");
        if !rustix::process::getuid().is_root() {
            unshare.args(["--user", "--map-root-user"]);
        }
        unshare
    };
    if !unshare().arg("true").status().is_ok_and(|status| status.success()) {
        println!("skipped: needs mount namespaces");
        return false;
    }
    let test = std::env::current_exe().unwrap();
    let status =
        unshare().arg(test).args(["--exact", name, "--nocapture"]).env(INSIDE, "1").status().unwrap();
    assert!(status.success());
    false
}

#[test]
fn a_full_disk_makes_senders_wait_and_costs_nothing() {
    if !is_inside("a_full_disk_makes_senders_wait_and_costs_nothing") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    mount("size=8m", home.path());
    let data = home.path().join("data");
    let mut server = serve(correlator(), &data);
    let mut sender = TcpStream::connect(server.address).unwrap();
    (0..20).for_each(|n| sender.write_all(record(n).as_bytes()).unwrap());
    server.events.until("SSHDSessionStarted");

    // Little room: that is told while everything still goes on.
    let filler = home.path().join("filler");
    let mut file = File::create(&filler).unwrap();
    fill(&mut file, home.path(), 1024 * 1024);
    (20..40).for_each(|n| sender.write_all(record(n).as_bytes()).unwrap());
    let low = server.events.until("ServerDiskLow");
    assert!(low.contains("free"), "{low}");

    // No room: it takes no more, and says why.
    fill(&mut file, home.path(), 0);
    let count = 24_000;
    let load = thread::spawn(move || {
        (40..count).for_each(|n| sender.write_all(record(n).as_bytes()).unwrap());
    });
    let why = server.log.until("the disk is full: no input is taken");
    assert!(why.contains("no room for"), "{why}");
    let while_full = events(&data);
    assert!(!while_full.is_empty());
    assert!(verify(&data).unwrap().flaws.is_empty());
    assert!(!load.is_finished(), "senders wait");

    fs::remove_file(&filler).unwrap();
    drop(file);
    server.log.until("there is room on the disk again");
    // What fits goes on until it does not; then the journal is what fills the disk, and room is made for good.
    mount("remount,size=512m", home.path());
    load.join().unwrap();
    terminate(&server);
    let received = server.log.until("received  ");
    assert_eq!(received.split_whitespace().nth(1).unwrap(), count.to_string());
    assert!(server.child.ended().success());
    assert!(server.events.count() > 0);

    let after = events(&data);
    while_full.iter().for_each(|(seq, event)| assert_eq!(after.get(seq), Some(event)));
    assert!(verify(&data).unwrap().flaws.is_empty());
}

#[test]
fn a_capture_that_a_full_disk_has_ended_is_a_problem_of_the_status() {
    if !is_inside("a_capture_that_a_full_disk_has_ended_is_a_problem_of_the_status") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let disk = home.path().join("disk");
    fs::create_dir(&disk).unwrap();
    mount("size=1m", &disk);
    let (data, capture) = (home.path().join("data"), disk.join("received.cap"));
    let mut server = serve_with(correlator(), &data, &["--capture", capture.to_str().unwrap()]);
    let status = |format: &str| {
        let output = output(correlator().args(["status", "--format", format, "--data-dir"]).arg(&data));
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert!(status("text").1.ends_with("\nhealthy\n"), "{:?}", status("text"));

    let mut sender = TcpStream::connect(server.address).unwrap();
    (0..2_000).for_each(|n| sender.write_all(record(n).as_bytes()).unwrap());
    server.log.until("the capture ends here; the server goes on without it");
    let path = capture.display();
    let why = format!(
        "the server goes on without a capture: cannot write {path}; the capture ends here: No space left"
    );
    let (code, text) = status("text");
    assert!(code == Some(1) && text.contains(&format!("problem       {why}")), "{text}");
    let (code, json) = status("json");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &json["healthy"]), (Some(1), &serde_json::json!(false)), "{json}");
    assert!(json["problems"][0].as_str().unwrap().starts_with(&why), "{json}");
}

#[test]
fn a_server_for_whose_capture_there_is_no_room_starts_without_it() {
    if !is_inside("a_server_for_whose_capture_there_is_no_room_starts_without_it") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let disk = home.path().join("disk");
    fs::create_dir(&disk).unwrap();
    mount("size=64k", &disk);
    assert!(fs::write(disk.join("filler"), [0; 1 << 17]).is_err());
    let (data, capture) = (home.path().join("data"), disk.join("received.cap"));
    let server = serve_with(correlator(), &data, &["--capture", capture.to_str().unwrap()]);
    assert!(!capture.exists(), "nothing is left that would be in the way later");
    let why = format!(
        "problem       the server goes on without a capture: the capture cannot be begun: cannot create {}: No space left",
        capture.display()
    );
    wait_for("the status to say so", || {
        let status = output(correlator().args(["status", "--data-dir"]).arg(&data));
        (String::from_utf8(status.stdout).unwrap().contains(&why) && status.status.code() == Some(1))
            .then_some(())
    });
    // More than the capture's queue of batches holds.
    for n in 0..200 {
        let mut sender = TcpStream::connect(server.address).unwrap();
        sender.write_all(record(n).as_bytes()).unwrap();
    }
    terminate(&server);
    let (said, code) = ended(server);
    assert_eq!(code, Some(0), "{said}");
}

fn terminate(server: &Server) {
    let pid = rustix::process::Pid::from_child(&server.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
}

/// What a server says to its end, and its exit code.
fn ended(mut server: Server) -> (String, Option<i32>) {
    let said: Vec<String> = server.log.collect();
    let code = server.child.ended().code();
    (said.join("\n"), code)
}

#[test]
fn what_does_not_reach_a_full_disk_is_counted_at_the_end() {
    if !is_inside("what_does_not_reach_a_full_disk_is_counted_at_the_end") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    mount("size=8m", home.path());
    let data = home.path().join("data");
    let mut server = serve(correlator(), &data);
    let mut file = File::create(home.path().join("filler")).unwrap();
    fill(&mut file, home.path(), 0);
    let mut sender = TcpStream::connect(server.address).unwrap();
    let mut sent = 0;
    // More than what is left of the segments, and less than what waits before senders have to.
    while sent < 120 {
        sender.write_all(record(sent).as_bytes()).unwrap();
        sent += 1;
    }
    server.log.until("the disk is full: no input is taken");
    drop(sender);
    terminate(&server);
    server.log.until("stopping: ");
    terminate(&server);
    let (said, code) = ended(server);
    assert_eq!(code, Some(4), "{said}");
    let lost = said.split("a second signal ends the server at once: at most ").nth(1).expect(&said);
    let lost: u64 = lost.split(' ').next().unwrap().parse().unwrap();
    assert!(said.contains("received and did not reach the journal"), "{said}");
    assert!((1..=sent).contains(&lost), "{lost} of {sent}: {said}");
    for line in ["received  ", "observations  ", "delivered     console: "] {
        assert!(said.contains(line), "{line} in {said}");
    }
}

#[test]
fn an_impatient_end_loses_nothing_where_everything_is_in_the_journal() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("correlator.toml");
    let text = "[apps.a]\nhandlers = [\"slow\"]\n[apps.a.modules.s]\ntype = \"sshd\"\n\
                [handlers.slow]\ntype = \"exec\"\ncommand = [\"/bin/sh\", \"-c\", \"sleep 50\"]\n\
                timeout = \"55s\"\n";
    fs::write(&config, text).unwrap();
    let mut command = correlator();
    command.env("CORRELATOR_CONFIG", &config);
    let data = home.path().join("data");
    let mut server = serve(command, &data);
    let mut sender = TcpStream::connect(server.address).unwrap();
    sender.write_all(record(0).as_bytes()).unwrap();
    drop(sender);
    wait_for("the event in the journal", || (!events(&data).is_empty()).then_some(()));
    terminate(&server);
    server.log.until("stopping: ");
    terminate(&server);
    let (said, code) = ended(server);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("everything that was received is in the journal"), "{said}");
    assert!(
        said.contains("wait in the journal for handler `slow`") || said.contains("waits in the journal"),
        "{said}"
    );
    assert!(said.contains("received      1"), "{said}");
}

fn has_strace() -> bool {
    let tried = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    let works = tried.is_ok_and(|status| status.success());
    if !works {
        println!("skipped: needs strace");
    }
    works
}

#[test]
fn a_sync_of_the_identity_that_fails_has_the_exit_code_of_lost_durability() {
    if !has_strace() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let mut traced = Command::new("strace");
    traced.args([
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=fdatasync",
        "-e",
        "inject=fdatasync:error=EIO:when=1",
    ]);
    traced.args([env!("CARGO_BIN_EXE_correlator"), "serve", "--listen", "tcp://127.0.0.1:0", "--data-dir"]);
    let output = output(traced.arg(home.path()));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("data directory: cannot sync") && said.contains("identity.new"), "{said}");
    assert_eq!(output.status.code(), Some(4), "{said}");
}

#[test]
fn a_sync_that_fails_ends_the_server_with_its_own_exit_code() {
    if !has_strace() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let mut traced = Command::new("strace");
    traced.args(["-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=fdatasync"]);
    // Each thread counts its own: the start has fewer, the journal's thread soon has more.
    traced.args(["-e", "inject=fdatasync:error=EIO:when=12", env!("CARGO_BIN_EXE_correlator")]);
    let mut server = serve(traced, &data);
    let mut sender = TcpStream::connect(server.address).unwrap();
    let load = thread::spawn(move || {
        (0..u64::MAX).take_while(|n| sender.write_all(record(*n).as_bytes()).is_ok()).count()
    });
    let said = server.log.until("nobody can know what is durable");
    assert!(said.contains("cannot sync"), "{said}");
    assert_eq!(server.child.ended().code(), Some(4));
    load.join().unwrap();

    // The next start finds all that was told.
    assert!(verify(&data).unwrap().flaws.is_empty());
    let before = events(&data);
    let mut again = serve(correlator(), &data);
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&again.child),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    assert!(again.child.ended().success());
    let after = events(&data);
    before.iter().for_each(|(seq, event)| assert_eq!(after.get(seq), Some(event)));
}

#[test]
fn a_disk_that_is_too_small_from_the_start_is_told_with_the_remedy() {
    if !is_inside("a_disk_that_is_too_small_from_the_start_is_told_with_the_remedy") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    mount("size=64m", home.path());
    let check = |size: &[&str]| {
        let mut command = correlator();
        command.args(["check", "--listen", "tcp://127.0.0.1:0", "--data-dir"]).arg(home.path().join("data"));
        let output = output(command.args(size));
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = check(&[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("take 96 MiB, one of them 64 MiB, and 64 MiB are free"), "{said}");
    assert!(said.contains("`journal_segment_size` in [server]"), "{said}");
    assert_eq!(check(&["--set", "server.journal_segment_size=16MiB"]), (Some(0), String::new()));
}
