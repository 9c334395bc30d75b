//! `socat`, which sends whatever bytes it is given.

use crate::pki::Authority;
use crate::server::{Server, configuration, has};
use std::io::Write;
use std::process::{Command, Stdio};

/// Sends bytes, as one datagram where the address is for datagrams.
fn send(to: &str, bytes: &[u8]) {
    let child = Command::new("socat").args(["-u", "STDIN", to]).stdin(Stdio::piped()).spawn();
    let mut child = crate::child::Guard(child.unwrap());
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    assert!(child.ended().success(), "{to}");
}

#[test]
fn raw_bytes_become_the_records_that_their_framing_says() {
    if !has(&["socat"]) {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let authority = Authority::new("fleet CA");
    let ca = authority.write(home, "ca");
    authority.vouch("collector.example").write(home, "server");
    let (client, key) = authority.vouch("web-1.example").write(home, "client");
    let path = |name: &str| home.join(name).display().to_string();
    let listeners = format!(
        "address = [\"tcp://127.0.0.1:0\", \"udp://127.0.0.1:0\", \"unix://{}\", \"unix-datagram://{}\"]\n\
         [listeners.tls]\naddress = \"tls://127.0.0.1:0\"\ncertificate = \"{}\"\nkey = \"{}\"\nclient_ca = \"{}\"",
        path("stream"),
        path("datagrams"),
        path("server.pem"),
        path("server.key"),
        path("ca.pem"),
    );
    let mut server = Server::start(home, &configuration(&listeners), &[]);
    let tls = format!(
        "OPENSSL:{},verify=1,commonname=collector.example,cafile={},cert={},key={}",
        server.at("tls"),
        ca.display(),
        client.display(),
        key.display()
    );
    let streams = [format!("TCP:{}", server.at("tcp")), format!("UNIX-CONNECT:{}", path("stream")), tls];
    // Counted and delimited, blank lines, a CR, what is no text, and the last without its delimiter.
    let stream = b"9 <14>first\n\n<14>second\r\n12 <14>thi\nrd\0\xff<14>fou\xffrth\n<14>last";
    for to in streams {
        send(&to, stream);
        for expected in ["first", "second", "thi\nrd\0\\xff", "fou\\xffrth", "last"] {
            assert_eq!(server.next("ReportRecord")["fields"]["message"], expected, "{to}");
        }
    }
    let datagrams = [format!("UDP:{}", server.at("udp")), format!("UNIX-SENDTO:{}", path("datagrams"))];
    for to in datagrams {
        for (sent, expected) in [(&b"<14>one\r\n"[..], "one"), (b"<14>5 two\nlines\n\0", "5 two\nlines")] {
            send(&to, sent);
            assert_eq!(server.next("ReportRecord")["fields"]["message"], expected, "{to}");
        }
    }
    server.stop();
}
