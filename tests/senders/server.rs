//! `correlator serve` as a process that reports every record on its standard output, and rsyslogd as one that sends.

use crate::child::{Guard, Lines, output, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// A server that runs as a child.
pub(crate) struct Server {
    pub(crate) child: Guard,
    /// The first address that it listens on, if that is one of a network.
    pub(crate) address: SocketAddr,
    urls: Vec<String>,
    events: Lines,
    said: Lines,
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
        let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
        command
            .args(["serve", "--config"])
            .arg(file)
            .arg("--data-dir")
            .arg(home.join("data"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = Guard::start(&mut command);
        let (events, said) = (child.told(), child.said());
        let address = "[::]:0".parse().unwrap();
        let mut server = Self { child, address, urls: Vec::new(), events, said };
        let line = server.until("listening");
        server.urls =
            line.split_whitespace().filter(|word| word.contains("://")).map(str::to_owned).collect();
        let (_, address) = server.urls[0].split_once("://").unwrap();
        server.address = address.parse().unwrap_or(server.address);
        server
    }

    /// Where it listens for this protocol.
    pub(crate) fn at(&self, protocol: &str) -> SocketAddr {
        let addresses = self.urls.iter().filter_map(|url| url.split_once("://"));
        let found = addresses.into_iter().find(|(known, _)| *known == protocol);
        found.unwrap_or_else(|| panic!("no {protocol} in {:?}", self.urls)).1.parse().unwrap()
    }

    /// Waits until it says something on standard error.
    pub(crate) fn until(&mut self, what: &str) -> String {
        self.said.until(what)
    }

    /// Waits for the next event of a kind.
    pub(crate) fn next(&mut self, kind: &str) -> Value {
        let events = self.events.by_ref().map(|line| serde_json::from_str(&line).unwrap());
        events
            .into_iter()
            .find(|event: &Value| event["kind"] == kind)
            .unwrap_or_else(|| panic!("no {kind} came"))
    }

    /// Waits until a record with this message was reported.
    pub(crate) fn until_reported(&mut self, message: &str) {
        while self.next("ReportRecord")["fields"]["message"] != message {}
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Asks it to stop; gives what it said until its end.
    pub(crate) fn stop(mut self) -> String {
        self.child.terminate();
        let said = self.said.rest();
        assert!(self.child.ended().success(), "{said}");
        said
    }
}

/// How often each message was reported, as the journal has it.
pub(crate) fn reported(home: &Path) -> BTreeMap<String, usize> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
    command.args(["events", "list", "--format", "json", "--config"]).arg(home.join("correlator.toml"));
    let listed = output(command.arg("--data-dir").arg(home.join("data")));
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let mut counts = BTreeMap::new();
    for line in String::from_utf8(listed.stdout).unwrap().lines() {
        let Ok(event) = serde_json::from_str::<Value>(line.trim_end_matches(',')) else { continue };
        if let Some(message) = event["fields"]["message"].as_str() {
            *counts.entry(message.to_owned()).or_default() += 1;
        }
    }
    counts
}

/// Logs by this way, while a server stops and starts again some times; checks that each record was reported.
pub(crate) fn nothing_is_lost_through_restarts(home: &Path, configuration: &str, log: impl Fn(&str) + Send) {
    let mut server = Server::start(home, configuration, &[]);
    let logged = thread::scope(|scope| {
        let (enough, is_enough) = channel::<()>();
        let logging = scope.spawn(move || {
            let mut logged: usize = 0;
            // Some two thousand a second, also while the server stops.
            while is_enough.recv_timeout(Duration::from_micros(400)) == Err(RecvTimeoutError::Timeout) {
                log(&format!("record {logged}"));
                logged += 1;
            }
            log("the last");
            logged
        });
        for _ in 0..3 {
            server.next("ReportRecord");
            server.stop();
            server = Server::start(home, configuration, &[]);
        }
        server.next("ReportRecord");
        drop(enough);
        server.until_reported("the last");
        server.stop();
        logging.join().unwrap()
    });
    let reported = reported(home);
    let lost: Vec<_> = (0..logged).filter(|n| !reported.contains_key(&format!("record {n}"))).collect();
    assert!(lost.is_empty(), "of {logged}: {lost:?}");
}

/// What this machine is called.
pub(crate) fn machine() -> String {
    rustix::system::uname().nodename().to_str().unwrap().to_owned()
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
    pub(crate) child: Guard,
    socket: PathBuf,
    /// Where its queues lie.
    work: PathBuf,
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
        Self { child: Guard(child), socket, work: directory }
    }

    /// Logs a message; waits until there is somebody to take it.
    pub(crate) fn log(&self, message: &str) {
        let sender = UnixDatagram::unbound().unwrap();
        wait_for("the socket of rsyslogd", || sender.connect(&self.socket).ok());
        sender.send(format!("<38>sshd[7]: {message}").as_bytes()).unwrap();
    }

    /// Waits until a message stands in a queue on the disk.
    pub(crate) fn until_queued(&self, message: &str) {
        let holds = |path: PathBuf| {
            let bytes = fs::read(path).unwrap_or_default();
            memchr::memmem::find(&bytes, message.as_bytes()).is_some()
        };
        wait_for("the message in the queue", || {
            fs::read_dir(&self.work).unwrap().any(|file| holds(file.unwrap().path())).then_some(())
        });
    }
}
