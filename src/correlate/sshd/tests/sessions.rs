//! Sessions: which records are of one login, when it ends, and that it is told of once.

use crate::correlate::End;
use crate::correlate::sshd::Options;
use crate::correlate::tests::lines::{Client, Line, Told, kinds, noon_plus, sshd, tell, tell_with};
use crate::detect::{Flags, Kind as Message, Method};
use crate::event::{Field, Kind, Severity};
use Kind::{SSHDLoginFailed, SSHDLoginSucceeded, SSHDSessionStarted};

const CLIENT: Client = ("192.0.2.1", 5555);

/// The login that was told of, which must be the only one.
fn only_login(told: &[Told]) -> &Told {
    assert_eq!(kinds(told), [SSHDSessionStarted, SSHDLoginSucceeded]);
    &told[1]
}

#[test]
fn a_login_by_password_ends_with_pam() {
    let (m, c) = (sshd("web1", 30), sshd("web1", 41));
    let told = tell(&[
        m.accepted("alice", CLIENT),
        m.pam_opened("alice"),
        c.received_disconnect(CLIENT).after(60.0),
        c.disconnected("alice", CLIENT),
        m.pam_closed("alice"),
    ]);
    let login = only_login(&told);
    assert_eq!(told[0].time, noon_plus(1.0));
    assert_eq!(login.time, noon_plus(61.03));
    for (field, value) in [
        (Field::User, "alice"),
        (Field::Auth, "password"),
        (Field::Host, "web1"),
        (Field::Addr, "192.0.2.1"),
        (Field::Port, "5555"),
        (Field::Pid, "30"),
        (Field::EndReason, "disconnected"),
        (Field::Duration, "60.03"),
        (Field::Failures, "0"),
    ] {
        assert_eq!(login.get(field), value, "{field:?}");
    }
    assert_eq!(login.evidence, [1, 3, 5]);
    assert_eq!(login.id, "0000000000001.0.5.fleet.openssh.0");
}

#[test]
fn without_pam_the_goodbye_is_the_end() {
    let (m, c) = (sshd("web1", 30), sshd("web1", 41));
    let told = tell_with(
        Options::default(),
        &[m.accepted("alice", CLIENT), c.disconnected("alice", CLIENT), m.says(Message::Noise)],
        End::At(noon_plus(2.0)),
    );
    assert_eq!(told[1].kind, SSHDLoginSucceeded);
    assert_eq!(told[1].time, noon_plus(1.01), "told at once");
}

#[test]
fn a_goodbye_waits_for_pam_and_tells_the_end_by_itself_when_pam_is_silent() {
    let (m, c) = (sshd("web1", 30), sshd("web1", 41));
    let told = tell(&[
        m.accepted("alice", CLIENT),
        m.pam_opened("alice"),
        c.disconnected("alice", CLIENT),
        m.says(Message::Noise).after(100.0),
        m.pam_closed("alice"),
    ]);
    let login = only_login(&told);
    assert_eq!(login.time, noon_plus(11.02), "at its deadline");
    assert_eq!(login.get(Field::Finish), noon_plus(1.02).to_string(), "ended when the client left");
    assert_eq!(login.id, "0000000000001.0.4.fleet.openssh.0", "of the input before which it was due");
}

#[test]
fn a_vanished_client_is_seen_by_pam_alone_before_openssh_9_8() {
    let m = sshd("web1", 30);
    let told = tell(&[m.accepted("alice", CLIENT), m.pam_opened("alice"), m.pam_closed("alice").after(9.0)]);
    assert_eq!(only_login(&told).get(Field::EndReason), "closed");
}

#[test]
fn a_vanished_client_is_seen_by_the_child_since_openssh_9_8() {
    let (m, c) = (sshd("web1", 30), sshd("web1", 41));
    let told =
        tell(&[m.accepted("alice", CLIENT), m.pam_opened("alice"), c.closed(CLIENT), m.pam_closed("alice")]);
    assert_eq!(only_login(&told).get(Field::EndReason), "closed");
}

