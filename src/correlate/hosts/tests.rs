//! Floor 3, tests: hosts and their senders, from records to events.

use super::Options;
use crate::batch::{Arrivals, Batch, FrameSpan, Origin, Sequenced};
use crate::correlate::sshd::Switch;
use crate::correlate::tests::lines::{Told, app, block, noon_plus, told};
use crate::correlate::{App, Correlator, sshd};
use crate::detect::senders::{Rules, Source};
use crate::detect::{Detector, Interest, Observations, Subject};
use crate::event::{EventBlock, Field, Kind};
use crate::limits;
use crate::span::Span;
use crate::time::{Timestamp, Zone};
use crate::wire::Record;
use bytes::Bytes;
use proptest::prelude::*;
use rkyv::util::AlignedVec;
use std::sync::Arc;
use std::time::Duration;

const MINUTE: f64 = 60.0;
const HOUR: f64 = 60.0 * MINUTE;
const DAY: f64 = 24.0 * HOUR;
/// Two senders.
const A: &str = "192.0.2.1";
const B: &str = "192.0.2.2";

/// A record of a host from a sender, or a tick where there is no host; so many seconds after noon.
#[derive(Clone, Debug)]
struct Said {
    at: f64,
    peer: &'static str,
    host: String,
    /// Seconds by which its time lies after its arrival.
    ahead: f64,
}

fn said(at: f64, peer: &'static str, host: &str) -> Said {
    Said { at, peer, host: host.to_owned(), ahead: 0.0 }
}

fn tick(at: f64) -> Said {
    said(at, "", "")
}

fn apps() -> Vec<App> {
    app(sshd::Options::default())
}

/// A correlator with the means to feed it.
struct Machine {
    correlator: Correlator,
    options: Options,
    events: EventBlock,
    /// Numbers of the inputs that the journal would keep.
    kept: Vec<u64>,
}

impl Machine {
    fn new(options: Options) -> Self {
        let correlator = Correlator::new(&apps(), Zone::UTC).watching(options.clone());
        Self { correlator, options, events: block(&apps()), kept: Vec::new() }
    }

    /// Folds what came from one sender as one batch, whose first input has this number.
    fn fold(&mut self, first: u64, all: &[Said]) {
        let detector = Detector::new(Interest::default());
        let (mut bytes, mut frames, mut runs) = (String::new(), Vec::new(), Vec::<(u32, Timestamp)>::new());
        for (index, said) in (0_u32..).zip(all) {
            let arrival = noon_plus(said.at);
            if runs.last().is_none_or(|(_, last)| *last != arrival) {
                runs.push((index, arrival));
            }
            if !said.host.is_empty() {
                let line = format!("<38>1 {} {} cron - - - x", noon_plus(said.at + said.ahead), said.host);
                let [start, len] = [bytes.len(), line.len()].map(|at| u32::try_from(at).unwrap());
                frames.push(FrameSpan { span: Span::new(start, len), truncated: false });
                bytes += &line;
            }
        }
        let origin = Arc::new(Origin { listener: "lan".into(), peer: all[0].peer.into() });
        let batch = Batch { origin: Arc::clone(&origin), bytes: Bytes::from(bytes), frames };
        let sequenced = Sequenced { slot: first, first, arrivals: Arrivals::Runs(runs), batch };
        let (mut scratch, mut observations) = (detector.scratch(), Observations::default());
        scratch.begin(&self.options.rules, &origin);
        for (frame, (span, said)) in (0..).zip(sequenced.batch.frames.iter().zip(all)) {
            let arrival = noon_plus(said.at);
            scratch.arrive(arrival);
            let bytes = &sequenced.batch.bytes;
            let record = Record::parse(span.span.of(bytes), arrival, &Zone::UTC).unwrap();
            let mut subject =
                Subject { record: &record, bytes, frame, truncated: false, arrival, host: None };
            detector.hear(&mut scratch, &self.options.rules, &mut subject, &mut observations);
        }
        let fired = self.correlator.fold(&sequenced, &observations, &mut self.events);
        let kept = self.correlator.kept(&observations).map(|frame| first + u64::from(frame));
        self.kept.extend(fired.then_some(first).into_iter().chain(kept));
        self.kept.dedup();
    }

