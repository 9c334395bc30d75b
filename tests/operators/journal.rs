//! `events list`, `follow` and `show`, and `journal verify`.

use crate::child::{Guard, Lines};
use crate::server::{Server, failures, listed, objects, run};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["kind"].as_str().unwrap()).collect()
}

/// The first event of a kind that `events follow` prints, once it does.
fn followed(data: &Path, kind: &str) -> Value {
    let child = Command::new(env!("CARGO_BIN_EXE_correlator"))
        .args(["events", "follow", "--format", "json", "--since", "1h", "--kind", kind, "--data-dir"])
        .arg(data)
        .stdout(Stdio::piped())
        .spawn();
    let mut child = Guard(child.unwrap());
    let line = Lines::of(child.stdout.take().unwrap()).next();
    serde_json::from_str(&line.unwrap()).unwrap()
}

#[test]
fn events_are_listed_and_shown_with_their_records_while_the_server_runs_and_afterwards() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let server = Server::start(&data, &[]);
    server.send("127.0.0.2", &failures("root", "203.0.113.9", 2000..2006));
    // Once it is printed it is durable, and so is what came before it.
    let exceeded = followed(&data, "SSHDAttemptsExceeded");

    let running = listed(&data, &["--kind", "SSHDAttemptsExceeded", "--field", "addr=203.0.113.9"]);
    assert_eq!(running.len(), 1);
    let id = running[0]["id"].as_str().unwrap();
    assert_eq!(running[0]["id"], exceeded["id"]);
    let shown = objects(&run(&data, 0, &["events", "show", id, "--format", "json"]).0).remove(0);
    let records = shown["records"].as_array().unwrap();
    assert_eq!(records.len(), 5, "five failed attempts are its evidence: {shown}");
    for (record, port) in records.iter().zip(2000..) {
        let text = record["record"].as_str().unwrap();
        assert!(
            text.ends_with(&format!("Failed password for root from 203.0.113.9 port {port} ssh2")),
            "{text}"
        );
        assert_eq!((&record["peer"], &record["truncated"]), (&json!("127.0.0.2"), &json!(false)));
    }

    server.stop();
    let all = listed(&data, &[]);
    let stats: Vec<_> = all.iter().filter(|event| event["kind"] == "SSHDStats").collect();
    assert_eq!(stats.len(), 1, "statistics at the end");
    assert_eq!(stats[0]["fields"]["records"], 6);
    assert_eq!(kinds(&all).last(), Some(&"ServerStats"));
    let delivered = json!({ "state": "delivered", "attempts": 1, "last_error": null });
    for event in &all {
        assert_eq!(event["deliveries"], json!({ "console": delivered, "csv": delivered }), "{event}");
    }
    let (text, _) = run(&data, 0, &["events", "show", id]);
    let lines = [
        "203.0.113.9 made 5 failed attempts",
        "port 2004 ssh2",
        "handler csv: delivered",
        "delivered, attempt 1",
    ];
    for part in lines {
        assert!(text.contains(part), "`{part}` is missing: {text}");
    }

    assert_eq!(listed(&data, &["--limit", "2"]), all[all.len() - 2..]);
    assert_eq!(listed(&data, &["--severity", "warning"]), running_with(&all, "WARNING"));
    assert_eq!(listed(&data, &["--handler", "csv", "--state", "delivered"]).len(), all.len());
    assert!(listed(&data, &["--state", "dead"]).is_empty());
    assert!(listed(&data, &["--since", "2000-01-01T00:00:00Z", "--until", "1h"]).is_empty());
    assert!(run(&data, 3, &["events", "show", "x.1.2.a.b.0"]).1.contains("holds no event x.1.2.a.b.0"));
    assert!(run(home.path(), 3, &["events", "list"]).1.contains("there is no journal in"));
}

fn running_with(events: &[Value], severity: &str) -> Vec<Value> {
    events.iter().filter(|event| event["severity"] == severity).cloned().collect()
}

