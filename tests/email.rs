//! The handler `email` against a mail server on loopback: what it sends, and what becomes of it when the server fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test program: its helpers fail by panicking"
)]

#[path = "email/attack.rs"]
mod attack;
#[path = "support/child.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod child;
#[path = "email/server.rs"]
mod server;

use correlator::credentials::{CredentialName, Given, Secret, Secrets};
use correlator::event::{Event, EventBlock, Field, Head, Kind, ModuleName, Severity, Stamp, StreamId};
use correlator::handlers::email::{self, Options, mailbox};
use correlator::handlers::{
    Digest, Environment, Evidence, EvidenceRecord, Gathered, Handler, Outcome, Selection,
};
use correlator::time::{SystemClock, Timestamp, Zone};
use mail_parser::{MessageParser, MimeHeaders};
use server::{Act, Server, Tls, certificate};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const HOSTILE: &[u8] = b"<b>x</b>\r\nBcc: evil@example.org\r\n\r\n.\r\n\x1b[31m\xff\xe2\x80\xae&amp;";

struct OneRecord;

impl Evidence for OneRecord {
    fn of(&self, _: Event<'_>) -> Vec<EvidenceRecord> {
        let bytes = b"<38>Failed password for <script>alert(1)</script>".to_vec();
        vec![EvidenceRecord {
            position: 1,
            arrival: Timestamp::EPOCH,
            listener: "lan".to_owned(),
            peer: "192.0.2.1".to_owned(),
            bytes,
            truncated: false,
        }]
    }
}

/// Events whose user is this, with numbers from 1.
fn events(user: &[u8], count: u64) -> Selection {
    let module = ModuleName { app: "fleet".into(), module: "openssh".into() };
    let mut block = EventBlock::new(Arc::new(Stamp { stream: StreamId(33), run: 3, modules: vec![module] }));
    for number in 1..=count {
        let (kind, severity) = (Kind::SSHDSuccessAfterFailures, Severity::Critical);
        let time = Timestamp::from_civil(2026, 7, 1, 36_005, 0);
        block
            .push(Head { number, ordinal: 0, module: 0, kind, severity, time })
            .text(Field::User, user)
            .text(Field::Host, "wäb1".as_bytes())
            .text(Field::Auth, b"password")
            .addr(Field::Addr, "203.0.113.9".parse().unwrap())
            .count(Field::Count, 6)
            .duration(Field::Window, Duration::from_secs(3600))
            .evidence([7, 8]);
    }
    Selection::all(Arc::new(block))
}

fn options(server: &Server) -> Options {
    Options {
        smtp: Some(format!("smtp://{}", server.address).parse().unwrap()),
        from: Some(mailbox("Wächter <correlator@example.com>").unwrap()),
        to: vec![mailbox("a@example.com").unwrap(), mailbox("B <b@example.com>").unwrap()],
        ..Options::default()
    }
}

fn environment(home: &Path, password: &str) -> Environment {
    let zone = Zone::named("Europe/Berlin").unwrap();
    let mut environment = Environment::new(Arc::new(SystemClock), zone, home);
    let mut secrets = Secrets::default();
    secrets.insert(CredentialName::new("smtp/oncall").unwrap(), Secret::new(password.to_owned()));
    environment.secrets = Arc::new(secrets);
    environment.evidence = Arc::new(OneRecord);
    environment
}

/// A server without TLS, and a handler that sends there.
async fn plain(home: &Path) -> (Server, Box<dyn Handler>) {
    let config = certificate(&["localhost"], &home.join("ca.pem"));
    let server = Server::start(Tls::Never, config, None).await;
    let handler = email::build(&options(&server), &environment(home, "")).unwrap();
    (server, handler)
}

async fn one(handler: &mut dyn Handler) -> Outcome {
    let outcomes = handler.deliver(&events(b"alice", 1)).await;
    assert_eq!(outcomes.len(), 1);
    outcomes[0].clone()
}

fn why(outcome: &Outcome) -> &str {
    assert!(outcome.is_temporary(), "{outcome:?}");
    outcome.failure().unwrap()
}

