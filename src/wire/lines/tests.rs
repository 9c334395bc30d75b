//! Floor 1, tests: described formats, line by line, and in any pieces.

use super::*;
use crate::batch::FrameSpan;
use crate::span::Span;
use crate::time::{Timestamp, Zone};
use crate::wire::{Record, as_received};
use proptest::prelude::*;
use std::sync::Arc;

fn description(pattern: &str, start: &str, time: &str) -> Description {
    let [pattern, start, time] = [pattern, start, time].map(str::to_owned);
    Description { pattern, start, time, ..Description::default() }
}

fn format(pattern: &str, start: &str, time: &str) -> LineFormat {
    LineFormat::new(description(pattern, start, time)).unwrap()
}

/// What a record becomes, and whether something of it was left out.
fn converted(format: &LineFormat, record: &[u8], zone: &str, limit: usize) -> (String, bool) {
    let span = Span::new(0, u32::try_from(record.len()).unwrap());
    let mut frames = [FrameSpan { span, truncated: false }];
    let reference = |_| Timestamp::from_civil(2026, 3, 1, 0, 0);
    let zone = &Zone::named(zone).unwrap();
    let out = format.convert(record, &mut frames, &Reading { zone, reference: &reference, limit });
    (String::from_utf8_lossy(frames[0].span.of(&out)).into_owned(), frames[0].truncated)
}

const APP: &str = r"(?<time>\S+ \S+) +(?<level>[A-Z]+) \[(?<thread>[^]]*)\] (?<app>[^ \[]+)(\[(?<procid>\d+)\])?: (?<msg>.*)";

#[test]
fn groups_become_what_they_are_called() {
    let format = format(APP, "", "%Y-%m-%d %H:%M:%S,%3f");
    let cases = [
        (
            "2026-02-01 10:00:00,250 INFO [main] sshd[7]: Accepted",
            r#"<14>1 2026-02-01T10:00:00.250000Z - sshd 7 - [line@32473 level="INFO" thread="main"] Accepted"#,
        ),
        (
            "2026-02-01 10:00:00,250  WARN [] a.b.C: one\n\ttwo",
            "<14>1 2026-02-01T10:00:00.250000Z - a.b.C - - [line@32473 level=\"WARN\"] one\n\ttwo",
        ),
        (
            r#"2026-02-01 10:00:00,250 INFO [x" y\] a: "#,
            r#"<14>1 2026-02-01T10:00:00.250000Z - a - - [line@32473 level="INFO" thread="x\" y\\"] "#,
        ),
        ("2026-02-01 10.00 INFO [main] a: b", "\u{1a}line-time 2026-02-01 10.00 INFO [main] a: b"),
        ("<13>1 - - sshd - - - forged", "\u{1a}pattern <13>1 - - sshd - - - forged"),
        ("x 2026-02-01 10:00:00,250 INFO [m] a: b", "\u{1a}pattern x 2026-02-01 10:00:00,250 INFO [m] a: b"),
    ];
    for (line, expected) in cases {
        assert_eq!(converted(&format, line.as_bytes(), "UTC", 1000), (expected.to_owned(), false), "{line}");
    }
}

#[test]
fn what_records_do_not_say_is_what_the_description_says() {
    let given = Description {
        host: "bastion".into(),
        app: "sshd".into(),
        ..description("(?<host>a)?(?<msg>.+)", "", "")
    };
    let format = LineFormat::new(given).unwrap();
    assert_eq!(converted(&format, b"x", "UTC", 1000).0, "<14>1 - bastion sshd - - - x");
    assert_eq!(converted(&format, b"ax", "UTC", 1000).0, "<14>1 - a sshd - - - x");
}

#[test]
fn times_are_read_as_they_are_said_to_be_written() {
    let cases = [
        ("", "2026-02-01T10:00:00.5+01:00", "2026-02-01T09:00:00.500000Z"),
        ("", "2026-02-01T10:00:00", "2026-02-01T09:00:00.000000Z"),
        ("%d/%b/%Y:%H:%M:%S %z", "01/Feb/2026:10:00:00 +0300", "2026-02-01T07:00:00.000000Z"),
        ("%s", "1769940000", "2026-02-01T10:00:00.000000Z"),
        ("%s.%f", "1769940000.123456", "2026-02-01T10:00:00.123456Z"),
        ("%b %e %H:%M:%S", "Feb  1 10:00:00", "2026-02-01T09:00:00.000000Z"),
        // Later than a day after the reference in its own year.
        ("%b %d %H:%M:%S", "Nov 30 10:00:00", "2025-11-30T09:00:00.000000Z"),
        ("%b %d %H:%M:%S %z", "Mar 01 10:00:00 +0100", "2026-03-01T09:00:00.000000Z"),
        ("%m/%d/%y %I:%M %p", "02/01/26 10:00 PM", "2026-02-01T21:00:00.000000Z"),
        ("%y%m%d %H:%M:%S%.f", "260701 10:00:00", "2026-07-01T08:00:00.000000Z"),
        ("%G-W%V-%u %T", "2026-W05-7 10:00:00", "2026-02-01T09:00:00.000000Z"),
    ];
    for (time, text, expected) in cases {
        let format = format("(?<time>[^|]*)[|](?<msg>.*)", "", time);
        let (record, _) = converted(&format, format!("{text}|m").as_bytes(), "Europe/Berlin", 1000);
        assert_eq!(record, format!("<14>1 {expected} - - - - - m"), "{time}: {text}");
    }
}

