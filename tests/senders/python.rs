//! `logging.handlers.SysLogHandler` of Python, which ends each message with a NUL, and gives it no time.

use crate::server::{Server, configuration, has, machine};
use std::process::Command;

/// Logs two messages; the second one has a header, as a formatter may write it, and two lines.
const PROGRAM: &str = r#"
import logging, socket, sys
from logging.handlers import SysLogHandler
kind, where = sys.argv[1:]
address = where if "/" in where else (where.rsplit(":", 1)[0], int(where.rsplit(":", 1)[1]))
handler = SysLogHandler(address, SysLogHandler.LOG_AUTH, getattr(socket, kind))
logging.basicConfig(level=logging.INFO, handlers=[handler], format="%(message)s")
logging.info("a lonely message, \u00fc")
logging.warning("Nov 30 12:00:00 web-1 sshd[4711]: two\nlines")
"#;

#[test]
fn every_socket_that_python_has_gives_whole_records() {
    if !has(&["python3"]) {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let [stream, datagrams] = ["stream", "datagrams"].map(|name| home.join(name).display().to_string());
    let listeners = format!(
        "address = [\"tcp://127.0.0.1:0\", \"unix://{stream}\"]\ndelimiter = \"NUL\"\n\
         [listeners.datagrams]\naddress = [\"udp://127.0.0.1:0\", \"unix-datagram://{datagrams}\"]"
    );
    let mut server = Server::start(home, &configuration(&listeners), &[]);
    let (tcp, udp) = (server.at("tcp").to_string(), server.at("udp").to_string());
    let ways =
        [("SOCK_STREAM", &tcp), ("SOCK_STREAM", &stream), ("SOCK_DGRAM", &udp), ("SOCK_DGRAM", &datagrams)];
    for (kind, to) in ways {
        assert!(Command::new("python3").args(["-c", PROGRAM, kind, to]).status().unwrap().success());
        let host = if to.contains('/') { machine() } else { "127.0.0.1".to_owned() };
        let expected = [
            [&*host, "-", "-", "info", "a lonely message, ü"],
            ["web-1", "sshd", "4711", "warning", "two\nlines"],
        ];
        for expected in expected {
            let event = server.next("ReportRecord");
            let fields = ["host", "app_name", "procid", "level", "message"];
            assert_eq!(fields.map(|field| event["fields"][field].as_str().unwrap_or("-")), expected, "{to}");
            assert_eq!(event["fields"]["facility"], "auth");
        }
    }
    server.stop();
}
