//! The fold: ids, switches, midnights, several modules, the end.

use super::lines::{Line, NOON, Told, app, block, fold, kinds, noon_plus, sshd, tell, tell_with, told};
use crate::batch::{Arrivals, Batch, Origin, Sequenced};
use crate::correlate::sshd::{Options, Switch};
use crate::correlate::{App, Correlator, End, ModuleOptions, Totals, report};
use crate::detect::{Flags, Kind as Message, Observations};
use crate::event::{Field, Kind, Severity};
use crate::time::{Timestamp, Zone};
use bytes::Bytes;
use std::sync::Arc;

const CLIENT: (&str, u16) = ("192.0.2.1", 5555);

fn tick(first: u64, at: Timestamp) -> Sequenced {
    let origin = Arc::new(Origin { listener: String::new(), peer: String::new() });
    let batch = Batch { origin, bytes: Bytes::new(), frames: Vec::new() };
    Sequenced { slot: first, first, arrivals: Arrivals::One(at), batch }
}

fn reports(options: report::Options) -> Vec<App> {
    vec![App { name: "all".into(), modules: vec![("report".into(), ModuleOptions::Report(options))] }]
}

fn record(host: &'static str, message: &str) -> Line {
    let line = sshd(host, 0).says(Message::Record).number(38);
    line.detail(0, "sshd").detail(1, "42").detail(2, message)
}

fn run(apps: &[App], zone: Zone, lines: &[Line]) -> Vec<Told> {
    let (mut correlator, mut events) = (Correlator::new(apps, zone), block(apps));
    fold(&mut correlator, lines, &[3], &mut events);
    correlator.finish(End::OfInput, Totals::default(), &mut events);
    told(&events)
}

#[test]
fn ids_do_not_depend_on_what_is_switched_on() {
    let m = sshd("web1", 30);
    let lines = [m.invalid("eve", CLIENT), m.failed_invalid("eve", CLIENT), m.closed_invalid("eve", CLIENT)];
    let all = Kind::ALL.iter().map(|kind| (*kind, Switch::On)).collect();
    let all = tell_with(Options { events: all, ..Options::default() }, &lines, End::OfInput);
    let usual = tell_with(Options::default(), &lines, End::OfInput);
    assert_eq!(kinds(&all)[..2], [Kind::SSHDInvalidUser, Kind::SSHDLoginFailed]);
    let ids = |told: &[Told]| -> Vec<String> {
        told.iter()
            .filter(|event| event.kind == Kind::SSHDLoginFailed)
            .map(|event| event.id.clone())
            .collect()
    };
    assert_eq!(ids(&all), ids(&usual));
}

#[test]
fn a_switch_sets_the_severity() {
    let kind = Kind::SSHDLoginFailed;
    let lines = [sshd("web1", 30).failed("alice", CLIENT)];
    let tell = |switch| {
        let events = vec![(kind, switch)];
        tell_with(Options { events, ..Options::default() }, &lines, End::OfInput)
    };
    assert_eq!(tell(Switch::Severity(Severity::Error))[0].severity, Severity::Error);
    assert_eq!(kinds(&tell(Switch::Off)), [Kind::SSHDStats, Kind::ServerStats]);
}

#[test]
fn statistics_come_at_midnight_in_the_zone_and_at_the_end() {
    let zone = Zone::named("Europe/Berlin").unwrap();
    let m = sshd("web1", 30);
    // Noon in UTC is 13:00 in Berlin: midnight is 11 hours later.
    let lines = [m.accepted("alice", CLIENT), m.pam_closed("alice").after(12.0 * 3600.0)];
    let told = run(&app(Options::default()), zone, &lines);
    assert_eq!(
        kinds(&told),
        [
            Kind::SSHDSessionStarted,
            Kind::SSHDStats,
            Kind::SSHDLoginSucceeded,
            Kind::SSHDStats,
            Kind::ServerStats
        ]
    );
    assert_eq!(told[1].time, noon_plus(11.0 * 3600.0));
    assert_eq!((told[1].count(Field::OpenSessions), told[1].count(Field::LoginSessions)), (1, 0));
    assert_eq!((told[3].count(Field::OpenSessions), told[3].count(Field::LoginSessions)), (0, 1));
    assert_eq!(told[3].get(Field::Start), told[1].time.to_string(), "each tells of its own time");
    assert_eq!(told[4].count(Field::Events), 5);
}

#[test]
fn days_without_a_record_are_not_told_of() {
    let m = sshd("web1", 30);
    let century = 100.0 * 365.0 * 86_400.0;
    let told = tell(&[m.says(Message::Noise), m.says(Message::Noise).after(century)]);
    assert_eq!(told.len(), 1, "the first day, at its midnight");
}

#[test]
fn a_tick_fires_what_is_due_and_takes_a_number() {
    let apps = app(Options::default());
    let (mut correlator, mut events) = (Correlator::new(&apps, Zone::UTC), block(&apps));
    fold(&mut correlator, &[sshd("web1", 30).failed("alice", CLIENT)], &[1], &mut events);
    let none = Observations::default();
    assert!(!correlator.fold(&tick(2, noon_plus(600.9)), &none, &mut events), "nothing was due");
    assert!(events.is_empty());
    assert!(correlator.fold(&tick(3, noon_plus(601.0)), &none, &mut events), "a timer raised something");
    let told = told(&events);
    assert_eq!((told[0].id.as_str(), told[0].time), ("0000000000001.0.3.fleet.openssh.0", noon_plus(601.0)));
}