#[test]
fn a_bad_description_is_told_with_what_is_wrong() {
    let many: String = (0..40).map(|n| format!("(?<g{n}>x)?")).collect();
    let cases = [
        (description("(?<msg>.*", "", ""), "`pattern`: unclosed group, at its byte 0"),
        (
            description("(.*)", "", ""),
            "`pattern`: it has no group `msg`, as in `(?<msg>.*)`, for the message",
        ),
        (description("", "", ""), "`pattern`: it has no group `msg`, as in `(?<msg>.*)`, for the message"),
        (description(r"(?<msg>\p{Greek})", "", ""), "`pattern`: Unicode not allowed here, at its byte 7"),
        (
            description("(?<msg>(x{900}){900})", "", ""),
            "`pattern`: compiled it would take more than 1048576 bytes",
        ),
        (description(&"x".repeat(5000), "", ""), "`pattern`: it is longer than 4096 bytes"),
        (
            description("(?<a[1]>x)(?<msg>.*)", "", ""),
            "`pattern`: the group `a[1]` has no name that structured data can bear",
        ),
        (
            description(&format!("{many}(?<msg>.*)"), "", ""),
            "`pattern`: it has more than 32 groups with names of their own",
        ),
        (description("(?<msg>.*)", "[", ""), "`start`: unclosed character class, at its byte 0"),
        (description("(?<msg>.*)", r"\d*", ""), "`start`: it matches every line, also an empty one"),
        (
            description("(?<msg>.*)", "", "%H"),
            "`time`: the pattern has no group `time` that would be written like this",
        ),
        (
            description("(?<time>.)(?<msg>.*)", "", "%H:%M"),
            "`time`: it tells no day: 2026-11-30 at 13:24 is written as `13:24`",
        ),
        (
            description("(?<time>.)(?<msg>.*)", "", "%Y-%m-%d %I:%M"),
            "`time`: 2026-11-30 at 13:24, which it writes as `2026-11-30 01:24`, would be read as 2026-11-30T01:24:00.000000Z",
        ),
        (
            description("(?<time>.)(?<msg>.*)", "", "%F %T %Q"),
            "`time`: names of zones are not taken: `%z` is an offset, as in +0200",
        ),
        (
            Description { app: "a b".into(), ..description("(?<msg>.*)", "", "") },
            "`app`: expected at most 255 printable ASCII characters without blanks",
        ),
    ];
    for (description, expected) in cases {
        let wrong = LineFormat::new(description.clone()).unwrap_err();
        let told: Vec<_> = wrong.iter().map(ToString::to_string).collect();
        assert_eq!(told, [expected], "{description:?}");
    }
    for time in ["%", "%F %!", "%c", "%F %Z"] {
        let wrong = LineFormat::new(description("(?<time>.)(?<msg>.*)", "", time)).unwrap_err();
        assert!(matches!(&wrong[..], [DescriptionError { part: "time", .. }]), "{time}: {wrong:?}");
    }
    let wrong =
        LineFormat::new(Description { app: "a b".into(), ..description("(", "[", "%Q") }).unwrap_err();
    let parts: Vec<_> = wrong.iter().map(|wrong| wrong.part).collect();
    assert_eq!(parts, ["pattern", "start", "time", "app"], "all that is wrong is told");
}

#[test]
fn a_record_is_within_the_limit() {
    let format = format("(?<big>[a-z]*) (?<msg>.*)", "", "");
    let record = format!("{} {}", "x".repeat(300), "m".repeat(1000));
    let (text, truncated) = converted(&format, record.as_bytes(), "UTC", 500);
    assert!(text.len() == 500 && text.starts_with("<14>1 - - - - - - mmm") && truncated, "{text}");
    let (text, truncated) = converted(&format, &[b'X'; 600], "UTC", 500);
    assert!(text.starts_with("\u{1a}pattern XX") && text.len() == 500 && truncated, "{text}");
}

