//! What a service manager is told, over a socket of the test's own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test program: its helpers fail by panicking"
)]

#[path = "support/child.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod child;
#[path = "support/http.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod http;

use child::{Guard, Lines};
use http::Hook;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};

struct Manager {
    socket: UnixDatagram,
    told: Vec<String>,
}

impl Manager {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(child::PATIENCE)).unwrap();
        Self { socket, told: Vec::new() }
    }

    /// Waits until a line has been told that begins like this.
    fn wait(&mut self, start: &str) -> String {
        loop {
            let mut buffer = [0; 4096];
            let length = self.socket.recv(&mut buffer).unwrap_or_else(|error| {
                panic!("{start}: {error}; {:?}", self.told);
            });
            let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
            self.told.extend(text.lines().map(str::to_owned));
            if let Some(line) = text.lines().find(|line| line.starts_with(start)) {
                return line.to_owned();
            }
        }
    }
}

fn serve(home: &Path, environment: &[(&str, &str)]) -> Guard {
    // The time of the watchdog is for one process, which is told so by its number.
    let child = Command::new("sh")
        .args(["-c", "WATCHDOG_PID=${WATCHDOG_PID:-$$} exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_correlator")])
        .args(["serve", "--listen", "tcp://127.0.0.1:0", "--data-dir"])
        .arg(home.join("data"))
        .env_remove("NOTIFY_SOCKET")
        .envs(environment.iter().copied())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Guard(child.unwrap())
}

fn signal(child: &Guard, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
}

#[test]
fn a_service_manager_is_told_of_readiness_life_and_the_end() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("notify");
    let mut manager = Manager::at(&path);
    let mut child =
        serve(home.path(), &[("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "6000000")]);
    manager.wait("STATUS=reading the journal");
    manager.wait("READY=1");
    let status = manager.told.last().unwrap();
    assert!(status.starts_with("STATUS=listening on tcp://127.0.0.1:"), "{status}");
    // Twice: it is not the start alone that is life.
    manager.wait("WATCHDOG=1");
    manager.wait("WATCHDOG=1");
    signal(&child, rustix::process::Signal::TERM);
    manager.wait("STOPPING=1");
    assert!(child.ended().success());
}

#[test]
fn what_is_read_of_the_environment_is_for_this_process_alone() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("notify");
    let mut manager = Manager::at(&path);
    let environment =
        [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "100000"), ("WATCHDOG_PID", "1")];
    let mut child = serve(home.path(), &environment);
    manager.wait("READY=1");
    signal(&child, rustix::process::Signal::TERM);
    manager.wait("STOPPING=1");
    assert!(child.ended().success());
    assert!(!manager.told.iter().any(|line| line.starts_with("WATCHDOG")), "{:?}", manager.told);
}

/// What pages tell to put beside the service, each as it is written there, with where it stands.
fn drop_ins() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = ["docs", "docs/handlers"].map(|folder| std::fs::read_dir(root.join(folder)).unwrap());
    let paths = pages.into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut found = Vec::new();
    for path in paths.filter(|path| path.is_file()) {
        let text = std::fs::read_to_string(&path).unwrap();
        for block in text.split("\n    # systemctl edit correlator.service\n").skip(1) {
            let lines = block.lines().map_while(|line| line.strip_prefix("    "));
            found.push((path.display().to_string(), lines.map(|line| format!("{line}\n")).collect()));
        }
    }
    found
}

#[test]
fn the_units_are_sound() {
    let tool = Command::new("systemd-analyze").arg("--version").output();
    if !tool.is_ok_and(|output| output.status.success()) {
        println!("skipped: needs systemd-analyze");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let contrib = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib");
    let units = ["correlator.service", "correlator.socket"].map(|name| {
        let text = std::fs::read_to_string(contrib.join(name)).unwrap();
        let text = text.replace("/usr/bin/correlator", env!("CARGO_BIN_EXE_correlator"));
        std::fs::write(home.path().join(name), text).unwrap();
        home.path().join(name)
    });
    let verify = |what: &str| {
        let mut command = Command::new("systemd-analyze");
        let output = command.args(["verify", "--man=no"]).args(&units).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let ours: Vec<_> = said.lines().filter(|line| line.contains("correlator")).collect();
        assert!(output.status.success() && ours.is_empty(), "{what}: {said}");
    };
    verify("contrib");
    let folder = home.path().join("correlator.service.d");
    std::fs::create_dir(&folder).unwrap();
    let drop_ins = drop_ins();
    assert!(drop_ins.iter().any(|(page, text)| page.ends_with("exec.md") && text.contains("CAP_NET_ADMIN")));
    for (page, text) in drop_ins {
        let text = text.replace("/usr/bin/correlator", env!("CARGO_BIN_EXE_correlator"));
        std::fs::write(folder.join("override.conf"), text).unwrap();
        verify(&page);
    }
}

#[test]
fn a_server_that_lives_says_so_to_a_url() {
    let home = tempfile::tempdir().unwrap();
    let hook = Hook::start();
    let url = format!("{}/ping/k3y", hook.url);
    let child = Command::new(env!("CARGO_BIN_EXE_correlator"))
        .args(["serve", "--listen", "tcp://127.0.0.1:0", "--data-dir"])
        .arg(home.path().join("data"))
        .args(["--set", &format!("server.heartbeat={url}"), "--set", "server.heartbeat_interval=5s"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = Guard(child.unwrap());
    let said = Lines::of(child.stderr.take().unwrap());
    // Once at the start, and then while all threads get on.
    for _ in 0..2 {
        let request = hook.wait("");
        assert!(request.starts_with("GET /ping/k3y HTTP/1.1\r\n"), "{request}");
    }
    signal(&child, rustix::process::Signal::TERM);
    let log = said.collect::<Vec<_>>().join("\n");
    assert!(child.ended().success(), "{log}");
    assert!(!log.contains("k3y"), "{log}");
}