#[test]
fn a_timer_that_raises_what_is_switched_off_is_told_of() {
    let apps = app(Options { events: vec![(Kind::SSHDLoginFailed, Switch::Off)], ..Options::default() });
    let (mut correlator, mut events) = (Correlator::new(&apps, Zone::UTC), block(&apps));
    fold(&mut correlator, &[sshd("web1", 30).failed("alice", CLIENT)], &[1], &mut events);
    let fired = correlator.fold(&tick(2, noon_plus(601.0)), &Observations::default(), &mut events);
    assert!(fired && events.is_empty(), "it took an ordinal, which ids depend on");
}

#[test]
fn evidence_reaches_back_into_earlier_runs() {
    let apps = app(Options::default());
    let (mut correlator, mut events) = (Correlator::new(&apps, Zone::UTC), block(&apps));
    correlator.begin_run(1000);
    let m = sshd("web1", 30);
    fold(&mut correlator, &[m.failed("alice", CLIENT), m.accepted("alice", CLIENT)], &[2], &mut events);
    correlator.begin_run(1002);
    assert_eq!(correlator.base(), 1002);
    fold(&mut correlator, &[m.disconnected("alice", CLIENT).after(60.0)], &[1], &mut events);
    let ended = told(&events).pop().unwrap();
    assert_eq!((ended.kind, ended.evidence), (Kind::SSHDLoginSucceeded, vec![1001, 1002, 1003]));
    assert_eq!(ended.id, "0000000000001.0.1.fleet.openssh.0", "numbers begin again");
}

#[test]
fn the_first_input_of_a_run_continues_nothing() {
    let apps = reports(report::Options::default());
    let (mut correlator, mut events) = (Correlator::new(&apps, Zone::UTC), block(&apps));
    for run in 0..2 {
        correlator.begin_run(run);
        fold(&mut correlator, &[record("web1", "hello")], &[1], &mut events);
    }
    let ids: Vec<_> = told(&events).into_iter().map(|event| event.id).collect();
    assert_eq!(ids, ["0000000000001.0.1.all.report.0"; 2], "the run is the stamp's");
}

#[test]
fn the_end_is_an_input_of_its_own() {
    let told =
        tell_with(Options::default(), &[sshd("web1", 30).failed("alice", CLIENT)], End::At(noon_plus(700.0)));
    assert_eq!(kinds(&told), [Kind::SSHDLoginFailed, Kind::SSHDStats, Kind::ServerStats]);
    assert_eq!(told[0].time, noon_plus(601.0), "what was due by then fires first");
    let ids: Vec<_> = told.iter().map(|event| event.id.split_once(".0.").unwrap().1).collect();
    assert_eq!(ids, ["2.fleet.openssh.0", "2.fleet.openssh.1", "2.server.server.0"]);
}

#[test]
fn modules_do_not_share_state_or_ordinals() {
    let mut apps = app(Options::default());
    apps.push(App {
        name: "lab".into(),
        modules: vec![
            ("strict".into(), ModuleOptions::Sshd(Options { login_failure_limit: 1, ..Options::default() })),
            ("report".into(), ModuleOptions::Report(report::Options::default())),
        ],
    });
    let m = sshd("web1", 30);
    let told = run(&apps, Zone::UTC, &[m.failed("alice", CLIENT), record("web1", "hello")]);
    let ids: Vec<_> = told.iter().map(|event| (event.kind, event.id.split_once(".0.").unwrap().1)).collect();
    assert_eq!(
        ids,
        [
            (Kind::SSHDAttemptsExceeded, "1.lab.strict.0"),
            (Kind::ReportRecord, "2.lab.report.0"),
            (Kind::SSHDLoginFailed, "3.fleet.openssh.0"),
            (Kind::SSHDLoginFailed, "3.lab.strict.0"),
            (Kind::SSHDStats, "3.fleet.openssh.1"),
            (Kind::SSHDStats, "3.lab.strict.1"),
            (Kind::ReportStats, "3.lab.report.0"),
            (Kind::ServerStats, "3.server.server.0"),
        ]
    );
}

#[test]
fn nothing_received_is_nothing_to_tell_of() {
    let told = run(&app(Options::default()), Zone::UTC, &[]);
    assert_eq!(kinds(&told), []);
}

#[test]
fn every_record_is_reported_but_our_own() {
    let own = record("web1", "a line of ours").flag(Flags::OWN);
    let plain = sshd("web2", 0).says(Message::Record).number(0xFFFF).detail(2, "bare");
    let options = report::Options { max_length: 12, ..report::Options::default() };
    let told = run(&reports(options), Zone::UTC, &[record("web1", "hello wide world"), own, plain]);
    assert_eq!(kinds(&told), [Kind::ReportRecord, Kind::ReportRecord, Kind::ReportStats, Kind::ServerStats]);
    for (field, value) in [
        (Field::Host, "web1"),
        (Field::AppName, "sshd"),
        (Field::ProcId, "42"),
        (Field::Facility, "auth"),
        (Field::Level, "info"),
        (Field::Message, "hello wide…"),
    ] {
        assert_eq!(told[0].get(field), value, "{field:?}");
    }
    assert_eq!((told[1].get(Field::Facility), told[1].get(Field::Message)), ("", "bare"));
    assert_eq!((told[2].count(Field::Records), told[2].count(Field::Own)), (2, 1));
}

#[test]
fn times_in_the_future_are_clamped_to_the_arrival() {
    let m = sshd("web1", 30);
    let told =
        tell(&[m.accepted("alice", CLIENT).delayed(-3600.0), m.disconnected("alice", CLIENT).delayed(0.5)]);
    assert_eq!(told[0].time, noon_plus(1.0));
    assert_eq!(told[1].time, Timestamp::from_micros(NOON.as_micros() + 510_000), "its own time, otherwise");
}
