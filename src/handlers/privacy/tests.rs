//! Whatever unknown users are called, nothing that goes out says so; who is known stays readable.

use super::super::http::server::{Reply, Request, Server};
use super::*;
use crate::credentials::{CredentialName, Given, Secret, Secrets};
use crate::event::{EventBlock, Field, Head, Kind, ModuleName, Severity, Stamp, StreamId, render};
use crate::handlers::{Digest, Environment, EvidenceRecord, Occasion, email, exec, sms, syslog, webhook};
use crate::time::{SystemClock, Timestamp, Zone};
use mail_parser::MessageParser;
use proptest::prelude::*;
use std::path::Path;
use std::sync::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// Events of every kind that may name an unknown user, and one of a user that is known.
fn events(name: &[u8]) -> Selection {
    let modules = vec![ModuleName { app: "fleet".into(), module: "openssh".into() }];
    let mut block = EventBlock::new(Arc::new(Stamp { stream: StreamId(1), run: 1, modules }));
    let (severity, time) = (Severity::Critical, Timestamp::from_civil(2026, 7, 1, 36_005, 0));
    let head = |number, kind| Head { number, ordinal: 0, module: 0, kind, severity, time };
    let mut numbers = 1..;
    macro_rules! push {
        ($kind:expr) => {
            block.push(head(numbers.next().unwrap(), $kind))
        };
    }
    for kind in [Kind::SSHDLoginFailed, Kind::SSHDMaxAuthTries] {
        push!(kind).text(Field::User, name).flag(Field::InvalidUser, true).text(Field::Host, b"web1");
        // Where the event does not say whether the user is known.
        push!(kind).text(Field::User, name);
    }
    for kind in [Kind::SSHDInvalidUser, Kind::SSHDLogInjectionSuspected] {
        push!(kind).text(Field::User, name).text(Field::Host, b"web1");
    }
    for kind in [Kind::SSHDAttemptsExceeded, Kind::SSHDUserEnumeration] {
        push!(kind).texts(Field::Users, [name, b"root"]).text(Field::Source, b"203.0.113.9").evidence([7]);
    }
    push!(Kind::SSHDSuccessAfterFailures)
        .text(Field::User, b"alice")
        .texts(Field::Users, [&b"alice"[..], name]);
    push!(Kind::SSHDLoginFailed).text(Field::User, b"bob").flag(Field::InvalidUser, false);
    let messages = [&b"Invalid user "[..], b"input_userauth_request: invalid user "];
    for message in messages {
        push!(Kind::ReportRecord)
            .text(Field::AppName, b"sshd")
            .text(Field::Message, &[message, name].concat());
    }
    Selection::all(Arc::new(block))
}

/// All text of an event, and how many texts that is.
fn texts(event: crate::event::Event<'_>) -> Vec<Vec<u8>> {
    let mut texts = Vec::new();
    for (_, value) in event.fields() {
        match value {
            crate::event::Value::Text(text) => texts.push(text.to_vec()),
            crate::event::Value::List(list) => texts.extend(list.iter().filter_map(|item| match item {
                crate::event::Value::Text(text) => Some(text.to_vec()),
                _ => None,
            })),
            _ => {}
        }
    }
    let mut summary = Vec::new();
    render::summary(&mut summary, event);
    texts.push(summary);
    texts
}

fn holds(text: &[u8], name: &[u8]) -> bool {
    text.windows(name.len()).any(|part| part == name)
}

/// Evidence of one record.
struct One(Vec<u8>, bool);

impl Evidence for One {
    fn of(&self, _: crate::event::Event<'_>) -> Vec<EvidenceRecord> {
        vec![EvidenceRecord {
            position: 7,
            arrival: Timestamp::EPOCH,
            listener: "lan".into(),
            peer: "192.0.2.1".into(),
            bytes: self.0.clone(),
            truncated: self.1,
        }]
    }
}