    fn state(&self) -> Vec<u8> {
        let mut state = AlignedVec::new();
        self.correlator.save(&mut state).unwrap();
        state.to_vec()
    }

    /// What is known of hosts; the rest of the state also tells when the first input came.
    fn known(&self) -> Vec<u8> {
        rkyv::to_bytes::<rkyv::rancor::Error>(&self.correlator.hosts.save()).unwrap().to_vec()
    }
}

/// What is told of inputs, each a batch of its own.
fn tell(options: Options, all: &[Said]) -> Vec<Told> {
    let mut machine = Machine::new(options);
    for (number, said) in (1..).zip(all) {
        machine.fold(number, std::slice::from_ref(said));
    }
    told(&machine.events)
}

fn kinds(told: &[Told]) -> Vec<(Kind, &str)> {
    told.iter().map(|event| (event.kind, event.get(Field::Host))).collect()
}

fn sources(sources: &[(&str, &[&str])]) -> Options {
    let source = |(net, hosts): &(&str, &[&str])| Source {
        peers: vec![net.parse().unwrap()],
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        ..Source::default()
    };
    let rules = Rules { sources: sources.iter().map(source).collect(), ..Rules::default() };
    Options { rules: Arc::new(rules), ..Options::default() }
}

fn silent_after(seconds: u64) -> Options {
    Options { silent_after: Some(Duration::from_secs(seconds)), ..Options::default() }
}

#[test]
fn a_sender_that_names_a_host_that_is_not_its_own_is_told_of_once_a_day() {
    let options = || sources(&[("192.0.2.1/32", &["web1"])]);
    let all = [
        said(0.0, A, "web1"),
        said(1.0, A, "db1"),
        said(2.0, A, "db1"),
        said(3.0, A, "db2"),
        said(4.0, B, "db1"),
        said(DAY + 0.5, A, "db1"),
        said(DAY + 1.0, A, "db1"),
    ];
    let told = tell(options(), &all);
    assert_eq!(
        kinds(&told),
        [(Kind::HostForged, "db1"), (Kind::HostForged, "db2"), (Kind::HostForged, "db1")]
    );
    assert_eq!((told[0].get(Field::Peer), told[0].get(Field::Listener)), (A, "lan"));
    assert_eq!((told[0].evidence.as_slice(), told[0].time), (&[2][..], noon_plus(1.0)));
    assert_eq!(told[0].id, "0000000000001.0.2.server.server.0");
    assert_eq!(told[2].time, noon_plus(DAY + 1.0));

    let events = vec![(Kind::HostForged, Switch::Off)];
    assert_eq!(tell(Options { events, ..options() }, &all), []);
}

#[test]
fn a_sender_that_makes_names_up_is_told_of_a_few_times() {
    let options = sources(&[("192.0.2.1/32", &[])]);
    let names: Vec<_> = (0..100).map(|name| said(f64::from(name), A, &format!("made-up-{name}"))).collect();
    assert_eq!(tell(options, &names).len(), limits::MAX_REFUSED_NAMES_PER_SENDER);
}

#[test]
fn a_record_by_which_old_names_are_forgotten_is_kept_also_where_there_is_no_room_for_its_own() {
    let mut machine = Machine::new(sources(&[("192.0.2.0/24", &[])]));
    machine.fold(1, &[said(0.0, A, "of-a")]);
    for name in 0..u32::try_from(limits::MAX_REFUSED_NAMES_PER_SENDER).unwrap() {
        machine.fold(u64::from(name) + 2, &[said(DAY - 100.0 + f64::from(name), B, &format!("of-b-{name}"))]);
    }
    let before = machine.known();
    machine.fold(100, &[said(DAY + 1.0, B, "one-more")]);
    let after = machine.known();
    assert!(after != before, "what was told of A a day ago is forgotten");
    assert_eq!(machine.kept.last(), Some(&100), "a recovery forgets it, too");
    machine.fold(101, &[said(DAY + 2.0, B, "one-more")]);
    assert_eq!((machine.known() == after, machine.kept.last()), (true, Some(&100)));
}

