//! What holds whatever comes: splitting, interleaving, bounds.

use crate::correlate::sink::{Sink, Switches, Turn};
use crate::correlate::sshd::{Input, Module, Options, Switch};
use crate::correlate::tests::lines::{
    Client, Line, NOON, Told, app, block, fold, observed, sshd, tell, told,
};
use crate::correlate::{Correlator, End, Totals};
use crate::detect::{Flags, Kind as Message, Method};
use crate::event::{Field, Kind};
use crate::limits;
use crate::time::{Timestamp, Zone};
use proptest::prelude::*;
use std::net::Ipv4Addr;
use std::time::Duration;

const METHODS: [Method; 4] = [Method::Password, Method::Publickey, Method::KeyboardInteractive, Method::None];
const ADDRS: [&str; 5] = ["192.0.2.1", "192.0.2.2", "203.0.113.7", "2001:db8::1", "2001:db8::2"];
const HOSTS: [&str; 3] = ["web1", "web2", "db"];
const USERS: [&str; 6] = ["alice", "bob", "root", "", "DOM\\user", "x from 6.6.6.6 port 22 ssh2"];

/// Any line at all, however little sense it makes.
pub(super) fn any_line() -> impl Strategy<Value = Line> {
    let kind = prop::sample::select(Message::ALL.to_vec());
    let flags = prop::sample::subsequence(
        vec![Flags::INVALID_USER, Flags::PREAUTH, Flags::CUT, Flags::AUTHENTICATING, Flags::BEGIN],
        0..3,
    );
    let address = (prop::sample::select(ADDRS.to_vec()), 0_u16..4, any::<bool>(), any::<bool>());
    let who = (prop::sample::select(HOSTS.to_vec()), 0_u32..8, prop::sample::select(USERS.to_vec()));
    let time = (prop::sample::select(vec![0.0, 0.0, 0.01, 1.0, 30.0, 700.0, 90_000.0]), -10.0..4000.0);
    let rest = (prop::sample::select(METHODS.to_vec()), 0_u32..8, 0_u64..20, 1_u32..3);
    (kind, flags, address, who, time, rest).prop_map(
        |(kind, flags, (addr, port, proved, named), (host, pid, user), (after, delay), rest)| {
            let (method, quoted, number, repeat) = rest;
            let mut line = sshd(host, pid).says(kind).by(method).quoting(quoted).number(number).times(repeat);
            for flag in flags {
                line = line.flag(flag);
            }
            line = if proved { line.from((addr, port)) } else { line.claims(addr, port) };
            line = if named { line.user(user) } else { line };
            line.after(after).delayed(delay).detail(0, "text").detail(1, "ED25519 SHA256:abc")
        },
    )
}

pub(super) fn all_on() -> Options {
    Options { events: Kind::ALL.iter().map(|kind| (*kind, Switch::On)).collect(), ..Options::default() }
}

fn events(lines: &[Line], sizes: &[usize]) -> Vec<Told> {
    let apps = app(all_on());
    let (mut correlator, mut events) = (Correlator::new(&apps, Zone::UTC), block(&apps));
    fold(&mut correlator, lines, sizes, &mut events);
    correlator.finish(End::OfInput, Totals::default(), &mut events);
    told(&events)
}

/// The records of one connection: of its monitor, and of its user's child, which speaks once the login is accepted.
fn connection(index: u16, shape: u8) -> (Vec<Line>, Vec<Line>) {
    let (m, c) = (sshd("web1", 1000 + u32::from(index)), sshd("web1", 3000 + u32::from(index)));
    let client: Client = (ADDRS[usize::from(index) % ADDRS.len()], 10_000 + index);
    let failed = m.failed("alice", client);
    match shape {
        0 => (
            vec![failed, m.accepted("alice", client), m.pam_opened("alice"), m.pam_closed("alice")],
            vec![c.received_disconnect(client), c.disconnected("alice", client)],
        ),
        1 => (vec![m.accepted("alice", client)], vec![c.closed(client)]),
        2 => (vec![m.accepted("alice", client), m.pam_opened("alice"), m.pam_closed("alice")], vec![]),
        3 => (vec![failed.clone(), failed, m.closed_authenticating("alice", client)], vec![]),
        4 => (vec![m.invalid("eve", client), m.closed_invalid("eve", client)], vec![]),
        5 => (vec![m.pam_error("bob", client.0), m.closed_authenticating("bob", client)], vec![]),
        _ => (
            vec![m.received_disconnect(client).preauth(), {
                m.disconnected("root", client).preauth().flag(Flags::AUTHENTICATING)
            }],
            vec![],
        ),
    }
}

