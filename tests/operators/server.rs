//! A server that runs as a child, and commands beside it.

use crate::child::{Guard, Lines, output};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};

pub(crate) struct Server {
    pub(crate) child: Guard,
    pub(crate) address: SocketAddr,
    said: Lines,
}

impl Server {
    pub(crate) fn start(data: &Path, arguments: &[&str]) -> Self {
        Self::start_with(data, arguments, Stdio::null())
    }

    pub(crate) fn start_with(data: &Path, arguments: &[&str], output: Stdio) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
        command
            .args(["serve", "--listen", "tcp://127.0.0.1:0", "--data-dir"])
            .arg(data)
            .args(arguments)
            .stdout(output)
            .stderr(Stdio::piped());
        let mut child = Guard::start(&mut command);
        let mut said = child.said();
        let address = said.listening("tcp");
        Self { child, address, said }
    }

    /// Sends messages of sshd in frames from an address of this machine, and waits until the server has read them.
    pub(crate) fn send(&self, from: &str, texts: &[String]) {
        let frame = |text: &String| {
            let record = format!("<38>1 - web1 sshd 77 - - {text}");
            format!("{} {record}", record.len())
        };
        self.send_raw(from, texts.iter().map(frame).collect::<String>().as_bytes());
    }

    /// Sends bytes, and waits until the server has read them.
    pub(crate) fn send_raw(&self, from: &str, bytes: &[u8]) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(from.parse().unwrap(), 0).into()).unwrap();
        socket.connect(&self.address.into()).unwrap();
        let mut peer: TcpStream = socket.into();
        peer.write_all(bytes).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        // A server that refuses the peer resets the connection.
        peer.read_to_end(&mut Vec::new()).ok();
    }

    /// Waits until it says something on standard error.
    pub(crate) fn says(&mut self, part: &str) {
        self.said.until(part);
    }

    /// Kills it.
    pub(crate) fn kill(mut self) {
        self.child.crash();
    }

    /// Asks it to stop, and waits until it has; what it said.
    pub(crate) fn stop(mut self) -> String {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let log = self.said.by_ref().collect::<Vec<_>>().join("\n");
        assert!(self.child.ended().success(), "{log}");
        log
    }
}

/// Failed logins of a user from a source.
pub(crate) fn failures(user: &str, source: &str, ports: std::ops::Range<u16>) -> Vec<String> {
    ports.map(|port| format!("Failed password for {user} from {source} port {port} ssh2")).collect()
}

pub(crate) fn correlator(data: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
    output(command.args(arguments).arg("--data-dir").arg(data))
}

/// Runs a command that is to end with an exit code; what it said on both ends.
pub(crate) fn run(data: &Path, code: i32, arguments: &[&str]) -> (String, String) {
    let output = correlator(data, arguments);
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {out}{err}");
    (out, err)
}

/// The objects that a command prints, one a line.
pub(crate) fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// The events of a data directory that some options pick.
pub(crate) fn listed(data: &Path, options: &[&str]) -> Vec<Value> {
    objects(&run(data, 0, &[&["events", "list", "--format", "json"], options].concat()).0)
}