/// The segments of the stream of events.
fn segments(data: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(data.join("journal/events")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "segment"));
    paths.sort();
    paths
}

#[test]
fn what_is_damaged_is_told_and_everything_else_is_listed() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let server = Server::start(&data, &["--set", "server.journal_segment_size=64KiB"]);
    for round in 0..50 {
        server.send("127.0.0.1", &failures(&format!("u{round}"), &format!("198.51.100.{round}"), 1000..1040));
    }
    server.stop();
    let all = listed(&data, &[]);
    let paths = segments(&data);
    assert!(paths.len() > 3, "{} segments", paths.len());
    let sound = objects(&run(&data, 0, &["journal", "verify", "--format", "json"]).0).remove(0);
    assert_eq!((&sound["sound"], sound["events"].as_u64()), (&json!(true), Some(all.len() as u64)));
    assert!(run(&data, 0, &["journal", "verify"]).0.contains(": sound: "));

    // A bit within the events of one block.
    let damaged = &paths[1];
    let whole = fs::read(damaged).unwrap();
    let mut bytes = whole.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(damaged, &bytes).unwrap();
    let (out, err) = run(&data, 3, &["events", "list", "--format", "json"]);
    let left = objects(&out);
    assert!(err.contains(&format!("warning: {}: at offset", damaged.display())), "{err}");
    assert!(left.len() < all.len() && left.len() > all.len() / 2, "{} of {}", left.len(), all.len());
    let ids = |events: &[Value]| events.iter().map(|event| event["id"].clone()).collect::<Vec<_>>();
    assert!(ids(&left).iter().all(|id| ids(&all).contains(id)));
    let verdict = objects(&run(&data, 1, &["journal", "verify", "--format", "json"]).0).remove(0);
    assert!(verdict["flaws"][0].as_str().unwrap().contains(&*damaged.display().to_string()), "{verdict}");
    fs::write(damaged, &whole).unwrap();

    // A segment that is missing, and one of a newer version.
    fs::rename(damaged, home.path().join("aside")).unwrap();
    let (out, err) = run(&data, 3, &["events", "list", "--format", "json"]);
    assert!(err.contains("warning: segment 2 of") && err.contains("is missing"), "{err}");
    assert!(objects(&out).len() < all.len());
    assert!(run(&data, 1, &["journal", "verify"]).0.contains("segment 2 of"));
    let mut newer = whole.clone();
    newer[10] = 9;
    let checksum = crc32fast::hash(&newer[..92]);
    newer[92..96].copy_from_slice(&checksum.to_le_bytes());
    fs::write(damaged, &newer).unwrap();
    let (_, err) = run(&data, 3, &["events", "list"]);
    assert!(err.contains("newer than this program reads"), "{err}");

    fs::write(damaged, &whole).unwrap();
    assert_eq!(listed(&data, &[]), all);
}

#[test]
fn counts_go_on_after_a_stop_also_where_no_inputs_are_kept() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let options = ["--set", "server.durability=events"];
    let source = "203.0.113.9";
    let server = Server::start(&data, &options);
    server.send("127.0.0.1", &failures("root", source, 1000..1004));
    server.stop();
    let server = Server::start(&data, &options);
    server.send("127.0.0.1", &failures("root", source, 1004..1005));
    server.stop();
    assert_eq!(listed(&data, &["--kind", "SSHDAttemptsExceeded"]).len(), 1, "the fifth of five attempts");
}

#[test]
fn the_totals_count_events_about_the_server_too() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    Server::start(&data, &[]).stop();
    let server = Server::start(&data, &[]);
    server.send("127.0.0.1", &failures("root", "203.0.113.9", 1..4));
    let said = server.stop();
    let events = said.lines().find_map(|line| line.strip_prefix("events        ")).unwrap();
    let delivered = format!("delivered     console: {events} of {events}");
    assert!(said.lines().any(|line| line == delivered), "{said}");
    let started = listed(&data, &["--kind", "ServerStarted"]);
    assert_eq!(started.len(), 1, "one of them is about the server: {said}");
}