#[test]
fn pam_may_overtake_the_child() {
    let (m, c) = (sshd("web1", 30), sshd("web1", 41));
    let told = tell(&[
        m.accepted("alice", CLIENT),
        m.pam_opened("alice"),
        m.pam_closed("alice"),
        c.received_disconnect(CLIENT),
        c.disconnected("alice", CLIENT),
    ]);
    only_login(&told);
}

#[test]
fn root_before_9_8_has_one_process_for_everything() {
    let m = sshd("web1", 30);
    let told = tell(&[
        m.accepted("root", CLIENT),
        m.pam_opened("root"),
        m.received_disconnect(CLIENT),
        m.disconnected("root", CLIENT),
        m.pam_closed("root"),
    ]);
    assert_eq!(only_login(&told).get(Field::EndReason), "disconnected");
}

#[test]
fn multiplexed_sessions_are_one_login() {
    let (m, c) = (sshd("web1", 30), sshd("web1", 41));
    let start = || c.says(Message::SessionStarting).user("alice").from(CLIENT).detail(0, "shell");
    let told = tell(&[
        m.accepted("alice", CLIENT),
        m.pam_opened("alice"),
        start(),
        start(),
        start(),
        c.disconnected("alice", CLIENT),
        m.pam_closed("alice"),
    ]);
    only_login(&told);
}

#[test]
fn failures_before_the_login_are_counted_with_it() {
    let m = sshd("web1", 30);
    let told = tell(&[
        m.failed("alice", CLIENT),
        m.failed("alice", CLIENT).by(Method::Publickey),
        m.failed("alice", CLIENT).times(2),
        m.accepted("alice", CLIENT),
        m.pam_opened("alice"),
        m.pam_closed("alice"),
    ]);
    let login = only_login(&told);
    assert_eq!((login.count(Field::Failures), login.count(Field::KeyFailures)), (3, 1));
}

#[test]
fn the_key_and_method_of_the_login_are_told() {
    let m = sshd("web1", 30);
    let told = tell(&[
        m.accepted("alice", CLIENT).by(Method::Publickey).detail(1, "ED25519 SHA256:abc"),
        m.pam_opened("alice"),
        m.pam_closed("alice"),
    ]);
    assert_eq!(only_login(&told).get(Field::Key), "ED25519 SHA256:abc");
    let accepted = m.accepted("alice", CLIENT).by(Method::KeyboardInteractive).detail(0, "pam");
    assert_eq!(tell(&[accepted])[0].get(Field::Auth), "keyboard-interactive/pam");
    let accepted = m.accepted("alice", CLIENT).by(Method::Other).detail(2, "rsa");
    assert_eq!(tell(&[accepted])[0].get(Field::Auth), "rsa");
}

#[test]
fn several_methods_make_one_login_by_the_last() {
    let m = sshd("web1", 30);
    let partial = m.says(Message::Partial).by(Method::Publickey).user("alice").from(CLIENT);
    let told =
        tell(&[partial.clone(), m.accepted("alice", CLIENT), m.pam_opened("alice"), m.pam_closed("alice")]);
    assert_eq!(only_login(&told).get(Field::Auth), "password");
    let told = tell(&[partial, m.closed_authenticating("alice", CLIENT)]);
    assert_eq!(kinds(&told), [SSHDLoginFailed], "one factor is no login");
    assert_eq!(told[0].severity, Severity::Notice);
}

