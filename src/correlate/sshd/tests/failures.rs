//! Failures: what counts, where the limits are, and what follows a login after them.

use crate::correlate::End;
use crate::correlate::sshd::{Options, Switch};
use crate::correlate::tests::lines::{Client, Line, Told, kinds, noon_plus, sshd, tell, tell_with};
use crate::detect::{Flags, Kind as Message, Method};
use crate::event::{Field, Kind, Severity};
use Kind::{
    SSHDAttemptsExceeded, SSHDDistributedBruteForce, SSHDLoginFailed, SSHDSuccessAfterFailures,
    SSHDUserEnumeration,
};

const CLIENT: Client = ("192.0.2.1", 5555);

fn of_kind(told: &[Told], kind: Kind) -> Vec<Told> {
    told.iter().filter(|event| event.kind == kind).cloned().collect()
}

/// One connection that fails once, of its own process and port.
fn attempt(index: u16, user: &str, addr: &'static str) -> Line {
    sshd("web1", 1000 + u32::from(index)).failed(user, (addr, 10_000 + index))
}

/// `count` connections that fail once each, one a second.
fn attempts(count: u16, user: &str) -> Vec<Line> {
    (0..count).map(|index| attempt(index, user, CLIENT.0)).collect()
}

/// The alarm that a login raises after some lines, if any.
fn alarm(mut lines: Vec<Line>, login: Line) -> Option<Severity> {
    lines.push(login);
    let told = of_kind(&tell(&lines), SSHDSuccessAfterFailures);
    assert!(told.len() <= 1);
    told.first().map(|event| event.severity)
}

fn login(user: &str, method: Method) -> Line {
    sshd("web1", 99).accepted(user, CLIENT).by(method)
}

#[test]
fn the_source_that_goes_over_the_limit_is_told_once_and_at_each_doubling() {
    let told = tell(&attempts(41, "root"));
    let told = of_kind(&told, SSHDAttemptsExceeded);
    let counts: Vec<_> = told.iter().map(|event| event.count(Field::Count)).collect();
    assert_eq!(counts, [5, 10, 20, 40]);
    let first = &told[0];
    assert_eq!(first.severity, Severity::Warning);
    for (field, value) in [
        (Field::Source, "192.0.2.1"),
        (Field::Addr, "192.0.2.1"),
        (Field::Host, "web1"),
        (Field::Limit, "5"),
        (Field::Window, "300"),
        (Field::Users, "root"),
        (Field::DistinctUsers, "1"),
    ] {
        assert_eq!(first.get(field), value, "{field:?}");
    }
    assert_eq!(first.get(Field::Start), noon_plus(1.0).to_string());
    assert_eq!(first.evidence, [1, 2, 3, 4, 5]);
}

#[test]
fn the_limit_counts_across_hosts_and_within_the_window_only() {
    let spread = |seconds: f64| -> Vec<Line> {
        let hosts = ["web1", "web2", "web3", "web4", "web5"].into_iter().zip(0..);
        hosts.map(|(host, index)| attempt(index, "root", CLIENT.0).host(host).after(seconds)).collect()
    };
    assert_eq!(of_kind(&tell(&spread(74.9)), SSHDAttemptsExceeded).len(), 1, "five within 299.6 seconds");
    assert_eq!(of_kind(&tell(&spread(75.0)), SSHDAttemptsExceeded).len(), 0, "five within 300 seconds");
}

#[test]
fn it_is_told_again_only_after_a_quiet_window() {
    let mut lines = attempts(5, "root");
    lines.extend(attempts(8, "root").into_iter().map(|line| line.after(70.0)));
    assert_eq!(of_kind(&tell(&lines), SSHDAttemptsExceeded).len(), 1, "never quiet, never doubled");
    let mut lines = attempts(5, "root");
    lines.push(attempt(9, "root", CLIENT.0).after(300.0));
    lines.extend(attempts(4, "root"));
    assert_eq!(of_kind(&tell(&lines), SSHDAttemptsExceeded).len(), 2);
}

