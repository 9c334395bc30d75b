//! Log files: history that is compressed, as the tools of a system leave it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test program: its helpers fail by panicking, and say what they skip"
)]

#[path = "support/child.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod child;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn correlator(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
        command.args(arguments).current_dir(self.directory.path()).env_clear();
        child::output(command.env("HOME", self.directory.path()))
    }

    fn replay(&self, arguments: &[&str]) -> String {
        let replayed = self.correlator(&[&["replay", "--format", "json"], arguments].concat());
        assert!(replayed.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&replayed.stderr));
        String::from_utf8(replayed.stdout).unwrap()
    }

    /// What a program makes of a file.
    fn pack(&self, program: &[&str], name: &str) -> Vec<u8> {
        let [program, options @ ..] = program else { unreachable!() };
        let packed = child::output(Command::new(program).args(options).arg(self.path(name)));
        assert!(packed.status.success(), "{}", String::from_utf8_lossy(&packed.stderr));
        packed.stdout
    }
}

/// Whether a program is there; says so if not.
fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|directory| directory.join(program).is_file());
    if !found {
        println!("skipped: needs {program}");
    }
    found
}

/// Logins that fail, five of each address within five minutes.
fn log(lines: usize) -> String {
    let line = |n: usize| {
        let (minute, second) = (n / 60 % 60, n % 60);
        let at = format!("2026-02-01T{:02}:{minute:02}:{second:02}Z", n / 3600);
        format!(
            "{at} web sshd[{n}]: Failed password for root from 203.0.113.{} port 4444 ssh2\n",
            n / 7 % 250
        )
    };
    (0..lines).map(line).collect()
}

fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    fs::write(path, bytes).unwrap();
}

#[test]
fn compressed_history_gives_the_events_of_its_content() {
    let place = Place::new();
    let log = log(3000);
    let (early, late) = log.split_at(log.len() / 3);
    for (name, content) in [("whole", log.as_str()), ("early", early), ("late", late)] {
        write(&place.path(name), content);
    }
    let expected = place.replay(&["whole"]);
    assert!(expected.lines().count() > 3000);
    for program in
        [&["gzip", "-c"][..], &["gzip", "-9", "-c"], &["zstd", "-c"], &["zstd", "-19", "--check", "-c"]]
    {
        if !has(program[0]) {
            continue;
        }
        write(&place.path("packed"), place.pack(program, "whole"));
        assert_eq!(place.replay(&["packed"]), expected, "{program:?}");
        // Two that were compressed one by one, one behind the other: members of gzip, frames of zstd.
        let joined = [place.pack(program, "early"), place.pack(program, "late")].concat();
        write(&place.path("packed"), joined);
        assert_eq!(place.replay(&["packed"]), expected, "{program:?} twice");
    }
}

#[test]
fn the_year_that_is_said_holds_behind_a_file_without_times() {
    let place = Place::new();
    write(&place.path("a.log"), "no\ntimes\n");
    let login = "Mar  1 10:00:00 web1 sshd[1]: Accepted password for root from 203.0.113.9 port 2222 ssh2\n";
    write(&place.path("b.log"), login);
    let replayed = place.replay(&["--year", "2019", "a.log", "b.log"]);
    assert!(replayed.contains(r#""time":"2019-03-01T10:00:00"#), "{replayed}");
    let imported = place.correlator(&["capture", "import", "--year", "2019", "a.log", "b.log", "-o", "x"]);
    assert!(imported.status.success());
    assert_eq!(place.replay(&["x"]), replayed, "so it is in a capture of both");
}

#[test]
fn an_import_keeps_what_stands_before_the_damage() {
    let place = Place::new();
    write(&place.path("auth.log"), log(4000));
    let mut packed = place.pack(&["gzip", "-c"], "auth.log");
    packed.truncate(packed.len() / 2);
    write(&place.path("cut.gz"), &packed);
    let imported = place.correlator(&["capture", "import", "cut.gz", "-o", "cut.capture"]);
    let told = String::from_utf8(imported.stderr).unwrap();
    assert_eq!(imported.status.code(), Some(3), "{told}");
    assert!(told.contains("cut.gz is damaged: it cannot be unpacked (gzip) on from near byte"), "{told}");
    assert!(place.replay(&["cut.capture"]).lines().count() > 1000);
}

/// A login of each user, as a journal holds it.
fn journal(place: &Place) -> bool {
    let remote = "/lib/systemd/systemd-journal-remote";
    if !has("journalctl") || !Path::new(remote).exists() {
        println!("skipped: needs systemd-journal-remote");
        return false;
    }
    let boot = "6c7c6013a26343b29e964691ff25d04c";
    let mut entries = Vec::new();
    for n in 0_u64..300 {
        let time = 1_769_940_000_000_000 + n * 1_000_000;
        entries.extend_from_slice(
            format!(
                "__REALTIME_TIMESTAMP={time}\n__MONOTONIC_TIMESTAMP={}\n_BOOT_ID={boot}\n_HOSTNAME=web\n\
                 SYSLOG_IDENTIFIER=sshd\n_COMM=sshd\n_PID={n}\nPRIORITY=6\nSYSLOG_FACILITY=4\n",
                n * 1_000_000
            )
            .as_bytes(),
        );
        // One in three is not text for journald, which then writes its bytes: they end in a tab and a zero byte.
        let message = format!("Failed password for root from 203.0.113.{} port 4444 ssh2", n / 7);
        if n % 3 == 0 {
            let message = [message.as_bytes(), b"\0"].concat();
            entries.extend_from_slice(b"MESSAGE\n");
            entries.extend_from_slice(&(message.len() as u64).to_le_bytes());
            entries.extend_from_slice(&message);
            entries.extend_from_slice(b"\n\n");
        } else {
            entries.extend_from_slice(format!("MESSAGE={message}\n\n").as_bytes());
        }
    }
    write(&place.path("entries"), entries);
    let output = format!("--output={}", place.path("system.journal").display());
    let made = Command::new(remote).arg(output).arg(place.path("entries")).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    true
}

#[test]
fn a_journal_gives_the_events_of_its_records() {
    let place = Place::new();
    if !journal(&place) {
        return;
    }
    let lines = (0..300).map(|n: u64| {
        format!(
            "2026-02-01T10:{:02}:{:02}Z web sshd[{n}]: Failed password for root from 203.0.113.{} port 4444 ssh2\n",
            n / 60, n % 60, n / 7
        )
    });
    write(&place.path("lines"), lines.collect::<String>());
    // The stream is named by the content, so the ids differ, and nothing else.
    let without_ids = |events: String| {
        let cut = |line: &str| line.split_once("\"time\"").map(|(_, rest)| rest.to_owned());
        events.lines().filter_map(cut).collect::<Vec<_>>()
    };
    let expected = without_ids(place.replay(&["lines"]));
    assert!(expected.len() > 300);
    for form in ["json", "export"] {
        let written = Command::new("journalctl")
            .args(["--all", "--output", form, "--file"])
            .arg(place.path("system.journal"))
            .output()
            .unwrap();
        write(&place.path(form), &written.stdout);
        assert_eq!(without_ids(place.replay(&[form])), expected, "{form}");
    }
}
