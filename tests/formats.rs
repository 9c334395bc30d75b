//! Logs in formats that the configuration describes: the same events live, from the file and from a capture.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test program: its helpers fail by panicking")]

#[path = "support/child.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod child;

use child::{Guard, Lines, output};
use serde_json::Value;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The log of a gateway: records of several lines, and some that are none.
const LOG: &str = include_str!("formats/gateway.log");

/// What describes it, and follows the log of that name.
const CONFIG: &str = r#"
    [listeners.none]
    address = "unix-datagram://@/none"

    [formats.gateway]
    pattern = '(?<time>\S+ \S+) +(?<level>[A-Z]+) \[(?<thread>[^]]*)\] (?<app>\w+)\[(?<procid>\d+)\]: (?<msg>.*)'
    start = '\d{4}-\d\d-\d\d '
    time = "%Y-%m-%d %H:%M:%S,%3f"
    host = "gw1"

    [files.gateway]
    path = "@/gateway.log"
    format = "gateway"
    from = "beginning"
    deliver_backlog = true
    timezone = "Europe/Berlin"

    [apps.all]
    handlers = ["screen"]
    [apps.all.modules.sshd]
    type = "sshd"
    [apps.all.modules.report]
    type = "report"
    max_length = 1000

    [handlers.screen]
    type = "log"
    format = "json"
"#;

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap() };
        let here = place.path("").display().to_string();
        fs::write(place.path("correlator.toml"), CONFIG.replace("@/", &here)).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
        command.args(arguments).args(["--config", "correlator.toml"]).current_dir(self.directory.path());
        command.env_clear().env("HOME", self.directory.path());
        command
    }

    /// The events of inputs, and what was said of them.
    fn replay(&self, arguments: &[&str]) -> (Vec<Value>, String) {
        let replayed = output(&mut self.command(&[&["replay", "--format", "json"], arguments].concat()));
        let told = String::from_utf8(replayed.stderr).unwrap();
        assert!(replayed.status.success(), "{arguments:?}: {told}");
        (String::from_utf8(replayed.stdout).unwrap().lines().map(event).collect(), told)
    }
}

