//! `status`, `events retry` and `events drop`: what a running server is asked over its socket.

use crate::child::wait_for;
use crate::server::{Server, correlator, failures, listed, objects, run};
use correlator::limits;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn status(data: &Path, code: i32) -> Value {
    objects(&run(data, code, &["status", "--format", "json"]).0).remove(0)
}

/// The status, once something is wrong.
fn unhealthy(data: &Path) -> Value {
    wait_for("what is wrong", || {
        let told = correlator(data, &["status", "--format", "json"]);
        (told.status.code() == Some(1)).then(|| objects(&String::from_utf8(told.stdout).unwrap()).remove(0))
    })
}

/// What stands in an object, as numbers.
fn counts<const N: usize>(object: &Value, names: [&str; N]) -> [u64; N] {
    names.map(|name| object[name].as_u64().unwrap_or_else(|| panic!("{name} of {object}")))
}

#[test]
fn the_status_tells_a_lying_peer_from_honest_ones_and_the_books_balance() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let server = Server::start(&data, &[]);
    server.send("127.0.0.2", &failures("root", "203.0.113.9", 2000..2020));
    server.send_raw(
        "127.0.0.67",
        b"<999>1 - liar sshd 1 - - x\n<38>9 nothing of the kind\n\xff\xfe\xfd\n<38\n",
    );
    server.send("127.0.0.3", &failures("adm", "203.0.113.8", 2000..2010));

    // What was read may still be on its way to the correlator.
    let status =
        wait_for("all that was sent", || Some(status(&data, 0)).filter(|told| told["received"] == 34));
    let parts = ["received", "parsed", "rejected", "failed"];
    let [received, parsed, rejected, failed] = counts(&status, parts);
    assert_eq!((received, parsed + rejected + failed, failed), (34, 34, 0), "{status}");
    assert_eq!(
        (&status["balanced"], &status["healthy"], &status["run"]),
        (&json!(true), &json!(true), &json!(1))
    );
    let peers = status["peers"].as_array().unwrap();
    let names: Vec<_> = peers.iter().map(|peer| peer["peer"].as_str().unwrap()).collect();
    assert_eq!(names, ["127.0.0.2", "127.0.0.3", "127.0.0.67"], "the largest first");
    for (peer, all) in peers.iter().zip([20, 10, 4]) {
        let [received, parsed, rejected, failed] = counts(peer, parts);
        assert_eq!((received, parsed + rejected + failed), (all, all), "{peer}");
        assert_eq!(rejected > 0, all == 4, "only the liar's frames are rejected: {peer}");
        let reasons: u64 =
            peer["reasons"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(reasons, rejected);
    }
    for handler in status["handlers"].as_array().unwrap() {
        let states = ["delivered", "filtered", "suppressed", "digested", "dead", "dropped", "waiting"];
        let [all] = counts(handler, ["all"]);
        assert_eq!(counts(handler, states).iter().sum::<u64>(), all, "{handler}");
    }
    let (text, _) = run(&data, 0, &["status"]);
    for part in ["127.0.0.67", "received      34 = ", "handler       csv", "\nhealthy\n"] {
        assert!(text.contains(part), "`{part}` is missing: {text}");
    }

    // A server that is killed leaves its socket; nobody answers there, until the next one does.
    server.kill();
    assert!(data.join("control.sock").exists());
    assert!(run(&data, 3, &["status"]).1.contains("no server runs on"));
    let server = Server::start(&data, &[]);
    assert_eq!(super::control::status(&data, 0)["run"], 2);
    server.stop();
    assert!(!data.join("control.sock").exists());
    assert!(run(&data, 3, &["status"]).1.contains("no server runs on"));
}

#[test]
fn a_journal_that_was_damaged_is_a_problem_until_the_next_start() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let server = Server::start(&data, &[]);
    server.send("127.0.0.1", &failures("root", "203.0.113.9", 2000..2003));
    server.stop();
    let snapshots = fs::read_dir(data.join("journal/snapshots")).unwrap();
    let newest = snapshots.map(|entry| entry.unwrap().path()).max().unwrap();
    let mut bytes = fs::read(&newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&newest, bytes).unwrap();
    let server = Server::start(&data, &[]);
    let problem = "the journal was found damaged at the start, in 1 place that the log names";
    assert_eq!(status(&data, 1)["problems"], json!([problem]));
    server.stop();
    let server = Server::start(&data, &[]);
    assert_eq!(status(&data, 0)["healthy"], true);
    server.stop();
}