/// Interleaves streams by random choices; a child's stream begins once its login is accepted.
fn interleave(mut streams: Vec<(Vec<Line>, Vec<Line>)>, choices: &[usize]) -> Vec<Line> {
    let (mut lines, mut choices) = (Vec::new(), choices.iter().copied().cycle());
    for (monitor, child) in &mut streams {
        monitor.reverse();
        child.reverse();
    }
    while !streams.is_empty() {
        let at = choices.next().unwrap() % streams.len();
        let (monitor, child) = &mut streams[at];
        let open = monitor.iter().all(|line| !matches!(line.entry.kind, Message::Accepted));
        let of_child = open && !child.is_empty() && (monitor.is_empty() || choices.next().unwrap() % 2 == 0);
        lines.extend(if of_child { child.pop() } else { monitor.pop() }.map(|line| line.after(0.01)));
        if monitor.is_empty() && child.is_empty() {
            streams.swap_remove(at);
        }
    }
    lines
}

/// Feeds a module by hand, so that its tables can be looked at.
fn feed(module: &mut Module, lines: &[Line], now: &mut i64) {
    let apps = app(Options::default());
    let (mut events, mut turn, switches) = (block(&apps), Turn::new(0), Switches::new(&[]));
    let (bytes, observations, runs) = observed(lines, now);
    let mut runs = runs.iter().copied().peekable();
    let mut arrival = NOON;
    for (number, view) in (1..).zip(observations.views(&bytes)) {
        turn.take(number);
        let mut sink = Sink { turn: &mut turn, switches: &switches, events: &mut events };
        if let Some((_, at)) = runs.next_if(|(start, _)| *start == view.entry.frame) {
            arrival = at;
            module.fire(at, &mut sink);
        }
        module.take(&Input { view, number, arrival, time: view.entry.time.min(arrival) }, &mut sink);
        events.clear();
    }
}

/// What a module still holds once every deadline has passed.
fn left_after_a_year(module: &mut Module, now: i64) -> (usize, usize, usize, usize, usize) {
    let apps = app(Options::default());
    let (mut events, mut turn, switches) = (block(&apps), Turn::new(0), Switches::new(&[]));
    let mut sink = Sink { turn: &mut turn, switches: &switches, events: &mut events };
    for week in 1..52 {
        let week = Duration::from_secs(week * 7 * 86_400);
        module.fire(Timestamp::from_micros(now).plus(week), &mut sink);
    }
    let Module { connections, sources, targets, throttles, names, .. } = module;
    (connections.len(), sources.len(), targets.len(), throttles.len(), names.len())
}

