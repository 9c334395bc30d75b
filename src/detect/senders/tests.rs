//! Floor 2, tests: what is noted of the records of one batch.

use super::*;
use crate::detect::{Interest, NameHasher};
use crate::time::{Timestamp, Zone};
use crate::wire::Record;
use std::time::Duration;

const NOON: Timestamp = Timestamp::from_civil(2026, 3, 1, 43_200, 0);

/// What a batch of records, each of a host and with its time so many seconds before its arrival, comes to; `arrivals`
/// says with which records another arrival begins, so many milliseconds after noon.
fn notes(
    rules: &Rules,
    peer: &str,
    records: &[(&str, i64)],
    arrivals: &[(u32, u64)],
) -> (Vec<String>, Vec<bool>) {
    let lines = records.iter().map(|(host, lag)| {
        let time = Timestamp::from_micros(NOON.as_micros() - lag * 1_000_000);
        format!("<38>1 {time} {host} cron - - - x")
    });
    let lines: Vec<String> = lines.collect();
    let bytes = lines.concat();
    let detector = Detector::new(Interest::default());
    let (mut scratch, mut out) = (detector.scratch(), Observations::default());
    let origin = Arc::new(Origin { listener: "lan".into(), peer: peer.into() });
    scratch.begin(rules, &origin);
    let (mut start, mut may_speak) = (0, Vec::new());
    for (frame, line) in (0..).zip(&lines) {
        if let Some((_, millis)) = arrivals.iter().find(|(first, _)| *first == frame) {
            scratch.arrive(NOON.plus(Duration::from_millis(*millis)));
        }
        let record = Record::parse(&bytes.as_bytes()[start..start + line.len()], NOON, &Zone::UTC).unwrap();
        let mut subject = Subject {
            record: &record,
            bytes: bytes.as_bytes(),
            frame,
            truncated: false,
            arrival: NOON,
            host: None,
        };
        may_speak.push(detector.hear(&mut scratch, rules, &mut subject, &mut out));
        start += line.len();
    }
    let hasher = NameHasher::of_process();
    let shown = out.notes.iter().map(|note| {
        let host = note.host.span.of(bytes.as_bytes());
        assert_eq!(note.host.hash, hasher.hash(host));
        let (host, lag) = (String::from_utf8_lossy(host), note.lag.map(|lag| lag / 1_000_000));
        format!("{} {:?} {host} {} {lag:?}", note.frame, note.word, note.records)
    });
    (shown.collect(), may_speak)
}

#[test]
fn a_host_is_noted_once_with_how_much_it_says_and_its_least_lag() {
    let records = [("web1", 3), ("web1", 2), ("db1", 7), ("web1", 5), ("-", 1), ("db1", 9)];
    let (notes, _) = notes(&Rules::default(), "192.0.2.1", &records, &[]);
    assert_eq!(notes, ["0 Heard web1 3 Some(2)", "2 Heard db1 2 Some(7)"]);
}

#[test]
fn another_second_is_noted_anew() {
    let arrivals = [(0, 0), (1, 999), (2, 1000)];
    let (notes, _) = notes(&Rules::default(), "", &[("web1", 3), ("web1", 2), ("web1", 1)], &arrivals);
    assert_eq!(notes, ["0 Heard web1 2 None", "2 Heard web1 1 None"], "and a file has no lag");
}

#[test]
fn the_first_record_is_noted_whose_time_cannot_be_right() {
    let rules = Rules {
        most_ahead: Some(Duration::from_secs(60)),
        most_behind: Some(Duration::from_secs(60)),
        ..Rules::default()
    };
    let records = [("web1", 0), ("web1", -61), ("web1", -70), ("db1", 61), ("web1", 99)];
    let (notes, _) = notes(&rules, "192.0.2.1", &records, &[]);
    assert_eq!(
        notes,
        [
            "0 Heard web1 4 Some(-70)",
            "1 Ahead web1 0 Some(-61)",
            "3 Heard db1 1 Some(61)",
            "3 Behind db1 0 Some(61)",
            "4 Behind web1 0 Some(99)"
        ]
    );
    let (notes, _) = self::notes(&rules, "", &[("web1", 99)], &[]);
    assert_eq!(notes, ["0 Heard web1 1 None"], "a line of a file is as old as it is");
}

#[test]
fn a_sender_is_refused_hosts_that_are_not_its_own() {
    let source = Source {
        peers: vec!["10.0.0.0/8".parse().unwrap()],
        hosts: vec!["web*".into()],
        ..Source::default()
    };
    let rules = Rules { sources: vec![source], ..Rules::default() };
    let records = [("web1", 0), ("db1", 0), ("db1", 0), ("web2", 0), ("-", 0)];
    let (notes, may_speak) = notes(&rules, "10.0.0.1", &records, &[]);
    assert_eq!(notes, ["0 Heard web1 1 Some(0)", "1 Refused db1 0 None", "3 Heard web2 1 Some(0)"]);
    assert_eq!(may_speak, [true, false, false, true, false], "a record without a host could accuse anybody");
    let (_, may_speak) = self::notes(&rules, "192.0.2.1", &records, &[]);
    assert!(may_speak.into_iter().all(|may| may), "it belongs to no source");
    let own = Rules {
        sources: vec![Source { hosts: vec!["10.0.0.1".into()], ..rules.sources[0].clone() }],
        ..rules
    };
    assert_eq!(self::notes(&own, "10.0.0.1", &[("-", 0)], &[]).1, [true], "its address is its host");
    assert_eq!(self::notes(&own, "10.0.0.2", &[("-", 0)], &[]).1, [false]);
}