/// The records of a log that comes in pieces of a size: their text, and whether it was cut.
fn records(format: &Arc<LineFormat>, log: &[u8], piece: usize, limit: usize) -> Vec<(String, bool)> {
    let mut records = Records::new(Some(Arc::clone(format)), limit);
    let (mut rest, mut found) = (Vec::new(), Vec::new());
    let mut note = |bytes: &[u8], frames: &[FrameSpan]| {
        let text = |frame: &FrameSpan| (frame.span.of(bytes).escape_ascii().to_string(), frame.truncated);
        found.extend(frames.iter().map(text));
    };
    for piece in log.chunks(piece) {
        rest.extend_from_slice(piece);
        let mut frames = Vec::new();
        let done = records.advance(&rest, &mut frames, usize::MAX);
        note(&rest, &frames);
        rest.drain(..done);
    }
    let mut frames = Vec::new();
    records.finish(&rest, &mut frames);
    note(&rest, &frames);
    found
}

#[test]
fn lines_that_begin_no_record_belong_to_the_one_before() {
    let format = Arc::new(format("(?<msg>.*)", "[0-9]", ""));
    let long = "b".repeat(30);
    let log = format!("lost\n1 a\r\n\r\n at b\r\n2\n3 {long}\nrest\n4 x\n{}5", "y\n".repeat(20));
    let expected = [
        ("lost", false),
        (r"1 a\r\n\r\n at b", false),
        ("2", false),
        ("3 bbbbbbbbbbbbbbbbbb", true),
        ("rest", false),
        (r"4 x\ny\ny\ny\ny\ny\ny\ny\ny", true),
        (r"y\ny\ny\ny\ny\ny\ny\ny\ny\ny", true),
        (r"y\ny", false),
        ("5", false),
    ];
    let expected = expected.map(|(text, truncated)| (text.to_owned(), truncated));
    for piece in [1, 2, 3, 7, 1000] {
        assert_eq!(records(&format, log.as_bytes(), piece, 20), expected, "{piece}");
    }
    let many = format!("1\n{}", "y\n".repeat(limits::MAX_RECORD_LINES));
    let found = records(&format, many.as_bytes(), 1000, 1_000_000);
    assert_eq!(found.iter().map(|(_, cut)| *cut).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn a_record_that_goes_on_is_not_searched_again() {
    let format = Arc::new(format("(?<msg>.*)", "[0-9]", ""));
    let mut records = Records::new(Some(format), 1000);
    let (mut frames, first) = (Vec::new(), *b"1 a\n b\n c");
    assert_eq!(records.advance(&first, &mut frames, usize::MAX), 0);
    // What was found of it is not looked at: it may be anything now, even lines that begin records.
    let again = [b"9\n9\n9\n\n", &first[7..], b"c\n d\n2 e\n"].concat();
    assert_eq!(records.advance(&again[..first.len()], &mut frames, usize::MAX), 0);
    let done = records.advance(&again, &mut frames, usize::MAX);
    let texts: Vec<_> = frames.iter().map(|frame| frame.span.of(&again)).collect();
    assert_eq!((done, texts), (14, vec![&again[..13]]));
    records.finish(&again[done..], &mut frames);
    assert_eq!(frames.last().map(|frame| frame.span.of(&again[done..])), Some(&b"2 e"[..]));
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_are_the_same_records(
        log in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'1'), Just(b'x'), any::<u8>()], 0..200),
        piece in 1_usize..50,
        limit in 1_usize..60,
    ) {
        let format = Arc::new(format("(?<msg>.*)", "[0-9]", ""));
        prop_assert_eq!(records(&format, &log, piece, limit), records(&format, &log, usize::MAX, limit));
    }

    #[test]
    fn whatever_a_line_holds_its_record_is_taken_or_rejected_for_what_is_wrong(
        line in prop::collection::vec(prop_oneof![any::<u8>(), Just(b' '), Just(b'"'), Just(b']'), Just(b'-'), Just(b'1')], 1..80)
    ) {
        let format = format(r"(?<host>\S*) (?<app>\S*) (?<procid>\S*) (?<msgid>\S*) (?<a>\S*) (?<b>\S*) (?<msg>.*)", "", "");
        let span = Span::new(0, u32::try_from(line.len()).unwrap());
        let mut frames = [FrameSpan { span, truncated: false }];
        let reading = Reading { zone: &Zone::UTC, reference: &|_| Timestamp::EPOCH, limit: 2000 };
        let out = format.convert(&line, &mut frames, &reading);
        let frame = frames[0].span.of(&out);
        let words: Vec<_> = line.splitn(7, |byte| *byte == b' ').collect();
        match Record::parse(frame, Timestamp::EPOCH, &Zone::UTC) {
            Ok(record) => {
                let value = |name: &[u8]| record.structured_data.get(SD_ID.as_bytes(), name).unwrap_or_default();
                prop_assert_eq!(&value(b"a")[..], words[4]);
                prop_assert_eq!(&value(b"b")[..], words[5]);
                let msg = words[6].strip_suffix(b"\n").unwrap_or(words[6]);
                prop_assert!(msg.ends_with(record.msg) || record.msg.len() < msg.len());
            }
            Err(reject) => {
                prop_assert_eq!(reject, crate::wire::Reject::Pattern);
                prop_assert_eq!(as_received(frame), &line[..]);
            }
        }
    }
}
