//! What a handler tells of unknown users, as its configuration says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test program: its helpers fail by panicking")]

#[path = "support/child.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod child;

use std::fs;
use std::path::Path;
use std::process::Command;

const LOG: &str = "\
<38>1 2026-07-01T10:00:00Z web1 sshd-session 7 - - Invalid user hunter2hu from 203.0.113.9 port 5555
<38>1 2026-07-01T10:00:01Z web1 sshd-session 7 - - Failed password for invalid user hunter2hu from 203.0.113.9 port 5555 ssh2
<38>1 2026-07-01T10:00:02Z web1 sshd-session 7 - - Connection closed by invalid user hunter2hu 203.0.113.9 port 5555 [preauth]
<38>1 2026-07-01T10:00:03Z web1 sshd-session 8 - - Failed password for alice from 203.0.113.9 port 5556 ssh2
<38>1 2026-07-01T10:00:04Z web1 sshd-session 8 - - Connection closed by authenticating user alice 203.0.113.9 port 5556 [preauth]
";

/// Replays the log to a handler of the options; gives what the handler was told.
fn told(home: &Path, options: &str) -> String {
    let config = format!(
        "[server]\ndata_dir = \"{}\"\n[apps.fleet]\nhandlers = [\"it\"]\n[apps.fleet.modules.openssh]\n\
         type = \"sshd\"\n[handlers.it]\n{options}\n",
        home.display()
    );
    fs::write(home.join("c.toml"), config).unwrap();
    fs::write(home.join("log"), LOG).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
    command.args(["replay", "--deliver", "it", "--config"]).args([home.join("c.toml"), home.join("log")]);
    let output = child::output(&mut command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("hunter2hu") && printed.contains("alice"), "{printed}");
    let told = fs::read_to_string(home.join("told"));
    told.unwrap_or_else(|_| fs::read_to_string(home.join("csv/openssh-SSHDLoginFailed.csv")).unwrap())
}

#[test]
fn a_program_is_told_no_unknown_name_unless_the_operator_says_so() {
    let program =
        "type = \"exec\"\nmax_running = 1\ncommand = [\"/bin/sh\", \"-c\", \"cat >> told; env >> told\"]";
    let home = tempfile::tempdir().unwrap();
    let masked = told(home.path(), program);
    assert!(!masked.contains("hunter2hu"), "{masked}");
    assert!(
        masked.contains(r#""user":"hu…(9)""#) && masked.contains("CORRELATOR_FIELD_USER=alice"),
        "{masked}"
    );
    let home = tempfile::tempdir().unwrap();
    let shown = told(home.path(), &format!("{program}\nunknown_users = \"show\""));
    assert!(shown.contains(r#""user":"hunter2hu""#), "{shown}");
}

#[test]
fn a_file_on_this_machine_shows_unknown_names_unless_the_operator_says_not_to() {
    let home = tempfile::tempdir().unwrap();
    assert!(told(home.path(), "type = \"csv\"").contains("hunter2hu"));
    let home = tempfile::tempdir().unwrap();
    let masked = told(home.path(), "type = \"csv\"\nunknown_users = \"mask\"");
    assert!(
        masked.contains("hu…(9)") && masked.contains("alice") && !masked.contains("hunter2hu"),
        "{masked}"
    );
}
