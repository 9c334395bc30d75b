//! The state saved and restored: as if nothing had been, or an error.

use super::properties::{all_on, any_line};
use crate::correlate::sshd::{Options, Switch};
use crate::correlate::tests::lines::{
    Line, Place, Told, app, block, fold, fold_on, kinds, noon_plus, sshd, told,
};
use crate::correlate::{App, Correlator, End, ModuleOptions, RestoreError, Totals, report};
use crate::detect::{Kind as Message, Method};
use crate::event::{Field, Kind};
use crate::time::Zone;
use proptest::prelude::*;
use rkyv::util::AlignedVec;
use std::net::Ipv4Addr;
use std::time::Duration;

const CLIENT: (&str, u16) = ("192.0.2.1", 5555);

/// An application with both types of modules, all of whose kinds are on.
fn apps() -> Vec<App> {
    let mut apps = app(all_on());
    apps[0].modules.push(("report".into(), ModuleOptions::Report(report::Options::default())));
    apps
}

fn saved(correlator: &Correlator) -> Vec<u8> {
    let mut bytes = AlignedVec::new();
    correlator.save(&mut bytes).unwrap();
    bytes.into_vec()
}

fn restored(apps: &[App], bytes: &[u8]) -> Correlator {
    Correlator::restore(apps, Zone::UTC, bytes).unwrap()
}

fn restore_error(bytes: &[u8]) -> RestoreError {
    Correlator::restore(&apps(), Zone::UTC, bytes).unwrap_err()
}

/// A correlator that has folded some lines.
fn after(apps: &[App], lines: &[Line]) -> Correlator {
    let mut correlator = Correlator::new(apps, Zone::UTC);
    fold(&mut correlator, lines, &[3], &mut block(apps));
    correlator
}

/// What some lines tell and leave behind, with a restart before each of the places in `restarts`.
fn run(lines: &[Line], sizes: &[usize], restarts: &[usize]) -> (Vec<Told>, Vec<u8>) {
    let (apps, mut place, mut done) = (apps(), Place::START, 0);
    let (mut correlator, mut events) = (Correlator::new(&apps, Zone::UTC), block(&apps));
    for &restart in restarts {
        fold_on(&mut correlator, &mut place, (&lines[done..restart], sizes), &mut events);
        done = restart;
        let bytes = saved(&correlator);
        correlator = restored(&apps, &bytes);
        assert_eq!(saved(&correlator), bytes, "what was restored is what was saved");
    }
    fold_on(&mut correlator, &mut place, (&lines[done..], sizes), &mut events);
    let bytes = saved(&correlator);
    correlator.finish(End::OfInput, Totals::default(), &mut events);
    (told(&events), bytes)
}

/// A bit of everything that the state can hold.
fn scenario() -> Vec<Line> {
    let (m, c, n) = (sshd("web1", 30), sshd("web1", 31), sshd("db", 7));
    let mut lines = vec![
        m.connection_from(CLIENT),
        m.invalid("eve", CLIENT),
        m.failed_invalid("eve", CLIENT),
        m.failed("alice", CLIENT).times(5),
        m.accepted("alice", CLIENT).detail(1, "ED25519 SHA256:abc"),
        m.pam_opened("alice"),
        m.says(Message::UserChild).quoting(31),
        c.received_disconnect(CLIENT),
        n.says(Message::KeyRevoked).detail(0, "RSA SHA256:def"),
        n.says(Message::PamAccountRefused).user("bob").detail(0, "account expired"),
        n.says(Message::PreauthTimeout).from(("198.51.100.7", 9)),
        sshd("db", 8).says(Message::ConnectionDropped).from(("198.51.100.7", 10)).detail(0, "MaxStartups"),
        sshd("db", 8).says(Message::ConnectionDropped).from(("198.51.100.7", 11)).detail(0, "MaxStartups"),
        sshd("db", 9).says(Message::Disconnected).user("carol").from(("198.51.100.8", 12)),
        sshd("web2", 0).says(Message::Record).number(38).detail(2, "hello"),
    ];
    lines.extend((0..12).map(|port| n.failed(&format!("user{port}"), ("2001:db8::1", 100 + port))));
    lines.extend([
        sshd("db", 9).says(Message::PamSessionClosed).user("carol").after(0.5),
        m.pam_closed("alice"),
        m.failed("alice", ("192.0.2.1", 5556)),
        n.closed_authenticating("user11", ("2001:db8::1", 111)).after(700.0),
        m.says(Message::Noise).after(90_000.0),
    ]);
    lines
}