#[test]
fn versions_without_ports_are_joined_by_process() {
    let (m, port_less) = (sshd("old", 30), ("192.0.2.1", 0));
    let told = tell(&[
        m.invalid("eve", port_less),
        m.failed_invalid("eve", CLIENT),
        m.closed(port_less).flag(Flags::PREAUTH),
    ]);
    assert_eq!(kinds(&told), [SSHDLoginFailed]);
    assert_eq!(told[0].get(Field::Port), "5555");
    let c = sshd("old", 41);
    let told = tell(&[
        m.accepted("alice", CLIENT),
        m.pam_opened("alice"),
        c.received_disconnect(port_less),
        m.pam_closed("alice"),
    ]);
    only_login(&told);
}

#[test]
fn a_reused_process_ends_what_it_served() {
    let m = sshd("web1", 30);
    let told = tell(&[m.accepted("alice", CLIENT), m.accepted("bob", ("192.0.2.2", 6666)).after(500.0)]);
    assert_eq!(
        kinds(&told),
        [SSHDSessionStarted, SSHDLoginSucceeded, SSHDSessionStarted, SSHDLoginSucceeded]
    );
    assert_eq!((told[1].get(Field::User), told[1].get(Field::EndReason)), ("alice", "lost"));
    assert_eq!(told[1].get(Field::Finish), noon_plus(1.0).to_string(), "when it was last heard of");
    assert_eq!((told[3].get(Field::User), told[3].get(Field::EndReason)), ("bob", "end_of_input"));
}

#[test]
fn a_reused_port_ends_what_it_served() {
    let told = tell(&[
        sshd("web1", 30).accepted("alice", CLIENT),
        sshd("web1", 31).accepted("bob", CLIENT).after(500.0),
        sshd("web1", 32).disconnected("bob", CLIENT),
    ]);
    let ends: Vec<_> =
        told.iter().map(|event| (event.get(Field::User), event.get(Field::EndReason))).collect();
    assert_eq!(ends, [("alice", ""), ("alice", "lost"), ("bob", ""), ("bob", "disconnected")]);
}

#[test]
fn a_port_is_used_again_right_after_its_connection_ended() {
    let (m, n) = (sshd("web1", 30), sshd("web1", 31));
    let told = tell(&[
        m.failed("alice", CLIENT),
        m.closed_authenticating("alice", CLIENT),
        n.accepted("alice", CLIENT),
        n.pam_opened("alice"),
        n.pam_closed("alice"),
    ]);
    assert_eq!(kinds(&told), [SSHDLoginFailed, SSHDSessionStarted, SSHDLoginSucceeded]);
}

#[test]
fn hosts_do_not_share_connections() {
    let told = tell(&[
        sshd("web1", 30).accepted("alice", CLIENT),
        sshd("web2", 30).accepted("alice", CLIENT),
        sshd("web1", 41).disconnected("alice", CLIENT),
        sshd("web2", 41).disconnected("alice", CLIENT),
    ]);
    let hosts: Vec<_> = told.iter().map(|event| event.get(Field::Host)).collect();
    assert_eq!(hosts, ["web1", "web2", "web1", "web2"]);
}

#[test]
fn late_records_of_an_ended_connection_open_nothing() {
    let m = sshd("web1", 30);
    let told = tell(&[
        m.failed("alice", CLIENT),
        m.failed("alice", CLIENT),
        m.closed_authenticating("alice", CLIENT),
        m.says(Message::PamMoreFailures).user("alice").from((CLIENT.0, 0)).number(1),
    ]);
    assert_eq!(kinds(&told), [SSHDLoginFailed]);
    assert_eq!(told[0].count(Field::Failures), 2, "PAM's own count is not added");
}

#[test]
fn a_repeated_record_is_not_a_second_login() {
    let m = sshd("web1", 30);
    let told = tell(&[
        m.accepted("alice", CLIENT),
        m.accepted("alice", CLIENT),
        m.pam_opened("alice"),
        m.pam_closed("alice"),
        m.pam_closed("alice"),
        m.accepted("alice", CLIENT),
    ]);
    only_login(&told);
}

