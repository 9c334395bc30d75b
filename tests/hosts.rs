//! Whose hosts a sender may speak for, live and in a replay; silence and clocks, as commands tell them.

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

use child::{Guard, Lines, address, output, wait_for};
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};

const CONFIG: &str = r#"
[listeners.lan]
address = "tcp://127.0.0.1:0"

[sources.web]
peers = ["127.0.0.2"]
hosts = ["web*"]

[apps.fleet]
handlers = ["screen"]

[apps.fleet.modules.openssh]
type = "sshd"

[handlers.screen]
type = "log"
format = "json"
"#;

fn correlator(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
    command.args(arguments).arg("--config").arg(home.join("correlator.toml"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A server, and the lines that it writes.
struct Server {
    child: Guard,
    told: Lines,
    said: Lines,
}

impl Server {
    fn start(command: &mut Command) -> Self {
        let mut child = Guard::start(command);
        let (told, said) = (child.told(), child.said());
        Self { child, told, said }
    }

    /// Stops it; gives what it has told since on standard output, and said on standard error.
    fn stop(mut self) -> (String, String) {
        self.child.terminate();
        let (told, said) = (self.told.rest(), self.said.rest());
        assert!(self.child.ended().success(), "{said}");
        (told, said)
    }
}

/// Sends a stream from an address of this machine's own network, and waits until it has been read.
fn send(from: &str, to: SocketAddr, text: &str) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(from.parse().unwrap(), 0).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let mut peer = TcpStream::from(socket);
    peer.write_all(text.as_bytes()).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    peer.read_to_end(&mut Vec::new()).unwrap();
}

/// So many failed logins on a host, without a time.
fn failures(host: &str, count: u32) -> String {
    let failure = |pid| {
        format!("<38>1 - {host} sshd {pid} - - Failed password for root from 203.0.113.9 port {pid} ssh2\n")
    };
    (1..=count).map(failure).collect()
}

/// The events of lines, but those that tell of the server and so are in no replay.
fn events(lines: &str) -> Vec<Value> {
    let events = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["kind"] != "ServerStarted").collect()
}

#[test]
fn a_host_that_is_not_the_senders_counts_for_nothing_live_and_in_a_replay() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("correlator.toml"), CONFIG).unwrap();
    let data = home.path().join("data");
    let capture = home.path().join("capture");
    let mut server = correlator(home.path(), &["serve"]);
    let mut server = Server::start(server.arg("--data-dir").arg(&data).arg("--capture").arg(&capture));
    let address = server.said.listening("tcp");
    send("127.0.0.2", address, &failures("db1", 40));
    send("127.0.0.2", address, &failures("web1", 3));
    send("127.0.0.3", address, &failures("db1", 2));
    // What was read may still be on its way to the correlator.
    let status = wait_for("what was sent to be understood or rejected", || {
        let mut status = correlator(home.path(), &["status", "--format", "json"]);
        let status = output(status.arg("--data-dir").arg(&data));
        let status: Value = serde_json::from_slice(&status.stdout).unwrap();
        (status["received"] == 45).then_some(status)
    });
    let (live, _) = server.stop();

    assert_eq!(
        (&status["received"], &status["parsed"], &status["rejected"]),
        (&45.into(), &5.into(), &40.into())
    );
    assert_eq!(status["reasons"], serde_json::json!({ "sender-not-entitled": 40 }));
    assert_eq!((&status["hosts"], &status["balanced"]), (&2.into(), &true.into()));
    let rejected = fs::read_to_string(data.join("rejected.jsonl")).unwrap();
    assert!(rejected.contains("sender-not-entitled") && rejected.contains("db1 sshd 1 "), "{rejected}");

    let live = events(&live);
    let forged: Vec<_> = live.iter().filter(|event| event["kind"] == "HostForged").collect();
    assert_eq!(forged.len(), 1, "{live:?}");
    assert_eq!(forged[0]["summary"], "127.0.0.2 may not speak for db1: its records are rejected");
    let exceeded: Vec<_> = live.iter().filter(|event| event["kind"] == "SSHDAttemptsExceeded").collect();
    assert_eq!(exceeded.len(), 1, "{live:?}");
    assert_eq!(exceeded[0]["fields"]["count"], 5, "three of web1, and two of db1 from a sender that may");

    let replayed = output(correlator(home.path(), &["replay", "--format", "json"]).arg(&capture));
    let replayed = events(&String::from_utf8(replayed.stdout).unwrap());
    assert_eq!(replayed, live, "the same events with the same ids");
}

