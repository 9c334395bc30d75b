//! A storm: 100,000 failed logins within seconds, from many sources, with what e-mail and text messages do by default.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test program: its helpers fail by panicking"
)]

#[allow(dead_code, reason = "other tests need more of it")]
#[path = "email/server.rs"]
mod mail;

#[path = "support/child.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod child;

#[allow(dead_code, reason = "other tests need more of it")]
#[path = "support/http.rs"]
mod http;

use child::{Guard, PATIENCE, output};
use http::Hook;
use mail::{Tls, certificate};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

const LOGINS: usize = 100_000;
const SOURCES: usize = 400;
/// Sources that get in at last.
const BREACHES: usize = 3;
/// `limits::STORM_BURST`.
const AT_ONCE: usize = 5;

fn address(source: usize) -> String {
    format!("203.0.{}.{}", source / 200, source % 200 + 1)
}

/// What sshd logs of the storm.
fn records() -> String {
    let mut text = String::new();
    let mut log =
        |pid: usize, message: &str| writeln!(text, "<38>1 - web1 sshd {pid} - - {message}").unwrap();
    for login in 0..LOGINS {
        let (user, addr) = (login % 50, address(login % SOURCES));
        let client = format!("{addr} port {}", 1_024 + login / SOURCES);
        log(login + 1_000, &format!("Failed password for invalid user u{user} from {client} ssh2"));
        log(login + 1_000, &format!("Connection closed by invalid user u{user} {client} [preauth]"));
    }
    for source in 0..BREACHES {
        let client = format!("{} port 60000", address(source));
        log(LOGINS + 1_000 + source, &format!("Accepted password for alice from {client} ssh2"));
    }
    text
}

/// Plays Twilio: takes every message.
fn twilio() -> Hook {
    Hook::answering(|count, _| (201, format!(r#"{{"sid": "SM{count}", "status": "queued"}}"#)))
}

/// A configuration in which the two handlers have nothing but what they must.
fn configuration(home: &Path, smtp: &str, twilio: &str) {
    let token = home.join("twilio-token");
    fs::write(&token, "t0k3nt0k3n").unwrap();
    fs::set_permissions(&token, Permissions::from_mode(0o600)).unwrap();
    let text = format!(
        "[apps.fleet]\nhandlers = [\"oncall\", \"pager\"]\n[apps.fleet.modules.openssh]\ntype = \"sshd\"\n\
         [handlers.oncall]\ntype = \"email\"\nsmtp = \"smtp://{smtp}\"\nfrom = \"correlator@example.com\"\n\
         to = \"oncall@example.com\"\n\
         [handlers.pager]\ntype = \"sms\"\naccount_sid = \"AC123\"\nfrom = \"+4930123\"\nto = [\"+49170111\"]\n\
         auth_token = {{ credential = \"twilio-token\" }}\napi_url = \"{twilio}\"\n"
    );
    fs::write(home.join("c.toml"), text).unwrap();
}

/// Runs a server through the storm.
fn weather(home: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
    command
        .args(["serve", "--listen", "tcp://127.0.0.1:0", "--config"])
        .args([&home.join("c.toml"), Path::new("--data-dir"), &home.join("data")])
        .env("CREDENTIALS_DIRECTORY", home)
        .stderr(Stdio::piped());
    let mut child = Guard::start(&mut command);
    let mut said = child.said();
    let mut peer = TcpStream::connect(said.listening("tcp")).unwrap();
    peer.set_write_timeout(Some(PATIENCE)).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    peer.write_all(records().as_bytes()).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    // The server closes its end once it has read all.
    peer.read_to_end(&mut Vec::new()).unwrap();
    child.terminate();
    let said = said.rest();
    assert!(child.ended().success(), "{said}");
}

/// How many events are in which state in a handler, as `events list` tells.
fn states(home: &Path) -> BTreeMap<(String, String), usize> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
    command.args(["events", "list", "--format", "json", "--data-dir"]).arg(home.join("data"));
    let output = output(&mut command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Nearly all are told in the same words, which are read once.
    let mut alike = BTreeMap::<&str, usize>::new();
    let listed = str::from_utf8(&output.stdout).unwrap();
    for line in listed.lines() {
        *alike.entry(line.rsplit_once(",\"deliveries\":").unwrap().1).or_default() += 1;
    }
    let mut states = BTreeMap::new();
    for (deliveries, count) in alike {
        let deliveries = deliveries.strip_suffix('}').unwrap();
        let deliveries: BTreeMap<String, serde_json::Value> = serde_json::from_str(deliveries).unwrap();
        *states.entry(("all".to_owned(), String::new())).or_default() += count;
        for (handler, delivery) in deliveries {
            *states.entry((handler, delivery["state"].as_str().unwrap().to_owned())).or_default() += count;
        }
    }
    states
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_is_a_handful_of_messages_and_every_event_is_accounted_for() {
    let home = tempfile::tempdir().unwrap();
    let config = certificate(&["localhost"], &home.path().join("ca.pem"));
    let mut mails = mail::Server::start(Tls::Never, config, None).await;
    let twilio = twilio();
    configuration(home.path(), &mails.address.to_string(), &twilio.url);
    let path = home.path().to_owned();
    let states = tokio::task::spawn_blocking(move || {
        weather(&path);
        states(&path)
    });
    let states = states.await.unwrap();

    let mails = mails.taken().len();
    assert_eq!((mails, twilio.requests.try_iter().count()), (AT_ONCE + BREACHES, BREACHES), "{states:?}");
    let count = |handler: &str, state: &str| {
        states.get(&(handler.to_owned(), state.to_owned())).copied().unwrap_or_default()
    };
    let all = count("all", "");
    assert!(all > LOGINS + SOURCES, "{states:?}");
    // What is gathered waits for the digest.
    let [filtered, gathered] = ["filtered", "waiting"].map(|state| count("oncall", state));
    assert!(filtered >= LOGINS && gathered >= SOURCES - AT_ONCE, "{states:?}");
    assert_eq!(count("oncall", "delivered") + filtered + gathered, all, "{states:?}");
    assert_eq!(count("oncall", "delivered"), mails, "{states:?}");
    assert_eq!(
        (count("pager", "delivered"), count("pager", "filtered")),
        (BREACHES, all - BREACHES),
        "{states:?}"
    );
}