#[test]
fn what_counts_as_a_failure() {
    let m = sshd("web1", 30);
    let failures = |lines: &[Line]| {
        let mut lines = lines.to_vec();
        lines.push(m.closed_authenticating("alice", CLIENT));
        let told = tell(&lines);
        assert_eq!(kinds(&told).iter().filter(|kind| **kind == SSHDLoginFailed).count(), 1);
        let failed = of_kind(&told, SSHDLoginFailed).remove(0);
        (failed.count(Field::Failures), failed.count(Field::KeyFailures), failed.severity)
    };
    let keyboard = || m.failed("alice", CLIENT).by(Method::KeyboardInteractive).detail(0, "pam");
    let pam = || m.pam_error("alice", CLIENT.0);
    let key = || m.failed("alice", CLIENT).by(Method::Publickey);
    let notice = Severity::Notice;
    assert_eq!(failures(&[m.failed("alice", CLIENT)]), (1, 0, notice));
    assert_eq!(failures(&[m.failed("alice", CLIENT).times(3)]), (3, 0, notice));
    assert_eq!(failures(&[key(), key()]), (0, 2, Severity::Info), "only keys");
    assert_eq!(failures(&[key(), m.failed("alice", CLIENT)]), (1, 1, notice));
    assert_eq!(failures(&[]), (0, 0, Severity::Info), "no more than a name");
    assert_eq!(failures(&[m.failed("alice", CLIENT).by(Method::None)]), (0, 0, Severity::Info));
    assert_eq!(failures(&[pam(), pam()]), (2, 0, notice), "PAM's errors alone");
    assert_eq!(failures(&[pam(), keyboard().quickly(), pam(), keyboard().quickly()]), (2, 0, notice));
    assert_eq!(failures(&[pam(), keyboard().after(5.0)]), (2, 0, notice), "not the same one");
    assert_eq!(failures(&[pam(), m.failed("alice", CLIENT).quickly()]), (2, 0, notice));
    let module = m.says(Message::PamAuthFailure).user("alice").from((CLIENT.0, 0));
    assert_eq!(failures(&[module, m.failed("alice", CLIENT)]), (1, 0, notice), "PAM's modules do not count");
    let copy = m.failed("alice", CLIENT).by(Method::GssapiWithMic);
    assert_eq!(failures(&[copy.clone(), copy.preauth()]), (1, 0, notice), "the child's copy");
}

#[test]
fn a_helper_of_pam_is_no_connection_of_its_own() {
    let (m, p) = (sshd("web1", 30), sshd("web1", 31));
    let lines = [
        p.says(Message::PamAuthFailure).user("root").from((CLIENT.0, 0)),
        p.says(Message::PamAccountRefused).user("root").detail(0, "expired"),
        m.pam_error("root", CLIENT.0),
        m.closed_authenticating("root", CLIENT),
        m.says(Message::Noise).after(700.0),
    ];
    let events = vec![(Kind::SSHDProtocolProbe, Switch::On)];
    let told = tell_with(Options { events, ..Options::default() }, &lines, End::OfInput);
    assert_eq!(kinds(&told), [SSHDLoginFailed, Kind::SSHDStats, Kind::ServerStats]);
    assert_eq!((told[0].get(Field::Port), told[0].get(Field::Methods)), ("5555", "keyboard-interactive"));
}

#[test]
fn what_pam_says_first_is_the_start() {
    let m = sshd("web1", 30);
    let told = tell(&[
        m.says(Message::PamAuthFailure).user("alice").from((CLIENT.0, 0)),
        m.failed("alice", CLIENT).after(2.0),
        m.closed_authenticating("alice", CLIENT),
    ]);
    assert_eq!(kinds(&told), [SSHDLoginFailed]);
    assert_eq!(
        (told[0].get(Field::Start), told[0].get(Field::Duration)),
        (&*noon_plus(1.0).to_string(), "3")
    );
    assert_eq!(told[0].evidence, [1, 2, 3]);
}

#[test]
fn an_invalid_user_with_keys_only_is_one_probe() {
    let m = sshd("web1", 30);
    let probe = |index: u16| {
        let (m, client) = (sshd("web1", 30 + u32::from(index)), (CLIENT.0, 7000 + index));
        [m.invalid("eve", client), m.closed_invalid("eve", client)]
    };
    let told = tell(&probe(0));
    assert_eq!(kinds(&told), [SSHDLoginFailed]);
    assert_eq!((told[0].severity, told[0].get(Field::InvalidUser)), (Severity::Info, "true"));
    let lines: Vec<_> = (0..5).flat_map(probe).collect();
    assert_eq!(of_kind(&tell(&lines), SSHDAttemptsExceeded).len(), 1, "five probes are five attempts");
    let counted =
        [m.invalid("eve", CLIENT), m.failed_invalid("eve", CLIENT), m.closed_invalid("eve", CLIENT)];
    let lines: Vec<_> = (0..4).flat_map(|_| counted.clone()).collect();
    assert!(of_kind(&tell(&lines), SSHDAttemptsExceeded).is_empty(), "what failed is no probe besides");
}

