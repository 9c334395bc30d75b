//! Credentials as processes meet them: a server starts with them, and lists all that are missing before it listens.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test program: its helpers fail by panicking")]

use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const CONFIGURATION: &str = r#"
[listeners.here]
address = "tcp://127.0.0.1:0"

[handlers.first]
type = "webhook"
url = { credential = "hook/url" }
headers = { Authorization = { credential = "hook/key" } }

[handlers.second]
type = "webhook"
url = { credential = "hook/url" }
hmac_secret = { credential = "hook/hmac" }

[apps.fleet]
handlers = ["first", "second"]

[apps.fleet.modules.openssh]
type = "sshd"
"#;

const SECRETS: [(&str, &str); 3] =
    [("hook/url", "http://127.0.0.1:9/hunter2"), ("hook-key", "hunter2\n"), ("hook-hmac", "hunter2")];

fn correlator(home: &Path, command: &str) -> Command {
    fs::write(home.join("c.toml"), CONFIGURATION).unwrap();
    let mut process = Command::new(env!("CARGO_BIN_EXE_correlator"));
    process.args([command, "--config"]).arg(home.join("c.toml")).arg("--data-dir").arg(home.join("data"));
    process.env("CREDENTIALS_DIRECTORY", home.join("secrets"));
    process
}

fn put(home: &Path, name: &str, value: &str, mode: u32) {
    let path = home.join("secrets").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, value).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn all_that_is_missing_is_told_before_anything_starts() {
    let home = tempfile::tempdir().unwrap();
    put(home.path(), "hook-key", "hunter2", 0o644);
    for command in ["serve", "check"] {
        let output = correlator(home.path(), command).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        for expected in ["hook/url, for `first` and `second`", "hook/hmac, for `second`", "chmod o= "] {
            assert!(said.contains(expected), "{expected}: {said}");
        }
        assert!(!said.contains("hunter2") && !said.contains("listening"), "{said}");
    }
    assert!(!home.path().join("data").exists());
}

#[test]
fn a_server_starts_with_them_and_leaves_them_nowhere() {
    let home = tempfile::tempdir().unwrap();
    for (name, value) in SECRETS {
        put(home.path(), name, value, 0o400);
    }
    let mut child = correlator(home.path(), "serve").stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("listening") {
        assert_ne!(stderr.read_line(&mut said).unwrap(), 0, "{said}");
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
    let config = correlator(home.path(), "config").output().unwrap();
    assert!(!String::from_utf8(config.stdout).unwrap().contains("hunter2"));
    for file in files(&home.path().join("data")) {
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(7).any(|part| part == b"hunter2"), "{}", file.display());
    }
}