#[test]
fn records_without_a_host_are_their_senders_live_and_in_a_replay() {
    let home = tempfile::tempdir().unwrap();
    let config =
        format!("{CONFIG}\n[listeners.appliance]\naddress = \"tcp://127.0.0.1:0\"\nhost = \"fw1\"\n");
    fs::write(home.path().join("correlator.toml"), config).unwrap();
    let capture = home.path().join("capture");
    let mut server = correlator(home.path(), &["serve"]);
    server.arg("--data-dir").arg(home.path().join("data")).arg("--capture").arg(&capture);
    let mut server = Server::start(&mut server);
    let line = server.said.until(" tcp://");
    let urls: Vec<_> = line.split_whitespace().filter(|word| word.starts_with("tcp://")).collect();
    let [lan, appliance] = urls[..] else { panic!("two listeners in {line}") };
    let [lan, appliance] = [lan, appliance].map(|url| address(url, "tcp"));
    let login = |user| {
        format!("<38>1 - - sshd 7 - - Accepted password for {user} from 203.0.113.9 port 50022 ssh2\n")
    };
    let logout = "<38>1 - - sshd 7 - - Disconnected from user alice 203.0.113.9 port 50022\n";
    send("127.0.0.3", lan, &login("alice"));
    send("127.0.0.4", lan, &login("bob"));
    send("127.0.0.3", appliance, &login("carol"));
    send("127.0.0.3", lan, logout);
    let (live, _) = server.stop();
    let live = events(&live);
    let told = ["SSHDSessionStarted", "SSHDLoginSucceeded"];
    let sessions = live.iter().filter(|event| told.contains(&event["kind"].as_str().unwrap()));
    let sessions = sessions.map(|event| {
        let [kind, user, host] = [&event["kind"], &event["fields"]["user"], &event["fields"]["host"]];
        [kind, user, host].map(|value| value.as_str().unwrap())
    });
    assert_eq!(
        sessions.collect::<Vec<_>>(),
        [
            ["SSHDSessionStarted", "alice", "127.0.0.3"],
            ["SSHDSessionStarted", "bob", "127.0.0.4"],
            ["SSHDSessionStarted", "carol", "fw1"],
            ["SSHDLoginSucceeded", "alice", "127.0.0.3"],
        ],
        "{live:?}"
    );
    let replayed = output(correlator(home.path(), &["replay", "--format", "json"]).arg(&capture));
    let replayed = events(&String::from_utf8(replayed.stdout).unwrap());
    assert_eq!(replayed, live, "the same events with the same ids");
}