/// Two senders that speak in turn, `count` times each, every half minute.
fn in_turn(host: &str, count: u32) -> Vec<Said> {
    let turn = |n: u32| said(f64::from(n) * 30.0, if n.is_multiple_of(2) { A } else { B }, host);
    (0..count * 2).map(turn).collect()
}

#[test]
fn one_name_from_two_senders_is_told_once() {
    let told = tell(Options::default(), &in_turn("localhost", 20));
    assert_eq!(kinds(&told), [(Kind::HostShared, "localhost")]);
    let mut peers = [told[0].get(Field::Peer), told[0].get(Field::OtherPeer)];
    peers.sort_unstable();
    assert_eq!(peers, [A, B]);
}

#[test]
fn followed_files_are_compared_with_nobody() {
    let files = |said: Said| Said {
        peer: if said.peer == A { "/var/log/auth.log" } else { "/var/log/syslog" },
        ..said
    };
    let all: Vec<Said> = in_turn("web1", 200).into_iter().map(files).collect();
    assert!(tell(Options::default(), &all).is_empty());
    let beside =
        |said: Said| Said { peer: if said.peer == A { "backlog:/var/log/auth.log" } else { B }, ..said };
    let all: Vec<Said> = in_turn("web1", 200).into_iter().map(beside).collect();
    assert!(tell(Options::default(), &all).is_empty());
}

#[test]
fn more_senders_than_are_known_push_nobody_out_at_every_record() {
    const PEERS: [&str; 6] = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6"];
    let mut machine = Machine::new(Options::default());
    for (number, peer) in (1..=600).zip(PEERS.into_iter().cycle()) {
        let at = f64::from(u32::try_from(number).unwrap());
        machine.fold(number, &[said(at, peer, "localhost"), said(at, peer, "relayed")]);
    }
    assert!(machine.kept.len() < 30, "the journal would keep {} of 600", machine.kept.len());
}

#[test]
fn a_relay_shares_names_with_the_hosts_that_it_speaks_for() {
    let mut all = in_turn("web1", 20);
    all.insert(0, said(0.0, A, "web2"));
    assert_eq!(tell(Options::default(), &all), []);
}

#[test]
fn a_host_that_moves_to_another_address_shares_nothing() {
    let before = (0..20).map(|n| said(f64::from(n) * 30.0, A, "web1"));
    let after = (20..60).map(|n| said(f64::from(n) * 30.0, B, "web1"));
    assert_eq!(tell(Options::default(), &before.chain(after).collect::<Vec<_>>()), []);
}

#[test]
fn senders_that_are_one_host_by_configuration_share_nothing() {
    let all = in_turn("web1", 20);
    assert_eq!(tell(sources(&[("192.0.2.0/24", &["web1"])]), &all), []);
    assert_eq!(tell(sources(&[("192.0.2.0/24", &["web*"])]), &all).len(), 1, "a pattern names no one host");
}

