//! What becomes of the events of a storm.

use super::*;
use crate::event::{EventBlock, EventWriter, Head, Kind, Stamp, StreamId};
use proptest::prelude::*;
use std::sync::Arc;

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

/// An instant well after the epoch, by its minute.
fn minute(minute: u64) -> Timestamp {
    Timestamp::EPOCH.plus(1_000 * HOUR).plus(Duration::from_secs(60 * minute))
}

/// A block of one event.
fn event(
    kind: Kind,
    severity: Severity,
    time: Timestamp,
    fill: impl FnOnce(&mut EventWriter<'_>),
) -> EventBlock {
    let mut block = EventBlock::new(Arc::new(Stamp { stream: StreamId(1), run: 1, modules: Vec::new() }));
    fill(&mut block.push(Head { number: 1, ordinal: 0, module: 0, kind, severity, time }));
    block
}

fn failure(addr: &str, severity: Severity, time: Timestamp) -> EventBlock {
    event(Kind::SSHDLoginFailed, severity, time, |event| {
        event.addr(Field::Addr, addr.parse().unwrap());
    })
}

fn by_source(cooldown: Option<Duration>, digest: Option<Duration>) -> Options {
    Options { cooldown, cooldown_by: vec![Field::Source], digest, late_after: None }
}

impl Storm {
    /// Decides on a block's only event.
    fn on(&mut self, block: &EventBlock, now: Timestamp) -> Decision {
        self.take(0, block.get(0).unwrap(), now)
    }
}

#[test]
fn each_decision_is_that_of_the_table() {
    use Decision::{Deliver, Gather, Suppress};
    use Severity::{Critical, Warning};
    let (hour, quarter) = (Some(HOUR), Some(15 * MINUTE));
    // Cool-down, digest, severity; then what becomes of the first, of one like it, of a late one, of a late one like it.
    let cases = [
        (None, None, Warning, [Deliver, Deliver, Gather, Gather]),
        (None, None, Critical, [Deliver, Deliver, Deliver, Deliver]),
        (None, quarter, Warning, [Gather, Gather, Gather, Gather]),
        (None, quarter, Critical, [Deliver, Deliver, Deliver, Deliver]),
        (hour, None, Warning, [Deliver, Suppress, Gather, Gather]),
        (hour, None, Critical, [Deliver, Suppress, Deliver, Suppress]),
        (hour, quarter, Warning, [Deliver, Gather, Gather, Gather]),
        (hour, quarter, Critical, [Deliver, Gather, Deliver, Gather]),
    ];
    for (cooldown, digest, severity, expected) in cases {
        let mut storm = Storm::new(Options { late_after: Some(HOUR), ..by_source(cooldown, digest) });
        let mut twice = |addr, age| {
            let block = failure(addr, severity, minute(0).minus(age));
            [storm.on(&block, minute(0)), storm.on(&block, minute(1))]
        };
        let ([first, alike], [late, late_alike]) = (twice("192.0.2.1", MINUTE), twice("192.0.2.2", 2 * HOUR));
        assert_eq!([first, alike, late, late_alike], expected, "{cooldown:?} {digest:?} {severity}");
    }
}

#[test]
fn an_attack_from_many_sources_is_no_mail_for_each() {
    let mut storm = Storm::new(by_source(Some(HOUR), Some(15 * MINUTE)));
    let mut at = |minutes, first: u8, severity| {
        let sources = (first..first + 20).map(|number| format!("192.0.2.{number}"));
        let decisions =
            sources.map(|addr| storm.on(&failure(&addr, severity, minute(minutes)), minute(minutes)));
        decisions.filter(|decision| *decision == Decision::Deliver).count()
    };
    assert_eq!(at(0, 0, Severity::Warning), limits::STORM_BURST);
    assert_eq!(at(14, 20, Severity::Warning), 0);
    assert_eq!(at(14, 40, Severity::Critical), 20, "none of these waits");
    assert_eq!(at(15, 60, Severity::Warning), limits::STORM_BURST);
}

#[test]
fn a_cool_down_ends_and_does_not_grow_with_what_it_holds_back() {
    let mut storm = Storm::new(by_source(Some(HOUR), None));
    let block = failure("192.0.2.1", Severity::Warning, minute(0));
    assert_eq!(storm.on(&block, minute(0)), Decision::Deliver);
    assert!((1..60).all(|at| storm.on(&block, minute(at)) == Decision::Suppress));
    assert_eq!(storm.on(&block, minute(60)), Decision::Deliver);
    assert_eq!(storm.on(&block, minute(61)), Decision::Suppress);
}

#[test]
fn a_clock_that_is_put_back_holds_nothing_back() {
    let mut storm = Storm::new(by_source(Some(HOUR), None));
    let block = failure("192.0.2.1", Severity::Warning, minute(0));
    let at: Vec<_> = [600, 0, 1, 60, 599].map(|at| storm.on(&block, minute(at))).into();
    use Decision::{Deliver, Suppress};
    assert_eq!(at, [Deliver, Deliver, Suppress, Deliver, Deliver]);
}

#[test]
fn what_failed_holds_nothing_back() {
    let mut storm = Storm::new(by_source(Some(HOUR), None));
    let block = failure("192.0.2.1", Severity::Warning, minute(0));
    assert_eq!(storm.on(&block, minute(0)), Decision::Deliver);
    storm.failed(block.get(0).unwrap());
    assert_eq!(storm.on(&block, minute(1)), Decision::Deliver);
    assert_eq!(storm.on(&block, minute(2)), Decision::Suppress);
}

#[test]
fn events_are_alike_by_kind_and_fields_alone() {
    let options =
        Options { cooldown: Some(HOUR), cooldown_by: vec![Field::User, Field::Host], ..Options::default() };
    let mut storm = Storm::new(options);
    let mut is_new = |kind, user: Option<&[u8]>, host: &[u8]| {
        let block = event(kind, Severity::Info, minute(0), |event| {
            user.map(|user| event.text(Field::User, user));
            event.text(Field::Host, host).count(Field::Port, 22);
        });
        storm.on(&block, minute(0)) == Decision::Deliver
    };
    let (failed, succeeded) = (Kind::SSHDLoginFailed, Kind::SSHDLoginSucceeded);
    assert!(is_new(failed, Some(b"ab"), b"c") && !is_new(failed, Some(b"ab"), b"c"));
    assert!(is_new(failed, Some(b"a"), b"bc") && is_new(failed, Some(b""), b"abc"));
    assert!(is_new(failed, None, b"abc") && !is_new(failed, None, b"abc"));
    assert!(is_new(succeeded, Some(b"ab"), b"c"));
}

#[test]
fn a_source_is_an_address_where_the_kind_tells_no_other() {
    let mut storm = Storm::new(by_source(Some(HOUR), None));
    let mut is_new =
        |addr| storm.on(&failure(addr, Severity::Notice, minute(0)), minute(0)) == Decision::Deliver;
    assert!(is_new("192.0.2.1") && is_new("192.0.2.2") && !is_new("::ffff:192.0.2.1"));
    assert!(is_new("2001:db8::1") && !is_new("2001:db8::2") && is_new("2001:db8:0:1::1"));
    let mut is_new = |addr: &str, source: &[u8]| {
        let block = event(Kind::SSHDAttemptsExceeded, Severity::Warning, minute(0), |event| {
            event.addr(Field::Addr, addr.parse().unwrap()).text(Field::Source, source);
        });
        storm.on(&block, minute(0)) == Decision::Deliver
    };
    assert!(is_new("2001:db8::1", b"2001:db8::/48") && !is_new("2001:db8:0:1::1", b"2001:db8::/48"));
}

#[test]
fn events_without_a_source_are_alike_only_when_they_are_about_the_same() {
    let mut storm = Storm::new(by_source(Some(HOUR), None));
    let mut is_new = |kind, fields: &[(Field, &str)]| {
        let block = event(kind, Severity::Critical, minute(0), |event| {
            for (field, text) in fields {
                event.text(*field, text.as_bytes());
            }
        });
        storm.on(&block, minute(0)) == Decision::Deliver
    };
    use Field::{Handler, Host, Listener, OtherPeer, Peer, Reason, Subject, User};
    for (kind, one, other) in [
        (Kind::SSHDDistributedBruteForce, vec![(User, "admin")], vec![(User, "oracle")]),
        (Kind::SSHDThrottled, vec![(Host, "db1")], vec![(Host, "db2")]),
        (Kind::SSHDChildCrash, vec![(Host, "db1"), (Reason, "a")], vec![(Host, "db2"), (Reason, "a")]),
        (Kind::ServerHandlerFailing, vec![(Handler, "siem")], vec![(Handler, "hook")]),
        (
            Kind::ServerCertificateExpiring,
            vec![(Listener, "a"), (Subject, "CN=a")],
            vec![(Listener, "b"), (Subject, "CN=a")],
        ),
        (Kind::HostShared, vec![(Peer, "a"), (OtherPeer, "b")], vec![(Peer, "a"), (OtherPeer, "c")]),
        (Kind::ServerDiskLow, vec![(Reason, "low")], vec![(Reason, "full")]),
    ] {
        assert!(is_new(kind, &one) && is_new(kind, &other), "{kind:?}");
        assert!(!is_new(kind, &one) && !is_new(kind, &other), "{kind:?}");
    }
    assert!(is_new(Kind::ServerStarted, &[]) && !is_new(Kind::ServerStarted, &[]));
    assert!(!is_new(Kind::SSHDThrottled, &[(Host, "db1"), (Reason, "said in other words")]));
}

#[test]
fn with_no_fields_the_kind_alone_decides() {
    let mut storm = Storm::new(Options { cooldown: Some(HOUR), ..Options::default() });
    let mut is_new =
        |addr| storm.on(&failure(addr, Severity::Notice, minute(0)), minute(0)) == Decision::Deliver;
    assert!(is_new("192.0.2.1") && !is_new("192.0.2.2"));
}

#[test]
fn a_digest_is_due_a_while_after_its_first_event() {
    let mut storm = Storm::new(by_source(None, Some(15 * MINUTE)));
    assert_eq!(storm.due(), None);
    for at in 0..10 {
        storm.take(100 + at, failure("192.0.2.1", Severity::Notice, minute(at)).get(0).unwrap(), minute(at));
    }
    assert_eq!(storm.due(), Some(minute(15)));
    assert_eq!(storm.digest(minute(14)), None);
    let digest = storm.digest(minute(15)).unwrap();
    assert_eq!(
        (digest.count(), digest.late(), digest.shown()),
        (10, 0, vec![100, 101, 102, 103, 104, 105, 106, 107, 108, 109])
    );
    assert_eq!((storm.due(), storm.digest(minute(99))), (None, None));
    // What an earlier run had gathered is due when it would have been.
    storm.gather(7, failure("192.0.2.1", Severity::Notice, minute(3)).get(0).unwrap(), minute(5));
    assert_eq!(storm.due(), Some(minute(20)));
}

#[test]
fn late_events_are_told_as_such_and_wait_little() {
    let mut storm = Storm::new(Options { late_after: Some(HOUR), ..Options::default() });
    assert_eq!(storm.on(&failure("192.0.2.1", Severity::Error, minute(0)), minute(60)), Decision::Deliver);
    assert_eq!(storm.on(&failure("192.0.2.1", Severity::Error, minute(0)), minute(61)), Decision::Gather);
    assert_eq!(storm.due(), Some(minute(61).plus(limits::LATE_GATHER_TIME)));
    assert_eq!(storm.digest(Timestamp::MAX).map(|digest| (digest.count(), digest.late())), Some((1, 1)));
}

#[test]
fn no_flood_of_keys_takes_more_than_its_share() {
    let mut storm = Storm::new(by_source(Some(HOUR), None));
    let flood = u32::try_from(limits::MAX_COOLDOWNS).unwrap() + 1_000;
    let block =
        |number: u32| failure(&std::net::Ipv4Addr::from(number).to_string(), Severity::Notice, minute(0));
    assert!((0..flood).all(|number| storm.on(&block(number), minute(0)) == Decision::Deliver));
    assert_eq!(storm.cooling.as_ref().unwrap().len(), limits::MAX_COOLDOWNS);
    assert_eq!(storm.on(&block(flood - 1), minute(0)), Decision::Suppress);
    assert_eq!(storm.on(&block(0), minute(0)), Decision::Deliver, "the oldest is forgotten");
    let mut storm =
        Storm::new(Options { cooldown: Some(HOUR), cooldown_by: vec![Field::User], ..Options::default() });
    for number in 0..300_u64 {
        let user = [number.to_le_bytes().to_vec(), vec![b'x'; 64 * 1024]].concat();
        let block = event(Kind::SSHDLoginFailed, Severity::Notice, minute(0), |event| {
            event.text(Field::User, &user);
        });
        assert_eq!(storm.on(&block, minute(0)), Decision::Deliver);
    }
    assert!(storm.cooling.unwrap().len() <= limits::MAX_COOLDOWN_BYTES / (64 * 1024));
}

/// What is expected, without any order or index: when the last event of each key was delivered.
#[derive(Default)]
struct Naive(Vec<((Kind, String), Timestamp)>, Vec<Timestamp>);

impl Naive {
    fn decide(&mut self, options: &Options, key: (Kind, String), head: &Head, now: Timestamp) -> Decision {
        let last = self.0.iter().filter(|(begun, _)| *begun == key).map(|(_, at)| *at).max();
        let cools = last.zip(options.cooldown).is_some_and(|(last, cooldown)| now < last.plus(cooldown));
        let late = options.late_after.is_some_and(|age| now.since(head.time) > age);
        let critical = head.severity == Severity::Critical;
        let digests = options.digest.is_some();
        let lately = |time| self.1.iter().filter(|at| now < at.plus(time)).count();
        let burst = options.digest.is_some_and(|time| lately(time) >= limits::STORM_BURST);
        match (cools, critical, late) {
            (true, _, _) if digests => return Decision::Gather,
            (true, _, _) => return Decision::Suppress,
            (false, false, true) => return Decision::Gather,
            (false, false, false) if burst => return Decision::Gather,
            (false, false, false) if digests && options.cooldown.is_none() => return Decision::Gather,
            _ => self.0.push((key, now)),
        }
        if !critical {
            self.1.push(now);
        }
        Decision::Deliver
    }
}

fn options() -> impl Strategy<Value = Options> {
    let time =
        || proptest::option::of((1_u64..30).prop_map(|minutes| u32::try_from(minutes).unwrap() * MINUTE));
    (time(), time(), time())
        .prop_map(|(cooldown, digest, late_after)| Options { late_after, ..by_source(cooldown, digest) })
}

proptest! {
    #[test]
    fn every_event_is_delivered_gathered_or_suppressed_as_expected(
        options in options(),
        events in proptest::collection::vec((0_usize..3, 0_u8..3, 0_usize..5, 0_u64..20, 0_u64..60), 1..80),
    ) {
        let (mut storm, mut naive) = (Storm::new(options.clone()), Naive::default());
        let (mut now, mut gathered, mut digested) = (minute(100), Vec::new(), Vec::new());
        let mut seqs = 0_u64..;
        for (kind, addr, severity, pause, age) in events {
            now = now.plus(Duration::from_secs(60 * pause));
            if let Some(digest) = storm.digest(now) {
                prop_assert_eq!(digest.count(), u64::try_from(digest.shown().len()).unwrap());
                digested.extend(digest.shown());
            }
            prop_assert!(storm.due().is_none_or(|due| due > now));
            let kind = [Kind::SSHDLoginFailed, Kind::SSHDLoginSucceeded, Kind::SSHDChildCrash][kind];
            let (addr, time) = (format!("192.0.2.{addr}"), now.minus(Duration::from_secs(60 * age)));
            let block = event(kind, Severity::ALL[severity], time, |event| {
                event.addr(Field::Addr, addr.parse().unwrap());
            });
            let (seq, event) = (seqs.next().unwrap(), block.get(0).unwrap());
            let decision = storm.take(seq, event, now);
            prop_assert_eq!(decision, naive.decide(&options, (kind, addr), event.head(), now));
            if decision == Decision::Gather {
                gathered.push(seq);
            }
        }
        digested.extend(storm.digest(Timestamp::MAX).iter().flat_map(|digest| digest.shown()));
        digested.sort_unstable();
        prop_assert_eq!(digested, gathered, "what is gathered is in just one digest");
    }
}
