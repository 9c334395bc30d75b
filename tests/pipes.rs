//! Input through a pipe that nobody closes: events come out as they happen.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test program: its helpers fail by panicking")]

#[path = "support/child.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod child;

use child::{Guard, Lines};
use std::io::Write;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};

/// A replay of its standard input.
struct Replay {
    child: Guard,
    input: Option<ChildStdin>,
    told: Lines,
}

impl Replay {
    fn start(home: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
        command.args(["replay", "-"]).args(arguments).current_dir(home).env_clear().env("HOME", home);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = Guard::start(&mut command);
        let told = child.told();
        Self { input: child.stdin.take(), child, told }
    }

    fn write(&mut self, text: &str) {
        self.input.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Waits for an event, while the input stays open; it must be the next one.
    fn expect(&mut self, what: &str) {
        let line = self.told.next().unwrap_or_else(|| panic!("it ended without {what}"));
        assert!(line.contains(what), "{what}: {line}");
    }

    /// Ends the input; gives all that is told after that.
    fn end(mut self) -> Vec<String> {
        drop(self.input.take());
        let rest = self.told.collect();
        assert_eq!(self.child.ended().code(), Some(0));
        rest
    }
}

fn syslog(n: usize) -> String {
    format!(
        "2026-02-01T00:00:{n:02}Z h sshd[{n}]: Accepted publickey for u{n} from 10.0.0.{n} port 1024 ssh2\n"
    )
}

fn json(n: usize) -> String {
    let time = 1_769_904_000_000_000 + n * 1_000_000;
    format!(
        "{{\"__CURSOR\":\"s=1;i={n}\",\"__REALTIME_TIMESTAMP\":\"{time}\",\"_HOSTNAME\":\"h\",\"SYSLOG_IDENTIFIER\":\"sshd\",\
         \"_PID\":\"{n}\",\"MESSAGE\":\"Accepted publickey for u{n} from 10.0.0.{n} port 1024 ssh2\"}}\n"
    )
}

fn export(n: usize) -> String {
    let time = 1_769_904_000_000_000 + n * 1_000_000;
    format!(
        "__CURSOR=s=1;i={n}\n__REALTIME_TIMESTAMP={time}\n_HOSTNAME=h\nSYSLOG_IDENTIFIER=sshd\n_PID={n}\n\
         MESSAGE=Accepted publickey for u{n} from 10.0.0.{n} port 1024 ssh2\n\n"
    )
}

fn counted(n: usize) -> String {
    let record = format!(
        "<38>1 2026-02-01T00:00:{n:02}Z h sshd {n} - - Accepted publickey for u{n} from 10.0.0.{n} port 1024 ssh2"
    );
    format!("{} {record}", record.len())
}

#[test]
fn each_event_comes_out_while_the_pipe_is_open() {
    let home = tempfile::tempdir().unwrap();
    for form in [syslog, json, export, counted] {
        let mut replay = Replay::start(home.path(), &[]);
        for n in 1..=4 {
            replay.write(&form(n));
            replay.expect(&format!("u{n} logged in"));
        }
        // What is not complete waits; nothing is made of its half.
        let last = form(5);
        let (first, second) = last.split_at(last.len() / 2);
        replay.write(first);
        replay.write(second);
        replay.expect("u5 logged in");
        let rest = replay.end();
        assert!(rest.iter().any(|line| line.contains("5 received")), "{rest:?}");
    }
}

#[test]
fn a_record_of_several_lines_comes_out_though_no_other_begins() {
    let home = tempfile::tempdir().unwrap();
    let config = "[formats.app]\npattern = '(?<time>\\S+) (?<app>\\w+)\\[(?<procid>\\d+)\\]: (?<msg>[^\\n]*)(\\n.*)?'\nstart = '\\d{4}-'\n\
                  [apps.a.modules.sshd]\ntype = \"sshd\"\n";
    std::fs::write(home.path().join("a.toml"), config).unwrap();
    let mut replay = Replay::start(home.path(), &["--config", "a.toml", "--input-format", "app"]);
    for n in 1..=3 {
        replay.write(&(syslog(n).replace(" h sshd", " sshd") + "\tand more\n"));
        replay.expect(&format!("u{n} logged in"));
    }
    let rest = replay.end();
    assert!(rest.iter().any(|line| line.contains("3 received, 3 parsed")), "{rest:?}");
}

#[test]
fn however_it_comes_the_events_are_the_same() {
    let home = tempfile::tempdir().unwrap();
    let text: String = (1..50).map(syslog).collect();
    let told = |piece: usize| {
        let mut replay = Replay::start(home.path(), &["--format", "json"]);
        for piece in text.as_bytes().chunks(piece) {
            replay.write(std::str::from_utf8(piece).unwrap());
        }
        replay.end()
    };
    let whole = told(usize::MAX);
    assert!(whole.len() > 49);
    assert_eq!(told(7), whole, "ids and all");
    assert_eq!(told(1000), whole);
}