#[test]
fn a_host_that_spoke_for_an_hour_is_told_of_when_it_is_silent_and_when_it_is_back() {
    let mut all: Vec<_> = (0..=60).map(|n| said(f64::from(n) * MINUTE, A, "web1")).collect();
    all.push(said(HOUR + 1.0, A, "once"));
    // The last record of web1 that was worth keeping came at 60 min; a grain is 225 s.
    all.extend([tick(2.0 * HOUR + 224.0), tick(2.0 * HOUR + 226.0), tick(5.0 * HOUR)]);
    all.push(said(6.0 * HOUR, B, "web1"));
    let told = tell(silent_after(3600), &all);
    assert_eq!(kinds(&told), [(Kind::HostSilent, "web1"), (Kind::HostBack, "web1")]);
    assert_eq!((told[0].time, told[0].get(Field::Silence)), (noon_plus(2.0 * HOUR + 225.0), "3825"));
    assert_eq!(told[0].get(Field::Finish), noon_plus(HOUR).to_string());
    assert_eq!((told[1].get(Field::Silence), told[1].get(Field::Peer)), ("18000", B));
    assert_eq!(told[1].evidence, [all.len() as u64]);

    assert_eq!(tell(Options::default(), &all), [], "off by default");
    let watched = vec!["db*".to_owned()];
    assert_eq!(tell(Options { watched, ..silent_after(3600) }, &all), []);
}

#[test]
fn who_is_silent_can_be_looked_at_until_it_speaks_again() {
    let options = Options { watched: vec!["web*".to_owned()], ..silent_after(3600) };
    let mut machine = Machine::new(options.clone());
    let speak = |from: f64, host| (0..=60).map(move |n| said(from + f64::from(n) * MINUTE, A, host));
    let mut all: Vec<_> = speak(1.0, "web2").chain(speak(0.0, "web1")).chain(speak(0.0, "db1")).collect();
    all.sort_by(|x, y| x.at.total_cmp(&y.at));
    all.push(tick(9.0 * HOUR));
    for (number, said) in (1..).zip(&all) {
        machine.fold(number, std::slice::from_ref(said));
    }
    let seen = machine.correlator.presence_changes();
    let silent = |name: &str, at| (Box::from(name.as_bytes()), noon_plus(at));
    let expected = [silent("web1", HOUR), silent("web2", HOUR + 1.0)];
    let presence = machine.correlator.presence();
    assert_eq!((presence.known, presence.silent, presence.longest.as_slice()), (3, 2, &expected[..]));

    let restored = Correlator::restore(&apps(), Zone::UTC, &machine.state()).unwrap();
    machine.correlator = restored.watching(options);
    assert_eq!(machine.correlator.presence(), presence);
    machine.fold(1000, &[said(9.5 * HOUR, A, "web1")]);
    assert_eq!(machine.correlator.presence().longest, [silent("web2", HOUR + 1.0)]);
    assert_ne!(machine.correlator.presence_changes(), seen);
}

#[test]
fn nobody_is_silent_or_back_where_that_is_not_told_any_more() {
    let watching = silent_after(3600);
    let others = Options { watched: vec!["db*".to_owned()], ..watching.clone() };
    for options in [Options::default(), others] {
        let mut machine = Machine::new(watching.clone());
        for (number, minute) in (1..).zip(0..=60_u32) {
            machine.fold(number, &[said(f64::from(minute) * MINUTE, A, "web1")]);
        }
        machine.fold(100, &[tick(9.0 * HOUR)]);
        assert_eq!(machine.correlator.presence().silent, 1);
        let restored = Correlator::restore(&apps(), Zone::UTC, &machine.state()).unwrap();
        machine.correlator = restored.watching(options);
        assert_eq!(machine.correlator.presence().silent, 0);
        machine.fold(101, &[said(10.0 * HOUR, A, "web1")]);
        assert_eq!(kinds(&told(&machine.events)), [(Kind::HostSilent, "web1")]);
    }
}

#[test]
fn hosts_fall_silent_in_the_order_of_their_deadlines_and_names() {
    let mut all = Vec::new();
    for minute in [0.0, 61.0, 62.0] {
        all.extend(["c", "a", "b"].map(|host| said(minute * MINUTE, A, host)));
    }
    all.insert(3, said(60.0 * MINUTE, A, "c"));
    all.push(tick(5.0 * HOUR));
    let told = tell(silent_after(3600), &all);
    assert_eq!(told.iter().map(|event| event.get(Field::Host)).collect::<Vec<_>>(), ["c", "a", "b"]);
    assert!(told[0].time < told[1].time && told[1].time == told[2].time);
}

