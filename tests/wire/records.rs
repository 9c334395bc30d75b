//! Reads the tables of records, and compares the parser with the grammar.

use super::reference::assert_agreement;
use super::reference_3164;
use super::round_trip::assert_round_trip;
use correlator::time::{Timestamp, Zone};
use correlator::wire::{Format, Record, Reject};
use proptest::prelude::*;

/// When the frames of the tables arrived: noon on 23 November 2026, UTC.
fn reference() -> Timestamp {
    Timestamp::from_civil(2026, 11, 23, 43_200, 0)
}

/// Undoes `\n`, `\r`, `\t`, `\\` and `\xNN`.
pub(super) fn unescape(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let (byte, len) = match &rest[at + 1..at + 2] {
            "n" => (b'\n', 2),
            "r" => (b'\r', 2),
            "t" => (b'\t', 2),
            "\\" => (b'\\', 2),
            "x" => (u8::from_str_radix(&rest[at + 2..at + 4], 16).unwrap(), 4),
            other => panic!("unknown escape {other} in {text}"),
        };
        bytes.push(byte);
        rest = &rest[at + len..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// The header of a record in the notation of the tables.
fn header(record: &Record<'_>) -> String {
    let format = match record.format {
        Format::Rfc5424 => "rfc5424",
        Format::Rfc3164 => "rfc3164",
        Format::Iso => "iso",
    };
    let mut words = vec![format.to_owned()];
    words.push(record.priority.map_or("-".into(), |priority| priority.0.to_string()));
    words.push(record.timestamp.map_or("-".into(), |timestamp| timestamp.to_string()));
    for field in [record.hostname, record.app_name, record.procid, record.msgid] {
        words.push(field.map_or("-".into(), |field| field.escape_ascii().to_string()));
    }
    words.join(" ")
}

/// The value of a line of a case, or nothing if it has no such line.
pub(super) fn value<'a>(case: &[&'a str], key: &str) -> Option<&'a str> {
    let line = case.iter().find(|line| line.split(' ').next() == Some(key))?;
    Some(line[key.len()..].strip_prefix(' ').unwrap_or_default())
}

/// The cases of a table, each as its lines.
pub(super) fn cases(table: &str) -> Vec<Vec<&str>> {
    let lines: Vec<_> = table.lines().filter(|line| !line.starts_with('#')).collect();
    let cases = lines.split(|line| line.is_empty()).filter(|case| !case.is_empty());
    let cases: Vec<_> = cases.map(<[&str]>::to_vec).collect();
    assert!(cases.len() > 15, "only {} cases were found", cases.len());
    cases
}

fn check(table: &str) {
    for case in &cases(table) {
        let frame = unescape(value(case, "in").unwrap_or_else(|| panic!("a case without frame: {case:?}")));
        let read = Record::parse(&frame, reference(), &Zone::UTC);
        let shown = frame.escape_ascii();
        if let Some(reason) = value(case, "no") {
            assert_eq!(read.map_err(Reject::name), Err(reason), "{shown}");
            continue;
        }
        let record = read.unwrap_or_else(|reject| panic!("{shown}: {reject}"));
        assert_eq!(Some(header(&record).as_str()), value(case, "as"), "{shown}");
        let data = unescape(value(case, "sd").unwrap_or_default());
        assert_eq!(
            record.structured_data.as_bytes().escape_ascii().to_string(),
            data.escape_ascii().to_string()
        );
        let msg = unescape(value(case, "msg").unwrap_or_default());
        assert_eq!(record.msg.escape_ascii().to_string(), msg.escape_ascii().to_string(), "{shown}");
    }
}

#[test]
fn rfc5424_table() {
    check(include_str!("rfc5424.txt"));
}

#[test]
fn rfc3164_table() {
    check(include_str!("rfc3164.txt"));
}

#[test]
fn table_of_senders() {
    check(include_str!("senders.txt"));
}

/// The seeds of a fuzz target.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let read = |entry: std::io::Result<std::fs::DirEntry>| std::fs::read(entry.unwrap().path()).unwrap();
    let seeds: Vec<_> = std::fs::read_dir(directory).unwrap().map(read).collect();
    assert!(seeds.len() > 3, "only {} seeds were found", seeds.len());
    seeds
}

#[test]
fn seeds_of_the_fuzz_targets_agree_with_the_grammar() {
    for seed in seeds("record") {
        assert_agreement(&seed);
        reference_3164::assert_agreement(&seed);
    }
    seeds("structured_data").iter().for_each(|seed| assert_round_trip(seed));
}

#[test]
fn header_fields_have_255_bytes_at_most() {
    let reasons = [Reject::Hostname, Reject::AppName, Reject::ProcId, Reject::MsgId];
    for (index, reason) in reasons.into_iter().enumerate() {
        for (len, expected) in [(255, Ok(())), (256, Err(reason)), (10_000, Err(reason))] {
            let mut fields = ["h", "a", "p", "m"].map(str::to_owned);
            fields[index] = "x".repeat(len);
            let frame = format!("<1>1 - {} - message", fields.join(" "));
            let read = Record::parse(frame.as_bytes(), reference(), &Zone::UTC);
            assert_eq!(
                read.map(|record| assert_eq!(record.msg, b"message")),
                expected,
                "{reason:?} of {len}"
            );
        }
    }
}

