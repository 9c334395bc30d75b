//! `correlator serve` as a process that reports every record on its standard output, and rsyslogd as one that sends.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

/// A server that runs as a child.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    events: BufReader<ChildStdout>,
    said: BufReader<ChildStderr>,
}

/// A configuration with one listener, whose options are given, that reports every record.
pub(crate) fn configuration(listener: &str) -> String {
    format!(
        "[listeners.lan]\n{listener}\n[apps.all]\nhandlers = [\"screen\"]\n[apps.all.modules.records]\n\
         type = \"report\"\n[handlers.screen]\ntype = \"log\"\nformat = \"json\"\n"
    )
}

impl Server {
    pub(crate) fn start(home: &Path, configuration: &str, arguments: &[&str]) -> Self {
        let file = home.join("correlator.toml");
        fs::write(&file, configuration).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_correlator"))
            .args(["serve", "--config"])
            .arg(file)
            .arg("--data-dir")
            .arg(home.join("data"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let events = BufReader::new(child.stdout.take().unwrap());
        let said = BufReader::new(child.stderr.take().unwrap());
        let mut server = Self { child, address: "[::]:0".parse().unwrap(), events, said };
        let line = server.until("listening");
        let (_, address) = line.split_once("://").unwrap();
        server.address = address.split_whitespace().next().unwrap().parse().unwrap();
        server
    }

    /// Waits until it says something on standard error.
    pub(crate) fn until(&mut self, what: &str) -> String {
        let mut said = String::new();
        loop {
            let start = said.len();
            assert_ne!(self.said.read_line(&mut said).unwrap(), 0, "it never said `{what}`: {said}");
            if said[start..].contains(what) {
                return said[start..].to_owned();
            }
        }
    }

    /// Waits for the next event of a kind.
    pub(crate) fn next(&mut self, kind: &str) -> Value {
        loop {
            let mut line = String::new();
            assert_ne!(self.events.read_line(&mut line).unwrap(), 0, "no {kind} came");
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["kind"] == kind {
                return event;
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Asks it to stop; gives what it said until its end.
    pub(crate) fn stop(mut self) -> String {
        self.signal(Signal::TERM);
        let mut said = String::new();
        // Its standard output is read too, so that it never waits for us.
        std::thread::scope(|scope| {
            scope.spawn(|| self.events.read_to_end(&mut Vec::new()).unwrap());
            self.said.read_to_string(&mut said).unwrap();
        });
        assert!(self.child.wait().unwrap().success(), "{said}");
        said
    }
}

/// Whether tools are there that a test needs; says which is not.
pub(crate) fn has(tools: &[&str]) -> bool {
    let missing = tools.iter().find(|tool| {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let in_path = std::env::split_paths(&paths).any(|directory| directory.join(tool).exists());
        let absolute =
            ["/usr/sbin", "/usr/lib/x86_64-linux-gnu/rsyslog", "/usr/lib/aarch64-linux-gnu/rsyslog"];
        !in_path && !absolute.iter().any(|directory| Path::new(directory).join(tool).exists())
    });
    if let Some(missing) = missing {
        println!("skipped: needs {missing}");
    }
    missing.is_none()
}

/// rsyslogd with a socket of its own, whose records it forwards.
pub(crate) struct Rsyslog {
    pub(crate) child: Child,
    socket: PathBuf,
}

impl Rsyslog {
    /// Starts with this way out; `global` goes into `global()`.
    pub(crate) fn start(home: &Path, global: &str, way_out: &str) -> Self {
        let socket = home.join("log.sock");
        let directory = home.join("rsyslog");
        fs::create_dir_all(&directory).unwrap();
        let (socket_path, work) = (socket.display(), directory.display());
        let configuration = format!(
            "global(workDirectory=\"{work}\" {global})\n\
             module(load=\"imuxsock\" SysSock.Use=\"off\")\n\
             input(type=\"imuxsock\" Socket=\"{socket_path}\" CreatePath=\"on\" RateLimit.Interval=\"0\")\n{way_out}\n"
        );
        let file = home.join("rsyslog.conf");
        fs::write(&file, configuration).unwrap();
        drop(fs::remove_file(&socket));
        let child = Command::new("rsyslogd")
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .args(["-n", "-iNONE", "-f"])
            .arg(file)
            .stdout(Stdio::null())
            .stderr(fs::File::create(home.join("rsyslog.err")).unwrap())
            .spawn()
            .unwrap();
        Self { child, socket }
    }

    /// Logs a message; waits until there is somebody to take it.
    pub(crate) fn log(&self, message: &str) {
        let sender = UnixDatagram::unbound().unwrap();
        while sender.connect(&self.socket).is_err() {
            std::thread::yield_now();
        }
        sender.send(format!("<38>sshd[7]: {message}").as_bytes()).unwrap();
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