#[test]
fn a_wrong_clock_is_told_once_a_day() {
    let wrong = |at, ahead| Said { ahead, ..said(at, A, "web1") };
    let all =
        [wrong(0.0, 299.0), wrong(1.0, 301.0), wrong(2.0, 400.0), wrong(3.0, -9e6), wrong(DAY + 1.0, 500.0)];
    let told = tell(Options::default(), &all);
    assert_eq!(kinds(&told), [(Kind::HostClockWrong, "web1"), (Kind::HostClockWrong, "web1")]);
    assert_eq!((told[0].get(Field::Clock), told[0].get(Field::Offset)), ("ahead", "301"));
    assert_eq!((told[0].evidence.as_slice(), told[1].time), (&[2][..], noon_plus(DAY + 1.0)));
}

#[test]
fn hosts_beyond_the_cap_are_left_alone_until_others_are_forgotten() {
    let mut machine = Machine::new(silent_after(3600));
    machine.correlator.hosts.most = 2;
    let speak = |from: f64, host| (0..3).map(move |n| said(from + f64::from(n) * HOUR, A, host));
    let mut all: Vec<_> = speak(0.0, "a").chain(speak(0.0, "b")).chain(speak(0.1, "c")).collect();
    all.sort_by(|x, y| x.at.total_cmp(&y.at));
    all.push(tick(40.0 * DAY));
    all.extend(speak(40.0 * DAY, "c"));
    all.push(tick(41.0 * DAY));
    for (number, said) in (1..).zip(&all) {
        machine.fold(number, std::slice::from_ref(said));
    }
    let told = told(&machine.events);
    assert_eq!(kinds(&told), [(Kind::HostSilent, "a"), (Kind::HostSilent, "b"), (Kind::HostSilent, "c")]);
    let presence = machine.correlator.presence();
    assert_eq!((presence.known, presence.is_full, presence.unwatched), (1, false, 3), "{presence:?}");
}

/// Inputs of a few senders and hosts, or ticks, at times that ascend.
fn inputs() -> impl Strategy<Value = Vec<Said>> {
    let hosts = prop_oneof![Just(""), Just("web1"), Just("web2"), Just("db1"), Just("localhost")];
    // Most often within a second, or to just before a silence, a grain of it, or the patience with two senders is over.
    let edge = prop_oneof![Just(59.8), Just(224.8), Just(3824.8), Just(DAY - 0.2)];
    let step =
        prop_oneof![3 => 0.0..0.5, 2 => edge, 1 => 0.0..90.0, 1 => 0.0..2.0 * HOUR, 1 => 0.0..2.0 * DAY];
    let ahead = prop_oneof![4 => Just(0.0), 1 => Just(1000.0)];
    let one = (step, prop_oneof![Just(A), Just(B)], hosts, ahead);
    prop::collection::vec(one, 1..120).prop_map(|all| {
        let mut now = 0.0_f64;
        let mut said = |(step, peer, host, ahead): (f64, &'static str, &str, f64)| {
            now += (step * 10.0).round() / 10.0;
            Said { at: now, peer: if host.is_empty() { "" } else { peer }, host: host.to_owned(), ahead }
        };
        all.into_iter().map(&mut said).collect()
    })
}

fn options() -> Options {
    let strict = sources(&[("192.0.2.1/32", &["web*", "localhost"])]);
    let rules = Rules { most_ahead: Some(limits::CLOCK_AHEAD), ..(*strict.rules).clone() };
    Options { rules: Arc::new(rules), ..silent_after(3600) }
}