proptest! {
    #[test]
    fn batches_may_be_split_anywhere(
        lines in prop::collection::vec(any_line(), 0..80), sizes in prop::collection::vec(1_usize..9, 1..9)
    ) {
        prop_assert_eq!(events(&lines, &sizes), events(&lines, &[1]));
    }

    #[test]
    fn ordinals_count_from_nothing_for_each_input(lines in prop::collection::vec(any_line(), 0..80)) {
        let mut next = std::collections::HashMap::new();
        for event in events(&lines, &[5]) {
            let (input, ordinal) = event.id.rsplit_once('.').unwrap();
            let expected = next.entry(input.to_owned()).or_insert(0_u32);
            prop_assert_eq!(ordinal.parse::<u32>().unwrap(), *expected);
            *expected += 1;
        }
    }

    #[test]
    fn interleaved_connections_are_told_of_once_each(
        shapes in prop::collection::vec(0_u8..7, 1..20), choices in prop::collection::vec(any::<usize>(), 1..50)
    ) {
        let streams = (0..).zip(&shapes).map(|(index, shape)| connection(index, *shape)).collect();
        let told = tell(&interleave(streams, &choices));
        for (index, shape) in (0_u64..).zip(&shapes) {
            let port = (10_000 + index).to_string();
            let of = |kind| {
                told.iter().filter(|event| event.kind == kind && event.get(Field::Port) == port).count()
            };
            let login = usize::from(*shape < 3);
            prop_assert_eq!(of(Kind::SSHDLoginSucceeded), login, "shape {}", shape);
            prop_assert_eq!(of(Kind::SSHDSessionStarted), login, "shape {}", shape);
            prop_assert_eq!(of(Kind::SSHDLoginFailed), 1 - login, "shape {}", shape);
        }
        prop_assert!(told.iter().all(|event| event.get(Field::EndReason) != "end_of_input"));
    }

    #[test]
    fn nothing_is_held_once_all_is_over(lines in prop::collection::vec(any_line(), 0..200)) {
        let (mut module, mut now) = (Module::new(all_on()), NOON.as_micros());
        feed(&mut module, &lines, &mut now);
        prop_assert_eq!(left_after_a_year(&mut module, now), (0, 0, 0, 0, 0));
    }

    #[test]
    fn tables_keep_to_their_caps(lines in prop::collection::vec(any_line(), 0..300)) {
        let mut module = Module::new(all_on()).with_caps(3);
        let mut now = NOON.as_micros();
        let lines: Vec<_> = lines.into_iter().map(|line| line.after(0.5)).collect();
        for lines in lines.chunks(10) {
            feed(&mut module, lines, &mut now);
            let Module { connections, sources, targets, throttles, .. } = &module;
            let sizes = [connections.len(), sources.len(), targets.len(), throttles.len()];
            prop_assert!(sizes.iter().all(|size| *size <= 3), "{:?}", sizes);
        }
        prop_assert_eq!(left_after_a_year(&mut module, now), (0, 0, 0, 0, 0));
    }
}

#[test]
fn random_addresses_and_names_leave_memory_bounded() {
    const CAP: usize = 100;
    let (mut module, mut now) = (Module::new(Options::default()).with_caps(CAP), NOON.as_micros());
    for round in 0..50_u32 {
        let line = |index: u32| {
            let random = (round * 200 + index).wrapping_mul(2_654_435_761);
            let port = u16::try_from(random >> 16).unwrap() | 1;
            let mut line = sshd("web1", random).failed_invalid(&format!("user{random}"), ("192.0.2.1", port));
            line.entry.addr = Some(Ipv4Addr::from(random).into());
            line.after(0.001)
        };
        let lines: Vec<_> = (0..200).map(line).collect();
        feed(&mut module, &lines, &mut now);
        assert!(module.connections.len() <= CAP && module.sources.len() <= CAP);
        assert!(module.names.len() <= 2 * CAP + 1, "{} names", module.names.len());
    }
    assert_eq!(module.stats.evicted, 2 * (10_000 - CAP as u64), "and every eviction is counted");
}

#[test]
fn in_a_storm_what_has_ended_is_kept_for_less_than_a_minute() {
    let (mut module, mut now) = (Module::new(Options::default()), NOON.as_micros());
    let more = limits::MAX_ENDED_CONNECTIONS + 10;
    let connection = |index: usize| {
        let (pid, port) = (u32::try_from(index).unwrap() + 1, u16::try_from(index).unwrap() + 1);
        let (sshd, client) = (sshd("web1", pid), ("192.0.2.1", port));
        [sshd.connection_from(client).after(0.0001), sshd.closed(client).after(0.0001)]
    };
    let lines: Vec<_> = (0..more).flat_map(connection).collect();
    feed(&mut module, &lines, &mut now);
    assert_eq!(module.connections.len(), limits::MAX_ENDED_CONNECTIONS);
    assert_eq!(left_after_a_year(&mut module, now), (0, 0, 0, 0, 0));
}
