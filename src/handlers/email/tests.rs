//! Floor 4, tests: templates of operators, and what they cannot break.

use super::message::{Marks, Stationery};
use super::templates::Templates;
use super::view::EventView;
use super::*;
use crate::event::{EventBlock, Field, Head, Kind, ModuleName, Severity, Stamp, StreamId, sample};
use crate::handlers::Occasion;
use crate::time::{SystemClock, Timestamp, Zone};
use mail_parser::MessageParser;
use std::fs;
use std::path::Path;

const TIME: Timestamp = Timestamp::from_civil(2026, 7, 1, 36_005, 0);

fn load(files: &[(&str, &str)]) -> Result<(Templates, tempfile::TempDir), String> {
    let home = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(home.path().join(name), text).unwrap();
    }
    let zone = Zone::named("Europe/Berlin").unwrap();
    let loaded = Templates::load(Some(home.path()), &zone);
    let short = |error: TemplateError| error.to_string().replace(&format!("{}/", home.path().display()), "");
    loaded.map_err(short).map(|templates| (templates, home))
}

fn view(block: &EventBlock) -> EventView {
    EventView::new(block.get(0).unwrap(), Vec::new(), &mut LocalTime::new(Zone::UTC))
}

#[test]
fn templates_are_replaced_by_kind_and_in_part() {
    let (templates, _home) = load(&[
        ("event.subject.txt", "any {{ event.kind }}"),
        ("_foot.txt", "-- {{ event.fields.window | duration }}, {{ event.fields.start | local }}"),
        ("SSHDAttemptsExceeded.txt", "{{ event.fields.source }} {% include \"_foot.txt\" %}"),
        ("SSHDAttemptsExceeded.html", "{% include \"built_in/event.html\" %}<hr>"),
    ])
    .unwrap();
    let exceeded = templates.event(&view(&sample(Kind::SSHDAttemptsExceeded, TIME)));
    assert_eq!(exceeded.subject, "any SSHDAttemptsExceeded");
    assert_eq!(exceeded.text, "203.0.113.9 -- 5m, 2026-07-01T11:55:53.000+02:00");
    assert!(exceeded.html.unwrap().ends_with("<hr>"));
    let crash = templates.event(&view(&sample(Kind::SSHDChildCrash, TIME)));
    assert_eq!(crash.subject, "any SSHDChildCrash");
    assert!(crash.text.contains("Event 0000000000000.0."), "{}", crash.text);
}

#[test]
fn templates_that_cannot_be_used_are_refused_with_file_line_and_reason() {
    for (name, text, expected) in [
        (
            "SSHDLoginFaild.txt",
            "x",
            "SSHDLoginFaild.txt: no kind of event has this name; did you mean `SSHDLoginFailed`?",
        ),
        ("event.txt", "a\n{{ event.kind", "event.txt:2: "),
        ("digest.html", "a\n\n{{ digest.cuont }}", "digest.html:3: "),
        ("event.html", "{{ event.kind | shout }}", "event.html:1: Unknown filter `shout`"),
        ("SSHDChildCrash.subject.txt", "{{ event.fields.signal | local }}", "SSHDChildCrash.subject.txt:1: "),
        ("event.txt", "{% include \"nowhere.txt\" %}", "event.txt"),
    ] {
        let error = load(&[(name, text)]).map(drop).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
    let error = load(&[("event.subject.txt", "{{ event.fields.signal + 1 }}")]).map(drop).unwrap_err();
    assert!(error.ends_with("(with a sample of SSHDSessionStarted)"), "{error}");
    let nowhere = Templates::load(Some(Path::new("/nonexistent/templates")), &Zone::UTC).map(drop);
    assert!(nowhere.unwrap_err().to_string().starts_with("/nonexistent/templates: "));
}

#[test]
fn a_template_that_fails_on_what_no_sample_showed_costs_no_mail() {
    let text = "{% if event.fields.host == \"web2\" %}{{ event.kind | local }}{% else %}fine{% endif %}";
    let (templates, _home) = load(&[("event.txt", text)]).unwrap();
    assert_eq!(templates.event(&view(&sample(Kind::SSHDChildCrash, TIME))).text, "fine");
    let mut block = sample(Kind::SSHDChildCrash, TIME);
    block.clear();
    let head = Head {
        number: 1,
        ordinal: 0,
        module: 0,
        kind: Kind::SSHDChildCrash,
        severity: Severity::Critical,
        time: TIME,
    };
    block.push(head).text(Field::Host, b"web2");
    assert!(templates.event(&view(&block)).text.contains("a process of sshd on web2 crashed"));
}

#[test]
fn authorities_come_from_a_file_that_holds_some_whenever_tls_begins() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("none.pem"), "nothing\n").unwrap();
    for url in ["smtp://mail.example.com", "smtps://mail.example.com"] {
        let (smtp, ca) = (Some(url.parse().unwrap()), Some("none.pem".into()));
        let from = Some(mailbox("c@example.com").unwrap());
        let options = Options { smtp, ca, from, ..Options::default() };
        let environment = Environment::new(Arc::new(SystemClock), Zone::UTC, home.path());
        let error = build(&options, &environment).err().unwrap().to_string();
        assert_eq!(error, format!("{} holds no certificate", home.path().join("none.pem").display()));
    }
}