/// The record as a handler that masks sees it, of the first of these events.
fn evidence(bytes: &[u8], truncated: bool, events: &Selection) -> Vec<u8> {
    let privacy = Privacy { unknown_users: UnknownUsers::Mask };
    let evidence = privacy.evidence(Arc::new(One(bytes.to_vec(), truncated)));
    evidence.of(events.events().next().unwrap()).remove(0).bytes
}

proptest! {
    #[test]
    fn no_text_of_an_event_holds_the_name(name in proptest::collection::vec(any::<u8>(), 6..60)) {
        let original = events(&name);
        let masked = masked(&original);
        prop_assert_eq!(masked.len(), original.len());
        for (event, original) in masked.events().zip(original.events()) {
            prop_assert_eq!((event.id(), event.kind()), (original.id(), original.kind()));
            prop_assert_eq!(event.evidence(), original.evidence());
            for text in texts(event) {
                prop_assert!(!holds(&text, &name), "{:?}", String::from_utf8_lossy(&text));
            }
        }
    }

    #[test]
    fn no_record_shows_the_name(
        name in "[ -9;-~]{6,60}",
        truncated in any::<bool>(),
        form in 0_usize..8,
    ) {
        let message = [
            format!("Invalid user {name} from 203.0.113.9 port 5555"),
            format!("Failed password for invalid user {name} from 203.0.113.9 port 5555 ssh2"),
            format!("Connection closed by invalid user {name} 203.0.113.9 port 5555 [preauth]"),
            format!("error: PAM: Authentication failure for illegal user {name} from 203.0.113.9"),
            format!("pam_unix(sshd:auth): check pass; user ({name}) unknown"),
            format!("Something new about the invalid user {name}"),
            format!("pam_new(sshd:auth): user={name} has no account"),
            format!("message repeated 2 times: [ Failed password for invalid user {name} from 203.0.113.9 port 5555 ssh2]"),
        ];
        let frame = format!("<38>Jul  1 10:00:05 web1 sshd[4711]: {}", message[form]);
        let seen = evidence(frame.as_bytes(), truncated, &events(name.as_bytes()));
        prop_assert!(!holds(&seen, name.trim().as_bytes()), "{}", String::from_utf8_lossy(&seen));
        prop_assert!(seen.starts_with(b"<38>Jul  1 10:00:05 web1 sshd[4711]: "));
    }
}

#[test]
fn who_is_known_stays_readable() {
    let masked = masked(&events(b"hunter2hu"));
    let lines = masked.events().map(|event| {
        let mut line = Vec::new();
        render::json(&mut line, event);
        serde_json::from_slice::<serde_json::Value>(&line).unwrap()["fields"].clone()
    });
    let lines = lines.collect::<Vec<_>>();
    assert_eq!(lines[0]["user"], "hu…(9)");
    assert_eq!(lines[6]["users"], serde_json::json!(["hu…(9)", "root"]));
    assert_eq!(
        (&lines[8]["user"], &lines[8]["users"]),
        (&"alice".into(), &serde_json::json!(["alice", "hu…(9)"]))
    );
    assert_eq!(lines[9]["user"], "bob");
    assert_eq!(lines[10]["message"], "Invalid user hu…(9)");
    for record in [
        "Accepted password for alice from 203.0.113.9 port 5555 ssh2",
        "Server listening on 0.0.0.0 port 22.",
    ] {
        let frame = format!("<38>1 - web1 sshd 1 - - {record}").into_bytes();
        assert_eq!(evidence(&frame, false, &events(b"hunter2")), frame);
    }
    // PAM's modules name anybody: here the event tells that it is somebody.
    let frame =
        b"<38>1 - web1 sshd 1 - - pam_sss(sshd:auth): received for user bob: 7 (Authentication failure)";
    let of_bob = Selection { indices: vec![9], ..events(b"hunter2") };
    assert_eq!(evidence(frame, false, &of_bob), frame);
    assert!(!holds(&evidence(frame, false, &events(b"hunter2")), b"bob"));
    assert_eq!(evidence(b"no record", false, &of_bob), "…".as_bytes());
}

