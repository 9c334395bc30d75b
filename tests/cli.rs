//! The binary as a user meets it: what it prints where, and the code it ends with.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test program: its helpers fail by panicking")]

#[path = "support/child.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod child;

use child::{Guard, fed, output};
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
    let Output { status, stdout, stderr } = output(&mut correlator(args));
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
    let note = "note: files, directories, credentials and addresses are looked at once this is put right\n";
    assert_eq!(err.replace("tests/config/invalid/", ""), expected + note);
}

#[test]
fn check_tells_what_would_run_and_what_could_not() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("not/yet/there");
    let listen = ["--listen", "tcp://127.0.0.1:0"];
    let good = [&["check", "--app", "fleet", "--data-dir", data.to_str().unwrap()][..], &listen].concat();
    let (code, out, err) = run(&good);
    let warning = "warning: files `gateway`: /var/log/gateway/*.log names nothing, since there is no directory \
                   /var/log/gateway; its files are followed once they come\n";
    assert_eq!((code, err.as_str()), (0, warning));
    for line in [
        "configuration  tests/config/valid/fleet.toml",
        "listener       command-line  tcp://127.0.0.1:0",
        "format         gateway  for gateway",
        "following      gateway  /var/log/gateway/*.log, format gateway, from the end",
        "source         web  10.1.0.0/16, fd00:1::/32; listeners lan, old → web*",
        "source         others  all senders → no hosts",
        "hosts          told when silent for 1h: web*, db-1; clocks may be 1m ahead and 7d behind",
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
        err.matches("is a file").count() == 1
            && err.contains("no interface of this machine has that address"),
        "{err}"
    );
    assert!(err.contains("warning: listener `command-line` takes records from everybody"), "{err}");
}

#[test]
fn check_tells_what_senders_are_limited_to() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("limits.toml");
    let text = "[listeners.udp]\naddress = \"udp://127.0.0.1:0\"\nrate_limit = 500\nhost_rate_limit = 200\n\
                [listeners.tcp]\naddress = \"tcp://127.0.0.1:0\"\n[hosts]\nclock_ahead = \"0s\"\n\
                [apps.a.modules.s]\ntype = \"sshd\"\n";
    fs::write(&path, text).unwrap();
    let data = directory.path().join("data");
    let (code, out, _) =
        run(&["check", "--config", path.to_str().unwrap(), "--data-dir", data.to_str().unwrap()]);
    let limits: Vec<_> = out.lines().filter(|line| line.starts_with("rate limit")).collect();
    assert_eq!(limits, ["rate limit     udp  500 records of a sender, 200 datagrams of a host a second"]);
    assert!(out.contains("hosts          never told when silent; clocks may be off by any time\n"), "{out}");
    assert_eq!(code, 0);
}

#[test]
fn no_name_of_a_file_forges_a_line_of_what_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let name = directory.path().join("a.log\nerror: forged\x1b[2J");
    let name = name.to_str().unwrap();
    let gone = format!("{name}/gone");
    fs::write(name, "").unwrap();
    for args in [
        &["replay", &gone][..],
        &["explain", &gone],
        &["check", "--config", &gone],
        &["check", "--app", "fleet", "--listen", "tcp://127.0.0.1:0", "--data-dir", name],
        &["serve", "--app", "fleet", "--listen", "tcp://127.0.0.1:0", "--data-dir", name],
        &["capture", "verify", name],
        &["capture", "list", name],
        &["capture", "import", name, "--output", name],
        &["journal", "verify", "--data-dir", name],
        &["events", "list", "--data-dir", name],
        &["status", "--data-dir", name],
        &["flood", "check", &gone],
        &["replay", "--speed", name, "x.log"],
        &["apps", name],
    ] {
        let (_, out, err) = run(args);
        let said = out + &err;
        assert!(said.contains(r"a.log\nerror: forged\x1b[2J"), "{args:?}: {said}");
        assert!(!said.contains('\x1b') && !said.contains("\nerror: forged"), "{args:?}: {said}");
    }
}