#[tokio::test]
async fn a_mail_goes_out_encrypted_and_reads_back_whole() {
    for (tls, scheme) in [(Tls::Upgrade, "smtp"), (Tls::AtOnce, "smtps")] {
        let home = tempfile::tempdir().unwrap();
        let config = certificate(&["127.0.0.1"], &home.path().join("ca.pem"));
        let mut server = Server::start(tls, config, Some(("correlator", "hunter2"))).await;
        let options = Options {
            smtp: Some(format!("{scheme}://{}", server.address).parse().unwrap()),
            ca: Some("ca.pem".into()),
            username: Some("correlator".into()),
            password: Some(CredentialName::new("smtp/oncall").unwrap()),
            cc: vec![mailbox("c@example.com").unwrap(), mailbox("a@example.com").unwrap()],
            reply_to: Some(mailbox("ops@example.com").unwrap()),
            headers: vec![email::Line::new("X-Team", "Größe 1").unwrap()],
            ..options(&server)
        };
        let mut handler = email::build(&options, &environment(home.path(), "hunter2")).unwrap();
        let outcomes = handler.deliver(&events(HOSTILE, 1)).await;
        assert_eq!(outcomes, [Outcome::Accepted("250 2.0.0 queued as 4711".to_owned())]);

        let taken = server.next().await;
        assert!(taken.encrypted && taken.user.as_deref() == Some("correlator"));
        assert_eq!(taken.from, "MAIL FROM:<correlator@example.com>");
        assert_eq!(taken.to, ["a@example.com", "b@example.com", "c@example.com"]);
        let mail = MessageParser::default().parse(&taken.bytes).unwrap();
        assert!(taken.bytes.is_ascii(), "a mail needs no extension of the server");
        assert_eq!(mail.from().unwrap().first().unwrap().name(), Some("Wächter"));
        assert_eq!(mail.to().unwrap().iter().count(), 2);
        let subject = mail.subject().unwrap();
        assert!(subject.starts_with("[CRITICAL] <b>x</b>\\r\\nBcc: evil@example.org"), "{subject}");
        assert!(subject.contains("logged in to wäb1 from 203.0.113.9"), "{subject}");
        assert_eq!(mail.message_id(), Some("0000000000011.3.1.fleet.openssh.0@example.com"));
        let header = |name: &'static str| mail.header_raw(name).map(str::trim);
        assert_eq!(header("Auto-Submitted"), Some("auto-generated"));
        assert_eq!(header("X-Correlator-Kind"), Some("SSHDSuccessAfterFailures"));
        assert_eq!(header("X-Correlator-Severity"), Some("CRITICAL"));
        assert_eq!(header("X-Team"), Some("=?utf-8?b?R3LDtsOfZQ==?= 1"));
        assert!(mail.date().is_some() && mail.header("Bcc").is_none() && mail.reply_to().is_some());
        assert!(
            mail.content_type().unwrap().subtype() == Some("alternative") && mail.attachments().count() == 0
        );

        let text = mail.body_text(0).unwrap();
        assert!(text.contains("2026-07-01T12:00:05.000+02:00"), "{text}");
        assert!(
            text.contains("window") && text.contains("1h ") && text.contains(Field::Window.spec().meaning)
        );
        assert!(
            text.contains(r"<b>x</b>\r\nBcc: evil@example.org\r\n\r\n.\r\n\x1b[31m\xff\u{202e}&amp;"),
            "{text}"
        );
        assert!(
            text.contains("<script>alert(1)</script>")
                && text.contains("1 records that caused it are not kept")
        );
        assert!(text.contains("Event 0000000000011.3.1.fleet.openssh.0"));
        let html = mail.body_html(0).unwrap();
        assert!(html.contains("&lt;b&gt;x&lt;") && html.contains("&amp;amp;"), "{html}");
        assert!(!html.contains("<b>") && !html.contains("<script"), "{html}");
        for part in [&text, &html] {
            assert!(!part.contains(['\u{1b}', '\u{202e}', '\u{0}']));
        }
    }
}