/// A mail about an event whose every text is `text`, as a parser reads it.
fn mail_of(text: &[u8], files: &[(&str, &str)]) -> Vec<u8> {
    let module = ModuleName { app: "fleet".into(), module: "openssh".into() };
    let mut block = EventBlock::new(Arc::new(Stamp { stream: StreamId(1), run: 1, modules: vec![module] }));
    let kind = Kind::SSHDUserEnumeration;
    let head = Head { number: 1, ordinal: 0, module: 0, kind, severity: Severity::Warning, time: TIME };
    block.push(head).text(Field::Host, text).text(Field::Source, text).texts(Field::Users, vec![text; 32]);
    let (templates, _home) = load(files).unwrap();
    let options = Options {
        from: Some(mailbox("c@example.com").unwrap()),
        to: vec![mailbox("a@example.com").unwrap()],
        ..Options::default()
    };
    let rendered = templates.event(&view(&block));
    Stationery::new(&options, Occasion::Live)
        .unwrap()
        .write(rendered, &Marks::of(block.get(0).unwrap()), TIME)
        .unwrap()
}

#[test]
fn no_text_breaks_out_of_its_place() {
    let huge = "\u{202e}日\r\n".repeat(20_000);
    let boundary = b"\r\n--boundary--\r\n\r\nSubject: forged\r\n";
    for text in [huge.as_bytes(), boundary, &[0xff; 3000], b"\0\n\r\x1b]0;x\x07", "=?utf-8?q?x?=".as_bytes()]
    {
        let bytes = mail_of(text, &[("event.subject.txt", "{{ event.fields.host }}\nBcc: x@y.z")]);
        assert!(bytes.is_ascii() && bytes.len() < 1024 * 1024, "{}", bytes.len());
        assert!(bytes.split(|byte| *byte == b'\n').all(|line| line.len() <= 999));
        let mail = MessageParser::default().parse(&bytes).unwrap();
        assert_eq!((mail.text_body_count(), mail.html_body_count(), mail.attachment_count()), (1, 1, 0));
        assert!(mail.header("Bcc").is_none() && mail.subject().is_some_and(|subject| subject != "forged"));
        for part in [mail.body_text(0).unwrap(), mail.body_html(0).unwrap()] {
            assert!(part.chars().all(|c| c == '\n' || c == '\r' || !c.is_control()), "{part}");
            assert!(!part.contains('\u{202e}'));
        }
    }
}

#[test]
fn what_is_too_long_is_cut_and_html_is_left_out_rather_than_cut() {
    let long = "{% for a in range(end=2000) %}{% for b in range(end=100) %}abcdefg\n{% endfor %}{% endfor %}";
    let files = [".txt", ".html", ".subject.txt"].map(|part| (format!("SSHDUserEnumeration{part}"), long));
    let files = files.each_ref().map(|(name, long)| (name.as_str(), *long));
    let bytes = mail_of(b"x", &files);
    let mail = MessageParser::default().parse(&bytes).unwrap();
    assert!(mail.subject().unwrap().ends_with('…') && mail.subject().unwrap().len() < 300);
    let text = mail.body_text(0).unwrap();
    assert!(text.ends_with('…') && text.len() <= 2 * limits::MAX_MAIL_PART);
    assert_eq!(mail.parts.len(), 2, "the parts are the whole and the text");
}

#[test]
fn a_template_that_would_go_on_and_on_is_stopped_when_there_is_enough() {
    let endless =
        "{% for a in range(end=100000) %}{% for b in range(end=100000) %}abcdefg\n{% endfor %}{% endfor %}";
    let (templates, _home) = load(&[("event.txt", endless), ("event.html", endless)]).unwrap();
    let rendered = templates.event(&view(&sample(Kind::SSHDChildCrash, TIME)));
    assert!(rendered.text.len() <= limits::MAX_MAIL_PART + '…'.len_utf8() && rendered.text.ends_with('…'));
    assert_eq!(rendered.html, None);
}

#[test]
fn mails_about_one_thing_make_a_thread() {
    let marks = |kind, time| Marks::of(sample(kind, time).get(0).unwrap());
    let references = |marks: &Marks| format!("{marks:?}").split("thread: ").nth(1).unwrap()[..18].to_owned();
    let [first, second] = [TIME, Timestamp::EPOCH].map(|time| marks(Kind::SSHDAttemptsExceeded, time));
    assert_ne!(first.id, second.id);
    assert_eq!(references(&first), references(&second));
    assert_ne!(references(&first), references(&marks(Kind::SSHDUserEnumeration, TIME)));
}
