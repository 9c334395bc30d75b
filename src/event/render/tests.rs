//! Every kind, with values that mean harm, through every rendering.

use super::*;
use crate::event::{Event, EventBlock, Field, FieldType, Head, Kind, ModuleName, Severity, Stamp, StreamId};
use crate::time::{Timestamp, Zone};
use proptest::prelude::*;
use serde_json::Value as Json;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

const HOSTILE: &[u8] = b"x\",\"kind\":\"Forged\"} \n\x1b[31m\\xff\xff\xe2\x80\xae=1+1;,\r\x00";

fn block() -> EventBlock {
    let module = ModuleName { app: "fleet".into(), module: "open\"ssh".into() };
    EventBlock::new(Arc::new(Stamp { stream: StreamId(33), run: 3, modules: vec![module] }))
}

fn head(kind: Kind) -> Head {
    let time = Timestamp::from_civil(2026, 2, 1, 36_005, 123_456);
    Head { number: 1042, ordinal: 1, module: 0, kind, severity: Severity::Warning, time }
}

/// One event of each kind: all of its fields filled, or none.
fn all_kinds(filled: bool) -> EventBlock {
    let mut block = block();
    for kind in Kind::ALL {
        let mut writer = block.push(head(*kind));
        for field in kind.spec().fields.iter().filter(|_| filled) {
            match field.spec().ty {
                FieldType::Text => writer.text(*field, HOSTILE),
                FieldType::Count => writer.count(*field, u64::MAX),
                FieldType::Flag => writer.flag(*field, true),
                FieldType::Time => writer.time(*field, Timestamp::from_micros(1)),
                FieldType::Duration => writer.duration(*field, Duration::from_millis(4_250)),
                FieldType::Addr => writer.addr(*field, "2001:db8::1".parse().unwrap()),
                FieldType::Texts => writer.texts(*field, [HOSTILE, b""]),
                FieldType::Addrs => writer.addrs(*field, ["192.0.2.1".parse().unwrap()]),
            };
        }
        writer.evidence(if filled { vec![7, 1042] } else { vec![] });
    }
    block
}