#[test]
fn a_session_whose_acceptance_was_missed_is_told_of_when_it_ends() {
    let m = sshd("web1", 30);
    let told = tell(&[m.pam_opened("alice"), m.pam_closed("alice").after(5.0)]);
    assert_eq!(kinds(&told), [SSHDLoginSucceeded]);
    assert_eq!((told[0].get(Field::User), told[0].get(Field::Auth)), ("alice", ""));
    assert_eq!(told[0].get(Field::Duration), "5");
}

#[test]
fn ends_of_sessions_that_were_not_seen_to_begin_are_counted_once() {
    let (m, c) = (sshd("web1", 30), sshd("web1", 41));
    let lines = [
        c.received_disconnect(CLIENT),
        c.disconnected("alice", CLIENT),
        m.pam_closed("alice"),
        sshd("web1", 50).pam_closed("bob"),
    ];
    let told = tell_with(Options::default(), &lines, End::OfInput);
    assert_eq!(kinds(&told), [Kind::SSHDStats, Kind::ServerStats]);
    assert_eq!(told[0].count(Field::Partial), 2);
}

#[test]
fn records_without_a_process_are_joined_by_address() {
    let m = sshd("web1", 0);
    let told =
        tell(&[m.failed("alice", CLIENT), m.accepted("alice", CLIENT), m.disconnected("alice", CLIENT)]);
    assert_eq!(only_login(&told).count(Field::Failures), 1);
}

#[test]
fn the_user_s_child_is_known_by_its_pid() {
    let (m, c) = (sshd("web1", 30), sshd("web1", 41));
    let told = tell(&[
        m.connection_from(CLIENT),
        m.accepted("alice", CLIENT),
        m.says(Message::UserChild).quoting(41),
        c.says(Message::Transferred).number(3000).detail(0, "2000"),
        c.says(Message::ClosingConnection).from(CLIENT),
    ]);
    let login = only_login(&told);
    assert_eq!((login.get(Field::BytesSent), login.get(Field::BytesReceived)), ("3000", "2000"));
    assert_eq!(login.get(Field::Start), noon_plus(1.0).to_string());
    assert_eq!(login.get(Field::Duration), "3");
}

#[test]
fn what_is_old_is_given_up_at_its_deadline() {
    let options = || Options::default();
    let (m, n, late) = (sshd("web1", 30), sshd("web1", 31), sshd("web1", 99));
    let told = |lines: &[Line]| tell_with(options(), lines, End::OfInput);
    let preauth = told(&[m.failed("alice", CLIENT), late.says(Message::Noise).after(700.0)]);
    assert_eq!((preauth[0].kind, preauth[0].time), (SSHDLoginFailed, noon_plus(601.0)));
    assert_eq!(
        (preauth[0].get(Field::EndReason), preauth[0].id.as_str()),
        ("expired", "0000000000001.0.2.fleet.openssh.0")
    );
    let month = 30.0 * 86_400.0;
    let session = told(&[n.accepted("bob", CLIENT), late.says(Message::Noise).after(month)]);
    let login = session.iter().find(|event| event.kind == SSHDLoginSucceeded).unwrap();
    assert_eq!((login.time, login.get(Field::EndReason)), (noon_plus(1.0 + month), "expired"));
    let chatty: Vec<_> = (0..300).map(|_| m.failed("eve", CLIENT).after(590.0)).collect();
    let chatty = told(&chatty);
    let failed: Vec<_> = chatty.iter().filter(|event| event.kind == SSHDLoginFailed).collect();
    assert_eq!(failed[0].time, noon_plus(590.0 + 48.0 * 3600.0), "a transaction has an age of its own");
}

#[test]
fn what_stops_leaves_open_what_is_open() {
    let m = sshd("web1", 30);
    let told = tell_with(Options::default(), &[m.accepted("alice", CLIENT)], End::At(noon_plus(60.0)));
    assert_eq!(kinds(&told), [SSHDSessionStarted, Kind::SSHDStats, Kind::ServerStats]);
    assert_eq!(told[1].count(Field::OpenSessions), 1);
    assert_eq!(told[1].time, noon_plus(60.0));
}

