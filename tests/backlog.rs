//! What a file holds when it is first followed: its events are raised, and handlers get them only if they are asked to.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test program: its helpers fail by panicking")]

#[path = "support/child.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod child;

use child::{Guard, Lines, output, wait_for};
use serde_json::Value;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Logins of users with these numbers.
fn logins(numbers: std::ops::Range<usize>) -> String {
    let login = |n: usize| {
        format!(
            "2026-02-01T00:00:00Z h sshd[{n}]: Accepted publickey for u{n} from 10.0.{}.{} port 1024 ssh2\n",
            n >> 8,
            n & 255
        )
    };
    numbers.map(login).collect()
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn append(&self, text: &str) {
        let file = OpenOptions::new().append(true).create(true).open(self.path("auth.log"));
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
        command.args(arguments).arg("--config").arg(self.path("correlator.toml"));
        command.arg("--data-dir").arg(self.path("data")).env_clear();
        command
    }

    fn say(&self, arguments: &[&str]) -> String {
        let output = output(&mut self.command(arguments));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn serve(&self, options: &str) -> Server {
        let config = format!(
            "[listeners.none]\naddress = \"unix-datagram://{0}/none\"\n[files.logs]\npath = \"{0}/auth.log\"\nfrom = \
             \"beginning\"\n{options}\n[apps.ssh]\nhandlers = [\"screen\"]\n[apps.ssh.modules.sshd]\ntype = \"sshd\"\n\
             [handlers.screen]\ntype = \"log\"\nformat = \"json\"\n",
            self.0.path().display()
        );
        fs::write(self.path("correlator.toml"), config).unwrap();
        let mut command = self.command(&["serve"]);
        let mut child = Guard::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
        child.said().until("following");
        Server { told: child.told(), _ends_with_this: child }
    }
}

struct Server {
    told: Lines,
    _ends_with_this: Guard,
}

impl Server {
    /// The users whose logins the handler has been told of, once it is told of this one.
    fn told_of(&mut self, last: usize) -> Vec<String> {
        let mut users = Vec::new();
        while users.last() != Some(&format!("u{last}")) {
            let line = self.told.next().unwrap_or_else(|| panic!("it ended without u{last}: {users:?}"));
            let event: Value = serde_json::from_str(&line).unwrap();
            users.extend(event.pointer("/fields/user").and_then(Value::as_str).map(str::to_owned));
        }
        users
    }
}

fn events(place: &Place) -> Vec<Value> {
    let listed = place.say(&["events", "list", "--kind", "SSHDSessionStarted", "--format", "json"]);
    listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text<'a>(event: &'a Value, key: &str) -> &'a str {
    event.get(key).and_then(Value::as_str).unwrap_or_else(|| panic!("no {key} in {event}"))
}

#[test]
fn a_backlog_is_told_to_handlers_only_if_they_are_asked_to() {
    let place = Place::new();
    place.append(&logins(0..50));
    let mut server = place.serve("");
    // Once something came of it the file has been opened: what is appended then is not of the backlog.
    let mut follower = place.command(&["events", "follow", "--since", "2000-01-01T00:00:00Z"]);
    let mut follower = Guard::start(follower.stdout(Stdio::piped()));
    let seen = follower.told().filter(|line| line.contains("SSHDSessionStarted")).take(50).count();
    drop(follower);
    assert_eq!(seen, 50);
    place.append(&logins(50..52));
    assert_eq!(server.told_of(51), ["u50", "u51"]);

    // That a handler was not told of something may be in the journal after what it was told of next.
    let status = wait_for("what was held back", || {
        let status: Value = serde_json::from_str(&place.say(&["status", "--format", "json"])).unwrap();
        (status.pointer("/handlers/0/suppressed") == Some(&50.into())).then_some(status)
    });
    assert_eq!(status.pointer("/healthy"), Some(&true.into()));
    let events = events(&place);
    assert_eq!(events.len(), 52);
    let shown = place.say(&["events", "show", text(&events[0], "id")]);
    assert!(shown.contains("handler screen: suppressed"), "{shown}");
    assert!(shown.contains("`deliver_backlog` is off"), "{shown}");

    drop(server);
    place.append(&logins(52..53));
    let mut server = place.serve("");
    assert_eq!(server.told_of(52), ["u52"], "what came while no server ran is no backlog");
}

#[test]
fn a_backlog_is_told_if_handlers_are_asked_to() {
    let place = Place::new();
    place.append(&logins(0..50));
    let mut server = place.serve("deliver_backlog = true");
    assert_eq!(server.told_of(49).len(), 50);
}