#[test]
fn how_a_failed_connection_ended() {
    let m = sshd("web1", 30);
    let reason = |line: Line| {
        let told = tell(&[m.failed("alice", CLIENT), line]);
        of_kind(&told, SSHDLoginFailed)[0].get(Field::EndReason).to_owned()
    };
    let disconnecting = m.says(Message::Disconnecting).user("alice").from(CLIENT).preauth();
    assert_eq!(reason(m.closed_authenticating("alice", CLIENT)), "closed");
    assert_eq!(reason(m.received_disconnect(CLIENT).preauth()), "disconnected");
    assert_eq!(reason(m.says(Message::ConnectionReset).from(CLIENT).preauth()), "reset");
    assert_eq!(reason(disconnecting.clone().detail(0, "Too many authentication failures")), "max_tries");
    assert_eq!(reason(disconnecting.detail(0, "bad service request x")), "refused");
    assert_eq!(reason(m.says(Message::ConnectionTimeout).from(CLIENT).preauth()), "timeout");
    assert_eq!(reason(m.says(Message::ProtocolError).from(CLIENT).preauth()), "protocol_error");
    assert_eq!(reason(sshd("web1", 1).says(Message::PreauthTimeout).quoting(30)), "grace_timeout");
    assert_eq!(reason(m.says(Message::PreauthTimeout).from(CLIENT)), "grace_timeout");
    assert_eq!(reason(sshd("web1", 1).says(Message::ChildCrash).quoting(30).number(11)), "crashed");
    assert_eq!(reason(m.says(Message::Noise)), "end_of_input");
}

#[test]
fn a_common_scan_says_whom_it_tried() {
    let m = sshd("web1", 30);
    let goodbye = m.received_disconnect(CLIENT).preauth();
    let end = m.disconnected("root", CLIENT).preauth().flag(Flags::AUTHENTICATING);
    let told = tell(&[goodbye, end]);
    assert_eq!(kinds(&told), [SSHDLoginFailed]);
    assert_eq!((told[0].get(Field::User), told[0].severity), ("root", Severity::Info));
}

#[test]
fn many_users_from_one_source_are_an_enumeration() {
    let users = |count: u16, seconds: f64| -> Vec<Line> {
        (0..count).map(|index| attempt(index, &format!("u{index}"), CLIENT.0).after(seconds)).collect()
    };
    let told = of_kind(&tell(&users(81, 1.0)), SSHDUserEnumeration);
    let counts: Vec<_> = told.iter().map(|event| event.count(Field::DistinctUsers)).collect();
    assert_eq!(counts, [10, 20, 40, 80]);
    assert_eq!(told[0].get(Field::Users), "u0,u1,u2,u3,u4,u5,u6,u7,u8,u9");
    assert_eq!(told[0].severity, Severity::Warning);
    assert!(of_kind(&tell(&users(9, 1.0)), SSHDUserEnumeration).is_empty());
    assert!(of_kind(&tell(&users(200, 67.0)), SSHDUserEnumeration).is_empty(), "nine in ten minutes");
}

#[test]
fn many_sources_for_one_existing_user_are_told_once_a_day() {
    let from = |index: u16, user: &str, gap: f64| {
        let line = sshd("web1", 1000 + u32::from(index)).failed(user, CLIENT).after(gap);
        let mut line = line.from(("192.0.2.1", 10_000 + index));
        line.entry.addr = Some(std::net::Ipv4Addr::from(0x0A00_0000 + u32::from(index)).into());
        line
    };
    let from_many =
        |count: u16, user: &str, gap: f64| -> Vec<Line> { (0..count).map(|i| from(i, user, gap)).collect() };
    let told = of_kind(&tell(&from_many(60, "alice", 1.0)), SSHDDistributedBruteForce);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].get(Field::User), told[0].count(Field::DistinctAddrs)), ("alice", 20));
    assert!(told[0].get(Field::Addrs).starts_with("10.0.0.0,10.0.0.1,"));
    assert!(of_kind(&tell(&from_many(19, "alice", 1.0)), SSHDDistributedBruteForce).is_empty());
    assert!(of_kind(&tell(&from_many(60, "root", 1.0)), SSHDDistributedBruteForce).is_empty());
    assert!(of_kind(&tell(&from_many(60, "alice", 190.0)), SSHDDistributedBruteForce).is_empty(), "too slow");
    let invalid: Vec<_> =
        from_many(60, "eve", 1.0).into_iter().map(|line| line.flag(Flags::INVALID_USER)).collect();
    assert!(of_kind(&tell(&invalid), SSHDDistributedBruteForce).is_empty());
    let mut days = from_many(20, "alice", 1.0);
    days.extend(from_many(20, "alice", 1.0));
    days.push(from(99, "alice", 86_400.0));
    days.extend(from_many(20, "alice", 1.0));
    assert_eq!(of_kind(&tell(&days), SSHDDistributedBruteForce).len(), 2);
}