#[test]
fn the_end_of_input_ends_what_is_open_in_its_order() {
    let told = tell(&[
        sshd("web1", 30).accepted("alice", CLIENT),
        sshd("web1", 31).failed("eve", ("192.0.2.9", 9)),
        sshd("web1", 32).accepted("bob", ("192.0.2.2", 7)).after(5.0),
    ]);
    let ends: Vec<_> =
        told[2..].iter().map(|e| (e.get(Field::User), e.get(Field::EndReason), e.time)).collect();
    let end = noon_plus(7.0);
    assert_eq!(
        ends,
        [("alice", "end_of_input", end), ("eve", "end_of_input", end), ("bob", "end_of_input", end)]
    );
}

#[test]
fn a_port_scan_is_a_probe_and_no_failed_login() {
    let m = sshd("web1", 30);
    let options = || Options {
        events: vec![(Kind::SSHDProtocolProbe, crate::correlate::sshd::Switch::On)],
        ..Options::default()
    };
    let tell = |lines: &[Line]| {
        let mut told = tell_with(options(), lines, End::OfInput);
        told.truncate(told.len() - 2);
        told
    };
    let told =
        tell(&[m.says(Message::NoIdentification).detail(0, "read: reset"), m.closed(CLIENT).preauth()]);
    assert_eq!(kinds(&told), [Kind::SSHDProtocolProbe]);
    assert_eq!((told[0].get(Field::Reason), told[0].get(Field::Addr)), ("read: reset", "192.0.2.1"));
    let told = tell(&[
        m.says(Message::BadBanner).detail(1, "GET / HTTP/1.1"),
        m.says(Message::ProtocolError).detail(0, "invalid format").from(CLIENT),
    ]);
    assert_eq!(kinds(&told), [Kind::SSHDProtocolProbe]);
    assert_eq!((told[0].get(Field::Reason), told[0].get(Field::Detail)), ("bad banner", "GET / HTTP/1.1"));
    assert_eq!(kinds(&tell(&[m.closed(CLIENT)])), [Kind::SSHDProtocolProbe]);
}

#[test]
fn without_processes_a_login_from_the_port_of_an_ended_one_is_another() {
    let m = sshd("web1", 0);
    let told = tell(&[
        m.accepted("alice", CLIENT),
        m.disconnected("alice", CLIENT),
        m.accepted("bob", CLIENT).after(20.0),
        m.disconnected("bob", CLIENT),
    ]);
    assert_eq!(
        kinds(&told),
        [SSHDSessionStarted, SSHDLoginSucceeded, SSHDSessionStarted, SSHDLoginSucceeded]
    );
    assert_eq!((told[1].get(Field::User), told[3].get(Field::User)), ("alice", "bob"));
}

#[test]
fn a_quoted_process_of_another_client_ends_no_login() {
    let (m, listener) = (sshd("web1", 77), sshd("web1", 1));
    let crash = |addr| listener.says(Message::ChildCrash).quoting(77).number(11).from((addr, 0));
    let timeout = listener.says(Message::PreauthTimeout).quoting(77).from(("198.51.100.1", 22));
    let told = tell(&[m.accepted("alice", CLIENT), crash("198.51.100.1"), timeout, m.closed(CLIENT)]);
    assert_eq!(kinds(&told), [SSHDSessionStarted, Kind::SSHDChildCrash, SSHDLoginSucceeded]);
    assert_eq!((told[1].get(Field::Addr), told[1].get(Field::Port)), ("198.51.100.1", ""));
    assert_eq!(told[2].get(Field::EndReason), "closed");
    let told = tell(&[m.accepted("alice", CLIENT), crash(CLIENT.0)]);
    assert_eq!(told[2].get(Field::EndReason), "crashed");
}