#[test]
fn a_file_of_rejected_frames_that_cannot_be_written_is_a_problem() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    fs::create_dir(&data).unwrap();
    std::os::unix::fs::symlink("/dev/full", data.join("rejected.jsonl")).unwrap();
    let server = Server::start(&data, &[]);
    assert_eq!(status(&data, 0)["healthy"], true, "nothing was to be written yet");
    server.send_raw("127.0.0.1", b"<999>1 - liar sshd 1 - - x\n");
    let status = unhealthy(&data);
    let problem = status["problems"][0].as_str().unwrap();
    assert_eq!(status["healthy"], false, "{status}");
    assert!(problem.contains("rejected.jsonl could not be written at "), "{problem}");
    assert!(problem.contains(", 1 rejected frame is left out: No space left on device"), "{problem}");
    server.stop();
}

#[test]
fn a_file_of_rejected_frames_that_cannot_be_opened_keeps_no_server_from_taking_records() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let rejected = data.join("rejected.jsonl");
    fs::create_dir_all(&rejected).unwrap();
    let (_, said) = run(&data, 1, &["check", "--listen", "tcp://127.0.0.1:0"]);
    let told = format!("error: cannot write to {}, so that no rejected frame is kept: ", rejected.display());
    assert!(said.contains(&told), "{said}");

    let mut server = Server::start(&data, &[]);
    // Nothing waits for the file to be opened.
    let told = unhealthy(&data);
    let problem = told["problems"][0].as_str().unwrap();
    assert!(problem.contains("no rejected frame is left out so far: Is a directory"), "{problem}");
    server.send("127.0.0.1", &["Accepted password for a from 192.0.2.1 port 9 ssh2".to_owned()]);
    wait_for("the record", || (status(&data, 1)["parsed"] == 1).then_some(()));

    // It is well again without a further frame.
    fs::remove_dir(&rejected).unwrap();
    server.says("rejected frames are kept again");
    assert_eq!(status(&data, 0)["healthy"], true);
    assert!(rejected.is_file());
    server.stop();
}

#[test]
fn dead_letters_are_delivered_again_or_dropped_when_an_operator_wants_it() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    // Nobody reads its standard output, to which the handler `console` writes.
    let mut server = Server::start_with(&data, &[], Stdio::piped());
    drop(server.child.stdout.take());
    server.send("127.0.0.1", &failures("root", "203.0.113.9", 2000..2006));
    let log = server.stop();
    let of_console = ["--handler", "console", "--state", "dead"];
    let dead = listed(&data, &of_console);
    assert!(dead.len() >= 6, "{dead:?}");
    assert!(
        listed(&data, &["--handler", "csv", "--state", "dead"]).is_empty(),
        "it delays and harms no other"
    );
    let expected = json!({ "state": "dead", "attempts": 1, "last_error": "standard output is closed" });
    assert_eq!(dead[0]["deliveries"]["console"], expected);
    let id = dead[0]["id"].as_str().unwrap();
    let warned: Vec<_> = log.lines().filter(|line| line.contains("events were given up")).collect();
    let [warning] = warned[..] else { panic!("one line for all of them, but {warned:?}") };
    let ids: Vec<_> = dead.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert!(ids.iter().any(|id| warning.contains(&format!("event={id} "))), "{warning}: {ids:?}");
    for part in ["WARN", "handler=\"console\"", "why=\"standard output is closed\""] {
        assert!(warning.contains(part), "{part}: {warning}");
    }
    for command in [&["events", "retry", "--dead"][..], &["events", "drop", id, "--reason", "x"]] {
        assert!(run(&data, 3, command).1.contains("no server runs on"));
    }

    let output = home.path().join("output");
    let server = Server::start_with(&data, &[], File::create(&output).unwrap().into());
    let told = status(&data, 1);
    let count = told["handlers"][0]["dead"].as_u64().unwrap();
    assert!(count >= dead.len() as u64 && told["handlers"][0]["handler"] == "console", "{told}");
    assert!(told["problems"][0].as_str().unwrap().contains("`console` has given up"), "{told}");
    let (said, _) = run(&data, 0, &["events", "retry", id]);
    assert_eq!(said, "console: 1 event to be delivered again\n");
    assert!(run(&data, 1, &["events", "retry", "--handler", "cvs"]).1.contains("no handler `cvs` runs"));
    server.stop();
    let now = listed(&data, &[]).remove(0);
    let expected = json!({ "state": "delivered", "attempts": 1, "last_error": "standard output is closed" });
    assert_eq!(now["deliveries"]["console"], expected, "{now}");
    let text = fs::read_to_string(&output).unwrap();
    let again = text.lines().filter(|line| line.contains("SSHDLoginFailed")).count();
    assert_eq!(again, 1, "{text}");

    let left = listed(&data, &of_console).len();
    assert_eq!(left, usize::try_from(count).unwrap() - 1);
    let server = Server::start(&data, &[]);
    let (said, _) = run(&data, 0, &["events", "drop", "--dead", "--reason", "only a test"]);
    assert_eq!(said, format!("console: {left} events given up\n"));
    server.stop();
    assert!(listed(&data, &["--state", "dead"]).is_empty());
    let dropped = listed(&data, &["--state", "dropped"]);
    assert_eq!(dropped.len(), left);
    let (text, _) = run(&data, 0, &["events", "show", dropped[0]["id"].as_str().unwrap()]);
    assert!(text.contains("handler console: dropped") && text.contains("dropped: only a test"), "{text}");
    let server = Server::start(&data, &[]);
    assert_eq!(status(&data, 0)["handlers"][0]["dropped"], left);
    server.stop();
    assert!(run(&data, 0, &["journal", "verify"]).0.contains(": sound: "));
}