proptest! {
    /// Batches, what the journal leaves out, and a restart in between: nothing of it makes a difference.
    #[test]
    fn what_is_not_kept_changes_nothing(all in inputs(), restart in 0_u64..120) {
        let mut single = Machine::new(options());
        for (number, said) in (1..).zip(&all) {
            single.fold(number, std::slice::from_ref(said));
        }

        let mut joined = Machine::new(options());
        let mut number = 1;
        for batch in all.chunk_by(|a, b| a.peer == b.peer && !a.host.is_empty() && !b.host.is_empty()) {
            joined.fold(number, batch);
            number += batch.len() as u64;
        }
        prop_assert_eq!(told(&joined.events), told(&single.events));
        prop_assert_eq!(joined.known(), single.known());
        prop_assert_eq!(joined.correlator.presence(), single.correlator.presence());

        let mut kept = Machine::new(options());
        for (number, said) in (1..).zip(&all) {
            if number == restart {
                let restored = Correlator::restore(&apps(), Zone::UTC, &kept.state()).unwrap();
                kept.correlator = restored.watching(options());
            }
            if single.kept.contains(&number) {
                kept.fold(number, std::slice::from_ref(said));
            }
        }
        prop_assert_eq!(told(&kept.events), told(&single.events));
        // The clock of what was left out at the end.
        let end = all.len() as u64 + 1;
        for machine in [&mut single, &mut kept] {
            machine.fold(end, &[said(all.last().unwrap().at + 1.0, B, "end")]);
        }
        prop_assert_eq!(kept.known(), single.known());
        prop_assert_eq!(kept.correlator.presence(), single.correlator.presence());
    }
}

#[test]
fn the_time_between_two_runs_is_nobodys_silence() {
    let mut machine = Machine::new(silent_after(3600));
    let all: Vec<_> = (0..=60).map(|n| said(f64::from(n) * MINUTE, A, "web1")).collect();
    for (number, said) in (1..).zip(&all) {
        machine.fold(number, std::slice::from_ref(said));
    }
    machine.correlator.begin_run(61);
    machine.kept.clear();
    machine.fold(1, &[tick(9.0 * HOUR)]);
    assert_eq!(machine.kept, [1], "it says when the run begins");
    machine.fold(2, &[tick(9.0 * HOUR + 3600.0)]);
    assert!(machine.events.is_empty());
    machine.fold(3, &[tick(9.0 * HOUR + 3825.0)]);
    assert_eq!(kinds(&told(&machine.events)), [(Kind::HostSilent, "web1")]);
}

/// A silent host, a wrong clock, a name that was refused, and two senders of one name.
fn all_that_is_known() -> Vec<Said> {
    let mut all: Vec<_> = (0..=60).map(|n| said(f64::from(n) * MINUTE, A, "web1")).collect();
    all.extend([said(2.5 * HOUR, A, "db1"), Said { ahead: 1000.0, ..said(2.5 * HOUR, B, "web2") }]);
    let clones = in_turn("localhost", 4).into_iter().map(|one| Said {
        at: one.at + 2.5 * HOUR,
        peer: if one.peer == A { "192.0.2.3" } else { "192.0.2.4" },
        ..one
    });
    all.extend(clones);
    all
}

#[test]
fn states_of_version_2_are_restored() {
    let bytes = std::fs::read("tests/golden/state-2").unwrap();
    let mut machine = Machine::new(options());
    machine.correlator = Correlator::restore(&apps(), Zone::UTC, &bytes).unwrap().watching(options());
    assert_eq!(machine.state(), bytes);
    let again = all_that_is_known().into_iter().skip(61).map(|one| Said { at: one.at + HOUR, ..one });
    for (number, said) in (1000..).zip(again.chain([said(4.0 * HOUR, A, "web1")])) {
        machine.fold(number, std::slice::from_ref(&said));
    }
    let told = told(&machine.events);
    assert_eq!(kinds(&told), [(Kind::HostBack, "web1")], "all else was told");
    assert_eq!(told[0].get(Field::Silence), "10800");
}