#[test]
fn a_record_without_a_host_is_its_senders() {
    let lines = b"<38>1 - - sshd 7 - - Accepted password for a from 203.0.113.9 port 9 ssh2";
    let record = Record::parse(lines, NOON, &Zone::UTC).unwrap();
    let subject =
        Subject { record: &record, bytes: lines, frame: 0, truncated: false, arrival: NOON, host: None };
    let detector = Detector::new(Interest { sshd: true, records: true });
    let mut scratch = detector.scratch();
    let rules = Rules { hosts: vec![("local".into(), "db1".into())], ..Rules::default() };
    let mut host = |listener: &str, peer: &str| {
        scratch.begin(&rules, &Arc::new(Origin { listener: listener.into(), peer: peer.into() }));
        let mut out = Observations::default();
        for _ in 0..2 {
            detector.observe(&mut scratch, subject, &mut out);
        }
        let hosts: Vec<_> = out.views(lines).map(|view| view.host().to_vec()).collect();
        assert_eq!(out.derived, hosts[0], "it is written once for all records of a batch");
        let hash = if hosts[0].is_empty() { 0 } else { NameHasher::of_process().hash(&hosts[0]) };
        assert!(out.entries.iter().all(|entry| entry.host.hash == hash), "it is compared with other hosts");
        assert_eq!(hosts, vec![hosts[0].clone(); 4]);
        String::from_utf8(hosts[0].clone()).unwrap()
    };
    for (listener, peer, expected) in [
        ("lan", "192.0.2.1", "192.0.2.1"),
        ("lan", "2001:db8::1,name=relay.example.com", "2001:db8::1"),
        ("lan", "unix:uid=0,gid=0,pid=7", ""),
        ("lan", "unix:uid=0,gid=0,pid=7,host=web1", "web1"),
        ("lan", "unix:unknown", ""),
        ("lan", "backlog:/var/log/auth.log", ""),
        ("a.log", "", ""),
        ("local", "unix:uid=0,gid=0,pid=7", "db1"),
        ("local", "192.0.2.1", "db1"),
        ("lan", "192.0.2.2", "192.0.2.2"),
    ] {
        assert_eq!(host(listener, peer), expected, "{listener} {peer}");
    }
}

#[test]
fn a_followed_file_is_no_sender_and_belongs_to_no_source_that_does_not_name_it() {
    let rules = |listeners: &[&str]| {
        let listeners = listeners.iter().map(|listener| (*listener).to_owned()).collect();
        Rules { sources: vec![Source { listeners, ..Source::default() }], ..Rules::default() }
    };
    for peer in ["/var/log/auth.log", "backlog:/var/log/auth.log", ""] {
        let (told, may_speak) = notes(&rules(&[]), peer, &[("web1", 99)], &[]);
        assert_eq!((told, may_speak), (vec!["0 Heard web1 1 None".to_owned()], vec![true]), "{peer}");
        let (_, may_speak) = notes(&rules(&["lan"]), peer, &[("web1", 99)], &[]);
        assert_eq!(may_speak, [false], "{peer}: its section is named, and may speak for nobody");
    }
    let all = Source { hosts: vec!["*".into()], ..Source::default() };
    let rules_of_relay = Rules { sources: vec![all], ..Rules::default() };
    assert_eq!(notes(&rules_of_relay, "192.0.2.1", &[("-", 0)], &[]).1, [true]);
    assert_eq!(notes(&rules(&[]), "unix:uid=0,gid=0,pid=1", &[("web1", 0)], &[]).1, [false]);
}

#[test]
fn hosts_are_told_apart_whatever_their_digests() {
    // More than there are places by digest, alike at both ends and in the middle, long and short; twice, in turn.
    let names: Vec<String> = (0..2000)
        .map(|n| match n % 3 {
            0 => format!("h{n}"),
            1 => format!("node.{n:04}.middle.{:04}.example.com", 2000 - n),
            _ => format!("the-same-beginning.the-same-middle-{n}-the-same-end.example.com"),
        })
        .collect();
    let records: Vec<(&str, i64)> = names.iter().chain(&names).map(|name| (name.as_str(), 0)).collect();
    let (notes, may_speak) = notes(&Rules::default(), "192.0.2.1", &records, &[]);
    assert!(may_speak.into_iter().all(|may| may));
    let expected = names.iter().enumerate().map(|(frame, name)| format!("{frame} Heard {name} 2 Some(0)"));
    assert!(notes.into_iter().eq(expected), "each is noted once, with both of its records");
}
