//! Credentials as operators and processes meet them, in real stores: a directory, a gnome-keyring on a session bus, and
//! the kernel.

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
#[path = "credentials/house.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod house;
#[path = "support/http.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod http;
#[path = "credentials/keyring.rs"]
mod keyring;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use correlator::limits;
use house::{CANARY, House, Running, Server, feed, has};
use http::Hook;
use keyring::Session;
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::time::Instant;

/// A server refuses to start without its secrets, starts with them, delivers, and refuses again when they are removed.
fn life(house: &House, place: &str) {
    let refused = house.run(&["serve"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    for name in ["url", "hmac"] {
        let command = format!("correlator credentials set {} --config ", house.name(name));
        assert!(refused.err.contains(&command), "{refused:?}");
    }
    assert!(!refused.err.contains("listening") && !house.path().join("data").exists(), "{refused:?}");

    let hook = Hook::start();
    let said = house.set_all(&hook);
    assert!(said.contains(place) && said.contains("user `"), "{said}");
    assert_eq!(house.run(&["credentials", "check"]).code, Some(0));
    let server = Server::start(house);
    server.provoke();
    let request = hook.wait("SSHDSessionStarted");
    assert!(request.starts_with(&format!("POST /{CANARY}-path ")), "{request}");
    assert!(request.contains("x-correlator-signature: "), "{request}");
    let said = server.stop();
    let handler = format!("handler    hook (webhook, URL in the credential `{}`)\n", house.name("url"));
    assert!(said.contains(&handler), "{said}");

    let removed = house.run(&["credentials", "remove", &house.name("url")]);
    assert!(removed.code == Some(0) && removed.out.contains(place), "{removed:?}");
    assert_eq!(house.run(&["credentials", "remove", &house.name("url")]).code, Some(1));
    let refused = house.run(&["serve"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains(&format!("{}, for `hook`: missing", house.name("url"))), "{refused:?}");
    house.run(&["credentials", "remove", &house.name("hmac")]);
}

fn listed(house: &House) -> Vec<Value> {
    let said = house.run(&["credentials", "list", "--format", "json"]);
    serde_json::from_str(&said.out).unwrap()
}

#[test]
fn a_directory_gives_secrets_to_a_server() {
    let house = House::new("[\"directory\"]", "");
    life(&house, "/secrets");
}

#[test]
fn a_keyring_gives_secrets_to_a_server() {
    let mut house = House::new("[\"directory\", \"keyring\"]", "");
    // Nothing but the keyring takes anything.
    fs::remove_dir(house.path().join("secrets")).unwrap();
    let Some(_session) = Session::start(&mut house) else { return };
    life(&house, "the keyring (Secret Service)");
    // A value that another one hides is warned about.
    fs::create_dir(house.path().join("secrets")).unwrap();
    assert!(house.set("url", "one").out.contains("/secrets; user `"));
    let mut command = house.correlator(&["credentials", "set", &house.name("url"), "--store", "keyring"]);
    let said = feed(&mut command, "two");
    assert!(said.code == Some(0) && said.err.contains("/secrets is asked first"), "{said:?}");
    let listed = listed(&house);
    assert!(listed.iter().any(|credential| credential["store"] == "directory"), "{listed:?}");
}

#[test]
fn the_kernel_gives_secrets_to_a_server() {
    if !has("keyctl") {
        println!("skipped: needs keyctl");
        return;
    }
    let house = House::new("[\"keyutils\"]", "");
    if child::output(house.program("keyctl").args(["show", "@u"])).status.code() != Some(0) {
        println!("skipped: needs a kernel that keeps keys for this process");
        return;
    }
    life(&house, "the kernel's keys (keyutils)");
    // What one session puts there, or replaces, another one sees.
    let set = |value: &str| {
        let mut command = house.program("keyctl");
        command.args(["session", "-", env!("CARGO_BIN_EXE_correlator"), "credentials", "set"]);
        let said = feed(command.arg(house.name("url")), value);
        assert_eq!(said.code, Some(0), "{said:?}");
    };
    set("not a URL");
    let said = house.run(&["credentials", "list"]).out;
    assert!(said.contains("found in the kernel's keys"), "{said}");
    let hook = Hook::start();
    house.set("hmac", "key");
    set(&format!("{}/second", hook.url));
    let server = Server::start(&house);
    assert!(hook.wait("ServerStarted").starts_with("POST /second "));
    server.stop();
    for name in ["url", "hmac"] {
        assert_eq!(house.run(&["credentials", "remove", &house.name(name)]).code, Some(0));
    }
}

#[test]
fn a_locked_keyring_is_told_and_events_wait_for_it() {
    let mut house = House::new("[\"keyring\"]", "required = false");
    let absent = listed(&house);
    let Some(session) = Session::start(&mut house) else { return };
    // Without a bus there is no keyring; that says nothing of what is in it.
    assert!(absent.iter().all(|credential| credential["status"] == "no store"), "{absent:?}");
    let missing = listed(&house);
    assert!(missing.iter().all(|credential| credential["status"] == "missing"), "{missing:?}");
    let hook = Hook::start();
    house.set_all(&hook);
    session.lock(&house);
    // Of what was put there and of what was not, a locked keyring says the same.
    house.run(&["credentials", "remove", &house.name("other")]);
    let locked = house.run(&["credentials", "check"]);
    assert!(locked.code == Some(1) && locked.out.contains("for `hook`: locked"), "{locked:?}");
    assert_eq!(house.set("url", "other").code, Some(3));
    let strict = house.run(&["serve", "--set", "handlers.hook.required=true"]);
    assert!(strict.code == Some(2) && strict.err.contains("it is locked"), "{strict:?}");

    let server = Server::start(&house);
    server.provoke();
    session.unlock(&house);
    hook.wait("SSHDSessionStarted");
    let said = server.stop();
    assert!(said.contains("events wait until") && said.contains("locked"), "{said}");
}

#[test]
fn a_keyring_that_does_not_answer_is_waited_for_once() {
    let mut house = House::new("[\"keyring\", \"directory\"]", "");
    let Some(mut session) = Session::start(&mut house) else { return };
    house.run(&["credentials", "check"]);
    session.stop_answering(&house);
    let begun = Instant::now();
    let listed = listed(&house);
    // It would have been twice, for two credentials.
    assert!(begun.elapsed() < 2 * limits::KEYRING_TIME, "{:?}", begun.elapsed());
    assert_eq!(listed.len(), 2);
    for credential in &listed {
        assert_eq!(credential["status"], "refused", "{listed:?}");
        let says = credential["answers"][0]["says"].as_str().unwrap();
        assert!(says.starts_with("it gave no answer within 10 s"), "{says}");
    }
}

#[test]
fn a_session_bus_that_does_not_answer_holds_no_command_up() {
    let mut house = House::new("[\"keyring\"]", "");
    let path = house.path().join("bus");
    // Connections wait to be accepted, for ever.
    let _bus = UnixListener::bind(&path).unwrap();
    let address = format!("unix:path={}", path.display());
    house.environment.push(("DBUS_SESSION_BUS_ADDRESS".to_owned(), address));
    let commands = [&["credentials", "list"][..], &["check"], &["serve"]];
    let asking = commands.map(|arguments| Running::start(&mut house.correlator(arguments)));
    let said = asking.map(Running::wait);
    assert_eq!(said.each_ref().map(|said| said.code), [Some(0), Some(2), Some(2)], "{said:?}");
    for said in said {
        assert!((said.out + &said.err).contains("it gave no answer within 10 s"), "{}", said.err);
    }
}

#[test]
fn events_of_a_handler_that_is_not_required_wait_for_its_credentials() {
    let house = House::new("[\"directory\"]", "required = false");
    let check = house.run(&["check"]);
    assert!(check.code == Some(0) && check.err.contains("warning: events wait"), "{check:?}");
    let mut server = Server::start(&house);
    server.provoke();
    server.wait("events wait: a handler could not deliver them");
    let waiting = house.run(&["events", "list", "--state", "waiting"]);
    assert!(waiting.code == Some(0) && waiting.out.contains("SSHDSessionStarted"), "{waiting:?}");
    // It is said in the log before it is noted.
    let waits = format!("waits for the credential `{}`", house.name("url"));
    child::wait_for("why they wait", || house.run(&["status"]).out.contains(&waits).then_some(()));
    let hook = Hook::start();
    house.set_all(&hook);
    hook.wait("SSHDSessionStarted");
    server.stop();
}

#[test]
fn all_that_is_wrong_is_told_before_anything_starts() {
    let house = House::new("[\"directory\"]", "headers = { Authorization = { credential = \"open\" } }");
    let open = house.path().join("secrets/open");
    fs::write(&open, CANARY).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o644)).unwrap();
    for command in ["serve", "check"] {
        let said = house.run(&[command]);
        assert_eq!(said.code, Some(2), "{said:?}");
        for expected in [
            "/url, for `hook`: missing",
            "/hmac, for `hook`: missing",
            "open, for `hook`: refused",
            "chmod o= ",
        ] {
            assert!(said.err.contains(expected), "{expected}: {said:?}");
        }
        assert!(!said.err.contains(CANARY), "{said:?}");
    }
    let check = house.run(&["credentials", "check"]);
    assert!(check.code == Some(1) && check.out.contains("3 of 3 cannot be had"), "{check:?}");
}

#[test]
fn the_credential_of_the_heartbeat_is_listed_with_those_of_handlers() {
    let house = House::new("[\"directory\"]", "[server]\nheartbeat = { credential = \"watch\" }");
    for command in ["serve", "check"] {
        let said = house.run(&[command]);
        assert_eq!(said.code, Some(2), "{said:?}");
        for expected in ["/url, for `hook`: missing", "  watch, for `server.heartbeat`: missing"] {
            assert!(said.err.contains(expected), "{expected}: {said:?}");
        }
        assert_eq!(said.err.matches("`server.heartbeat`").count(), 1, "{said:?}");
    }
    // A trial beats for nobody.
    let trial = house.run(&["test-alert"]);
    assert!(trial.code == Some(2) && !trial.err.contains("watch"), "{trial:?}");
    let watch = |value: &str| feed(&mut house.correlator(&["credentials", "set", "watch"]), value);
    let said = watch("ftp://example.org/");
    assert!(said.code == Some(0) && said.err.is_empty(), "{said:?}");
    let listed = listed(&house);
    let is_watch = |listed: &&Value| listed["used_by"] == serde_json::json!(["server.heartbeat"]);
    assert!(listed.iter().any(|listed| is_watch(&listed)), "{listed:?}");
    house.set_all(&Hook::start());
    for (command, code) in [("serve", 2), ("check", 1)] {
        let said = house.run(&[command]);
        let expected = "`server.heartbeat` cannot be used: it is no http or https URL";
        assert!(said.code == Some(code) && said.err.contains(expected), "{said:?}");
    }
}

#[test]
fn a_header_that_is_a_secret_in_plain_is_warned_about() {
    let header = format!("headers = {{ Authorization = \"Bearer {CANARY}\" }}\nrequired = false");
    let house = House::new("[\"directory\"]", &header);
    let said = house.run(&["check"]);
    assert!(said.err.contains("`handlers.hook.headers.Authorization` seems to hold a secret"), "{said:?}");
    assert!(said.code == Some(0) && !said.err.contains(CANARY), "{said:?}");
    let heartbeat = format!("server.heartbeat=https://watch.example/ping?token={CANARY}");
    let said = house.run(&["check", "--set", &heartbeat]);
    assert!(said.err.contains("`server.heartbeat` seems to hold a secret"), "{said:?}");
    assert!(said.code == Some(0) && !said.err.contains(CANARY), "{said:?}");
}

/// What a credential would not mend is told while it is missing, not by the first event.
#[test]
fn templates_are_checked_whatever_credentials_are_missing() {
    let house = House::new("[\"directory\"]", "");
    let templates = house.path().join("templates");
    fs::create_dir(&templates).unwrap();
    fs::write(templates.join("event.txt"), "{{ event.sumary }}").unwrap();
    let (directory, file) = (templates.display(), templates.join("event.txt"));
    let file = file.display();
    for handler in [
        format!("\"webhook\"\nurl = {{ credential = \"none/such\" }}\ntemplate = \"{file}\""),
        "\"sms\"\naccount_sid = \"AC0123456789abcdef0123456789abcdef\"\nauth_token = { credential = \"none/such\" }\n\
         from = \"+493012345\"\nto = [\"+4917012345678\"]\ntemplate = \"{{ event.sumary }}\""
            .to_owned(),
        format!(
            "\"email\"\nsmtp = \"smtps://mail.example\"\nfrom = \"a@example.com\"\nto = [\"b@example.com\"]\n\
             username = \"a\"\npassword = {{ credential = \"none/such\" }}\ntemplates = \"{directory}\""
        ),
    ] {
        for (required, code) in [(false, 1), (true, 2)] {
            let config = format!(
                "[handlers.alarm]\ntype = {handler}\nrequired = {required}\n[apps.fleet]\nhandlers = [\"alarm\"]\n\
                 [apps.fleet.modules.openssh]\ntype = \"sshd\"\n"
            );
            fs::write(house.path().join("c.toml"), config).unwrap();
            let said = house.run(&["check"]);
            let told = said.err.contains("cannot start handler `alarm`: ") && said.err.contains("none/such");
            assert!(said.code == Some(code) && told, "{handler}: {said:?}");
        }
    }
}

#[test]
fn secrets_that_go_to_another_machine_in_the_clear_are_warned_about() {
    let house = House::new("[\"directory\"]", "required = false");
    for (url, is_told) in [("http://hook.example/", true), ("http://127.0.0.1:9/", false)] {
        let said = house.run(&["check", "--set", &format!("handlers.hook.url={url}")]);
        let warning = "`handlers.hook.url` begins with http:// and leads to another machine";
        assert!(said.code == Some(0) && said.err.contains(warning) == is_told, "{said:?}");
    }
}

#[test]
fn what_is_set_can_be_found_or_is_warned_about() {
    let house = House::new("[\"directory\"]", "");
    let said = house.set("utl", "x");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains(&format!("did you mean `{}`?", house.name("url"))), "{said:?}");
    assert_eq!(house.set("url", "\n").code, Some(3));
    assert_eq!(house.run(&["credentials", "set", "../escape"]).code, Some(2));
    let elsewhere = house.run(&["credentials", "set", "a", "--store", "keyring"]);
    assert!(
        elsewhere.code == Some(2) && elsewhere.err.contains("does not name \"keyring\""),
        "{elsewhere:?}"
    );
    // One line break is cut, and nothing else.
    house.set("url", " a \n\n");
    assert_eq!(fs::read(house.path().join("secrets").join(house.name("url"))).unwrap(), b" a \n");
}