#[test]
fn three_typing_errors_then_a_login_wake_nobody() {
    for method in [Method::Publickey, Method::Password, Method::KeyboardInteractive] {
        let mut lines = attempts(3, "alice");
        lines.push(login("alice", method));
        assert!(tell(&lines).iter().all(|event| event.severity <= Severity::Notice), "{method:?}");
        assert_eq!(alarm(attempts(3, "alice"), login("alice", method)), None, "{method:?}");
        assert_eq!(alarm(attempts(4, "alice"), login("alice", method)), None, "{method:?}");
    }
}

#[test]
fn a_login_after_failures_is_graded() {
    use Severity::{Critical, Notice, Warning};
    let mixed = |users: &[&str]| -> Vec<Line> {
        (0..).zip(users).map(|(index, user)| attempt(index, user, CLIENT.0)).collect()
    };
    let password = |lines| alarm(lines, login("alice", Method::Password));
    let keyboard = |lines| alarm(lines, login("alice", Method::KeyboardInteractive));
    let key = |lines| alarm(lines, login("alice", Method::Publickey));
    assert_eq!(password(attempts(5, "alice")), Some(Warning), "the same user, mistyping");
    assert_eq!(password(attempts(20, "alice")), Some(Critical), "nobody mistypes that often");
    assert_eq!(key(attempts(5, "alice")), Some(Notice));
    assert_eq!(password(mixed(&["a", "b", "c"])), Some(Critical), "three users within an hour");
    assert_eq!(password(mixed(&["a", "b", "alice"])), Some(Critical));
    assert_eq!(keyboard(mixed(&["a", "b", "c"])), Some(Critical));
    assert_eq!(key(mixed(&["a", "b", "c"])), Some(Notice));
    assert_eq!(password(mixed(&["a", "b"])), None);
    assert_eq!(password(attempts(5, "root")), Some(Critical), "over its limit");
    assert_eq!(key(attempts(50, "root")), Some(Notice));
    let slow = |seconds: f64| -> Vec<Line> {
        mixed(&["a", "b", "c"]).into_iter().map(|line| line.after(seconds)).collect()
    };
    assert_eq!(password(slow(1190.0)), Some(Critical));
    assert_eq!(password(slow(1900.0)), None, "not within an hour");
}

#[test]
fn a_login_explains_its_own_failures() {
    let mut lines = attempts(6, "alice");
    lines.extend([login("alice", Method::Password), sshd("web1", 98).accepted("alice", (CLIENT.0, 77))]);
    let told = of_kind(&tell(&lines), SSHDSuccessAfterFailures);
    assert_eq!(told.len(), 1, "the second login has no failures of its own before it");
    assert_eq!((told[0].count(Field::Count), told[0].get(Field::Users)), (6, "alice"));
    let mut lines = attempts(2, "alice");
    lines.push(login("alice", Method::Password));
    lines.extend(attempts(3, "root"));
    let told = of_kind(&tell(&lines), SSHDAttemptsExceeded);
    assert_eq!(told[0].get(Field::Users), "alice,root", "they count towards the limit all the same");
}

#[test]
fn a_trusted_source_has_a_limit_of_its_own_and_is_never_more_than_a_notice() {
    let options =
        || Options { trusted_networks: vec!["192.0.2.0/24".parse().unwrap()], ..Options::default() };
    let told = |lines: &[Line]| tell_with(options(), lines, End::OfInput);
    let few = told(&attempts(49, "root"));
    assert!(of_kind(&few, SSHDAttemptsExceeded).is_empty());
    assert!(
        few.iter().filter(|event| event.kind == SSHDLoginFailed).all(|e| e.get(Field::Trusted) == "true")
    );
    let mut lines = attempts(50, "root");
    lines.push(login("alice", Method::Password));
    let many = told(&lines);
    assert_eq!(of_kind(&many, SSHDAttemptsExceeded)[0].get(Field::Limit), "50");
    assert_eq!(of_kind(&many, SSHDSuccessAfterFailures).len(), 1);
    assert!(many.iter().all(|event| event.severity <= Severity::Notice));
}

#[test]
fn an_ignored_source_is_only_counted() {
    let ignore_networks = vec!["192.0.2.1/32".parse().unwrap()];
    let mut lines = attempts(30, "root");
    let m = sshd("web1", 99);
    lines.extend([login("alice", Method::Password), m.pam_opened("alice"), m.pam_closed("alice")]);
    lines.push(attempt(40, "root", "192.0.2.2"));
    let told = tell_with(Options { ignore_networks, ..Options::default() }, &lines, End::OfInput);
    assert_eq!(kinds(&told), [SSHDLoginFailed, Kind::SSHDStats, Kind::ServerStats]);
    assert_eq!(told[0].get(Field::Addr), "192.0.2.2");
    assert_eq!((told[1].count(Field::Ignored), told[1].count(Field::LoginSessions)), (33, 0));
}