proptest! {
    #[test]
    fn a_restart_changes_nothing(
        lines in prop::collection::vec(any_line(), 0..80),
        (a, b) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        sizes in prop::collection::vec(1_usize..9, 1..5),
    ) {
        let mut restarts = [a.index(lines.len() + 1), b.index(lines.len() + 1)];
        restarts.sort_unstable();
        let (whole, left) = run(&lines, &[1], &[]);
        let (with_restarts, left_by_them) = run(&lines, &sizes, &restarts);
        prop_assert_eq!(with_restarts, whole);
        prop_assert!(left_by_them == left, "equal inputs leave equal bytes");
    }

    #[test]
    fn damage_in_many_places_does_no_more_than_in_one(
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 2..20)
    ) {
        let (apps, lines) = (apps(), scenario());
        let mut bytes = saved(&after(&apps, &lines[..20]));
        for (place, byte) in places {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        try_on(&apps, &bytes, &lines[15..]);
    }

    #[test]
    fn bytes_of_no_state_are_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(matches!(restore_error(&bytes), RestoreError::Foreign));
    }
}

#[test]
fn a_restart_anywhere_changes_nothing() {
    let lines = scenario();
    let whole = run(&lines, &[1], &[]);
    for restart in 0..=lines.len() {
        assert!(run(&lines, &[4], &[restart]) == whole, "before line {restart}");
    }
    let everywhere: Vec<_> = (0..lines.len()).collect();
    assert!(run(&lines, &[1], &everywhere) == whole);
}

#[test]
fn a_restart_keeps_which_key_makes_room_next() {
    let source = |port| sshd("web1", 30).failed(&format!("user{port}"), ("192.0.2.1", port));
    let target = |host: u16| {
        let mut line = sshd("web1", 30).failed("alice", ("192.0.2.1", host));
        line.entry.addr = Some(Ipv4Addr::from(0x0A00_0000 + u32::from(host)).into());
        line
    };
    let lines: Vec<_> = (1..=100).map(source).chain((1..=50).map(target)).collect();
    assert!(run(&lines, &[7], &[80, 140]) == run(&lines, &[7], &[]));
}

#[test]
fn a_restart_keeps_the_order_of_age() {
    let apps = app(Options { max_transaction_age: Duration::from_secs(100), ..Options::default() });
    let (m, n) = (sshd("web1", 30), sshd("web1", 40));
    let (alice, bob) = (m.failed("alice", CLIENT), n.failed("bob", ("192.0.2.1", 6666)));
    // The older one has spoken last.
    let bytes = saved(&after(&apps, &[alice.clone(), bob, alice]));
    let (mut correlator, mut events) = (restored(&apps, &bytes), block(&apps));
    let noise = m.says(Message::Noise).after(200.0);
    fold(&mut correlator, &[noise], &[1], &mut events);
    let ends: Vec<_> =
        told(&events).iter().map(|event| (event.get(Field::User).to_owned(), event.time)).collect();
    assert_eq!(ends, [("alice".to_owned(), noon_plus(101.0)), ("bob".to_owned(), noon_plus(102.0))]);
}

/// Restores bytes that may be damaged, and goes on with what that gives.
fn try_on(apps: &[App], bytes: &[u8], lines: &[Line]) -> bool {
    let Ok(mut correlator) = Correlator::restore(apps, Zone::UTC, bytes) else { return false };
    let mut events = block(apps);
    fold(&mut correlator, lines, &[lines.len()], &mut events);
    correlator.finish(End::OfInput, Totals::default(), &mut events);
    saved(&correlator);
    true
}