/// Text near the grammar: well-formed parts, now and then a part that is not.
fn near_rfc5424() -> impl Strategy<Value = Vec<u8>> {
    let pri = prop_oneof![30 => (0..=191_u8).prop_map(|value| format!("<{value}>")), 1 => "<[0-9]{1,3}>", 1 => "<1?[0-9]{2}>1 ", 1 => "[<0-9>]{0,6}"];
    let version = prop_oneof![20 => Just("1 ".to_owned()), 1 => "[0-9]{0,4} ?"];
    let digits = "(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{1,7})?(Z|[+-][0-2][0-9]:[0-6][0-9])";
    let time = prop_oneof![4 => "20[0-9]{2}-[01][1-2]-2[0-8]T[01][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?(Z|[+-][01][0-9]:[0-5][0-9])", 2 => digits, 3 => Just("-".to_owned()), 1 => "[0-9TZ:.+-]{0,30}"];
    let field = || prop_oneof![10 => "[!-~]{1,20}", 5 => Just("-".to_owned()), 1 => "[!-~]{250,260}", 1 => "[ -~\u{e9}]{0,4}"];
    let value = prop_oneof![8 => "[ -!#-Z^-~]{0,12}", 4 => r#"([a-z]|\\"|\\\\|\\\]|\\[a-z]){0,8}"#, 1 => r#"["\\\]]{0,3}"#];
    let param = prop_oneof![12 => ("[!#-<>-Z^-~]{1,12}", value).prop_map(|(name, value)| format!(" {name}=\"{value}\"")), 1 => r#"[ a=\]"]{0,6}"#];
    let element = ("[!#-<>-Z^-~]{1,12}", proptest::collection::vec(param, 0..3))
        .prop_map(|(id, params)| format!("[{id}{}]", params.concat()));
    let data = prop_oneof![5 => Just("-".to_owned()), 5 => proptest::collection::vec(element, 1..3).prop_map(|all| all.concat()), 1 => r#"[-\[\]a]{0,4}"#];
    let msg = prop_oneof![
        Just(String::new()),
        "( |  | \u{feff}|  \u{feff}| \u{feff} |x)[ -~\u{e9}]{0,20}(\r\n|\n|\0|\r|\n\n)?"
    ];
    let fields = (field(), field(), field(), field()).prop_map(|(a, b, c, d)| format!(" {a} {b} {c} {d} "));
    (pri, version, time, fields, data, msg).prop_map(|(pri, version, time, fields, data, msg)| {
        (pri + &version + &time + &fields + &data + &msg).into_bytes()
    })
}

/// Text near what senders write by RFC 3164: a PRI or none, what equipment puts before a time, times of all forms, hosts
/// and tags, and what is like them.
fn near_rfc3164() -> impl Strategy<Value = Vec<u8>> {
    let pri = prop_oneof![6 => "<1?[0-9]{2}>", 3 => Just(String::new()), 1 => "<[0-9]{0,3}>?"];
    let prefix =
        prop_oneof![6 => Just(String::new()), 1 => " ?([0-9]{1,12}: )?([a-z:]{1,6}: )?", 1 => "[0-9]{1,4} "];
    let month = "(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|Jab)";
    let clock = "[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{0,10})?";
    let bsd =
        format!("[*.]?{month} ([ 0-3]?[0-9]|29) ((19|20|00)[0-9]{{2}} )?{clock}( ?[A-Z]{{1,6}}: ?%|:|)");
    let iso = format!(
        "(19|20|00|99)[0-9]{{2}}-(0[1-9]|1[0-2])-[0-3][0-9][T ]{clock}(Z|[+-][0-2][0-9]:?[0-6][0-9]|)"
    );
    let regex = |text: &str| proptest::string::string_regex(text).unwrap();
    let time = prop_oneof![6 => regex(&bsd), 4 => regex(&iso), 1 => "- ", 1 => "[ -~]{0,12}"];
    let host = prop_oneof![4 => "[a-z.]{1,8} (: )?", 1 => "Message forwarded from [a-z:]{0,4}:? ", 1 => "[!-~]{0,4} ?", 1 => "\\[[0-9a-f:]{1,6}\\]:? "];
    let level = prop_oneof![4 => Just(String::new()), 1 => "[a-z|07-9]{1,6}:(info|notice|err|loud) "];
    let tag = prop_oneof![6 => "[a-z]{0,6}(\\[[0-9]{0,5}\\])?:? ?", 1 => "[\\[\\]:a]{1,5} ?", 1 => "[!-~]{250,260}(:|\\[1\\]) "];
    let msg = "( |\u{feff})?[ -~\u{e9}]{0,12}(\r\n|\n|\0|\r)?";
    let parts = (pri, prefix, time, host, level, tag, msg);
    parts.prop_map(|(pri, prefix, time, host, level, tag, msg)| {
        (pri + &prefix + &time + " " + &host + &level + &tag + &msg).into_bytes()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn rfc3164_agrees_with_the_grammar(frame in near_rfc3164(), cut in 0_usize..200, at in 0_usize..100, byte: u8, how in 0..4) {
        let mut frame = frame;
        match how {
            0 => frame.truncate(cut),
            1 if at < frame.len() => frame[at] = byte,
            _ => {}
        }
        reference_3164::assert_agreement(&frame);
    }

    #[test]
    fn rfc5424_agrees_with_the_grammar(frame in near_rfc5424(), cut in 0_usize..400, at in 0_usize..200, byte: u8, how in 0..4) {
        let mut frame = frame;
        match how {
            0 => frame.truncate(cut),
            1 if at < frame.len() => frame[at] = byte,
            _ => {}
        }
        assert_agreement(&frame);
    }

    #[test]
    fn structured_data_comes_back(data in r#"(\[[a-c]{1,3}( [a-c=]{1,4}"([a-c\\"\[]|\]|\\"){0,6}")*\]|-|[ -~]){0,4}"#) {
        assert_round_trip(data.as_bytes());
    }

    #[test]
    fn no_frame_is_too_strange(frame in proptest::collection::vec(any::<u8>(), 0..200)) {
        assert_agreement(&frame);
        reference_3164::assert_agreement(&frame);
        assert_round_trip(&frame);
    }
}