#[tokio::test]
async fn a_second_attempt_goes_only_to_those_who_have_not_had_the_mail() {
    let home = tempfile::tempdir().unwrap();
    let (mut server, mut handler) = plain(home.path()).await;
    server.script("RCPT TO:<b@", Act::Say("451 4.3.0 try later"));
    let outcome = one(&mut *handler).await;
    assert_eq!(why(&outcome), "b@example.com: 451 4.3.0 try later");
    let outcome = one(&mut *handler).await;
    assert_eq!(outcome, Outcome::Accepted("250 2.0.0 queued as 4711".to_owned()));
    let taken = server.taken();
    let to: Vec<_> = taken.iter().map(|mail| mail.to.clone()).collect();
    assert_eq!(to, [["a@example.com"], ["b@example.com"]]);
    let id = |bytes: &[u8]| MessageParser::default().parse(bytes).unwrap().message_id().unwrap().to_owned();
    assert_eq!(id(&taken[0].bytes), id(&taken[1].bytes));

    assert!(one(&mut *handler).await.is_delivered(), "a third has nothing to do");
    assert!(server.taken().is_empty());
}

#[tokio::test]
async fn who_is_refused_is_named_and_keeps_nobody_else_from_the_mail() {
    let home = tempfile::tempdir().unwrap();
    let (mut server, mut handler) = plain(home.path()).await;
    server.script("RCPT TO:<b@", Act::Say("550-5.1.1 no such\r\n550 5.1.1 user"));
    let Outcome::Partial { note, refused } = one(&mut *handler).await else { panic!("the others have it") };
    assert_eq!(note, "250 2.0.0 queued as 4711; refused for b@example.com: 550 5.1.1 no such user");
    assert_eq!(refused, "b@example.com: 550 5.1.1 no such user");
    assert_eq!(server.next().await.to, ["a@example.com"]);

    let (server, mut handler) = plain(home.path()).await;
    server.script("RCPT", Act::Say("550 no"));
    server.script("RCPT", Act::Say("553 never"));
    let outcome = one(&mut *handler).await;
    assert_eq!(outcome, Outcome::Permanent("a@example.com: 550 no; b@example.com: 553 never".to_owned()));
    server.script("BODY", Act::Say("554 5.7.1 spam"));
    let Outcome::Permanent(why) = one(&mut *handler).await else { panic!("refused for good") };
    assert_eq!(why, "a@example.com: 554 5.7.1 spam; b@example.com: 554 5.7.1 spam");
    assert!(one(&mut *handler).await.is_delivered(), "the connection is still good");
}