#[test]
fn names_that_pam_was_told_are_masked_each_for_itself() {
    let frame = b"<38>1 - web1 sshd 1 - - pam_unix(sshd:auth): authentication failure; logname=s3cr3tpw uid=0 euid=0 \
        tty=ssh ruser=hunter2hu rhost=203.0.113.9  user=alice";
    let seen = evidence(frame, false, &events(b"bob"));
    assert_eq!(
        String::from_utf8(seen).unwrap(),
        "<38>1 - web1 sshd 1 - - pam_unix(sshd:auth): authentication failure; logname=s3…(8) uid=0 euid=0 \
         tty=ssh ruser=hu…(9) rhost=203.0.113.9  user=a…(5)"
    );
}

#[test]
fn of_another_handlers_notes_only_the_class_is_told() {
    let modules = vec![ModuleName { app: "fleet".into(), module: "correlator".into() }];
    let mut block = EventBlock::new(Arc::new(Stamp { stream: StreamId(1), run: 1, modules }));
    let notes = [
        ("exit code 1: no user hunter2hu", "exit code 1"),
        ("ended by signal 9: hunter2hu", "ended by signal 9"),
        ("it answered 400: hunter2hu", "it answered 400"),
        ("it answered 4711hunter2hu", "see `events show`"),
        ("cannot log in to smtp://h: 535 hunter2hu", "see `events show`"),
        ("", "see `events show`"),
    ];
    for kind in [Kind::ServerHandlerFailing, Kind::ServerDeadLetters] {
        for (number, (note, _)) in (1..).zip(notes) {
            let time = Timestamp::EPOCH;
            let head = Head { number, ordinal: 0, module: 0, kind, severity: Severity::Error, time };
            block.push(head).text(Field::Handler, b"audit").text(Field::Reason, note.as_bytes());
        }
    }
    let masked = masked(&Selection::all(Arc::new(block)));
    let expected = notes.iter().chain(&notes).map(|(_, class)| class);
    for (event, class) in masked.events().zip(expected) {
        assert_eq!(event.get(Field::Reason), crate::event::Value::Text(class.as_bytes()));
        assert_eq!(event.get(Field::Handler), crate::event::Value::Text(b"audit"));
    }
}

