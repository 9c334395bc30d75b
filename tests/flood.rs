//! `correlator flood`: what it sends, how much, and whether it tells a server that lost something from one that did not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what fails in a test should fail loudly"
)]

#[path = "support/child.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod child;
#[path = "streams/pki.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod pki;
#[path = "support/port.rs"]
mod port;
#[path = "operators/server.rs"]
#[allow(dead_code, reason = "the server serves other tests too")]
mod server;

use serde_json::Value;
use server::Server;
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

fn correlator(arguments: &[&str]) -> Output {
    child::output(Command::new(env!("CARGO_BIN_EXE_correlator")).args(arguments))
}

fn report(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn check(truth: &Path, events: &Path) -> (Option<i32>, Value) {
    let [truth, events] = [truth, events].map(|path| path.to_str().unwrap());
    let output = correlator(&["flood", "check", truth, events, "--format", "json"]);
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

/// The messages of an octet-counted stream.
fn messages(mut stream: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let Some(blank) = stream.iter().position(|byte| *byte == b' ') {
        let count: usize = std::str::from_utf8(&stream[..blank]).unwrap().parse().unwrap();
        messages.push(stream[blank + 1..blank + 1 + count].to_vec());
        stream = &stream[blank + 1 + count..];
    }
    assert!(stream.is_empty());
    messages
}

/// What comes over one connection while a flood is sent to it.
fn received(arguments: &[&str]) -> (Output, Vec<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let reader = thread::spawn(move || {
        let mut stream = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut stream).unwrap();
        stream
    });
    let output = correlator(&[&["flood", "send", &url], arguments].concat());
    assert!(output.status.success(), "nobody may have connected: {output:?}");
    (output, messages(&reader.join().unwrap()))
}

#[test]
fn a_server_that_tells_everything_passes_and_one_that_loses_an_event_does_not() {
    let home = tempfile::tempdir().unwrap();
    let (data, truth) = (home.path().join("data"), home.path().join("truth"));
    let server = Server::start(&data, &[]);
    let url = format!("tcp://{}", server.address);
    let flood = ["--records", "20000", "--connections", "8", "--sshd", "70", "--hosts", "40"];
    let to = ["flood", "send", &url, "--format", "json", "--truth", truth.to_str().unwrap()];
    let sent = report(&correlator(&[&to[..], &flood].concat()));
    assert!(sent["records"].as_u64().unwrap() >= 20_000);
    assert_eq!((&sent["connections"], &sent["failed"]), (&8.into(), &0.into()));
    server.stop();

    let listed = correlator(&["events", "list", "--format", "json", "--data-dir", data.to_str().unwrap()]);
    let events = home.path().join("events");
    fs::write(&events, &listed.stdout).unwrap();
    let (exit, verdict) = check(&truth, &events);
    assert_eq!(exit, Some(0), "{verdict}");
    assert!(verdict["kinds"]["SSHDLoginFailed"]["found"].as_u64().unwrap() > 100, "{verdict}");
    assert!(verdict["kinds"]["SSHDLoginSucceeded"]["found"].as_u64().unwrap() > 100, "{verdict}");

    let text = String::from_utf8(listed.stdout).unwrap();
    let (lost, others): (Vec<_>, Vec<_>) =
        text.lines().enumerate().partition(|(line, text)| *line < 500 && text.contains("SSHDLoginFailed"));
    let kept: Vec<_> = others.iter().map(|(_, text)| *text).collect();
    fs::write(&events, kept.join("\n")).unwrap();
    let (exit, verdict) = check(&truth, &events);
    let missing = &verdict["kinds"]["SSHDLoginFailed"]["missing"];
    assert_eq!((exit, missing.as_u64()), (Some(1), Some(lost.len() as u64)));
    assert!(!lost.is_empty());
}

#[test]
fn no_more_is_sent_than_the_rate_allows() {
    let flood = ["--rate", "5000", "--for", "1s", "--sshd", "0", "--format", "json"];
    let (output, messages) = received(&flood);
    let report = report(&output);
    assert_eq!(report["records"].as_u64(), Some(messages.len() as u64));
    #[allow(clippy::cast_precision_loss, reason = "a few thousand")]
    let most = 5000.0f64.mul_add(report["seconds"].as_f64().unwrap(), 1.0);
    assert!(!messages.is_empty() && report["records"].as_f64().unwrap() <= most, "{report}");
}

#[test]
fn a_capture_is_sent_over_and_over_as_it_was_received() {
    let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/captures/openssh-10.6p1.capture");
    let exported = correlator(&["capture", "list", capture, "--format", "json"]);
    assert!(exported.status.success());
    let (output, twice) = received(&["--capture", capture, "--records", "2000", "--format", "json"]);
    assert_eq!(report(&output)["records"].as_u64(), Some(2000));
    let period = (1..2000).find(|period| twice[*period..] == twice[..2000 - period]).unwrap();
    assert!(period > 100, "the capture has more records than that: {period}");
    assert!(twice[..period].iter().any(|message| message.windows(9).any(|part| part == b"Accepted ")));
}

#[test]
fn datagrams_hold_one_record_each() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let url = format!("unix-datagram://{}", path.display());
    let sender =
        thread::spawn(move || correlator(&["flood", "send", &url, "--records", "300", "--sshd", "0"]));
    let mut room = [0; 4096];
    for _ in 0..300 {
        let count = socket.recv(&mut room).unwrap();
        assert!(room[..count].starts_with(b"<"), "{:?}", &room[..20]);
    }
    assert!(sender.join().unwrap().status.success());
}

#[test]
fn a_server_that_is_not_there_is_said() {
    let port = port::Port::hold();
    let url = format!("tcp://127.0.0.1:{}", port.number);
    let output = correlator(&["flood", "send", &url, "--records", "10", "--connections", "3"]);
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("3 connections failed:\n  Connection refused"), "{said}");
}

#[test]
fn a_server_that_wants_certificates_takes_a_client_that_has_one_and_no_other() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let authority = pki::Authority::new("fleet CA");
    let ca = authority.write(home, "ca");
    let (certificate, key) = authority.vouch("127.0.0.1").write(home, "server");
    let (own, own_key) = authority.vouch("web-1.example").write(home, "client");
    let [ca, certificate, key, own, own_key] =
        [&ca, &certificate, &key, &own, &own_key].map(|path| path.to_str().unwrap());
    let config = home.join("correlator.toml");
    let text = format!(
        "[listeners.lan]\naddress = \"tls://127.0.0.1:0\"\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n\
         client_ca = \"{ca}\"\n[apps.all.modules.records]\ntype = \"report\"\n"
    );
    fs::write(&config, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
    command.args(["serve", "--config"]).arg(&config).arg("--data-dir").arg(home.join("data"));
    let mut server = child::Guard::start(command.stdout(Stdio::null()).stderr(Stdio::piped()));
    let mut said = server.said();
    let url = format!("tls://{}", said.listening("tls"));
    let send = |records: &str, more: &[&str]| {
        correlator(&[&["flood", "send", &url, "--ca", ca, "--records", records], more].concat())
    };
    for records in ["10", "100000"] {
        let refused = send(records, &[]);
        let said = String::from_utf8_lossy(&refused.stdout);
        assert_eq!(refused.status.code(), Some(3), "{said}");
        assert!(said.contains("1 connections failed:\n  received fatal alert: "), "{said}");
    }
    let taken = send("10", &["--cert", own, "--key", own_key]);
    assert!(taken.status.success(), "{taken:?}");
}
