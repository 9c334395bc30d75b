//! Mails of the whole program: an attack on a running server, and its replay.

use crate::child::{Guard, output};
use crate::server::{Server, Taken, Tls, certificate};
use mail_parser::MessageParser;
use std::io::Write;
use std::net::TcpStream;
use std::process::{Command, Stdio};

/// Five failures of one source, one of them of a user that nobody knows.
const ATTACK: &str = "\
<86>1 2026-07-01T10:00:00Z web1 sshd 7 - - Failed password for root from 203.0.113.9 port 5555 ssh2
<86>1 2026-07-01T10:00:01Z web1 sshd 7 - - Failed password for root from 203.0.113.9 port 5555 ssh2
<86>1 2026-07-01T10:00:02Z web1 sshd 8 - - Failed password for invalid user hunter2hu from 203.0.113.9 port 5556 ssh2
<86>1 2026-07-01T10:00:03Z web1 sshd 9 - - Failed password for alice from 203.0.113.9 port 5557 ssh2
<86>1 2026-07-01T10:00:04Z web1 sshd 9 - - Failed password for alice from 203.0.113.9 port 5557 ssh2
";

fn configuration(server: &Server) -> String {
    format!(
        "[apps.fleet]\nhandlers = [\"oncall\"]\n[apps.fleet.modules.openssh]\ntype = \"sshd\"\n\
         [handlers.oncall]\ntype = \"email\"\nsmtp = \"smtp://{}\"\nfrom = \"correlator@example.com\"\n\
         to = \"oncall@example.com\"\n",
        server.address
    )
}

/// A header of a mail.
fn header(taken: &Taken, name: &str) -> Option<String> {
    let mail = MessageParser::default().parse(&taken.bytes).unwrap();
    mail.header(name.to_owned()).and_then(|value| value.as_text()).map(str::to_owned)
}

/// The mail that the attack becomes: with all records, and without the name that nobody knows.
fn attack_is_told(taken: &Taken, mark: &str) {
    let mail = MessageParser::default().parse(&taken.bytes).unwrap();
    let subject = format!("{mark}[WARNING] 203.0.113.9 made 5 failed attempts within 5m, 3 users");
    assert_eq!(mail.subject(), Some(subject.as_str()));
    for part in [mail.body_text(0).unwrap(), mail.body_html(0).unwrap()] {
        assert_eq!(
            part.matches("86>1 2026-07-01T10:00:0").count() + part.matches("86&gt;1 2026").count(),
            5,
            "{part}"
        );
        assert!(
            part.contains("Failed password for invalid user hu…(9) from 203.0.113.9 port 5556 ssh2"),
            "{part}"
        );
        assert!(part.contains("Failed password for alice from"), "{part}");
        assert!(!part.contains("hunter2hu"), "{part}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replays_and_tests_are_marked_and_a_replay_has_its_records() {
    let home = tempfile::tempdir().unwrap();
    let config = certificate(&["localhost"], &home.path().join("ca.pem"));
    let mut server = Server::start(Tls::Never, config, None).await;
    let [file, log] = ["correlator.toml", "log"].map(|name| home.path().join(name));
    std::fs::write(&file, configuration(&server)).unwrap();
    std::fs::write(&log, ATTACK).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
    command.args(["replay", "--deliver", "oncall", "--data-dir"]).arg(home.path().join("data"));
    let replayed = output(command.arg("--config").args([file, log]));
    assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
    let taken = server.next().await;
    attack_is_told(&taken, "[replay] ");
    assert_eq!(header(&taken, "X-Correlator-Occasion").as_deref(), Some("replay"));

    let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
    command.args(["handlers", "test", "oncall", "--data-dir"]).arg(home.path().join("data"));
    let tested = output(command.arg("--config").arg(home.path().join("correlator.toml")));
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stdout));
    let taken = server.next().await;
    assert_eq!(header(&taken, "X-Correlator-Occasion").as_deref(), Some("test"));
    assert!(header(&taken, "Subject").unwrap().starts_with("[test] [CRITICAL] alice logged in"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attack_on_a_running_server_becomes_a_mail_with_its_records() {
    let home = tempfile::tempdir().unwrap();
    let config = certificate(&["localhost"], &home.path().join("ca.pem"));
    let mut server = Server::start(Tls::Never, config, None).await;
    let file = home.path().join("correlator.toml");
    std::fs::write(&file, configuration(&server)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
    command
        .args(["serve", "--listen", "tcp://127.0.0.1:0", "--config"])
        .arg(&file)
        .arg("--data-dir")
        .arg(home.path().join("data"))
        .stderr(Stdio::piped());
    let mut child = Guard::start(&mut command);
    let mut said = child.said();
    let mut peer = TcpStream::connect(said.listening("tcp")).unwrap();
    peer.write_all(ATTACK.as_bytes()).unwrap();
    attack_is_told(&server.next().await, "");
    child.terminate();
    assert!(said.last().is_some_and(|line| !line.is_empty()));
    assert!(child.ended().success());
}