#[test]
fn a_terminal_is_asked_without_an_echo() {
    if !has("script") {
        println!("skipped: needs script");
        return;
    }
    let house = House::new("[\"directory\"]", "");
    let name = house.name("url");
    let command = format!("{} credentials set {name}", env!("CARGO_BIN_EXE_correlator"));
    let log = house.path().join("typescript");
    let mut script = house.program("script");
    let said = feed(script.args(["-qec", &command]).arg(&log), &format!("{CANARY}\n"));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(fs::read(house.path().join("secrets").join(name)).unwrap(), CANARY.as_bytes());
    let shown = said.out + &fs::read_to_string(log).unwrap();
    assert!(shown.contains("is not shown") && shown.contains("kept in"), "{shown}");
}

#[test]
fn a_secret_is_in_no_file_no_log_and_no_output() {
    let house = House::new("[\"directory\"]", "headers = { X-Key = { credential = \"key\" } }");
    // Two fail, with answers that repeat what was sent.
    let hook = Hook::answering(|count, request| match count {
        0 | 1 => (500, request.to_owned()),
        _ => (200, String::new()),
    });
    house.set_all(&hook);
    let login = format!("me:{CANARY}-password");
    let url = hook.url.replace("http://", &format!("http://{login}@"));
    house.set("url", &format!("{url}/{CANARY}-path"));
    feed(&mut house.correlator(&["credentials", "set", "key"]), &format!("Bearer {CANARY}-token"));
    let server = Server::start(&house);
    server.provoke();
    // The login goes out in base64, and this comes back in the first answers.
    let forms = [CANARY.to_owned(), STANDARD_NO_PAD.encode(login)];
    assert!(hook.wait("SSHDSessionStarted").contains(&format!("authorization: Basic {}", forms[1])));
    let mut outputs = vec![];
    for arguments in [
        &["status"][..],
        &["events", "list"],
        &["events", "list", "--format", "json"],
        &["config"],
        &["config", "--format", "json"],
        &["check"],
        &["credentials", "list"],
        &["credentials", "list", "--format", "json"],
        &["credentials", "check"],
        &["serve", "--help"],
    ] {
        let said = house.run(arguments);
        assert_eq!(said.code, Some(0), "{arguments:?}: {said:?}");
        outputs.push((format!("{arguments:?}"), said.out + &said.err));
    }
    outputs.push(("serve".to_owned(), server.stop()));
    assert!(outputs.iter().any(|(_, text)| text.contains("it answered 500")), "{outputs:?}");
    for (what, text) in &outputs {
        assert!(!forms.iter().any(|form| text.contains(form)), "{what}: {text}");
    }
    let files = house.files("data");
    assert!(!files.is_empty());
    for (path, bytes) in files {
        for form in &forms {
            let is_form = |window: &[u8]| window == form.as_bytes();
            assert!(!bytes.windows(form.len()).any(is_form), "{}", path.display());
        }
    }
}