fn render(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

fn parsed(event: Event<'_>) -> Json {
    let text = render(|out| json(out, event));
    assert!(!text.contains('\n') && !text.chars().any(char::is_control), "{text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn every_kind_is_valid_json_with_all_its_fields() {
    for (filled, block) in [(true, all_kinds(true)), (false, all_kinds(false))] {
        for event in block.iter() {
            let object = parsed(event);
            let spec = event.kind().spec();
            assert_eq!(object["id"], "0000000000011.3.1042.fleet.open\"ssh.1");
            assert_eq!(object["time"], "2026-02-01T10:00:05.123456Z");
            assert_eq!(object["kind"], spec.name);
            assert_eq!(object["severity"], "WARNING");
            assert_eq!((&object["app"], &object["module"]), (&"fleet".into(), &"open\"ssh".into()));
            assert_eq!(object["summary"], Json::String(render(|out| summary(out, event))));
            assert_eq!(object["evidence"].as_array().unwrap().len(), if filled { 2 } else { 0 });
            let fields = object["fields"].as_object().unwrap();
            let names: HashSet<_> = spec.fields.iter().map(|field| field.spec().name).collect();
            assert_eq!(fields.keys().map(String::as_str).collect::<HashSet<_>>(), names);
            for field in spec.fields {
                let value = &fields[field.spec().name];
                assert_eq!(*value, if filled { expected(field.spec().ty) } else { Json::Null }, "{field:?}");
            }
        }
    }
}

fn expected(ty: FieldType) -> Json {
    let text = "x\",\"kind\":\"Forged\"} \n\u{1b}[31m\\x5cxff\\xff\u{202e}=1+1;,\r\0";
    match ty {
        FieldType::Text => text.into(),
        FieldType::Count => u64::MAX.into(),
        FieldType::Flag => true.into(),
        FieldType::Time => "1970-01-01T00:00:00.000001Z".into(),
        FieldType::Duration => 4.25.into(),
        FieldType::Addr => "2001:db8::1".into(),
        FieldType::Texts => vec![text, ""].into(),
        FieldType::Addrs => vec!["192.0.2.1"].into(),
    }
}

/// JSON as its parts say it, one by one.
fn json_by_parts(event: Event<'_>) -> String {
    fn json(value: Value<'_>) -> String {
        match value {
            Value::Null => "null".into(),
            Value::Bool(flag) => flag.to_string(),
            Value::Count(number) => number.to_string(),
            Value::Time(time) => format!("\"{time}\""),
            Value::Duration(duration) => render(|out| seconds(out, duration)),
            Value::Addr(addr) => format!("\"{addr}\""),
            Value::Text(text) => render(|out| json_string(out, text)),
            Value::List(list) => format!("[{}]", list.iter().map(json).collect::<Vec<_>>().join(",")),
        }
    }
    let text = |text: &str| json(Value::Text(text.as_bytes()));
    let (head, (app, module)) = (event.head(), event.module());
    let fields = event.fields().map(|(field, value)| format!("\"{}\":{}", field.spec().name, json(value)));
    let summary = Json::String(render(|out| summary(out, event))).to_string();
    format!(
        r#"{{"id":{},"time":"{}","kind":"{:?}","severity":"{}","app":{},"module":{},"summary":{},"fields":{{{}}},"evidence":[{}]}}"#,
        text(&event.id().to_string()),
        head.time,
        head.kind,
        head.severity,
        text(app),
        text(module),
        summary,
        fields.collect::<Vec<_>>().join(","),
        event.evidence().iter().map(u64::to_string).collect::<Vec<_>>().join(","),
    )
}

proptest! {
    #[test]
    fn json_is_what_its_parts_say(
        texts in proptest::collection::vec("[a-z0-9.:/ -]{0,80}|[a-z]{0,40}[\"\\\\,é\n]?[a-z\"]{0,40}", 1..40),
        numbers: [u64; 4],
        module in 0..3_u16,
    ) {
        let mut block = block();
        let mut texts = texts.iter().map(String::as_bytes).cycle();
        for (kind, number) in Kind::ALL.iter().zip(numbers.iter().cycle()) {
            let time = Timestamp::from_micros((*number >> 12) as i64);
            let head = Head { number: *number, ordinal: (*number >> 40) as u32, module, time, ..head(*kind) };
            let mut writer = block.push(head);
            for field in kind.spec().fields {
                match field.spec().ty {
                    FieldType::Text => writer.text(*field, texts.next().unwrap()),
                    FieldType::Count => writer.count(*field, *number),
                    FieldType::Flag => writer.flag(*field, number % 2 == 0),
                    FieldType::Time => writer.time(*field, time),
                    FieldType::Duration => writer.duration(*field, Duration::from_micros(*number)),
                    FieldType::Addr => writer.addr(*field, number.to_be_bytes().first_chunk::<4>().copied().unwrap().into()),
                    FieldType::Texts => writer.texts(*field, texts.by_ref().take(3)),
                    FieldType::Addrs => continue,
                };
            }
            writer.evidence(numbers.iter().copied().take(usize::from(number.to_be_bytes()[7] % 5)));
        }
        for event in block.iter() {
            let text = render(|out| json(out, event));
            prop_assert_eq!(text, json_by_parts(event));
        }
    }
}

#[test]
fn every_kind_is_one_harmless_line() {
    let mut times = LocalTime::new(Zone::named("Europe/Berlin").unwrap());
    for event in all_kinds(true).iter().chain(all_kinds(false).iter()) {
        let text = render(|out| line(out, event, &mut times, Paint::Plain));
        let start =
            format!("2026-02-01T11:00:05.123+01:00 WARNING  fleet/open\"ssh {}: ", event.kind().spec().name);
        assert!(text.starts_with(&start), "{text}");
        assert!(!text.chars().any(|c| c.is_control() || c == '\u{202e}'), "{text}");
        assert!(!text.contains(['{', '[']) || text.contains("x\""), "template not filled: {text}");
        for row in table(event, &mut times) {
            assert!(!row.value.chars().any(|c| c.is_control() || c == '\u{202e}'), "{row:?}");
        }
    }
}

#[test]
fn summaries_read_as_sentences() {
    let mut block = block();
    let addr = "203.0.113.9".parse().unwrap();
    block
        .push(head(Kind::SSHDLoginSucceeded))
        .text(Field::User, b"alice")
        .text(Field::Auth, b"publickey")
        .text(Field::Host, b"web1")
        .addr(Field::Addr, addr)
        .count(Field::Failures, 1)
        .duration(Field::Duration, Duration::from_secs(252))
        .text(Field::EndReason, b"disconnect");
    block.push(head(Kind::SSHDLoginFailed)).text(Field::User, b"").text(Field::Host, b"web1");
    block
        .push(head(Kind::SSHDLoginFailed))
        .text(Field::Host, b"web1")
        .count(Field::Failures, 0)
        .count(Field::KeyFailures, 6);
    block
        .push(head(Kind::SSHDAttemptsExceeded))
        .text(Field::Source, b"203.0.113.9")
        .count(Field::Count, 5)
        .duration(Field::Window, Duration::from_secs(300))
        .count(Field::DistinctUsers, 1);
    for waiting in [1, 2] {
        block
            .push(head(Kind::ServerHandlerFailing))
            .text(Field::Handler, b"pager")
            .count(Field::Waiting, waiting)
            .text(Field::Reason, b"refused");
    }
    let summaries: Vec<_> = block.iter().map(|event| render(|out| summary(out, event))).collect();
    assert_eq!(
        summaries,
        [
            "alice was logged in to web1 from 203.0.113.9 by publickey for 4m 12s, 1 failure before (disconnect)",
            "login as \"\" to web1 failed",
            "login to web1 failed, 6 keys refused",
            "203.0.113.9 made 5 failed attempts within 5m, 1 user",
            "handler pager fails, 1 event waiting: refused",
            "handler pager fails, 2 events waiting: refused",
        ]
    );
}

#[test]
fn long_values_are_cut_in_summaries_at_a_character() {
    let mut block = block();
    for lead in ["", "a", "ab"] {
        let long = format!("{lead}{}", "日".repeat(1000));
        block.push(head(Kind::ReportRecord)).text(Field::Host, b"h").text(Field::Message, long.as_bytes());
    }
    for event in block.iter() {
        let text = render(|out| summary(out, event));
        assert!(text.ends_with("日…") && text.len() < 1040, "{}", text.len());
        assert_eq!(parsed(event)["summary"], Json::String(text));
    }
}

#[test]
fn colour_surrounds_the_severity_alone() {
    let mut times = LocalTime::new(Zone::UTC);
    let block = all_kinds(false);
    let event = block.iter().next().unwrap();
    let plain = render(|out| line(out, event, &mut times, Paint::Plain));
    let coloured = render(|out| line(out, event, &mut times, Paint::Coloured));
    assert!(coloured.contains("\u{1b}[33mWARNING\u{1b}[0m  fleet"), "{coloured}");
    assert_eq!(coloured.replace("\u{1b}[33m", "").replace("\u{1b}[0m", ""), plain);
}

#[test]
fn tables_show_what_is_known_with_its_meaning() {
    let mut block = block();
    block
        .push(head(Kind::SSHDUserEnumeration))
        .text(Field::Host, b"web1")
        .texts(Field::Users, [&b"a"[..], b"b\n"]);
    let rows = table(block.get(0).unwrap(), &mut LocalTime::new(Zone::UTC));
    let text = render(|out| write_table(out, &rows));
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0], format!("host   web1    {}", Field::Host.spec().meaning));
    assert_eq!(lines[1], format!("users  a, b\\n  {}", Field::Users.spec().meaning));
}

#[test]
fn identities_agree_with_display() {
    let block = all_kinds(false);
    let event = block.get(0).unwrap();
    assert_eq!(render(|out| id(out, event.id())), event.id().to_string());
}
