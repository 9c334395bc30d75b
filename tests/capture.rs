//! `correlator capture` as its users see it: what it prints, what it makes, and how it ends.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test program: its helpers fail by panicking"
)]

#[path = "support/child.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod child;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const LOG: &str = "\
2026-02-01T10:00:00.5+00:00 web sshd[101]: Accepted publickey for alice from 192.0.2.7 port 5555 ssh2
2026-02-01T10:00:01+00:00 db sshd[202]: Failed password for root from 203.0.113.9 port 4444 ssh2
2026-02-01T10:00:02+00:00 web cron[303]: \u{1b}[31mred \u{202e}drow
no record at all
2026-02-01T10:00:04+00:00 web sshd[101]: Disconnected from user alice 192.0.2.7 port 5555
";

struct Ran {
    exit: i32,
    out: String,
    err: String,
}

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

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    fn capture(&self, arguments: &[&str]) -> Ran {
        self.run(&[&["capture"], arguments].concat())
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let ran = child::output(
            Command::new(env!("CARGO_BIN_EXE_correlator"))
                .args(arguments)
                .current_dir(self.directory.path())
                .env_clear()
                .env("HOME", self.directory.path()),
        );
        Ran {
            exit: ran.status.code().unwrap(),
            out: String::from_utf8(ran.stdout).unwrap(),
            err: String::from_utf8(ran.stderr).unwrap(),
        }
    }

    /// Runs what must succeed.
    fn done(&self, arguments: &[&str]) -> String {
        let ran = self.capture(arguments);
        assert_eq!(ran.exit, 0, "{arguments:?}: {}", ran.err);
        ran.out
    }

    /// A capture of the log above.
    fn imported() -> Self {
        let place = Self::new();
        place.write("auth.log", LOG);
        place.done(&["import", "auth.log", "-o", "day.cap"]);
        place
    }
}

fn numbers(listing: &str) -> Vec<u64> {
    listing.lines().map(|line| line.split_whitespace().next().unwrap().parse().unwrap()).collect()
}

#[test]
fn lists_a_numbered_line_for_each_record() {
    let place = Place::imported();
    let listing = place.done(&["list", "day.cap"]);
    let lines: Vec<_> = listing.lines().collect();
    assert_eq!(numbers(&listing), [1, 2, 3, 4, 5]);
    assert_eq!(
        lines[0].trim(),
        "1  2026-02-01T10:00:00.500Z  - web sshd[101]: Accepted publickey for alice from 192.0.2.7 port 5555 ssh2"
    );
    assert!(
        lines[2].ends_with(r"web cron[303]: \x1b[31mred \u{202e}drow"),
        "nothing acts on the terminal: {}",
        lines[2]
    );
    assert!(
        lines[3].contains("2026-02-01T10:00:02.000Z") && lines[3].ends_with("): no record at all"),
        "{}",
        lines[3]
    );
}

#[test]
fn lists_an_object_for_each_record() {
    let place = Place::imported();
    let listing = place.done(&["list", "--format", "json", "day.cap"]);
    let objects: Vec<serde_json::Value> =
        listing.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), 5);
    assert_eq!(objects[1]["number"], 2);
    assert_eq!(objects[1]["arrival"], "2026-02-01T10:00:01.000000Z");
    assert_eq!(objects[1]["host"], "db");
    assert_eq!(objects[1]["msg"], "Failed password for root from 203.0.113.9 port 4444 ssh2");
    assert_eq!(objects[3]["format"], serde_json::Value::Null);
    assert_eq!(objects[3]["frame"], "no record at all");
    assert!(objects[3]["rejected"].is_string());
}