#[test]
fn check_tries_what_permissions_do_not_tell() {
    let (code, _, err) =
        run(&["check", "--app", "fleet", "--data-dir", "/proc/x", "--listen", "tcp://127.0.0.1:0"]);
    assert_eq!(code, 1);
    assert!(err.contains("\nerror: cannot create /proc/x: "), "{err}");
}

#[test]
fn check_tells_what_of_followed_files_cannot_be_read_and_what_may_come() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path();
    let path = home.join("files.toml");
    fs::create_dir(home.join("log")).unwrap();
    fs::write(home.join("log/auth.log"), "x\n").unwrap();
    let check = |files: &str| {
        let text = format!("[apps.a.modules.s]\ntype = \"sshd\"\n[files.logs]\npath = [{files}]\n");
        fs::write(&path, text.replace("HOME", home.to_str().unwrap())).unwrap();
        let data = home.join("data");
        let listen = ["--listen", "tcp://127.0.0.1:0", "--config", path.to_str().unwrap()];
        let (code, _, err) = run(&[&["check", "--data-dir", data.to_str().unwrap()][..], &listen].concat());
        let lines = err.split_inclusive('\n').filter(|line| line.contains("file"));
        (code, lines.collect::<String>().replace(home.to_str().unwrap(), "HOME"))
    };
    assert_eq!(check(r#""HOME/log/*.log", "HOME/log/auth.log""#), (0, String::new()));
    let twice = "\"HOME/log/*.log\"]\n[files.more]\npath = [\"HOME/log/auth.log\"";
    let expected =
        "warning: files `more`: `logs` names HOME/log/auth.log, too: what is named twice is read twice\n";
    assert_eq!(check(twice), (0, expected.to_owned()));
    let (code, err) = check(r#""HOME/log/*.txt", "HOME/log/new.log", "HOME/lgo/*.log""#);
    let expected = "note: files `logs`: HOME/log/*.txt names no file now; one that comes is followed\n\
                    note: files `logs`: HOME/log/new.log names no file now; one that comes is followed\n\
                    warning: files `logs`: HOME/lgo/*.log names nothing, since there is no directory HOME/lgo; its \
                    files are followed once they come\n";
    assert_eq!((code, err.as_str()), (0, expected));

    // Root may read everything, but not through a link to itself.
    std::os::unix::fs::symlink("loop", home.join("loop")).unwrap();
    fs::write(home.join("log/auth.log.1.gz"), b"\x1f\x8b\x08\0").unwrap();
    let (code, err) = check(r#""HOME/log/auth.log*", "HOME/*/secure""#);
    let expected = [
        "files `logs`: cannot follow HOME/log/auth.log.1.gz: it is compressed (gzip); `correlator replay` reads it",
        "files `logs`: cannot follow HOME/loop: what is in it cannot be looked at: Too many levels of symbolic links",
    ];
    let errors: Vec<_> = err.lines().filter_map(|line| line.strip_prefix("error: ")).collect();
    let is_told = errors.iter().zip(expected).all(|(error, expected)| error.starts_with(expected));
    assert!(code == 1 && errors.len() == 2 && is_told, "{err}");
    assert!(err.starts_with("note: files were looked at as the user with the ID "), "{err}");
}

#[test]
fn check_tells_of_all_certificates_and_of_the_address_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tls.toml");
    let text = "[listeners.tls]\naddress = \"tls://192.0.2.1:6514\"\ncertificate = \"/no/certificate.pem\"\n\
                key = \"/no/key.pem\"\nclient_ca = \"/no/ca.pem\"\n[apps.a.modules.s]\ntype = \"sshd\"\n";
    fs::write(&path, text).unwrap();
    let data = directory.path().join("data");
    let (code, _, err) =
        run(&["check", "--config", path.to_str().unwrap(), "--data-dir", data.to_str().unwrap()]);
    for wrong in ["/no/certificate.pem", "/no/key.pem", "/no/ca.pem", "no interface of this machine"] {
        assert!(err.contains(wrong), "{wrong}: {err}");
    }
    assert_eq!(code, 1);
}

#[test]
fn check_tells_of_all_that_handlers_lack_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("handlers.toml");
    let text = "[apps.a]\nhandlers = [\"siem\", \"ban\"]\n[apps.a.modules.s]\ntype = \"sshd\"\n\
                [handlers.siem]\ntype = \"syslog\"\naddress = \"tls://siem.example.com:6514\"\n\
                ca = \"/no/ca.pem\"\ncertificate = \"/no/certificate.pem\"\nkey = \"/no/key.pem\"\n\
                [handlers.ban]\ntype = \"exec\"\ncommand = [\"/no/such/program\"]\ndirectory = \"/no/directory\"\n";
    fs::write(&path, text).unwrap();
    let data = directory.path().join("data");
    let listen = ["--listen", "tcp://127.0.0.1:0", "--config", path.to_str().unwrap()];
    let (code, _, err) = run(&[&["check", "--data-dir", data.to_str().unwrap()][..], &listen].concat());
    for wrong in ["/no/ca.pem", "/no/certificate.pem", "/no/key.pem", "/no/such/program", "/no/directory"] {
        assert_eq!(err.matches(wrong).count(), 1, "{wrong}: {err}");
    }
    let errors = err.lines().filter(|line| line.starts_with("error: ")).count();
    assert_eq!((code, errors), (1, 2), "{err}");
}

#[test]
fn a_listener_that_is_open_to_everybody_is_warned_about_once() {
    let listen = ["--listen", "tcp://0.0.0.0:5140", "--listen", "tcp://0.0.0.0:5141"];
    let (_, _, err) = run(&[&["check", "--app", "fleet", "--data-dir", "/proc/x"][..], &listen].concat());
    assert_eq!(err.matches("takes records").count(), 1, "{err}");
    assert!(err.contains("reaches tcp://0.0.0.0:5140 and tcp://0.0.0.0:5141;"), "{err}");
}

#[test]
fn values_out_of_range_are_answered_with_what_is_expected() {
    let capture = "captures/openssh-10.6p1.capture";
    for (args, says) in [
        (&["replay", "--year", "abc", capture][..], "expected a year from 1970 to 9999"),
        (&["capture", "import", "--year", "1969", "-o", "x", "y"], "expected a year from 1970 to 9999"),
        (&["replay", "--workers", "0", capture], "expected a whole number from 1 to 256"),
        (&["replay", "--workers", "99999999999999999999", capture], "expected a whole number from 1 to 256"),
        (&["replay", "--timezone", "Berlin", capture], "did you mean `Europe/Berlin`?"),
        (&["explain", "--timezone", "Berlin"], "did you mean `Europe/Berlin`?"),
        (&["check", "--set", "server.timezone=Berlin"], "did you mean `Europe/Berlin`?"),
        (&["capture", "show", capture, "7-5"], "or a range such as `5-7`"),
        (&["replay", "--deliver", "screen", capture], "a replay prints its events already"),
    ] {
        let (code, out, err) = run(args);
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}");
        assert!(err.contains(says), "{args:?}: {err}");
    }
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
    assert!(printed.contains("keep = 30  # tests/config/valid/fleet.toml:41"));
    assert!(printed.contains("ipv6_prefix = 64  # default"));
    fs::write(&path, printed).unwrap();

    let values = |args: &[&str]| -> Vec<(String, serde_json::Value)> {
        let (_, listed, _) = run(&[&["config", "--format", "json"][..], args].concat());
        let objects: Vec<serde_json::Value> = serde_json::from_str(&listed).unwrap();
        objects.iter().map(|object| (object["option"].to_string(), object["value"].clone())).collect()
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
    let apps: Vec<serde_json::Value> = serde_json::from_str(&out).unwrap();
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
        let mut child = Guard::start(correlator(args).stdout(Stdio::piped()).stderr(Stdio::piped()));
        drop(child.stdout.take());
        let said = child.said().rest();
        assert_eq!((child.ended().code(), said.as_str()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn a_variable_names_the_configuration() {
    let missing = Path::new("tests/config/none.toml");
    let output = output(correlator(&["apps"]).env("CORRELATOR_CONFIG", missing));
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.starts_with("error: cannot read the configuration tests/config/none.toml: "), "{err}");
}

/// What `explain` says of lines, with the year that yearless records need.
fn explain(args: &[&str], lines: &[u8]) -> String {
    let mut command = correlator(&[&["explain", "--year", "2026"], args].concat());
    let Output { status, stdout, stderr } = fed(&mut command, lines);
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

#[test]
fn explain_answers_every_line_in_order() {
    let lines = b"<38>1 2026-02-01T00:00:00.5+01:00 web1 sshd 7 - - Failed password for invalid user a b from 203.0.113.9 port 5555 ssh2\n\
        \n\
        110 <38>1 2026-02-01T00:00:00Z web1 sshd 7 - - counts are not for files of lines\n\
        Feb  1 00:00:01 web1 cron[8]: (root) CMD (true)\n\
        2026-02-01T00:00:02.000003+00:00 web1 sshd-session[9]: Connection closed by invalid user x 203.0.113.9 port 99 [preauth]\n\
        <38>1 - - sshd - - - User x from client.example.com not allowed because listed in DenyUsers";
    let out = explain(&["--format", "json"], lines);
    let answers: Vec<serde_json::Value> =
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [failed, empty, counted, cron, closed, denied] = answers.as_slice() else { panic!("{out}") };
    assert_eq!(
        failed["record"],
        serde_json::json!({
            "format": "rfc5424", "timestamp": "2026-01-31T23:00:00.500000Z", "host": "web1", "app": "sshd",
            "procid": "7", "msg": "Failed password for invalid user a b from 203.0.113.9 port 5555 ssh2",
        })
    );
    assert_eq!(
        failed["observation"],
        serde_json::json!({
            "kind": "Failed", "user": "a b", "invalid_user": true, "addr": "203.0.113.9", "port": 5555,
            "method": "password",
        })
    );
    for rejected in [empty, counted] {
        assert!(
            rejected["record"].is_null()
                && rejected["observation"].is_null()
                && rejected["error"].is_string()
        );
    }
    assert_eq!(cron["record"]["timestamp"], "2026-02-01T00:00:01.000000Z");
    assert!(cron["observation"].is_null());
    assert_eq!(closed["record"]["format"], "iso");
    let observation = &closed["observation"];
    assert!(observation["addr"].is_null(), "what follows an invalid name proves nothing");
    assert_eq!((&observation["claimed_addr"], &observation["port"]), (&"203.0.113.9".into(), &99.into()));
    assert!(denied["record"]["timestamp"].is_null() && denied["record"]["host"].is_null());
    assert_eq!(denied["observation"]["host"], "client.example.com");
}

#[test]
fn explain_reads_entries_of_journald_in_either_form() {
    let json = br#"{"__REALTIME_TIMESTAMP":"1769940000000001","_HOSTNAME":"web1","SYSLOG_IDENTIFIER":"sshd","_PID":"7",
        "MESSAGE":"Invalid user x from 203.0.113.9 port 77"}"#;
    let json =
        [&json.split(|byte| *byte == b'\n').collect::<Vec<_>>().concat()[..], b"\nno entry\n"].concat();
    let export = b"__REALTIME_TIMESTAMP=1769940000000001\n_HOSTNAME=web1\nSYSLOG_IDENTIFIER=sshd\n_PID=7\n\
        MESSAGE=Invalid user x from 203.0.113.9 port 77\n\n__REALTIME_TIMESTAMP=1\nMESSAGE=the last\n";
    for (lines, last) in [(&json[..], serde_json::Value::Null), (&export[..], "the last".into())] {
        let out = explain(&["--format", "json"], lines);
        let answers: Vec<serde_json::Value> =
            out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let [invalid, other] = answers.as_slice() else { panic!("{out}") };
        assert_eq!(
            invalid["record"],
            serde_json::json!({
                "format": "journald", "timestamp": "2026-02-01T10:00:00.000001Z", "host": "web1", "app": "sshd",
                "procid": "7", "msg": "Invalid user x from 203.0.113.9 port 77",
            })
        );
        assert_eq!(invalid["observation"]["addr"], "203.0.113.9");
        assert_eq!(other["record"]["msg"], last);
    }
}

#[test]
fn explain_marks_the_fields_and_disarms_the_text() {
    let out = explain(
        &[],
        "Feb  1 00:00:01 web1 sshd[7]: Invalid user \u{202e}\x1b[2J from 203.0.113.9 port 77\nx\n".as_bytes(),
    );
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines[0], r"Invalid user \u{202e}\x1b[2J from 203.0.113.9 port 77");
    for (text, label) in [(r"\u{202e}", "user"), ("203.0.113.9", "addr (proved)"), ("77", "port (proved)")] {
        let column = lines[0].find(text).unwrap();
        assert!(lines[1..3].iter().any(|row| row.find(label) == Some(column)), "{label} in\n{out}");
    }
    assert!(lines.contains(&"    read as  RFC 3164, 2026-02-01T00:00:01.000000Z (UTC assumed), host web1, program sshd, process 7"));
    assert!(
        out.ends_with("x\n    no record: no header of RFC 5424, RFC 3164 or an ISO timestamp\n\n"),
        "{out}"
    );
    assert!(!out.contains('\u{1b}') && !out.contains('\u{202e}'));
}

#[test]
fn explain_names_a_file_that_it_cannot_read() {
    let (code, out, err) = run(&["explain", "tests/none.log"]);
    assert_eq!((code, out.as_str()), (3, ""));
    assert_eq!(err, "error: cannot read tests/none.log: No such file or directory (os error 2)\n");
    assert_eq!(run(&["explain", "--timezone", "Mars/Olympus"]).0, 2);
}

#[test]
fn explain_sends_captures_where_they_are_read() {
    let (code, out, err) = run(&["explain", "captures/openssh-10.6p1.capture"]);
    assert_eq!((code, out.as_str()), (3, ""));
    assert!(err.contains("is a capture, which has no lines") && err.contains("capture show"), "{err}");
}

#[test]
fn a_paced_replay_ends_when_nobody_reads_it_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a-day.log");
    // A year apart: a replay that waited for the second line would never end.
    let lines = "<38>1 2025-02-01T00:00:00Z web1 sshd 7 - - Accepted password for a from 192.0.2.1 port 9 ssh2\n\
                 <38>1 2026-02-01T00:00:00Z web1 sshd 8 - - Accepted password for b from 192.0.2.1 port 8 ssh2\n";
    fs::write(&path, lines).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
    command.args(["replay", "--speed", "1x"]).arg(&path).env("HOME", "/nonexistent");
    let mut child = Guard::start(command.stdout(Stdio::piped()).stderr(Stdio::null()));
    drop(child.stdout.take());
    assert_eq!(child.ended().code(), Some(0));
}

#[test]
fn that_most_is_rejected_is_said_once_and_by_reason() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("other.log");
    let good = "Feb  1 00:00:01 web1 cron[8]: (root) CMD (true)\n";
    fs::write(&path, format!("{good}{}", "no record at all\n".repeat(30))).unwrap();
    let (_, _, err) = run(&["replay", path.to_str().unwrap()]);
    let said: Vec<_> = err.lines().filter(|line| line.contains("most of what comes in")).collect();
    assert!(said.len() == 1 && said[0].contains("no-header 30"), "{err}");
    fs::write(&path, format!("{}{}", good.repeat(31), "no record at all\n".repeat(30))).unwrap();
    assert!(!run(&["replay", path.to_str().unwrap()]).2.contains("most of what comes in"));
}

#[test]
fn what_a_handler_lacks_is_told_before_it_is_needed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("exec.toml");
    let text = "[apps.a]\nhandlers = [\"ban\"]\n[apps.a.modules.s]\ntype = \"sshd\"\n\
                [handlers.ban]\ntype = \"exec\"\ncommand = [\"/no/such/program\"]\n";
    fs::write(&path, text).unwrap();
    let data = directory.path().join("data");
    let (code, _, err) =
        run(&["check", "--config", path.to_str().unwrap(), "--data-dir", data.to_str().unwrap()]);
    assert_eq!(code, 1);
    assert!(
        err.contains("error: handler `ban` cannot work as it is: its program /no/such/program is no file"),
        "{err}"
    );
}