#[test]
fn damage_is_an_error_or_a_state_that_goes_on() {
    let (apps, lines) = (apps(), scenario());
    let bytes = saved(&after(&apps, &lines[..14]));
    let mut damaged = bytes.clone();
    let mut survived = 0_usize;
    for bit in 0..bytes.len() * 8 {
        damaged[bit / 8] ^= 1 << (bit % 8);
        survived += usize::from(try_on(&apps, &damaged, &lines[12..18]));
        damaged[bit / 8] ^= 1 << (bit % 8);
    }
    assert!((1..bytes.len() * 8).contains(&survived), "both happen");
    for len in 0..bytes.len() {
        assert!(!try_on(&apps, &bytes[..len], &lines[20..]), "cut to {len} bytes");
    }
}

#[test]
fn bytes_need_no_alignment() {
    let bytes = saved(&after(&apps(), &scenario()));
    for shift in 0..16 {
        let mut shifted = AlignedVec::<16>::new();
        shifted.resize(shift, 0);
        shifted.extend_from_slice(&bytes);
        assert_eq!(saved(&restored(&apps(), &shifted[shift..])), bytes);
    }
}

#[test]
fn a_newer_version_is_named() {
    let mut bytes = saved(&Correlator::new(&apps(), Zone::UTC));
    bytes[8] = 7;
    assert_eq!(
        restore_error(&bytes).to_string(),
        "the saved state is of version 7 and this program reads versions up to 2: use the program that wrote it, or a newer one"
    );
}

#[test]
fn two_connections_of_one_process_are_damage() {
    let apps = apps();
    let mut bytes = saved(&after(
        &apps,
        &[sshd("h", 0x1111).failed("a", CLIENT), sshd("h", 0x2222).failed("a", ("192.0.2.1", 2))],
    ));
    let at = bytes.windows(4).position(|bytes| bytes == 0x2222_u32.to_le_bytes()).unwrap();
    bytes[at..at + 4].copy_from_slice(&0x1111_u32.to_le_bytes());
    assert!(matches!(restore_error(&bytes), RestoreError::Damaged(_)));
}

#[test]
fn modules_are_known_by_name_and_type() {
    let failed = sshd("web1", 30).failed("alice", CLIENT);
    let bytes = saved(&after(&apps(), &[failed, sshd("web1", 0).says(Message::Record)]));
    let (fleet, report) = (app(all_on()).remove(0), ModuleOptions::Report(report::Options::default()));
    let modules = vec![
        // A new one, one that has another type now, and one that has moved.
        ("new".into(), ModuleOptions::Sshd(Options::default())),
        ("report".into(), ModuleOptions::Sshd(Options::default())),
        fleet.modules[0].clone(),
    ];
    let apps = [
        App { name: "fleet".into(), modules },
        App { name: "other".into(), modules: vec![("report".into(), report)] },
    ];
    let (mut correlator, mut events) = (restored(&apps, &bytes), block(&apps));
    correlator.finish(End::OfInput, Totals::default(), &mut events);
    let told = told(&events);
    let failed: Vec<_> = told.iter().filter(|event| event.kind == Kind::SSHDLoginFailed).collect();
    assert_eq!(failed.len(), 1);
    assert!(failed[0].id.contains("fleet.openssh"), "{}", failed[0].id);
    let reported = told.iter().find(|event| event.kind == Kind::ReportStats).unwrap();
    assert_eq!(reported.count(Field::Records), 0, "that of another application starts empty");
}