/// A mail server that takes everything; gives its address and what it took.
async fn mailbox() -> (String, Arc<Mutex<Vec<Vec<u8>>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let taken = Arc::new(Mutex::new(Vec::new()));
    let mails = Arc::clone(&taken);
    tokio::spawn(async move {
        let mut stream = BufReader::new(listener.accept().await.unwrap().0);
        stream.write_all(b"220 localhost\r\n").await.unwrap();
        let (mut line, mut mail) = (Vec::new(), None::<Vec<u8>>);
        while stream.read_until(b'\n', &mut line).await.is_ok_and(|count| count > 0) {
            let answer = match &mut mail {
                Some(_) if line == b".\r\n" => {
                    mails.lock().unwrap().extend(mail.take());
                    "250 taken\r\n"
                }
                Some(mail) => {
                    mail.extend_from_slice(&line);
                    ""
                }
                None if line.starts_with(b"DATA") => {
                    mail = Some(Vec::new());
                    "354 go on\r\n"
                }
                None => "250 yes\r\n",
            };
            line.clear();
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (format!("smtp://{address}"), taken)
}

/// What a mail says, decoded.
fn read(mail: &[u8]) -> String {
    let mail = MessageParser::default().parse(mail).unwrap();
    let parts = [mail.subject(), mail.body_text(0).as_deref(), mail.body_html(0).as_deref()]
        .map(|part| part.unwrap().to_owned());
    parts.concat()
}

/// Delivers events one by one, and then as a digest.
async fn deliver(mut handler: Box<dyn Handler>, events: &Selection) {
    for index in &events.indices {
        let one = Selection { indices: vec![*index], ..events.clone() };
        assert!(handler.deliver(&one).await[0].is_delivered());
    }
    let mut digest = Digest::default();
    (1..).zip(events.events()).for_each(|(seq, event)| digest.add(seq, event, false));
    let gathered = Gathered { digest, shown: vec![events.clone()] };
    assert!(handler.digest(&gathered).await.is_delivered());
}

/// The five handlers that tell others, each with what reads what it told.
async fn tell(name: &str, home: &Path) -> [String; 5] {
    let mut secrets = Secrets::default();
    let token = CredentialName::new("token").unwrap();
    secrets.insert(token.clone(), Secret::new("t0k3nt0k3n".to_owned()));
    let privacy = Privacy { unknown_users: UnknownUsers::Mask };
    let frame = format!("<38>1 - web1 sshd 1 - - Invalid user {name} from 203.0.113.9 port 5555");
    let mut environment = Environment::new(Arc::new(SystemClock), Zone::UTC, home);
    environment.secrets = Arc::new(secrets);
    environment.occasion = Occasion::Test;
    environment.evidence = privacy.evidence(Arc::new(One(frame.into_bytes(), false)));

    let (smtp, mails) = mailbox().await;
    let address = email::mailbox("a@example.com").unwrap();
    let mail = email::Options {
        smtp: Some(smtp.parse().unwrap()),
        from: Some(address.clone()),
        to: vec![address],
        ..Default::default()
    };
    let created = |_: &Request| Reply::with(201, r#"{"sid": "SM1", "status": "queued"}"#);
    let [twilio, hook] = [Server::start(created).await, Server::start(created).await];
    let text = sms::Options {
        account_sid: Some("AC123".into()),
        auth_token: Some(token),
        from: Some("+4930123".into()),
        to: vec![Given::from("+49170111")],
        api_url: twilio.url(""),
        max_per_hour: 1_000,
        max_per_day: 1_000,
        max_segments: 10,
        ..sms::Options::default()
    };
    let webhook = webhook::Options { url: Some(hook.url("/").as_str().into()), ..Default::default() };
    let siem = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = syslog::Address {
        transport: syslog::Transport::Tcp,
        host: "127.0.0.1".into(),
        port: siem.local_addr().unwrap().port(),
    };
    let syslog = syslog::Options { address: Some(address), ..Default::default() };
    let command = ["/bin/sh", "-c", "cat >> told; env >> told"].map(str::to_owned).to_vec();
    let exec = exec::Options { command, max_running: 1, ..Default::default() };

    let handlers = [
        email::build(&mail, &environment).unwrap(),
        sms::build(&text, &environment).unwrap(),
        webhook::build(&webhook, &environment).unwrap(),
        syslog::build(&syslog, &environment).unwrap(),
        exec::build(&exec, &environment).unwrap(),
    ];
    let events = events(name.as_bytes());
    for handler in handlers {
        deliver(privacy.handler(handler), &events).await;
    }
    let mut records = Vec::new();
    siem.accept().await.unwrap().0.read_to_end(&mut records).await.unwrap();
    let mails = mails.lock().unwrap().iter().map(|mail| read(mail)).collect();
    let bodies = |server: &Server| {
        server.requests().iter().map(|request| request.text().to_owned()).collect::<String>()
    };
    let messages =
        form_urlencoded::parse(bodies(&twilio).as_bytes()).map(|(_, value)| value.into_owned()).collect();
    [
        mails,
        messages,
        bodies(&hook),
        String::from_utf8(records).unwrap(),
        std::fs::read_to_string(home.join("told")).unwrap(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn none_of_those_that_tell_others_tells_the_name(name in "[a-zA-Z0-9]{6,20}") {
        let home = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        for told in runtime.block_on(tell(&name, home.path())) {
            prop_assert!(!told.contains(&name), "{}", told);
            let masks = told.contains("…(") || told.contains("...(");
            prop_assert!(told.contains("alice") && masks, "{}", told);
            // The webhook says so in a header.
            let is_marked = told.contains("[test] ") || told.contains("OCCASION=test") || told.starts_with("{\"id\"");
            prop_assert!(is_marked, "{}", told);
        }
    }
}