#[tokio::test]
async fn what_fails_for_now_is_told_and_sent_the_next_time() {
    for (beginning, act, expected) in [
        ("BODY", Act::Say("451 4.2.1 full"), "451 4.2.1 full"),
        ("DATA", Act::Say("452 4.3.1 no room"), "452 4.3.1 no room"),
        ("MAIL", Act::Say("450 greylisted"), "450 greylisted"),
        ("GREETING", Act::Say("554 closed for today"), "cannot connect to smtp://127.0.0.1"),
        ("MIDDLE", Act::Drop, "incomplete response"),
        ("RCPT", Act::Say("421 going down"), "421 going down"),
    ] {
        let home = tempfile::tempdir().unwrap();
        let (mut server, mut handler) = plain(home.path()).await;
        server.script(beginning, act);
        let outcome = one(&mut *handler).await;
        let said = why(&outcome);
        assert!(said.contains(expected) || said.contains("reset"), "{beginning}: {said}");
        assert!(one(&mut *handler).await.is_delivered(), "{beginning}");
        assert_eq!(server.taken().len(), 1, "{beginning}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up() {
    for beginning in ["GREETING", "MAIL", "MIDDLE", "BODY"] {
        let home = tempfile::tempdir().unwrap();
        let config = certificate(&["localhost"], &home.path().join("ca.pem"));
        let server = Server::start(Tls::Never, config, None).await;
        let options = Options { timeout: Duration::from_millis(300), ..options(&server) };
        let mut handler = email::build(&options, &environment(home.path(), "")).unwrap();
        server.script(beginning, Act::Hang);
        let outcome = one(&mut *handler).await;
        assert!(why(&outcome).contains("no answer within 0.3 s"), "{beginning}: {outcome:?}");
    }
}

/// A handler that encrypts, by STARTTLS, to a server that it can verify.
async fn upgrading(home: &Path) -> (Server, Box<dyn Handler>) {
    let config = certificate(&["127.0.0.1"], &home.join("ca.pem"));
    let server = Server::start(Tls::Upgrade, config, None).await;
    let options = Options { ca: Some("ca.pem".into()), ..options(&server) };
    let handler = email::build(&options, &environment(home, "")).unwrap();
    (server, handler)
}

#[tokio::test]
async fn replies_that_came_in_the_clear_are_none_of_the_encrypted_connection() {
    let home = tempfile::tempdir().unwrap();
    let (mut server, mut handler) = upgrading(home.path()).await;
    // All that a delivery waits for, told before there is TLS, by whoever is between.
    server.script(
        "STARTTLS",
        Act::Say(
            "220 go on\r\n250-test\r\n250 8BITMIME\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go on\r\n250 2.0.0 forged",
        ),
    );
    let outcome = one(&mut *handler).await;
    let said = why(&outcome);
    assert!(said.starts_with("cannot encrypt to smtp://127.0.0.1"), "{said}");
    assert!(!server.commands().iter().any(|command| command.starts_with("MAIL")), "{said}");
    assert!(one(&mut *handler).await.is_delivered(), "nobody is between any more");
    assert!(server.next().await.encrypted);
}

#[tokio::test]
async fn a_server_that_ends_no_line_is_given_up_before_it_fills_the_memory() {
    for tls in [Tls::Never, Tls::Upgrade] {
        for beginning in ["EHLO", "BODY"] {
            let home = tempfile::tempdir().unwrap();
            let (server, mut handler) = match tls {
                Tls::Never => plain(home.path()).await,
                _ => upgrading(home.path()).await,
            };
            server.script(beginning, Act::Flood);
            let outcome = one(&mut *handler).await;
            assert!(why(&outcome).contains("a reply of more than 65536 bytes"), "{beginning}: {outcome:?}");
            // The rest of what was sent is in the buffers of the system.
            assert!(server.flooded() < 32 << 20, "{beginning}: {}", server.flooded());
        }
    }
}

#[tokio::test]
async fn what_an_operator_can_mend_is_waited_for_and_nothing_is_sent_in_the_clear() {
    let home = tempfile::tempdir().unwrap();
    let [elsewhere, here] = ["elsewhere.pem", "here.pem"];
    let other = certificate(&["mail.example.com"], &home.path().join(elsewhere));
    let right = certificate(&["127.0.0.1"], &home.path().join(here));
    let login = Some(("correlator", "hunter2"));
    for (tls, config, ca, password, expected) in [
        (Tls::Upgrade, &other, elsewhere, "hunter2", "not valid for name"),
        (Tls::Upgrade, &right, elsewhere, "hunter2", "invalid peer certificate"),
        (Tls::Never, &right, here, "hunter2", "it offers no STARTTLS"),
        (Tls::Upgrade, &right, here, "hunter3", "535 5.7.8"),
    ] {
        let mut server = Server::start(tls, Arc::clone(config), login).await;
        let options = Options {
            ca: Some(ca.into()),
            username: Some("correlator".into()),
            password: Some(CredentialName::new("smtp/oncall").unwrap()),
            ..options(&server)
        };
        let mut handler = email::build(&options, &environment(home.path(), password)).unwrap();
        let outcome = one(&mut *handler).await;
        let said = why(&outcome);
        assert!(said.contains(expected), "{expected}: {said}");
        assert!(!said.contains("hunter"), "{said}");
        assert!(server.taken().is_empty());
        let commands = server.commands();
        assert!(expected.starts_with("535") || !commands.iter().any(|command| command.starts_with("AUTH")));
        assert!(!commands.iter().any(|command| command.starts_with("MAIL")), "{commands:?}");
    }
}

#[tokio::test]
async fn a_login_that_a_server_repeats_is_in_no_note_whatever_its_form() {
    let home = tempfile::tempdir().unwrap();
    let config = certificate(&["127.0.0.1"], &home.path().join("ca.pem"));
    let server = Server::start(Tls::Upgrade, config, Some(("s3nd3r@example.com", "hunter2"))).await;
    let options = Options {
        ca: Some("ca.pem".into()),
        username: Some(Given::Credential(CredentialName::new("smtp/user").unwrap())),
        password: Some(CredentialName::new("smtp/oncall").unwrap()),
        ..options(&server)
    };
    let mut environment = environment(home.path(), "hunter2");
    let mut secrets = Secrets::clone(&environment.secrets);
    let user = Secret::new("s3nd3r@example.com".to_owned());
    secrets.insert(CredentialName::new("smtp/user").unwrap(), user);
    environment.secrets = Arc::new(secrets);
    // The name, the password, and both as LOGIN and PLAIN send them.
    let forms = [
        "s3nd3r@example.com",
        "hunter2",
        "czNuZDNyQGV4YW1wbGUuY29t",
        "aHVudGVyMg",
        "AHMzbmQzckBleGFtcGxlLmNvbQBodW50ZXIy",
    ];
    const REPEATED: &str = "451 s3nd3r@example.com hunter2 czNuZDNyQGV4YW1wbGUuY29t aHVudGVyMg== \
                            AHMzbmQzckBleGFtcGxlLmNvbQBodW50ZXIy";
    const ACCEPTED: &str = "250 ok for AHMzbmQzckBleGFtcGxlLmNvbQBodW50ZXIy";
    for (beginning, said) in
        [("AUTH", REPEATED), ("MAIL", REPEATED), ("RCPT", REPEATED), ("DATA", REPEATED), ("BODY", ACCEPTED)]
    {
        let mut handler = email::build(&options, &environment).unwrap();
        server.script(beginning, Act::Say(said));
        let outcome = one(&mut *handler).await;
        let note = format!("{outcome:?}");
        assert!(note.contains("[secret]"), "{beginning}: {note}");
        for form in forms {
            assert!(!note.contains(form), "{beginning}: {note}");
        }
        server.script("AUTH", Act::Say(REPEATED));
        let trials = format!("{:?}", email::build(&options, &environment).unwrap().probe().await);
        assert!(trials.contains("[secret]") && forms.iter().all(|form| !trials.contains(form)), "{trials}");
    }
}

#[tokio::test]
async fn a_connection_serves_many_mails_and_is_replaced_when_it_has_died() {
    let home = tempfile::tempdir().unwrap();
    let (mut server, mut handler) = plain(home.path()).await;
    for _ in 0..2 {
        let outcomes = handler.deliver(&events(b"alice", 3)).await;
        assert!(outcomes.iter().all(Outcome::is_delivered), "{outcomes:?}");
    }
    let mut events = events(b"bob", 6);
    events.indices.drain(..4);
    server.script("MAIL", Act::Drop);
    let outcomes = handler.deliver(&events).await;
    assert!(outcomes.iter().all(Outcome::is_delivered), "{outcomes:?}");
    let connections: Vec<_> = server.taken().iter().map(|mail| mail.connection).collect();
    assert_eq!(connections, [1, 1, 1, 2, 2], "the second round had been had already");
}

#[tokio::test]
async fn a_digest_is_one_mail() {
    let home = tempfile::tempdir().unwrap();
    let (mut server, mut handler) = plain(home.path()).await;
    let shown = events(HOSTILE, 3);
    let mut digest = Digest::default();
    for (seq, event) in (0..).zip(shown.events()) {
        digest.add(seq, event, seq == 0);
    }
    let extra = events(b"alice", 9);
    for (seq, event) in (10..).zip(extra.events()) {
        digest.add(seq, event, false);
    }
    let gathered = Gathered { digest, shown: vec![shown] };
    server.script("RCPT TO:<b@", Act::Say("451 later"));
    assert!(handler.digest(&gathered).await.is_temporary());
    assert!(handler.digest(&gathered).await.is_delivered());
    let taken = server.taken();
    assert_eq!(taken.iter().map(|mail| mail.to.len()).collect::<Vec<_>>(), [1, 1]);
    let mail = MessageParser::default().parse(&taken[0].bytes).unwrap();
    assert_eq!(mail.subject(), Some("[CRITICAL] 12 events: 12 SSHDSuccessAfterFailures"));
    let (text, html) = (mail.body_text(0).unwrap(), mail.body_html(0).unwrap());
    assert!(text.contains("1 of them LATE") && html.contains("1 of them late"), "{text}");
    assert_eq!(text.matches("logged in to wäb1").count(), 3);
    assert!(text.contains("and 9 more") && text.contains("2026-07-01T12:00:05.000+02:00"));
    assert!(html.contains("&lt;b&gt;") && !html.contains("<b>"));
}
