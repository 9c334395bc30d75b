//! RELP between processes, either of which may be killed: nothing is lost, and nothing comes twice.

use crate::pki::Authority;
use crate::port::Port;
use crate::server::{Rsyslog, Server, configuration, has, reported};
use crate::tap::Tap;
use std::fmt::Write as _;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;

fn way_out(port: u16, more: &str) -> String {
    format!(
        "module(load=\"omrelp\")\n\
         action(type=\"omrelp\" target=\"127.0.0.1\" port=\"{port}\" template=\"RSYSLOG_SyslogProtocol23Format\" \
         action.resumeRetryCount=\"-1\" action.resumeInterval=\"1\" action.resumeIntervalMax=\"1\" timeout=\"5\" \
         queue.fileName=\"relp\" queue.size=\"100000\" queue.saveOnShutdown=\"on\" {more})"
    )
}

/// In memory, and on the disk when the sender ends in order.
const IN_MEMORY: &str = "queue.type=\"LinkedList\"";

/// Checks that each of so many numbered records was reported, and once.
fn each_came_once(home: &Path, records: usize) {
    let counts = reported(home);
    let times = |number: usize| counts.get(&format!("record {number}")).copied().unwrap_or(0);
    let wrong: Vec<_> = (0..records).map(|n| (n, times(n))).filter(|(_, times)| *times != 1).collect();
    assert_eq!(wrong, [], "how often each of these came");
}

#[test]
fn what_a_killed_server_had_made_durable_is_not_taken_again_by_the_next() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let configuration = configuration("address = \"relp://127.0.0.1:0\"\n");
    let send = |server: &mut Server, records: &[&str]| {
        let mut session = "1 open 30 relp_version=0\ncommands=syslog\n".to_owned();
        for (transaction, record) in (2..).zip(records) {
            let record = format!("<38>1 - web sshd 7 - - {record}");
            writeln!(session, "{transaction} syslog {} {record}", record.len()).unwrap();
        }
        let mut sender = TcpStream::connect(server.address).unwrap();
        sender.write_all(session.as_bytes()).unwrap();
        // No answer is read: whatever the server sent, the sender has not seen it.
        // An event may be delivered again after a crash, so only the journal tells how often it was raised.
        server.until_reported(records.last().unwrap());
    };
    let mut server = Server::start(home, &configuration, &[]);
    send(&mut server, &["one", "two", "three"]);
    server.child.crash();
    let mut server = Server::start(home, &configuration, &[]);
    send(&mut server, &["two", "three", "four"]);
    server.stop();
    let expected = ["one", "two", "three", "four"].map(|message| (message.to_owned(), 1));
    assert_eq!(reported(home), expected.into());
}

#[test]
fn rsyslog_loses_nothing_and_sends_nothing_twice_when_the_server_is_killed() {
    const RECORDS: usize = 600;
    if !has(&["rsyslogd", "omrelp.so"]) {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let port = Port::hold();
    let configuration = configuration(&format!("address = \"relp://127.0.0.1:{}\"\n", port.number));
    let mut server = Server::start(home, &configuration, &[]);
    let sender = Rsyslog::start(home, "", &way_out(port.number, IN_MEMORY));
    for number in 0..RECORDS {
        sender.log(&format!("record {number}"));
        // In the middle of it, at three places.
        if number % 200 == 150 {
            server.next("ReportRecord");
            server.child.crash();
            server = Server::start(home, &configuration, &[]);
        }
    }
    sender.log("the last");
    server.until_reported("the last");
    server.stop();
    each_came_once(home, RECORDS);
}

#[test]
fn what_was_answered_is_there_and_once_whoever_is_killed() {
    const RECORDS: usize = 900;
    if !has(&["rsyslogd", "omrelp.so"]) {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let port = Port::hold();
    let configuration = configuration(&format!("address = \"relp://127.0.0.1:{}\"\n", port.number));
    let tap = Tap::before(port.number);
    let mut server = Server::start(home, &configuration, &[]);
    // What rsyslog has not handed to its librelp is on the disk, and so is how far it has got.
    let way_out = way_out(tap.address.port(), "queue.type=\"Disk\" queue.checkpointInterval=\"1\"");
    let mut sender = Rsyslog::start(home, "", &way_out);
    sender.log("the first");
    server.until_reported("the first");
    server.child.crash();
    for number in 0..RECORDS {
        sender.log(&format!("record {number}"));
    }
    sender.log("the last");
    sender.until_queued("the last");
    server = Server::start(home, &configuration, &[]);
    for victim in ["server", "sender", "server", "sender"] {
        // In the middle of it: the server has records for durable of which the sender does not know that.
        tap.withhold(20);
        if victim == "sender" {
            sender.child.crash();
        } else {
            server.child.crash();
        }
        tap.pass_on();
        if victim == "sender" {
            sender = Rsyslog::start(home, "", &way_out);
        } else {
            server = Server::start(home, &configuration, &[]);
        }
    }
    server.until_reported("the last");
    server.stop();
    let (counts, seen) = (reported(home), tap.seen());
    let times = |message: &String| counts.get(message).copied().unwrap_or(0);
    // librelp forgets what it has sent and seen no answer to when it is killed, so only what was answered is promised.
    let lost: Vec<_> = seen.answered.union(&seen.withheld).filter(|message| times(message) == 0).collect();
    assert!(lost.is_empty(), "answered, and lost: {lost:?}");
    // rsyslog may send a record twice in one session: then it stands twice in its queue.
    let twice: Vec<_> = seen.sent.iter().filter(|(message, sent)| times(message) > **sent).collect();
    assert!(twice.is_empty(), "taken more often than any session sent it: {twice:?}");
    let known = seen.withheld.intersection(&seen.again).count();
    assert!(known > 0, "the test sends nothing again that the server has");
}

#[test]
fn rsyslog_sends_over_tls_with_a_certificate() {
    if !has(&["rsyslogd", "omrelp.so"]) {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let authority = Authority::new("fleet CA");
    let ca = authority.write(home, "ca");
    let (server_pem, server_key) = authority.vouch("collector.example").write(home, "server");
    let (client_pem, client_key) = authority.vouch("web-1.example").write(home, "client");
    let options = format!(
        "address = \"relps://127.0.0.1:0\"\ncertificate = \"{}\"\nkey = \"{}\"\nclient_ca = \"{}\"\n",
        server_pem.display(),
        server_key.display(),
        ca.display()
    );
    let mut server = Server::start(home, &configuration(&options), &[]);
    let tls = format!(
        "tls=\"on\" tls.caCert=\"{}\" tls.myCert=\"{}\" tls.myPrivKey=\"{}\" tls.authMode=\"name\" \
         tls.permittedPeer=\"collector.example\"",
        ca.display(),
        client_pem.display(),
        client_key.display()
    );
    let sender = Rsyslog::start(home, "", &way_out(server.address.port(), &format!("{IN_MEMORY} {tls}")));
    for number in 0..20 {
        sender.log(&format!("record {number}"));
    }
    for number in 0..20 {
        assert_eq!(server.next("ReportRecord")["fields"]["message"], format!("record {number}"));
    }
    drop(sender);
    server.stop();
}
