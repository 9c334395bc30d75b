//! Trials of handlers: `handlers test` and `test-alert`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test program: its helpers fail by panicking")]

#[path = "support/child.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod child;

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

const CONFIG: &str = r#"
[apps.fleet]
handlers = ["screen", "works", "fails", "picky", "patient"]
[apps.fleet.modules.openssh]
type = "sshd"
[handlers.screen]
type = "log"
[handlers.works]
type = "exec"
command = ["/bin/sh", "-c", "cat > told; env >> told; echo noted"]
filter = 'app == "fleet"'
[handlers.fails]
type = "exec"
command = ["/bin/sh", "-c", "echo out of order; exit 75"]
filter = "severity >= WARNING"
[handlers.picky]
type = "exec"
command = ["/bin/sh", "-c", "exit 0"]
filter = "severity >= CRITICAL"
[handlers.patient]
type = "exec"
command = ["/bin/sh", "-c", "exit 0"]
digest = "5m"
"#;

/// Runs a command with the configuration; gives the exit code, standard output and standard error.
fn run(home: &Path, arguments: &[&str]) -> (i32, String, String) {
    fs::write(home.join("c.toml"), CONFIG).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
    command.args(arguments).arg("--config").arg(home.join("c.toml")).arg("--data-dir").arg(home);
    let output = child::output(&mut command);
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code().unwrap(), out, err)
}

#[test]
fn one_handler_gets_a_sample_whatever_its_filter_says() {
    let home = tempfile::tempdir().unwrap();
    let (code, out, err) = run(home.path(), &["handlers", "test", "works"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(
        out,
        "a test: sample of SSHDSuccessAfterFailures CRITICAL\nworks  exec     delivered: noted\n"
    );
    let told = fs::read_to_string(home.path().join("told")).unwrap();
    assert!(told.contains("CORRELATOR_OCCASION=test\n") && told.contains(r#""app":"sample""#), "{told}");

    let arguments = ["handlers", "test", "fails", "--kind", "SSHDChildCrash", "--format", "json"];
    let (code, out, _) = run(home.path(), &arguments);
    let expected = serde_json::json!([{
        "handler": "fails", "type": "exec", "kind": "SSHDChildCrash", "severity": "CRITICAL", "outcome": "failed",
        "note": "exit code 75: out of order",
    }]);
    assert_eq!((code, serde_json::from_str::<Value>(&out).unwrap()), (1, expected));

    let (code, _, err) = run(home.path(), &["handlers", "test", "work"]);
    assert_eq!(code, 2);
    let expected = "error: `work` is not a handler; did you mean `works`?; there are ";
    assert!(err.starts_with(expected), "{err}");
    let (code, _, err) = run(home.path(), &["handlers", "test", "screen"]);
    assert!(code == 2 && err.contains("writes to standard output"), "{err}");
}

#[test]
fn an_alert_goes_the_way_that_real_ones_go() {
    let home = tempfile::tempdir().unwrap();
    let (code, out, _) = run(home.path(), &["test-alert"]);
    let expected = "\
a test: sample of SSHDSuccessAfterFailures CRITICAL
screen   log      not tried: it writes to standard output
works    exec     delivered: noted
fails    exec     failed for now: exit code 75: out of order
picky    exec     delivered
patient  exec     delivered
";
    assert_eq!((code, out.as_str()), (1, expected), "one handler fails");

    let (code, out, _) = run(home.path(), &["test-alert", "--severity", "notice", "--format", "json"]);
    let reports: Value = serde_json::from_str(&out).unwrap();
    let outcomes: Vec<_> = reports.as_array().unwrap().iter().map(|report| &report["outcome"]).collect();
    assert_eq!(outcomes, ["not_tried", "delivered", "filtered", "filtered", "gathered"]);
    assert_eq!(code, 0, "whom such an event does not concern has not failed");

    let only = ["test-alert", "--severity", "INFO", "--set", "apps.fleet.handlers=[\"picky\", \"patient\"]"];
    let (code, out, _) = run(home.path(), &only);
    assert!(code == 1 && out.ends_with("nobody was told of it\n"), "{out}");
    assert!(!home.path().join("journal").exists(), "nothing of it is in a journal");
}
