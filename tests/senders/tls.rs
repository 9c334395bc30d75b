//! A server with TLS, and real senders.

use crate::child::{fed, output};
use crate::pki::{Authority, Identity};
use crate::port::Port;
use crate::server::{Rsyslog, Server, configuration, has, nothing_is_lost_through_restarts};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

const DAY: i64 = 86_400;

fn listener(home: &Path) -> String {
    let (certificate, key) = (home.join("server.pem"), home.join("server.key"));
    let (certificate, key) = (certificate.display(), key.display());
    format!("address = \"tls://127.0.0.1:0\"\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n")
}

fn peers(capture: &Path) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
    let listed = output(command.args(["capture", "list", "--format", "json"]).arg(capture));
    let rows = String::from_utf8(listed.stdout).unwrap();
    let rows = rows.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    rows.filter_map(|row| Some(row["peer"].as_str()?.to_owned())).collect()
}

#[test]
fn rsyslog_sends_over_tls_with_a_certificate() {
    if !has(&["rsyslogd", "lmnsd_ossl.so"]) {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let authority = Authority::new("fleet CA");
    let ca = authority.write(home, "ca");
    authority.vouch("collector.example").write(home, "server");
    let (certificate, key) = authority.vouch("web-1.example").write(home, "client");
    let (ca, capture) = (ca.display(), home.join("capture"));
    let options = format!("{}client_ca = \"{ca}\"\npermitted_names = [\"*.example\"]\n", listener(home));
    let capture_path = capture.to_str().unwrap();
    let mut server = Server::start(home, &configuration(&options), &["--capture", capture_path]);
    let global = format!(
        "DefaultNetstreamDriver=\"ossl\" DefaultNetstreamDriverCAFile=\"{ca}\" \
         DefaultNetstreamDriverCertFile=\"{}\" DefaultNetstreamDriverKeyFile=\"{}\"",
        certificate.display(),
        key.display()
    );
    let way_out = format!(
        "action(type=\"omfwd\" target=\"127.0.0.1\" port=\"{}\" protocol=\"tcp\" TCP_Framing=\"octet-counted\" \
         template=\"RSYSLOG_SyslogProtocol23Format\" StreamDriver=\"ossl\" StreamDriverMode=\"1\" \
         StreamDriverAuthMode=\"x509/name\" StreamDriverPermittedPeers=\"collector.example\")",
        server.address.port()
    );
    let sender = Rsyslog::start(home, &global, &way_out);
    for number in 0..20 {
        sender.log(&format!("record {number}"));
    }
    for number in 0..20 {
        assert_eq!(server.next("ReportRecord")["fields"]["message"], format!("record {number}"));
    }
    drop(sender);
    server.stop();
    assert_eq!(peers(&capture), vec!["127.0.0.1,name=web-1.example"; 20]);
}

#[test]
fn rsyslog_loses_nothing_over_tls_when_the_server_stops_and_starts_again() {
    // The second is of the package rsyslog-gnutls.
    for driver in ["ossl", "gtls"] {
        if !has(&["rsyslogd", &format!("lmnsd_{driver}.so")]) {
            continue;
        }
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        let authority = Authority::new("fleet CA");
        let ca = authority.write(home, "ca");
        authority.vouch("collector.example").write(home, "server");
        let port = Port::hold();
        let configuration = configuration(&listener(home).replace(":0", &format!(":{}", port.number)));
        // Else a thread of rsyslogd opens a socket for each message of its own, and where there is no /dev/log closes it. Its
        // driver ossl still reads from the number of a socket that it has closed: it would wait for ever at that one.
        let global = format!(
            "processInternalMessages=\"on\" DefaultNetstreamDriver=\"{driver}\" DefaultNetstreamDriverCAFile=\"{}\"",
            ca.display()
        );
        let way_out = format!(
            "action(type=\"omfwd\" target=\"127.0.0.1\" port=\"{}\" protocol=\"tcp\" TCP_Framing=\"octet-counted\" \
             template=\"RSYSLOG_SyslogProtocol23Format\" StreamDriver=\"{driver}\" StreamDriverMode=\"1\" \
             StreamDriverAuthMode=\"anon\" queue.type=\"LinkedList\" queue.size=\"100000\" \
             action.resumeRetryCount=\"-1\" action.resumeInterval=\"1\" action.resumeIntervalMax=\"1\")",
            port.number
        );
        let sender = Rsyslog::start(home, &global, &way_out);
        nothing_is_lost_through_restarts(home, &configuration, |message| sender.log(message));
    }
}

#[test]
fn openssl_sends_and_sees_the_certificate_that_a_hang_up_brought() {
    if !has(&["openssl"]) {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let authority = Authority::new("fleet CA");
    authority.vouch("old.example").write(home, "server");
    let mut server = Server::start(home, &configuration(&listener(home)), &[]);
    let send = |record: &str, to: std::net::SocketAddr| {
        let mut client = Command::new("openssl");
        client.args(["s_client", "-connect", &to.to_string(), "-quiet", "-no_ign_eof"]);
        String::from_utf8(fed(&mut client, record).stderr).unwrap()
    };
    let seen = send("<38>first\n", server.address);
    assert!(seen.contains("old.example"), "{seen}");
    server.next("ReportRecord");
    authority.vouch("new.example").write(home, "server");
    server.signal(Signal::HUP);
    server.until("certificates are read again");
    let seen = send("<38>second\n", server.address);
    assert!(seen.contains("new.example"), "{seen}");
    server.next("ReportRecord");
    fs::write(home.join("server.pem"), "garbage").unwrap();
    server.signal(Signal::HUP);
    server.until("changed certificates cannot be used; those in use stay");
    let seen = send("<38>third\n", server.address);
    assert!(seen.contains("new.example"), "{seen}");
    server.next("ReportRecord");
    server.stop();
}

#[test]
fn handlers_hear_of_a_certificate_before_it_expires() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let authority = Authority::new("fleet CA");
    let soon: Identity = authority.vouch_for("collector.example", 6 * DAY);
    soon.write(home, "server");
    let mut server = Server::start(home, &configuration(&listener(home)), &[]);
    let event = server.next("ServerCertificateExpiring");
    assert_eq!(event["severity"], "WARNING");
    assert_eq!(event["fields"]["listener"], "lan");
    assert_eq!(event["fields"]["subject"], "collector.example");
    assert_eq!(event["fields"]["file"], home.join("server.pem").to_str().unwrap());
    let said = server.stop();
    assert!(!said.contains("panicked"), "{said}");
}
