//! Captures of runs that go on from earlier ones: a replay of each gives exactly the events of that run.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test program: its helpers fail by panicking"
)]

#[path = "support/child.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod child;
#[path = "forged/seal.rs"]
mod seal;

use child::{Guard, Lines, output, wait_for};
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};

const FAILED: &str = "Failed password for root from 203.0.113.9 port 40001 ssh2";

/// A line of an sshd on a host.
fn sshd(pid: u32, message: &str) -> String {
    format!("<38>1 - web1 sshd {pid} - - {message}\n")
}

/// A directory with a configuration, the data and the captures of a server.
struct Place(tempfile::TempDir);

impl Place {
    fn new(durability: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let config = format!(
            "[server]\ndurability = \"{durability}\"\n[hosts]\nevents = {{ HostForged = \"ERROR\" }}\n\
             [sources.web]\npeers = [\"127.0.0.1\"]\nhosts = [\"web*\"]\n[listeners.lan]\naddress = \"tcp://127.0.0.1:0\"\n\
             [apps.fleet]\nhandlers = [\"screen\"]\n[apps.fleet.modules.openssh]\ntype = \"sshd\"\n\
             [apps.all.modules.records]\ntype = \"report\"\n[handlers.screen]\ntype = \"log\"\n"
        );
        fs::write(place.path("correlator.toml"), config).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
        command.args(arguments).current_dir(self.0.path()).env_clear();
        command
    }

    fn serve(&self) -> Server {
        let mut command = self.command(&["serve", "--config", "correlator.toml", "--data-dir", "data"]);
        command.args(["--capture", "received.cap"]).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = Guard::start(&mut command);
        let mut said = child.said();
        let address = said.listening("tcp");
        Server { child, said, address }
    }

    /// What a command gives that must succeed.
    fn say(&self, arguments: &[&str]) -> String {
        let output = output(&mut self.command(arguments));
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn replay(&self, capture: &str) -> Vec<Value> {
        let arguments = ["replay", "--config", "correlator.toml", "--format", "json", capture];
        events(&self.say(&arguments))
    }

    /// The events in the journal, by the run that raised them.
    fn raised_in(&self, run: u32) -> Vec<Value> {
        let listed = events(&self.say(&["events", "list", "--data-dir", "data", "--format", "json"]));
        let is_of_run = |event: &Value| text(event, "id").split('.').nth(1) == Some(run.to_string().as_str());
        let mut raised: Vec<_> = listed.into_iter().filter(is_of_run).collect();
        // What became of them only the journal knows.
        raised.iter_mut().for_each(|event| drop(event.as_object_mut().unwrap().remove("deliveries")));
        raised
    }
}

/// Events, but those that tell of the server and so are in no replay.
fn events(lines: &str) -> Vec<Value> {
    let events = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["kind"] != "ServerStarted").collect()
}

fn text<'a>(event: &'a Value, key: &str) -> &'a str {
    event[key].as_str().unwrap_or_else(|| panic!("no {key} in {event}"))
}

struct Server {
    child: Guard,
    said: Lines,
    address: SocketAddr,
}

impl Server {
    /// Sends lines, and waits until they have been read.
    fn take(&self, lines: &[String]) {
        let mut peer = TcpStream::connect(self.address).unwrap();
        peer.write_all(lines.concat().as_bytes()).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        peer.read_to_end(&mut Vec::new()).unwrap();
    }

    fn stop(mut self) {
        self.child.terminate();
        let said = self.said.rest();
        assert!(self.child.ended().success(), "{said}");
    }
}

#[test]
fn each_run_of_several_replays_to_its_own_events() {
    for durability in ["events", "observations"] {
        let place = Place::new(durability);
        println!("{durability}");
        let first = place.serve();
        first.take(&[
            sshd(7, "Accepted password for alice from 192.0.2.7 port 50022 ssh2"),
            sshd(8, FAILED),
            sshd(8, FAILED),
            sshd(8, FAILED),
        ]);
        first.stop();
        let second = place.serve();
        second.take(&[
            sshd(8, FAILED),
            sshd(8, FAILED),
            sshd(7, "Disconnected from user alice 192.0.2.7 port 50022"),
            "<14>1 - db1 cron - - - of a host that is not the sender's\n".to_owned(),
        ]);
        second.stop();
        let third = place.serve();
        third.take(&[sshd(9, "Accepted password for root from 203.0.113.9 port 40002 ssh2")]);
        third.stop();

        let captures = ["received.cap", "received.cap.run2", "received.cap.run3"];
        for (run, capture) in (1..).zip(captures) {
            let (replayed, raised) = (place.replay(capture), place.raised_in(run));
            assert_eq!(replayed, raised, "run {run}");
            let verdict = place.say(&["capture", "verify", capture]);
            assert_eq!(verdict.contains(", which goes on from earlier ones,"), run > 1, "{verdict}");
        }
        let second = place.replay("received.cap.run2");
        let exceeded: Vec<_> =
            second.iter().filter(|event| event["kind"] == "SSHDAttemptsExceeded").collect();
        assert_eq!(exceeded.len(), 1, "{second:?}");
        assert_eq!(exceeded[0]["fields"]["count"], 5, "three of them in the run before");
        let forged = second.iter().find(|event| event["kind"] == "HostForged").unwrap();
        assert_eq!(forged["severity"], "ERROR", "as it is configured");
        let session = second.iter().find(|event| event["kind"] == "SSHDLoginSucceeded").unwrap();
        assert_eq!(session["fields"]["user"], "alice", "her session began in the run before");
        let all: Vec<_> = captures.iter().flat_map(|capture| place.replay(capture)).collect();
        let mut arguments = vec!["replay", "--config", "correlator.toml", "--format", "json"];
        arguments.extend(captures);
        assert_eq!(events(&place.say(&arguments)), all, "one after the other");
    }
}