#[test]
fn the_socket_is_its_users_alone_and_answers_whatever_it_is_asked() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let server = Server::start(&data, &[]);
    let path = data.join("control.sock");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);

    let mut socket = UnixStream::connect(&path).unwrap();
    let mut answers = BufReader::new(socket.try_clone().unwrap());
    let mut ask = |line: &str| -> Value {
        socket.write_all(format!("{line}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    };
    let wrong = [
        ("nonsense", "not JSON"),
        (r#"{"version":9,"ask":"status"}"#, "version 1"),
        (r#"{"version":1,"ask":"explode"}"#, "cannot be understood"),
        (r#"{"version":1,"ask":"drop","which":{"dead":true},"reason":" "}"#, "reason"),
        (
            r#"{"version":1,"ask":"retry","which":{"dead":false,"event":18446744073709551615}}"#,
            "no dead letter",
        ),
    ];
    for (line, expected) in wrong {
        let answer = ask(line);
        assert!(answer["error"].as_str().unwrap().contains(expected), "{line}: {answer}");
    }
    assert_eq!(ask(r#"{"version":1,"ask":"status"}"#)["status"]["run"], 1, "after all that it still answers");

    let mut endless = UnixStream::connect(&path).unwrap();
    // The server does not read to the end of it, and may have gone before all is written.
    endless.write_all(&vec![b'x'; 1 << 20]).ok();
    let mut answer = String::new();
    endless.read_to_string(&mut answer).ok();
    assert_eq!(status(&data, 0)["run"], 1);
    server.stop();
}

#[test]
fn what_waits_is_tried_at_once_and_said_so() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let config = home.path().join("correlator.toml");
    let text = "[apps.a]\nhandlers = [\"ban\"]\n[apps.a.modules.s]\ntype = \"sshd\"\n\
                [handlers.ban]\ntype = \"exec\"\ncommand = [\"/no/such/program\"]\n\
                retry_first = \"1h\"\nretry_most = \"1h\"\n";
    fs::write(&config, text).unwrap();
    let server = Server::start(&data, &["--config", config.to_str().unwrap()]);
    server.send("127.0.0.2", &["Accepted password for a from 203.0.113.9 port 2000 ssh2".to_owned()]);
    let failing = wait_for("the first failure", || {
        Some(status(&data, 0)).filter(|status| !status["handlers"][0]["failing"].is_null())
    });
    assert!(failing["handlers"][0]["failing"]["error"].as_str().unwrap().contains("/no/such/program"));
    let waiting = failing["handlers"][0]["waiting"].as_u64().unwrap();
    let events = if waiting == 1 { "event" } else { "events" };
    let (said, _) = run(&data, 0, &["events", "retry", "--handler", "ban"]);
    // A limit or the receiver may put it off, so that no more is promised.
    let expected = format!(
        "ban: {waiting} {events} waiting, to be tried at once or when a limit or the receiver allows; last failure: "
    );
    let why = said.strip_prefix(&expected).unwrap_or_else(|| panic!("{said}"));
    assert!(why.contains("/no/such/program"), "{said}");
    let id = listed(&data, &[]).remove(0)["id"].as_str().unwrap().to_owned();
    let (_, why) = run(&data, 1, &["events", "retry", &id]);
    assert!(why.contains("waits for handler `ban`") && why.contains("events retry --handler ban"), "{why}");
    let (_, none) = run(&data, 2, &["events", "list", "--handler", "nope"]);
    assert!(none.contains("there is no such handler; there are ban, "), "{none}");
    server.stop();
}

#[test]
fn a_server_whose_socket_is_gone_is_not_taken_for_none() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    assert!(run(&data, 3, &["status"]).1.contains("no server runs on "));
    let server = Server::start(&data, &[]);
    status(&data, 0);
    fs::remove_file(data.join("control.sock")).unwrap();
    let (_, why) = run(&data, 3, &["status"]);
    assert!(why.contains("a server runs on ") && why.contains("control.sock is gone"), "{why}");
    server.stop();
    assert!(run(&data, 3, &["status"]).1.contains("no server runs on "));
}

/// It took half a minute.
#[test]
fn a_server_that_hangs_is_not_waited_for_and_told_from_none() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let server = Server::start(&data, &[]);
    kill_process(Pid::from_child(&server.child), Signal::STOP).unwrap();
    let begun = Instant::now();
    let (out, said) = run(&data, 3, &["status"]);
    assert!(out.is_empty() && said.contains("has said nothing for 5 s: it is halted"), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    kill_process(Pid::from_child(&server.child), Signal::CONT).unwrap();
    status(&data, 0);
    server.stop();
}

#[test]
fn askers_that_say_nothing_keep_nobody_from_an_answer() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let server = Server::start(&data, &[]);
    let connect = |_| UnixStream::connect(data.join("control.sock")).unwrap();
    let silent: Vec<_> = (0..limits::CONTROL_CONNECTIONS).map(connect).collect();
    status(&data, 0);
    drop(silent);
    server.stop();
}

#[test]
fn an_orphan_collects_nothing_and_can_be_cleared() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let handler = |name: &str, script: &str| {
        let path = home.path().join(format!("{name}.toml"));
        let text = format!(
            "[apps.ssh]\nhandlers = [\"{name}\"]\n[apps.ssh.modules.sshd]\ntype = \"sshd\"\n\
             [handlers.{name}]\ntype = \"exec\"\ncommand = [\"/bin/sh\", \"-c\", \"{script}\"]\n"
        );
        fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let (old, new) = (handler("x", "exit 75"), handler("y", "exit 0"));
    let server = Server::start(&data, &["--config", &old]);
    server.send("127.0.0.1", &failures("root", "203.0.113.9", 2000..2003));
    server.stop();
    let waited = listed(&data, &["--handler", "x", "--state", "waiting"]).len();
    assert!(waited > 0);

    let server = Server::start(&data, &["--config", &new]);
    server.send("127.0.0.1", &failures("adm", "203.0.113.9", 2000..2003));
    let of_x = || {
        let told = status(&data, 0);
        let handlers = told["handlers"].as_array().unwrap();
        handlers.iter().find(|handler| handler["handler"] == "x").unwrap().clone()
    };
    assert_eq!((&of_x()["waiting"], &of_x()["runs"]), (&json!(waited), &json!(false)));
    let listed_of_x = listed(&data, &["--handler", "x"]);
    assert_eq!(listed_of_x.len(), waited, "what is raised without it is not its");
    assert_eq!(listed_of_x[0]["deliveries"]["x"]["orphan"], true);
    assert!(run(&data, 0, &["events", "list"]).0.contains("  x (orphan) waiting"));
    let refused = run(&data, 1, &["events", "retry", "--handler", "x"]).1;
    assert!(refused.contains("not configured any more"), "{refused}");
    let (said, _) = run(&data, 0, &["events", "drop", "--handler", "x", "--reason", "renamed"]);
    assert_eq!(said, format!("x: {waited} events given up\n"));
    server.stop();
    assert_eq!(listed(&data, &["--handler", "x", "--state", "dropped"]).len(), waited);
    assert!(listed(&data, &["--handler", "x", "--state", "waiting"]).is_empty());
    assert!(run(&data, 0, &["journal", "verify"]).0.contains(": sound: "));
}

#[test]
fn a_restart_goes_on_in_a_capture_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    let (data, capture) = (home.path().join("data"), home.path().join("day.cap"));
    let capture = capture.to_str().unwrap();
    for (run, port) in (1..=3).zip([2001, 2002, 2003]) {
        let server = Server::start(&data, &["--capture", capture]);
        server.send("127.0.0.2", &failures(&format!("run{run}"), "203.0.113.9", port..port + 1));
        server.stop();
    }
    for (path, user) in [("", "run1"), (".run2", "run2"), (".run3", "run3")] {
        let mut list = Command::new(env!("CARGO_BIN_EXE_correlator"));
        let listed = list.args(["capture", "list", &format!("{capture}{path}")]).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        assert!(listed.lines().count() == 1 && listed.contains(user), "{path}: {listed}");
    }
}