#[test]
fn shows_ranges_of_records() {
    let place = Place::imported();
    let shown = |wanted: &[&str]| {
        let out = place.done(&[&["show", "--format", "json", "day.cap"], wanted].concat());
        let objects = out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        objects.map(|object| object["number"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(shown(&["2-4"]), [2, 3, 4]);
    assert_eq!(shown(&["4-99", "1"]), [4, 5, 1]);
    let missing = place.capture(&["show", "day.cap", "1-2", "6-9"]);
    assert_eq!(missing.exit, 3);
    assert!(missing.err.contains("holds no record with number 6-9"), "{}", missing.err);
}

#[test]
fn shows_records_in_full_and_bytes_where_they_are_no_text() {
    let place = Place::imported();
    let shown = place.done(&["show", "day.cap", "5", "3"]);
    let (fifth, third) = shown.split_once("\n\n").unwrap();
    assert!(fifth.contains("number     5\n") && fifth.contains("app        sshd\n"), "{fifth}");
    assert!(fifth.ends_with(
        "frame      2026-02-01T10:00:04+00:00 web sshd[101]: Disconnected from user alice 192.0.2.7 port 5555"
    ));
    assert!(third.contains("message    \\x1b[31mred"), "{third}");
    assert!(
        third.contains("000020  6f 6e 5b 33 30 33 5d 3a 20 1b 5b 33 31 6d 72 65  on[303]: .[31mre"),
        "{third}"
    );

    let missing = place.capture(&["show", "day.cap", "9", "1"]);
    assert_eq!((missing.exit, missing.err.as_str()), (3, "error: day.cap holds no record with number 9\n"));
    assert!(missing.out.contains("number     1\n"), "what is there is shown");
}

#[test]
fn cuts_ranges_and_header_fields() {
    let place = Place::imported();
    let cases: &[(&[&str], &[u64])] = &[
        (&["--from", "2", "--to", "4"], &[2, 3, 4]),
        (&["--since", "2026-02-01T10:00:02Z"], &[3, 4, 5]),
        (&["--until", "2026-02-01 10:00:01"], &[1, 2]),
        (&["--since", "2026-02-02"], &[]),
        (&["--host", "WEB", "--app", "sshd"], &[1, 5]),
        (&["--host", "web", "--host", "db", "--to", "3"], &[1, 2, 3]),
        (&["--peer", "192.0.2.1"], &[]),
    ];
    for (index, (conditions, expected)) in cases.iter().enumerate() {
        let cut = format!("cut-{index}.cap");
        let ran = place.capture(&[&["cut", "day.cap", "-o", &cut], *conditions].concat());
        assert_eq!(ran.exit, i32::from(expected.is_empty()), "{conditions:?}: {}", ran.err);
        assert_eq!(ran.err.contains("no record meets all conditions"), expected.is_empty(), "{}", ran.err);
        assert_eq!(place.path(&cut).exists(), !expected.is_empty(), "{conditions:?}");
        if !expected.is_empty() {
            assert_eq!(numbers(&place.done(&["list", &cut])), *expected, "{conditions:?}");
        }
    }
    let stream =
        |capture: &str| place.done(&["verify", capture]).split("stream ").nth(1).unwrap()[..13].to_owned();
    assert_eq!(stream("day.cap"), stream("cut-0.cap"), "ids stay what they were");
}

#[test]
fn cuts_what_an_edited_listing_keeps() {
    let place = Place::imported();
    let listing = place.done(&["list", "day.cap"]);
    let edited: String = listing
        .lines()
        .map(|line| match line.trim().chars().next() {
            Some('2') => format!("#{line}\n"),
            Some('4') => String::new(),
            _ => format!("{line}\n"),
        })
        .collect();
    place.write("edited", edited);
    place.done(&["cut", "day.cap", "-o", "cut.cap", "--listing", "edited"]);
    let kept = place.done(&["list", "cut.cap"]);
    assert_eq!(numbers(&kept), [1, 3, 5]);
    let original: Vec<_> = listing.lines().filter(|line| kept.contains(line)).collect();
    assert_eq!(original.len(), 3, "lines are as they were");

    place.write("edited", "1\nwhatever\n");
    let refused = place.capture(&["cut", "day.cap", "-o", "other.cap", "--listing", "edited"]);
    assert_eq!(refused.exit, 3);
    assert_eq!(refused.err, "error: edited: line 2 does not begin with the number of a record\n");
    assert!(!place.path("other.cap").exists());
}

#[test]
fn exports_lines_and_counts_that_import_reads_back() {
    let place = Place::imported();
    assert_eq!(place.done(&["export", "day.cap"]), LOG);
    place.done(&["export", "day.cap", "--framing", "octet-counted", "-o", "stream"]);
    place.done(&["import", "stream", "--framing", "octet-counted", "-o", "again.cap"]);
    assert_eq!(place.done(&["export", "again.cap"]), LOG);
    assert_eq!(place.done(&["list", "again.cap"]), place.done(&["list", "day.cap"]));

    let with_line_feed = b"18 <38>one\ntwo\xff three10 <38>second";
    place.write("raw", with_line_feed);
    place.done(&["import", "raw", "-o", "raw.cap"]);
    place.done(&["export", "raw.cap", "--framing", "octet-counted", "-o", "raw.out"]);
    assert_eq!(fs::read(place.path("raw.out")).unwrap(), with_line_feed);
    assert_eq!(fs::metadata(place.path("raw.out")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn imports_several_files_one_after_the_other() {
    let place = Place::new();
    place.write("one", "Dec 31 23:59:59 h a: one\n");
    place.write("two", "Jan  1 00:00:01 h a: two\n");
    place.done(&["import", "one", "two", "--year", "2019", "-o", "both.cap"]);
    let listing = place.done(&["list", "both.cap"]);
    assert_eq!(numbers(&listing), [1, 2]);
    assert!(listing.contains("2019-12-31T23:59:59") && listing.contains("2020-01-01T00:00:01"), "{listing}");
}

#[test]
fn a_capture_of_logs_replays_like_the_logs() {
    let place = Place::new();
    place.write(
        "one",
        "Dec 31 23:59:59 web sshd[7]: Accepted password for alice from 192.0.2.7 port 5555 ssh2\n",
    );
    place.write(
        "two",
        "Jan  1 00:00:01 web sshd[9]: Failed password for root from 203.0.113.9 port 4444 ssh2\n\
         Jan  1 00:10:01 web sshd[7]: Disconnected from user alice 192.0.2.7 port 5555\n",
    );
    place.done(&["import", "one", "two", "--year", "2019", "--timezone", "Europe/Berlin", "-o", "both.cap"]);
    let replay = |arguments: &[&str]| {
        let ran =
            place.run(&[&["replay", "--format", "json", "--timezone", "Europe/Berlin"], arguments].concat());
        assert_eq!(ran.exit, 0, "{}", ran.err);
        ran.out
    };
    let from_logs = replay(&["--year", "2019", "one", "two"]);
    assert!(
        from_logs.contains("SSHDLoginSucceeded") && from_logs.contains("2019-12-31T22:59:59"),
        "{from_logs}"
    );
    assert_eq!(replay(&["both.cap"]), from_logs);
}

/// Changes one byte of a file.
fn damage(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[test]
fn verify_says_what_is_damaged_and_where() {
    let place = Place::imported();
    let sound = place.capture(&["verify", "day.cap"]);
    assert_eq!(sound.exit, 0);
    assert!(
        sound.out.starts_with("day.cap: sound: 5 records, 0 ticks, 2 blocks, 1 segment; stream "),
        "{}",
        sound.out
    );
    assert!(sound.out.contains("from a file"), "{}", sound.out);

    damage(&place.path("day.cap"), 200);
    let damaged = place.capture(&["verify", "day.cap"]);
    assert_eq!(damaged.exit, 1);
    assert!(damaged.out.starts_with("day.cap: at offset 96: a block of "), "{}", damaged.out);
    assert!(damaged.out.contains("day.cap: damaged: 0 records"), "{}", damaged.out);

    damage(&place.path("day.cap"), 20);
    let header = place.capture(&["verify", "day.cap"]);
    assert_eq!(
        (header.exit, header.out.as_str()),
        (1, "day.cap: the file header is damaged: its checksum does not match\n")
    );

    assert_eq!(place.capture(&["verify", "absent.cap"]).exit, 3);
}

#[test]
fn a_capture_that_was_cut_off_is_read_up_to_there() {
    let place = Place::imported();
    let whole = fs::read(place.path("day.cap")).unwrap();
    place.write("torn.cap", &whole[..whole.len() - 7]);
    let listed = place.capture(&["list", "torn.cap"]);
    assert_eq!((listed.exit, numbers(&listed.out)), (0, vec![1, 2, 3, 4, 5]));
    assert!(
        listed.err.contains("warning: torn.cap: at offset ") && listed.err.contains("torn: the last "),
        "{}",
        listed.err
    );
    assert!(listed.err.contains("torn.cap has no end mark"), "{}", listed.err);
    assert_eq!(place.capture(&["verify", "torn.cap"]).exit, 1);
}

#[test]
fn wrong_usage_is_told_apart_from_wrong_files() {
    let place = Place::imported();
    let refusals: &[(&[&str], i32, &str)] = &[
        (&["list", "auth.log"], 3, "error: auth.log is not a capture: `correlator capture import` makes one"),
        (&["list", "absent"], 3, "error: cannot open absent: No such file"),
        (
            &["cut", "day.cap", "-o", "day.cap"],
            3,
            "error: day.cap exists already; a capture never overwrites",
        ),
        (&["export", "day.cap", "-o", "auth.log"], 3, "error: cannot create auth.log: File exists"),
        (&["import", "day.cap", "-o", "new.cap"], 2, "error: day.cap is a capture already"),
        (&["cut", "day.cap", "-o", "x", "--since", "yesterday"], 2, "error: invalid value 'yesterday'"),
        (
            &["import", "auth.log", "-o", "x", "--timezone", "Mars/Olympus"],
            2,
            "error: invalid value 'Mars/Olympus'",
        ),
        (&["polish", "day.cap"], 2, "error: unrecognized subcommand 'polish'"),
    ];
    for (arguments, exit, message) in refusals {
        let ran = place.capture(arguments);
        assert_eq!(ran.exit, *exit, "{arguments:?}: {}", ran.err);
        assert!(ran.err.starts_with(message), "{arguments:?}: {}", ran.err);
        assert!(ran.out.is_empty());
    }
    assert_eq!(place.done(&["list", "day.cap"]).lines().count(), 5, "nothing was overwritten");
}
