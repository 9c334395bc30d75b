//! The binary as a user meets it: what it prints where, and the code it ends with.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test program: its helpers fail by panicking")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A command without anything of the surroundings that could reach the configuration.
fn correlator(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
    command
        .args(args)
        .env_clear()
        .env("HOME", "/nonexistent/home")
        .env("XDG_STATE_HOME", "/nonexistent/state");
    command.env("CORRELATOR_CONFIG", "tests/config/valid/fleet.toml").stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = correlator(args).output().unwrap();
    let [out, err] = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (status.code().unwrap(), out, err)
}

#[test]
fn help_goes_to_standard_output_and_usage_errors_do_not() {
    for args in [&["--help"][..], &["serve", "-h"], &["replay", "--help"], &["--version"]] {
        let (code, out, err) = run(args);
        assert_eq!((code, err.as_str()), (0, ""), "{args:?}");
        assert!(out.contains("orrelator"), "{args:?}");
    }
    for args in [
        &[][..],
        &["sevre"],
        &["replay"],
        &["replay", "--speed", "fast", "x.log"],
        &["apps", "--format", "xml"],
    ] {
        let (code, out, err) = run(args);
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}");
        assert!(!err.is_empty(), "{args:?}");
    }
}

#[test]
fn check_lists_every_error_of_a_configuration() {
    let (code, out, err) = run(&["check", "--config", "tests/config/invalid/contradictions.toml"]);
    let expected = fs::read_to_string("tests/config/invalid/contradictions.err").unwrap();
    assert_eq!((code, out.as_str()), (2, ""));
    assert_eq!(err.replace("tests/config/invalid/", ""), expected);
}

#[test]
fn check_tells_what_would_run_and_what_could_not() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("not/yet/there");
    let listen = ["--listen", "tcp://127.0.0.1:0"];
    let good = [&["check", "--app", "fleet", "--data-dir", data.to_str().unwrap()][..], &listen].concat();
    let (code, out, err) = run(&good);
    assert_eq!((code, err.as_str()), (0, ""));
    for line in [
        "configuration  tests/config/valid/fleet.toml",
        "listener       command-line  tcp://127.0.0.1:0",
        "application    fleet  openssh (sshd) → archive (csv), screen (log)",
    ] {
        assert!(out.lines().any(|found| found == line), "{line} in\n{out}");
    }
    assert!(!data.exists(), "checking makes nothing");

    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let bad = [&["check", "--data-dir", file.to_str().unwrap()][..], &["--listen", "tcp://192.0.2.1:5140"]]
        .concat();
    let (code, _, err) = run(&bad);
    assert_eq!(code, 1);
    assert!(
        err.contains("is a file") && err.contains("no interface of this machine has that address"),
        "{err}"
    );
    assert!(err.contains("warning: listener `command-line` takes plaintext from everybody"), "{err}");
}

#[test]
fn config_prints_a_configuration_that_means_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("printed.toml");
    let set =
        ["--set", "apps.fleet.modules.openssh.login_failure_limit=9", "--set", "server.timezone=Asia/Tokyo"];
    let (code, printed, err) = run(&[&["config"][..], &set].concat());
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        printed.contains("login_failure_limit = 9  # --set apps.fleet.modules.openssh.login_failure_limit=9")
    );
    assert!(printed.contains("keep = 30  # tests/config/valid/fleet.toml:37"));
    assert!(printed.contains("ipv6_prefix = 64  # default"));
    fs::write(&path, printed).unwrap();

    let values = |args: &[&str]| -> Vec<(String, serde_json::Value)> {
        let (_, listed, _) = run(&[&["config", "--format", "json"][..], args].concat());
        let objects = listed.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        objects.map(|object| (object["option"].to_string(), object["value"].clone())).collect()
    };
    let original = values(&set);
    assert!(original.len() > 40);
    assert_eq!(original, values(&["--config", path.to_str().unwrap()]));
}

#[test]
fn apps_are_listed_for_people_and_programs() {
    let (code, out, _) = run(&["apps"]);
    assert_eq!(code, 0);
    assert!(out.starts_with("fleet\n    SSH across the fleet\n    modules   openssh (sshd)\n"), "{out}");
    let (_, out, _) = run(&["apps", "--format", "json"]);
    let apps: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(apps[1]["name"], "all");
    assert_eq!(apps[1]["modules"][0]["type"], "report");
    assert_eq!(apps[1]["handlers"][0], "screen");
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, out, err) = run(&["completions", shell]);
        assert_eq!((code, err.as_str()), (0, ""), "{shell}");
        assert!(out.contains("replay") && out.contains("deliver"), "{shell}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    for args in [&["config"][..], &["apps"], &["completions", "bash"], &["--help"]] {
        let mut child = correlator(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{args:?}");
    }
}

#[test]
fn a_variable_names_the_configuration() {
    let missing = Path::new("tests/config/none.toml");
    let output = correlator(&["apps"]).env("CORRELATOR_CONFIG", missing).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.starts_with("error: cannot read the configuration tests/config/none.toml: "), "{err}");
}