fn event(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Waits for a line with this text, and gives all up to it.
fn until(lines: &mut Lines, text: &str) -> Vec<String> {
    let mut seen = Vec::new();
    for line in lines {
        seen.push(line);
        if seen.last().is_some_and(|line| line.contains(text)) {
            return seen;
        }
    }
    panic!("it ended without `{text}`: {seen:?}")
}

fn append(path: &Path, text: &str) {
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// What counts of events whose numbers and times of arrival may differ.
fn essence(events: &[Value]) -> Vec<(String, String, Value)> {
    let text = |event: &Value, key: &str| event.get(key).unwrap().as_str().unwrap().to_owned();
    let told = events.iter().filter(|event| event.get("app").unwrap() == "all");
    let of =
        told.map(|event| (text(event, "kind"), text(event, "time"), event.get("fields").unwrap().clone()));
    of.filter(|(kind, ..)| !kind.ends_with("Stats")).collect()
}

#[test]
fn a_described_log_gives_the_events_of_its_records() {
    let place = Place::new();
    fs::write(place.path("gateway.log"), LOG).unwrap();
    let (events, told) =
        place.replay(&["--input-format", "gateway", "--timezone", "Europe/Berlin", "gateway.log"]);
    let records: Vec<_> =
        events.iter().filter(|event| event.get("kind").unwrap() == "ReportRecord").collect();
    let field = |event: &Value, name: &str| event.get("fields").unwrap().get(name).unwrap().clone();
    let messages: Vec<_> = records.iter().map(|record| field(record, "message")).collect();
    assert_eq!(messages.len(), 7, "{messages:?}");
    assert_eq!(
        messages[2],
        "upload of \"a]b\\c\" failed\njava.io.IOException: Broken pipe\n\tat sun.nio.ch.FileDispatcherImpl.write0(Native \
         Method)\n\nCaused by: 2026: a line that only looks like another record\n\t... 7 more"
    );
    assert_eq!(messages[6], "the last one\n\tgoes on");
    assert_eq!(field(records[0], "host"), "gw1");
    let ssh: Vec<_> = essence(&events).into_iter().filter(|(kind, ..)| kind.starts_with("SSHD")).collect();
    let kinds: Vec<_> = ssh.iter().map(|(kind, time, _)| (kind.as_str(), time.as_str())).collect();
    assert_eq!(
        kinds,
        [
            ("SSHDSessionStarted", "2026-02-01T09:00:05.004000Z"),
            ("SSHDLoginFailed", "2026-02-01T09:00:33.000000Z"),
            ("SSHDLoginSucceeded", "2026-02-01T09:05:00.000000Z"),
        ]
    );
    for reason in ["count=1 reason=\"pattern\"", "count=1 reason=\"line-time\"", "count=1 reason=\"start\""] {
        assert!(told.contains(reason), "{reason}: {told}");
    }
}

#[test]
fn a_described_log_is_explained_record_by_record_as_a_replay_reads_it() {
    let place = Place::new();
    fs::write(place.path("gateway.log"), LOG).unwrap();
    let explain = |format: &[&str]| {
        let named = ["explain", "--input-format", "gateway", "--timezone", "Europe/Berlin", "gateway.log"];
        let output = output(&mut place.command(&[&named, format].concat()));
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let answers: Vec<Value> = explain(&["--format", "json"]).lines().map(event).collect();
    let records: Vec<_> = answers.iter().map(|answer| answer.get("record").unwrap()).collect();
    assert_eq!(records.iter().map(|record| record.is_null()).collect::<Vec<_>>()[..3], [true, false, false]);
    assert_eq!((records.len(), records.iter().filter(|record| record.is_null()).count()), (10, 3));
    let login = answers.get(2).unwrap();
    let expected = serde_json::json!({
        "format": "gateway", "timestamp": "2026-02-01T09:00:05.004000Z", "host": "gw1", "app": "sshd", "procid": "812",
        "msg": "Accepted publickey for alice from 192.0.2.10 port 50022 ssh2: \
                ED25519 SHA256:kYnUFpsVfLyrPZPpgmMWUKFqMHvIWw8BBQN4z0iRjWc",
    });
    assert_eq!(
        (login.get("record").unwrap(), login.get("observation").unwrap().get("user")),
        (&expected, Some(&"alice".into()))
    );
    let text = explain(&[]);
    assert!(text.starts_with("\\tat com.example.gateway.Boot.run(Boot.java:12)\n    no record: "), "{text}");
    assert!(
        text.contains("    read as  gateway, 2026-02-01T09:05:00.001000Z, host gw1, program gateway, "),
        "{text}"
    );

    let unknown = output(&mut place.command(&["explain", "--input-format", "gatevay", "gateway.log"]));
    let said = String::from_utf8(unknown.stderr).unwrap();
    assert!(unknown.status.code() == Some(2) && said.contains("did you mean `gateway`?"), "{said}");
}

#[test]
fn a_described_log_is_followed_and_its_capture_gives_the_same_events() {
    let place = Place::new();
    let log = place.path("gateway.log");
    // The login is told although nothing comes behind it.
    let (early, late) = LOG.split_at(LOG.find("2026-02-01 10:00:07").unwrap());
    fs::write(&log, early).unwrap();
    let mut serve = place.command(&["serve", "--data-dir", "data", "--capture", "live.capture"]);
    let mut server = Guard::start(serve.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let (mut events, mut said) = (server.told(), server.said());
    let mut seen = until(&mut events, "SSHDSessionStarted");
    append(&log, late);
    seen.extend(until(&mut events, "the last one\\n\\tgoes on"));
    server.terminate();
    seen.extend(events);
    let told = said.rest();
    assert!(server.ended().success(), "{told}");
    assert!(told.contains("rejected      3  pattern 1  line-time 1  start 1"), "{told}");
    let live: Vec<_> = seen.iter().map(|line| event(line)).collect();

    let of_run = |event: &&Value| event.get("app").unwrap() == "all";
    let (again, _) = place.replay(&["live.capture"]);
    let live: Vec<_> = live.iter().filter(of_run).collect();
    assert_eq!(live, again.iter().filter(of_run).collect::<Vec<_>>(), "ids and all");
    let (from_file, _) =
        place.replay(&["--input-format", "gateway", "--timezone", "Europe/Berlin", "gateway.log"]);
    let live: Vec<_> = live.into_iter().cloned().collect();
    assert_eq!(essence(&live), essence(&from_file));

    let rejected = fs::read_to_string(place.path("data/rejected.jsonl")).unwrap();
    let kept: Vec<_> = rejected.lines().map(event).collect();
    let bytes: Vec<_> = kept.iter().map(|line| line.get("bytes").unwrap().as_str().unwrap()).collect();
    assert_eq!(bytes[0], "\tat com.example.gateway.Boot.run(Boot.java:12)", "as it came in: {rejected}");
}