#[test]
fn options_are_those_of_the_present() {
    let m = sshd("web1", 30);
    let failures: Vec<_> = (0..4).map(|_| m.failed("alice", CLIENT)).collect();
    let bytes = saved(&after(&app(Options::default()), &failures));
    let ends = |options: Options| {
        let apps = app(options);
        let (mut correlator, mut events, mut place) = (restored(&apps, &bytes), block(&apps), Place::START);
        fold_on(&mut correlator, &mut place, (&[m.failed("alice", CLIENT)], &[1]), &mut events);
        correlator.finish(End::OfInput, Totals::default(), &mut events);
        told(&events)
    };
    let usual = [Kind::SSHDAttemptsExceeded, Kind::SSHDLoginFailed, Kind::SSHDStats, Kind::ServerStats];
    assert_eq!(kinds(&ends(Options::default())), usual);
    assert_eq!(kinds(&ends(Options { login_failure_limit: 6, ..Options::default() })), usual[1..]);
    let networks = vec!["192.0.2.0/24".parse().unwrap()];
    let trusted = ends(Options { trusted_networks: networks.clone(), ..Options::default() });
    assert_eq!(trusted[0].get(Field::Trusted), "true");
    assert_eq!(kinds(&ends(Options { ignore_networks: networks, ..Options::default() })), usual[2..]);
    let off = vec![(Kind::SSHDLoginFailed, Switch::Off)];
    assert!(!kinds(&ends(Options { events: off, ..Options::default() })).contains(&Kind::SSHDLoginFailed));
}

#[test]
fn sources_that_a_shorter_prefix_makes_one_do_no_harm() {
    let lines: Vec<_> = (1..5)
        .flat_map(|net| {
            let addr = ["2001:db8:0:1::1", "2001:db8:0:2::1", "2001:db8:0:3::1", "192.0.2.1"][net - 1];
            (0..4).map(move |user| sshd("web1", 10).failed(&format!("user{user}"), (addr, 100 + user)))
        })
        .collect();
    let bytes = saved(&after(&app(Options::default()), &lines));
    let apps = app(Options { ipv6_prefix: 32, ..Options::default() });
    assert!(try_on(&apps, &bytes, &lines));
}

#[test]
fn evidence_outlives_a_restart() {
    let (apps, m) = (app(Options::default()), sshd("web1", 30));
    let mut correlator = Correlator::new(&apps, Zone::UTC);
    correlator.begin_run(1000);
    let accepted = m.accepted("alice", CLIENT).by(Method::Publickey);
    fold(&mut correlator, &[accepted], &[1], &mut block(&apps));
    let mut correlator = restored(&apps, &saved(&correlator));
    assert_eq!(correlator.base(), 1000);
    correlator.begin_run(2000);
    let mut events = block(&apps);
    fold(&mut correlator, &[m.disconnected("alice", CLIENT).after(60.0)], &[1], &mut events);
    let ended = told(&events).pop().unwrap();
    assert_eq!((ended.time, ended.evidence), (noon_plus(60.0), vec![1001, 2001]));
}

/// What is told of `rest` and of the end by a correlator that folded `kept`, and only heard the events of `lost`.
fn after_loss(kept: &[Line], lost: &[Line], rest: &[Line]) -> Vec<Told> {
    let mut told = after_loss_with_statistics(kept, lost, rest);
    told.truncate(told.len().saturating_sub(2));
    told
}

fn after_loss_with_statistics(kept: &[Line], lost: &[Line], rest: &[Line]) -> Vec<Told> {
    let (apps, mut place) = (app(Options::default()), Place::START);
    let (mut live, mut events) = (Correlator::new(&apps, Zone::UTC), block(&apps));
    fold_on(&mut live, &mut place, (kept, &[1]), &mut events);
    events.clear();
    let bytes = saved(&live);
    fold_on(&mut live, &mut place, (lost, &[1]), &mut events);
    let mut restarted = restored(&apps, &bytes);
    for event in events.iter() {
        restarted.absorb(event);
    }
    let bytes = saved(&restarted);
    assert_eq!(saved(&restored(&apps, &bytes)), bytes);
    events.clear();
    fold_on(&mut restarted, &mut place, (rest, &[1]), &mut events);
    restarted.finish(End::OfInput, Totals::default(), &mut events);
    told(&events)
}

