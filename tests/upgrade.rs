//! Data directories that earlier versions have left: each is read, and gone on with.

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

use child::{Guard, address};
use correlator::event::render;
use correlator::journal::{EventReader, Page, verify};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

/// A login that began in the data directory, and ends now.
const GOODBYE: &str =
    "<38>1 2026-11-25T12:00:09Z web1 sshd 101 - - Disconnected from user bob 192.0.2.2 port 5002\n";

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// All events as JSON, and lines that tell what became of them.
fn read(data: &Path) -> (Vec<String>, Vec<String>) {
    let mut reader = EventReader::open(data, 0).unwrap();
    let (mut events, mut deliveries) = (Vec::new(), Vec::new());
    while let Some(page) = reader.next_page().unwrap() {
        match page {
            Page::Events { first, block, .. } => {
                for (seq, event) in (first..).zip(block.iter()) {
                    let mut line = Vec::new();
                    render::json(&mut line, event);
                    let mut event: Value = serde_json::from_slice(&line).unwrap();
                    // It is made from the rest, in words that may become better.
                    event.as_object_mut().unwrap().remove("summary");
                    events.push(format!("{seq} {event}"));
                }
            }
            Page::Settled(runs) => deliveries.extend(runs.iter().map(|run| {
                format!("{} {:?} {} {}", run.handler, run.events, run.state.name(), run.attempts)
            })),
            Page::Flaw(flaw) => panic!("{flaw}"),
        }
    }
    (events, deliveries)
}

/// What would be given up of data that are more than 30 days old by now, and is not for ten years.
const KEPT: [&str; 4] =
    ["--set", "server.retention=3650d", "--set", "apps.ssh-report.modules.sshd.max_session_age=3650d"];

/// Starts the server on a data directory, ends the login, and stops it.
fn go_on(data: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
    command
        .args(["serve", "--listen", "tcp://127.0.0.1:0", "--data-dir"])
        .arg(data)
        .args(KEPT)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = Guard::start(&mut command);
    let (mut told, mut said) = (child.told(), child.said());
    let found = said.by_ref().find(|line| {
        assert!(!line.starts_with("error") && !line.contains("damaged"), "{line}");
        line.contains(" tcp://")
    });
    let mut peer = TcpStream::connect(address(&found.unwrap(), "tcp")).unwrap();
    peer.write_all(GOODBYE.as_bytes()).unwrap();
    drop(peer);
    assert!(told.any(|line| line.contains("SSHDLoginSucceeded") && line.contains("bob")), "the login ended");
    child.terminate();
    assert!(child.ended().success());
}

#[test]
fn data_of_version_1_are_read_and_gone_on_with() {
    read_and_go_on("data-1");
}

#[test]
fn data_with_states_of_version_2_are_read_and_gone_on_with() {
    read_and_go_on("data-2");
}

#[test]
fn data_with_packed_events_are_read_and_gone_on_with() {
    read_and_go_on("data-3");
}

fn read_and_go_on(golden: &str) {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    copy(&Path::new("tests/golden").join(golden), &data);
    let report = verify(&data).unwrap();
    assert!(report.flaws.is_empty(), "{:?}", report.flaws);
    assert_eq!(report.snapshots, 1);
    let (events, deliveries) = read(&data);
    let found = format!("{}\n\n{}\n", events.join("\n"), deliveries.join("\n"));
    assert_eq!(found, fs::read_to_string(format!("tests/golden/{golden}.txt")).unwrap());

    go_on(&data);
    assert!(verify(&data).unwrap().flaws.is_empty());
    let (after, _) = read(&data);
    assert!(after.starts_with(&events), "what was there is there");
    let ended =
        after.iter().find(|line| line.contains("SSHDLoginSucceeded") && line.contains("bob")).unwrap();
    let ended: Value = serde_json::from_str(ended.split_once(' ').unwrap().1).unwrap();
    assert_eq!(ended["fields"]["duration"], 7.0, "{ended}");
    assert!(ended["id"].as_str().unwrap().contains(".3."), "a run of its own: {ended}");
    assert_eq!(ended["evidence"].as_array().unwrap().len(), 2, "one of each run: {ended}");
}