#[test]
fn an_ipv6_network_is_one_source() {
    let addrs = ["2001:db8::1", "2001:db8::2", "2001:db8:0:0:9::3", "2001:db8::4", "2001:db8::5"];
    let lines: Vec<_> = (0..).zip(addrs).map(|(index, addr)| attempt(index, "root", addr)).collect();
    let told = of_kind(&tell(&lines), SSHDAttemptsExceeded);
    assert_eq!((told[0].get(Field::Source), told[0].get(Field::Addr)), ("2001:db8::/64", "2001:db8::5"));
    let options = Options { ipv6_prefix: 128, ..Options::default() };
    assert!(of_kind(&tell_with(options, &lines, End::OfInput), SSHDAttemptsExceeded).is_empty());
}

#[test]
fn delayed_records_count_in_their_own_time_or_are_late() {
    let mut lines = attempts(4, "root");
    lines.push(attempt(9, "root", CLIENT.0).delayed(290.0));
    assert_eq!(of_kind(&tell(&lines), SSHDAttemptsExceeded).len(), 1, "within the window before the newest");
    lines.pop();
    lines.push(attempt(9, "root", CLIENT.0).delayed(400.0));
    let told = tell_with(Options::default(), &lines, End::OfInput);
    assert!(of_kind(&told, SSHDAttemptsExceeded).is_empty());
    assert_eq!(of_kind(&told, Kind::SSHDStats)[0].count(Field::Late), 1);
    let backlog: Vec<_> = attempts(5, "root").into_iter().map(|line| line.after(0.0)).collect();
    let spread = backlog.into_iter().zip([4000.0, 3000.0, 2000.0, 1000.0, 0.0]);
    let spread: Vec<_> = spread.map(|(line, delay)| line.delayed(delay)).collect();
    assert!(
        of_kind(&tell(&spread), SSHDAttemptsExceeded).is_empty(),
        "a backlog does not collapse into one moment"
    );
}

#[test]
fn failures_told_before_the_address_count_once_it_is_known() {
    let lines: Vec<_> = (0..10_u16)
        .flat_map(|index| {
            let m = sshd("web1", 1000 + u32::from(index));
            let error = m.says(Message::PamError).user("root").claims("evil.example.com", 0);
            [error, m.closed_authenticating("root", ("203.0.113.9", 10_000 + index))]
        })
        .collect();
    let told = tell(&lines);
    assert_eq!(of_kind(&told, SSHDLoginFailed).len(), 10);
    let told = of_kind(&told, SSHDAttemptsExceeded);
    let counts: Vec<_> = told.iter().map(|event| event.count(Field::Count)).collect();
    assert_eq!(counts, [5, 10]);
    assert_eq!((told[0].get(Field::Addr), told[0].get(Field::Users)), ("203.0.113.9", "root"));
    assert_eq!(told[0].evidence, [1, 3, 5, 7, 9]);
}

#[test]
fn an_attacker_that_keeps_its_port_is_seen_to_enumerate() {
    let lines: Vec<_> = (0..14)
        .map(|index| {
            let closed = sshd("web1", 1000 + index).closed_authenticating(&format!("u{index}"), CLIENT);
            closed.after(3.0)
        })
        .collect();
    let told = tell(&lines);
    assert_eq!(of_kind(&told, SSHDLoginFailed).len(), 14);
    assert_eq!(of_kind(&told, SSHDUserEnumeration).len(), 1);
}

#[test]
fn trusted_sources_are_no_part_of_a_distributed_attack() {
    let trusted_networks = vec!["10.0.0.0/8".parse().unwrap()];
    let lines: Vec<_> = (0..20_u16)
        .map(|index| {
            let mut line = attempt(index, "alice", CLIENT.0);
            line.entry.addr = Some(std::net::Ipv4Addr::from(0x0A00_0000 + u32::from(index)).into());
            line
        })
        .collect();
    assert_eq!(of_kind(&tell(&lines), SSHDDistributedBruteForce).len(), 1);
    let told = tell_with(Options { trusted_networks, ..Options::default() }, &lines, End::OfInput);
    assert_eq!(of_kind(&told, SSHDLoginFailed).len(), 20);
    assert!(told.iter().all(|event| event.severity <= Severity::Notice));
}