#[test]
fn what_events_ended_is_not_told_again() {
    let (m, c) = (sshd("web1", 30), sshd("web1", 31));
    let failed = [m.failed("alice", CLIENT)];
    let closed = [m.closed_authenticating("alice", CLIENT)];
    assert_eq!(kinds(&after_loss(&failed, &[], &closed)), [Kind::SSHDLoginFailed]);
    assert_eq!(after_loss(&failed, &closed, &[]), []);
    assert_eq!(after_loss(&failed, &closed, &closed), [], "nor by a late record");

    let login = [m.accepted("alice", CLIENT), m.pam_opened("alice")];
    let end = [c.received_disconnect(CLIENT), m.pam_closed("alice")];
    assert_eq!(kinds(&after_loss(&login, &[], &end)), [Kind::SSHDLoginSucceeded]);
    assert_eq!(after_loss(&login, &end, &[]), []);
    assert_eq!(after_loss(&login, &end, &[c.disconnected("alice", CLIENT)]), []);
}

#[test]
fn an_expiry_that_was_told_is_not_told_again() {
    let (m, n) = (sshd("web1", 30), sshd("db", 7));
    let noise = [n.says(Message::Noise).after(700.0)];
    assert_eq!(kinds(&after_loss(&[m.failed("alice", CLIENT)], &[], &noise)), [Kind::SSHDLoginFailed]);
    assert_eq!(after_loss(&[m.failed("alice", CLIENT)], &noise, &noise), []);
}

#[test]
fn a_crash_that_was_told_ends_its_connection() {
    let m = sshd("web1", 30);
    let crash = [sshd("web1", 1).says(Message::ChildCrash).quoting(30).number(11)];
    assert_eq!(after_loss(&[m.connection_from(CLIENT), m.failed("alice", CLIENT)], &crash, &[]), []);
}

#[test]
fn a_login_that_events_began_ends_as_usual() {
    let (m, c) = (sshd("web1", 30), sshd("web1", 31));
    let login = [m.failed("alice", CLIENT), m.accepted("alice", CLIENT).detail(1, "ED25519 SHA256:abc")];
    let end = [c.disconnected("alice", CLIENT).after(60.0)];
    let whole = after_loss(&login, &[], &end);
    assert_eq!(kinds(&whole), [Kind::SSHDLoginSucceeded]);
    for lost in 1..=login.len() {
        let (saved, lost) = login.split_at(login.len() - lost);
        assert_eq!(after_loss(saved, lost, &end), whole);
    }
}

#[test]
fn a_port_that_events_say_serves_another_login_is_that_logins() {
    let (m, n) = (sshd("web1", 30), sshd("web1", 40));
    let quiet = [m.connection_from(CLIENT)];
    let told = after_loss(&quiet, &[n.accepted("bob", CLIENT)], &[n.disconnected("bob", CLIENT)]);
    assert_eq!(kinds(&told), [Kind::SSHDLoginSucceeded]);
    assert_eq!((told[0].get(Field::User), told[0].count(Field::Pid)), ("bob", 40));
}

#[test]
fn statistics_that_were_told_are_not_told_again() {
    let midnight = [sshd("db", 7).says(Message::Noise).after(43_300.0)];
    let noise = [sshd("db", 7).says(Message::Noise)];
    assert_eq!(kinds(&after_loss(&noise, &[], &midnight)), [Kind::SSHDStats]);
    let told = after_loss_with_statistics(&noise, &midnight, &noise);
    assert_eq!(kinds(&told), [Kind::SSHDStats, Kind::ServerStats]);
    assert_eq!(told[0].count(Field::Records), 1, "those of before midnight were told then");
}

proptest! {
    #[test]
    fn events_may_be_absorbed_whatever_they_say(
        lines in prop::collection::vec(any_line(), 0..80),
        (a, b) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
    ) {
        let (a, b) = (a.index(lines.len() + 1), b.index(lines.len() + 1));
        let (a, b) = (a.min(b), a.max(b));
        after_loss(&lines[..a], &lines[a..b], &lines[b..]);
    }
}