#[test]
fn a_run_after_a_crash_replays_to_its_own_events() {
    for durability in ["events", "observations"] {
        println!("{durability}");
        let place = Place::new(durability);
        let mut first = place.serve();
        first.take(&[sshd(7, "Accepted password for alice from 192.0.2.7 port 50022 ssh2"), sshd(8, FAILED)]);
        let first_raised = wait_for("the session to be durable and captured", || {
            let raised = place.raised_in(1);
            (raised.len() == 3 && place.replay("received.cap") == raised).then_some(raised)
        });
        first.child.crash();
        let second = place.serve();
        second.take(&[sshd(7, "Disconnected from user alice 192.0.2.7 port 50022"), sshd(8, FAILED)]);
        second.stop();

        let raised = place.raised_in(2);
        assert!(raised.iter().any(|event| event["kind"] == "SSHDLoginSucceeded"), "{raised:?}");
        assert_eq!(place.replay("received.cap.run2"), raised);
        // What was open at the kill ended later, and just once.
        let arguments = ["replay", "--config", "correlator.toml", "--format", "json"];
        let both = place.say(&[&arguments[..], &["received.cap", "received.cap.run2"]].concat());
        assert_eq!(events(&both), [first_raised, raised].concat());
    }
}

#[test]
fn a_cut_has_what_was_known_of_earlier_runs_only_if_that_is_asked_for() {
    let place = Place::new("observations");
    let first = place.serve();
    first.take(&[sshd(7, "Accepted password for alice from 192.0.2.7 port 50022 ssh2")]);
    first.stop();
    let second = place.serve();
    second.take(&[sshd(7, "Disconnected from user alice 192.0.2.7 port 50022")]);
    second.stop();

    place.say(&["capture", "cut", "received.cap.run2", "-o", "without.cap"]);
    let of_alice = |capture: &str| {
        let replayed = place.replay(capture);
        replayed.into_iter().filter(|event| event["kind"] == "SSHDLoginSucceeded").collect::<Vec<_>>()
    };
    assert_eq!(of_alice("without.cap"), [] as [Value; 0]);
    place.say(&["capture", "cut", "received.cap.run2", "--keep-state", "-o", "with.cap"]);
    assert_eq!(place.replay("with.cap"), place.replay("received.cap.run2"));
    assert_eq!(of_alice("with.cap").len(), 1);
}

#[test]
fn a_state_that_cannot_be_used_is_told_and_the_records_are_replayed() {
    let place = Place::new("observations");
    for _ in 0..2 {
        let server = place.serve();
        server.take(&[sshd(7, "Accepted password for alice from 192.0.2.7 port 50022 ssh2")]);
        server.stop();
    }
    let capture = fs::read(place.path("received.cap.run2")).unwrap();
    let at = capture.windows(8).position(|bytes| bytes == b"corstate").unwrap();
    let with = |place: usize| {
        let mut changed = capture.clone();
        changed[place] ^= 8;
        changed
    };
    let newer = seal::sealed(&with(at + 8), *b"CAPT");
    for (changed, why) in
        [(with(at), "its checksum does not match"), (newer, "the saved state is of version 10")]
    {
        fs::write(place.path("changed.cap"), changed).unwrap();
        let replay = ["replay", "--config", "correlator.toml", "--format", "json", "changed.cap"];
        let replayed = output(&mut place.command(&replay));
        let said = String::from_utf8(replayed.stderr).unwrap();
        assert!(
            said.contains("what was known of earlier runs cannot be used") && said.contains(why),
            "{said}"
        );
        assert_eq!(replayed.status.code(), Some(3));
        let told = events(&String::from_utf8(replayed.stdout).unwrap());
        assert!(told.iter().any(|event| event["kind"] == "SSHDSessionStarted"), "{told:?}");

        let verified = output(&mut place.command(&["capture", "verify", "changed.cap"]));
        let verdict = String::from_utf8(verified.stdout).unwrap();
        assert!(verdict.contains(why) && verdict.contains("changed.cap: damaged: "), "{verdict}");
        assert_eq!(verified.status.code(), Some(1));
    }

    fs::write(place.path("changed.cap"), with(at)).unwrap();
    let cut = output(&mut place.command(&["capture", "cut", "changed.cap", "--keep-state", "-o", "new.cap"]));
    assert!(cut.status.code() == Some(3) && !place.path("new.cap").exists(), "{cut:?}");
}