#[test]
fn a_table_that_is_full_of_made_up_hosts_is_told_of_once() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("correlator.toml"), CONFIG).unwrap();
    let data = home.path().join("data");
    let mut server = Server::start(correlator(home.path(), &["serve"]).arg("--data-dir").arg(&data));
    let address = server.said.listening("tcp");
    let mut records = String::new();
    for host in 0..65_539 {
        writeln!(records, "<38>1 - made-up-{host} cron - - - x").unwrap();
    }
    send("127.0.0.3", address, &records);
    send("127.0.0.3", address, &records);
    let status = |format| {
        let mut status = correlator(home.path(), &["status", "--format", format]);
        String::from_utf8(output(status.arg("--data-dir").arg(&data)).stdout).unwrap()
    };
    // What was read may still be on its way to the correlator; what it knows of hosts is told after what it received.
    let told = wait_for("the records of three hosts, twice, for which there is no room", || {
        let told: Value = serde_json::from_str(&status("json")).unwrap();
        (told["received"] == 131_078 && told["unwatched"] == 6).then_some(told)
    });
    assert_eq!((&told["known_hosts"], &told["hosts_full"]), (&65_536.into(), &true.into()), "{told}");
    let text = status("text");
    let line = "hosts         65536 known, 65536 heard in this run\n  \
                no room to know more: 6 records of hosts that are not watched\n";
    assert!(text.contains(line), "{text}");
    let (told, rest) = server.stop();
    assert_eq!(rest.matches("there is no room to know more hosts").count(), 1, "{rest}");
    let full = events(&told).into_iter().filter(|event| event["kind"] == "ServerHostsFull");
    assert_eq!(full.map(|event| event["fields"]["known_hosts"].clone()).collect::<Vec<_>>(), [65_536]);
}

#[test]
fn what_was_shed_is_told_with_the_time_in_which_it_was() {
    let home = tempfile::tempdir().unwrap();
    let config = CONFIG.replace("tcp://127.0.0.1:0\"", "udp://127.0.0.1:0\"\nrate_limit = 1");
    fs::write(home.path().join("correlator.toml"), config).unwrap();
    let mut server = correlator(home.path(), &["serve"]);
    let mut server = Server::start(server.arg("--data-dir").arg(home.path().join("data")));
    let address = server.said.listening("udp");
    let host = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..60 {
        host.send_to(failures("web1", 1).trim_end().as_bytes(), address).unwrap();
    }
    let (told, rest) = server.stop();
    let told = events(&told);
    let shed: Vec<_> = told.iter().filter(|event| event["kind"] == "ServerRecordsShed").collect();
    assert_eq!(shed.len(), 1, "{told:?}\n{rest}");
    let fields = &shed[0]["fields"];
    assert_eq!((&fields["listener"], &fields["reason"]), (&"lan".into(), &"rate-limit".into()));
    let stats = told.iter().find(|event| event["kind"] == "ServerStats").unwrap();
    let received = stats["fields"]["received"].as_u64().unwrap();
    assert_eq!(fields["shed"].as_u64().unwrap() + received, 60, "{told:?}");
    assert!(fields["start"].as_str() <= fields["finish"].as_str() && received >= 11, "{told:?}");
}

#[test]
fn a_log_tells_which_hosts_fell_silent() {
    let home = tempfile::tempdir().unwrap();
    let config = format!("{CONFIG}\n[hosts]\nsilent_after = \"1h\"\nwatched = [\"web*\"]\n");
    fs::write(home.path().join("correlator.toml"), config).unwrap();
    let mut text = String::new();
    for minute in 0..300 {
        let time = format!("2026-03-01T{:02}:{:02}:00Z", 10 + minute / 60, minute % 60);
        writeln!(text, "<38>1 {time} db1 cron - - - tick").unwrap();
        if !(90..=240).contains(&minute) {
            writeln!(text, "<38>1 {time} web1 cron - - - tick\n<38>1 {time} mail1 cron - - - tick").unwrap();
        }
    }
    let log = home.path().join("a.log");
    fs::write(&log, text).unwrap();
    let told = output(correlator(home.path(), &["replay", "--format", "json"]).arg(&log));
    let told = events(&String::from_utf8(told.stdout).unwrap());
    let told: Vec<_> = told
        .iter()
        .filter(|event| event["kind"].as_str().unwrap().starts_with("Host"))
        .map(|event| (event["time"].as_str().unwrap(), event["summary"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            ("2026-03-01T12:31:45.000000Z", "nothing has come from web1 for 1h 3m"),
            ("2026-03-01T14:01:00.000000Z", "web1 is back after 2h 33m"),
        ]
    );
}
