//! What all observations hold, whatever the message.

use super::*;
use crate::limits::MAX_DETECTED_MESSAGE;
use proptest::prelude::*;

fn observed(interest: Interest, frames: &[&[u8]], truncated: bool) -> (Vec<u8>, Observations) {
    let detector = Detector::new(interest);
    let mut scratch = detector.scratch();
    let bytes = frames.concat();
    let mut out = Observations::default();
    let mut start = 0;
    for (index, frame) in (0..).zip(frames) {
        let frame = &bytes[start..start + frame.len()];
        start += frame.len();
        let arrival = Timestamp::from_micros(77);
        let record = Record::parse(frame, arrival, &Zone::UTC).unwrap();
        let subject =
            Subject { record: &record, bytes: &bytes, frame: index, truncated, arrival, host: None };
        detector.observe(&mut scratch, subject, &mut out);
    }
    (bytes, out)
}

const SSHD: &[u8] =
    b"<38>1 2026-11-23T05:14:16.794Z lab sshd 4711 - - Failed password for root from 203.0.113.9 port 5 ssh2";
const OTHER: &[u8] = b"<13>1 - - correlator - ID7 - hello";
const BOTH: Interest = Interest { sshd: true, records: true };

#[test]
fn every_record_is_observed_after_what_it_means() {
    let (bytes, out) = observed(BOTH, &[SSHD, OTHER], false);
    let kinds: Vec<_> = out.entries.iter().map(|entry| (entry.frame, entry.kind)).collect();
    assert_eq!(kinds, [(0, Kind::Failed), (0, Kind::Record), (1, Kind::Record)]);
    let views: Vec<_> = out.views(&bytes).collect();
    assert_eq!((views[1].detail(0), views[1].detail(1)), (&b"sshd"[..], &b"4711"[..]));
    assert_eq!(views[1].detail(2), b"Failed password for root from 203.0.113.9 port 5 ssh2");
    assert_eq!((views[1].host(), views[1].entry.number), (&b"lab"[..], 38));
    assert_eq!(views[1].entry.pid, 4711);
    assert!(!views[1].entry.flags.has(Flags::OWN));
    assert_eq!((views[2].detail(0), views[2].user()), (&b"correlator"[..], &b"ID7"[..]));
    assert!(views[2].entry.flags.has(Flags::OWN));
    assert_eq!((views[2].host(), views[2].entry.number, views[2].entry.pid), (&b""[..], 13, 0));
}

#[test]
fn nothing_is_seen_that_nobody_wants() {
    assert!(observed(Interest::default(), &[SSHD, OTHER], false).1.entries.is_empty());
    let (_, out) = observed(Interest { sshd: true, records: false }, &[OTHER, SSHD], false);
    assert_eq!(out.entries.len(), 1);
    let (_, out) = observed(Interest { sshd: false, records: true }, &[SSHD], false);
    assert_eq!(out.entries[0].kind, Kind::Record);
}

#[test]
fn the_time_is_the_records_own_where_it_has_one() {
    let (_, out) = observed(BOTH, &[SSHD, OTHER], false);
    assert_eq!(out.entries[0].time.to_string(), "2026-11-23T05:14:16.794000Z");
    assert!(out.entries[0].flags.has(Flags::OWN_TIME));
    assert_eq!(out.entries[2].time, Timestamp::from_micros(77));
    assert!(!out.entries[2].flags.has(Flags::OWN_TIME));
}

#[test]
fn names_are_compared_by_their_hashes() {
    let line = |host: &str, user: &str| {
        format!("<38>1 - {host} sshd 1 - - Invalid user {user} from 203.0.113.9 port 5").into_bytes()
    };
    let lines =
        [line("a", "b"), line("a", "c"), line("b", r"\303\251"), line("a", "a"), line("a", r"\303\251")];
    let frames: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
    let (bytes, out) = observed(Interest { sshd: true, records: false }, &frames, false);
    let views: Vec<_> = out.views(&bytes).collect();
    for one in &views {
        for other in &views {
            assert_eq!(one.host() == other.host(), one.entry.host.hash == other.entry.host.hash);
            assert_eq!(one.user() == other.user(), one.entry.user.hash == other.entry.user.hash);
        }
    }
    assert_eq!(views[2].user(), "\u{e9}".as_bytes());
    assert!(views[2].entry.user.derived && !views[0].entry.user.derived);
    assert_eq!(views[0].user(), b"b");
    // The hash is of the name's bytes alone: the host `a` and the user `a` have the same one.
    assert_eq!(views[3].entry.host.hash, views[3].entry.user.hash);
}

#[test]
fn a_truncated_frame_is_cut() {
    let (_, out) = observed(BOTH, &[SSHD], true);
    assert_eq!(out.entries[0].addr, None);
    assert!(out.entries.iter().all(|entry| entry.flags.has(Flags::CUT)));
    assert_eq!(out.entries[0].number, 5);
}

#[test]
fn a_message_longer_than_any_of_sshd_is_not_recognised() {
    let mut long = SSHD.to_vec();
    long.resize(MAX_DETECTED_MESSAGE + 100, b' ');
    let (_, out) = observed(Interest { sshd: true, records: false }, &[&long], false);
    assert_eq!((out.entries[0].kind, out.entries[0].addr), (Kind::Unrecognized, None));
}

#[test]
fn an_explanation_names_the_pattern_and_its_fields() {
    let bytes = frame("sshd", b"error: PAM: Authentication failure for illegal user x from host.example.com");
    let record = Record::parse(&bytes, Timestamp::EPOCH, &Zone::UTC).unwrap();
    let explained = DETECTOR.explain(&record).unwrap();
    assert_eq!((explained.kind, explained.pattern), (Kind::PamError, Some("pam-error")));
    let fields: Vec<_> = explained
        .fields
        .iter()
        .map(|field| (field.name.as_str(), field.span.of(record.msg), field.note))
        .collect();
    assert_eq!(
        fields,
        [
            ("error", &b"Authentication failure"[..], ""),
            ("invalid", b"illegal user ", ""),
            ("user", b"x", ""),
            ("host", b"host.example.com", "a name"),
        ]
    );
    assert_eq!(explained.body.of(record.msg), &record.msg[7..]);
    let notes = |message: &[u8]| {
        let bytes = frame("sshd", message);
        let record = Record::parse(&bytes, Timestamp::EPOCH, &Zone::UTC).unwrap();
        let explained = DETECTOR.explain(&record).unwrap();
        explained.fields.into_iter().find(|field| field.name == "addr").map(|field| field.note)
    };
    assert_eq!(notes(b"Connection closed by invalid user x 6.6.6.6 port 22 [preauth]"), Some("claimed"));
    assert_eq!(notes(b"Failed password for root from 203.0.113.9 port 5 ssh2"), Some("proved"));
    assert_eq!(notes(b"Connection from UNKNOWN port 65535"), Some("no address"));
    assert_eq!(notes(b"no such message"), None);
    let bytes = frame("cron", b"x");
    let record = Record::parse(&bytes, Timestamp::EPOCH, &Zone::UTC).unwrap();
    assert_eq!(DETECTOR.explain(&record), None);
}

proptest! {
    #[test]
    fn plain_names_are_told_from_others(name in proptest::collection::vec(prop_oneof![9 => 33..=126_u8, 1 => any::<u8>()], 0..40)) {
        let expected = name.iter().all(|&byte| byte > b' ' && byte != b'\\');
        prop_assert_eq!(crate::detect::detector::is_plain(&name), expected);
    }
}
