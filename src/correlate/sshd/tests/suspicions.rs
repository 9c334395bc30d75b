//! What single messages tell: of users, accounts, keys and hosts, and of forgeries.

use crate::correlate::End;
use crate::correlate::sshd::{Options, Switch};
use crate::correlate::tests::lines::{Client, Line, Told, kinds, noon_plus, sshd, tell, tell_with};
use crate::detect::{Flags, Kind as Message, Method};
use crate::event::{Field, Kind, Severity};
use Kind::{SSHDAccountDenied, SSHDLogInjectionSuspected, SSHDLoginFailed, SSHDThrottled, SSHDUserDenied};

const CLIENT: Client = ("192.0.2.1", 5555);

fn with_all(lines: &[Line]) -> Vec<Told> {
    let events = Kind::ALL.iter().map(|kind| (*kind, Switch::On)).collect();
    let mut told = tell_with(Options { events, ..Options::default() }, lines, End::OfInput);
    told.truncate(told.len() - 2);
    told
}

#[test]
fn a_forged_address_is_told_and_not_believed() {
    let m = sshd("web1", 30);
    let forged = m.says(Message::ConnectionClosed).user("x").claims("6.6.6.6", 22).flag(Flags::INVALID_USER);
    let told = tell(&[m.invalid("x", CLIENT), m.failed_invalid("x", CLIENT), forged.preauth()]);
    assert_eq!(kinds(&told), [SSHDLogInjectionSuspected, SSHDLoginFailed]);
    for event in &told {
        assert_eq!((event.get(Field::Addr), event.get(Field::ClaimedAddr)), ("192.0.2.1", "6.6.6.6"));
    }
    assert_eq!(told[0].severity, Severity::Warning);
    assert_eq!((told[1].get(Field::Suspicious), told[1].get(Field::EndReason)), ("true", "closed"));
}

#[test]
fn a_cut_closing_line_ends_its_connection_and_is_told() {
    let m = sshd("web1", 30);
    let cut = m.says(Message::ConnectionClosed).user("xxxx").flag(Flags::INVALID_USER).flag(Flags::CUT);
    let told = tell(&[m.invalid("xxxxxx", CLIENT), cut]);
    assert_eq!(kinds(&told), [SSHDLogInjectionSuspected, SSHDLoginFailed]);
    assert_eq!((told[1].get(Field::User), told[1].get(Field::EndReason)), ("xxxxxx", "closed"));
}

#[test]
fn what_agrees_is_no_forgery_however_odd_the_name() {
    let m = sshd("web1", 30);
    let name = "root from 6.6.6.6 port 22 ssh2";
    let told = tell(&[
        m.invalid(name, CLIENT),
        m.failed_invalid(name, CLIENT).flag(Flags::SUSPICIOUS),
        m.closed_invalid(name, CLIENT).flag(Flags::SUSPICIOUS).flag(Flags::CUT),
    ]);
    assert_eq!(kinds(&told), [SSHDLoginFailed]);
    assert_eq!((told[0].get(Field::User), told[0].get(Field::Suspicious)), (name, "false"));
    let domain = sshd("web1", 31);
    let told = tell(&[domain.accepted(r"DOM\user", CLIENT), domain.disconnected(r"DOM\user", CLIENT)]);
    assert!(kinds(&told).iter().all(|kind| *kind != SSHDLogInjectionSuspected));
}

#[test]
fn nothing_claimed_opens_a_connection_by_address() {
    let told = tell(&[sshd("web1", 0).closed_invalid("x", ("6.6.6.6", 22))]);
    assert_eq!(kinds(&told), []);
    let told = tell(&[sshd("web1", 30).closed_invalid("x", ("6.6.6.6", 22))]);
    assert_eq!(kinds(&told), [SSHDLoginFailed], "its process is known, and ends");
    assert_eq!((told[0].get(Field::Addr), told[0].get(Field::ClaimedAddr)), ("", "6.6.6.6"));
}

#[test]
fn a_refusal_of_root_is_told_once_and_counted_once() {
    let m = sshd("web1", 30);
    let refused = m.says(Message::RootRefused).from(CLIENT);
    let told = tell(&[
        refused.clone(),
        refused.preauth(),
        m.failed("root", CLIENT).by(Method::Publickey),
        m.closed_authenticating("root", CLIENT),
    ]);
    assert_eq!(kinds(&told), [Kind::SSHDRootLoginRefused, SSHDLoginFailed]);
    assert_eq!((told[0].severity, told[0].get(Field::Addr)), (Severity::Error, "192.0.2.1"));
    assert_eq!((told[1].count(Field::Failures), told[1].get(Field::User)), (1, "root"));
    let told = tell(&[m.says(Message::RootRefused).from(CLIENT), m.failed("root", CLIENT)]);
    assert_eq!(told[1].count(Field::Failures), 1, "the password that was right and refused");
}

#[test]
fn a_refusal_of_root_counts_for_the_failure_next_to_it_alone() {
    let m = sshd("web1", 30);
    let refused = || m.says(Message::RootRefused).from(CLIENT);
    let failures = |lines: &[Line]| tell(lines).last().unwrap().count(Field::Failures);
    assert_eq!(failures(&[refused(), m.failed("root", CLIENT).after(20.0)]), 2, "twenty seconds later");
    let key = m.failed("root", CLIENT).by(Method::Publickey).quickly();
    assert_eq!(failures(&[refused(), key, m.failed("root", CLIENT).quickly()]), 2, "it was of the key");
    assert_eq!(failures(&[refused(), m.failed("root", CLIENT).quickly()]), 1);
}

#[test]
fn a_denied_user_waits_for_its_address() {
    let m = sshd("web1", 30);
    let denied = m.says(Message::UserDenied).user("bob").detail(0, "account is locked");
    let told = tell(&[denied.clone(), m.failed_invalid("bob", CLIENT), m.closed_invalid("bob", CLIENT)]);
    assert_eq!(kinds(&told), [SSHDUserDenied, SSHDLoginFailed]);
    let first = &told[0];
    assert_eq!((first.get(Field::Addr), first.get(Field::Reason)), ("192.0.2.1", "account is locked"));
    assert_eq!((first.time, first.evidence.as_slice()), (noon_plus(1.0), &[1][..]), "when it was said");
    let told = tell(&[denied]);
    assert_eq!(
        kinds(&told),
        [SSHDUserDenied, SSHDLoginFailed],
        "told at the latest when the connection ends"
    );
    let told = tell(&[m.connection_from(CLIENT), m.says(Message::UserDenied).user("bob").detail(0, "x")]);
    assert_eq!(told[0].get(Field::Port), "5555", "the address of its process");
    let named =
        m.says(Message::UserDenied).user("bob").claims("client.example", 0).detail(0, "listed in DenyUsers");
    assert_eq!(tell(&[named])[0].get(Field::ClientName), "client.example");
}

#[test]
fn nologin_opens_nothing() {
    let line = sshd("web1", 77).says(Message::UserDenied).user("bob").detail(0, "/etc/nologin exists");
    assert_eq!(kinds(&tell(&[line])), [SSHDUserDenied]);
}

#[test]
fn a_denied_account_is_told_once_with_its_cause() {
    let m = sshd("web1", 30);
    let refused = m.says(Message::PamAccountRefused).user("bob").detail(0, "account bob has expired");
    let fatal = m.says(Message::PamAccountDenied).user("bob").preauth();
    let told = tell(&[refused.clone(), m.failed("bob", CLIENT), fatal.clone()]);
    assert_eq!(kinds(&told), [SSHDAccountDenied, SSHDLoginFailed]);
    assert_eq!(told[0].get(Field::Reason), "account bob has expired");
    assert_eq!((told[0].get(Field::Addr), told[0].severity), ("192.0.2.1", Severity::Warning));
    assert_eq!(told[1].get(Field::EndReason), "account_denied");
    let told = tell(&[m.failed("bob", CLIENT), fatal]);
    assert_eq!(kinds(&told), [SSHDAccountDenied, SSHDLoginFailed], "without PAM's own word");
    let told = tell(&[refused.clone(), m.accepted("bob", CLIENT)]);
    assert!(!kinds(&told).contains(&SSHDAccountDenied), "the password was changed");
    assert_eq!(kinds(&tell(&[refused])), [], "PAM's helper speaks for its monitor, which tells it too");
}

#[test]
fn misused_keys_are_told_once_each_with_their_connection() {
    let m = sshd("web1", 30);
    let told = tell(&[m.says(Message::KeyRevoked), m.closed_authenticating("alice", CLIENT)]);
    assert_eq!(told[0].get(Field::User), "alice", "the user comes with the address");
    let wrong_host = m.says(Message::KeyWrongHost).user("alice").from((CLIENT.0, 0)).detail(0, "10.9.9.9");
    let revoked = m.says(Message::KeyRevoked).detail(0, "RSA SHA256:abc");
    let touch = m.says(Message::KeyTouchMissing).user("alice").from(CLIENT).detail(0, "user presence");
    let certificate = m.says(Message::CertificateRefused).detail(0, "alice@ca").detail(1, "expired");
    let told = tell(&[
        revoked.clone(),
        revoked,
        certificate,
        wrong_host.clone(),
        wrong_host,
        touch,
        m.closed_authenticating("alice", CLIENT),
    ]);
    let misuse: Vec<_> = told.iter().filter(|event| event.kind == Kind::SSHDKeyMisuse).collect();
    let told: Vec<_> = misuse
        .iter()
        .map(|event| (event.get(Field::Reason), event.severity, event.get(Field::Addr)))
        .collect();
    assert_eq!(
        told,
        [
            ("revoked key", Severity::Error, CLIENT.0),
            ("expired", Severity::Warning, CLIENT.0),
            ("right key from a wrong host", Severity::Warning, CLIENT.0),
            ("user presence", Severity::Notice, CLIENT.0),
        ]
    );
    assert_eq!((misuse[0].get(Field::Key), misuse[0].evidence.as_slice()), ("RSA SHA256:abc", &[1][..]));
    assert_eq!(misuse[1].get(Field::CertId), "alice@ca");
}

#[test]
fn a_host_that_drops_connections_is_told_of_once_in_ten_minutes() {
    let listener = sshd("web1", 1);
    let drop = || listener.says(Message::ConnectionDropped).from(CLIENT).detail(0, "past MaxStartups");
    let mut lines: Vec<_> = (0..600).map(|_| drop()).collect();
    lines.push(sshd("web2", 1).says(Message::Throttling).number(40).detail(0, "in MaxStartups throttling"));
    lines.push(drop());
    let told = tell(&lines);
    assert_eq!(kinds(&told), [SSHDThrottled; 3]);
    let counts: Vec<_> =
        told.iter().map(|event| (event.get(Field::Host), event.count(Field::Dropped))).collect();
    assert_eq!(counts, [("web1", 1), ("web2", 40), ("web1", 600)]);
}

#[test]
fn timeouts_are_graver_when_they_are_many() {
    let listener = sshd("web1", 1);
    let timeout = |pid| listener.says(Message::PreauthTimeout).from((CLIENT.0, 0)).quoting(pid).after(60.0);
    let told = with_all(&[timeout(1000), timeout(1001), timeout(1002)]);
    let severities: Vec<_> = told.iter().map(|event| event.severity).collect();
    assert_eq!(severities, [Severity::Info, Severity::Info, Severity::Warning]);
    assert_eq!((told[2].count(Field::Count), told[2].count(Field::SessionPid)), (3, 1002));
}

#[test]
fn crashes_are_critical_by_their_signal() {
    let crash =
        |signal| sshd("web1", 1).says(Message::ChildCrash).quoting(30).number(signal).from((CLIENT.0, 0));
    let told = tell(&[crash(11), crash(15)]);
    assert_eq!((told[0].severity, told[1].severity), (Severity::Critical, Severity::Error));
    assert_eq!((told[0].get(Field::Signal), told[0].get(Field::SessionPid)), ("11", "30"));
}

#[test]
fn a_denied_account_is_told_though_its_address_never_comes() {
    let m = sshd("web1", 30);
    let revoked = m.says(Message::KeyRevoked).detail(0, "RSA SHA256:def");
    let refused = m.says(Message::PamAccountRefused).user("bob").detail(0, "account bob has expired");
    let told = tell(&[revoked, refused]);
    assert_eq!(kinds(&told), [Kind::SSHDKeyMisuse, SSHDAccountDenied, SSHDLoginFailed]);
    assert_eq!((told[1].get(Field::User), told[1].get(Field::Addr)), ("bob", ""));
}

#[test]
fn locked_accounts_are_told_with_what_is_known() {
    let m = sshd("web1", 30);
    let locked =
        |pid| sshd("web1", pid).says(Message::PamLocked).user("alice").detail(0, "temporarily locked");
    let told = tell(&[m.failed("alice", CLIENT), locked(30), locked(30), locked(77)]);
    let told: Vec<_> = told.iter().filter(|event| event.kind == Kind::SSHDAccountLocked).collect();
    assert_eq!(told.iter().map(|event| event.get(Field::Addr)).collect::<Vec<_>>(), ["192.0.2.1", ""]);
    let helper = sshd("web1", 77).says(Message::PamAuthFailure).user("alice").from((CLIENT.0, 0));
    let told = tell(&[helper, locked(77)]);
    assert_eq!(told[0].get(Field::Addr), "192.0.2.1", "PAM's helper said before whom it serves");
}

#[test]
fn what_is_off_by_default_tells_when_it_is_on() {
    let (m, listener) = (sshd("web1", 30), sshd("web1", 1));
    let told = with_all(&[
        listener.says(Message::Listening).detail(0, "::").number(22),
        listener.says(Message::Penalty).number(20_000).detail(0, "192.0.2.1/32").detail(1, "active"),
        m.says(Message::ReverseMismatch).from((CLIENT.0, 0)).detail(0, "evil.example"),
        m.says(Message::WrapperRefused).from((CLIENT.0, 0)),
        m.says(Message::Partial).user("alice").from(CLIENT).by(Method::Publickey),
        m.says(Message::MaxAuthTries).user("alice").from(CLIENT),
        m.accepted("alice", CLIENT),
        m.says(Message::SubsystemRequest).user("alice").detail(0, "sftp"),
        listener.says(Message::ServerSignal).number(15),
    ]);
    assert_eq!(
        kinds(&told)[..9],
        [
            Kind::SSHDServerLifecycle,
            Kind::SSHDPenalty,
            Kind::SSHDReverseDnsMismatch,
            Kind::SSHDProtocolProbe,
            Kind::SSHDMfaPartial,
            Kind::SSHDMaxAuthTries,
            Kind::SSHDSessionStarted,
            Kind::SSHDSubsystem,
            Kind::SSHDServerLifecycle,
        ]
    );
    assert_eq!((told[1].get(Field::Penalty), told[1].get(Field::Network)), ("20", "192.0.2.1/32"));
    assert_eq!(told[4].get(Field::Auth), "publickey");
    assert_eq!((told[7].get(Field::Subsystem), told[7].get(Field::Addr)), ("sftp", "192.0.2.1"));
}

#[test]
fn dropped_connections_are_told_once_the_host_is_quiet() {
    let listener = sshd("web1", 1);
    let drop = |after| {
        let line = listener.says(Message::ConnectionDropped).from(CLIENT).detail(0, "past MaxStartups");
        line.after(after)
    };
    let mut lines = vec![drop(1.0), drop(60.0).times(5), drop(1800.0)];
    let told = tell(&lines);
    let counts: Vec<_> = told.iter().map(|event| (event.count(Field::Dropped), event.time)).collect();
    assert_eq!(counts, [(1, noon_plus(1.0)), (5, noon_plus(661.0)), (1, noon_plus(1861.0))]);
    assert_eq!((told[1].get(Field::Host), told[1].evidence.as_slice()), ("web1", &[2][..]));
    lines.truncate(2);
    let told = tell(&lines);
    assert_eq!(told.iter().map(|event| event.count(Field::Dropped)).sum::<u64>(), 6, "nor lost at the end");
    let ignore_networks = vec!["192.0.2.1/32".parse().unwrap()];
    let told = tell_with(Options { ignore_networks, ..Options::default() }, &lines, End::OfInput);
    assert_eq!((told[0].kind, told[0].count(Field::Ignored)), (Kind::SSHDStats, 2));
}

#[test]
fn an_ignored_record_is_counted_once_whatever_it_tells() {
    let ignore_networks = || vec!["10.8.7.0/24".parse().unwrap()];
    let client = ("10.8.7.6", 5);
    let m = sshd("web1", 30);
    let lines = [
        m.invalid("x", client),
        sshd("web1", 31).says(Message::Prohibited).user("x").from(client),
        sshd("web1", 32).says(Message::BadBanner).from(("10.8.7.6", 6)),
        sshd("web1", 33).says(Message::PreauthTimeout).from(("10.8.7.6", 7)),
    ];
    let told =
        tell_with(Options { ignore_networks: ignore_networks(), ..Options::default() }, &lines, End::OfInput);
    assert_eq!(kinds(&told), [Kind::SSHDStats, Kind::ServerStats]);
    assert_eq!((told[0].count(Field::Records), told[0].count(Field::Ignored)), (4, 4));
}

#[test]
fn a_timeout_of_a_trusted_connection_is_never_more_than_a_notice() {
    let lines: Vec<_> = (0..4_u16)
        .flat_map(|index| {
            let m = sshd("web1", 30 + u32::from(index));
            [m.connection_from((CLIENT.0, 10_000 + index)), m.says(Message::PreauthTimeout)]
        })
        .collect();
    let told = |trusted_networks| {
        let events = vec![(Kind::SSHDPreauthTimeout, Switch::On)];
        tell_with(Options { trusted_networks, events, ..Options::default() }, &lines, End::OfInput)
    };
    let worst = |told: &[Told]| told.iter().map(|event| event.severity).max();
    assert_eq!(worst(&told(vec![])), Some(Severity::Warning));
    let trusted = told(vec!["192.0.2.0/24".parse().unwrap()]);
    assert_eq!(worst(&trusted), Some(Severity::Notice));
    assert_eq!((trusted[0].get(Field::Trusted), trusted[0].get(Field::Addr)), ("true", CLIENT.0));
}

#[test]
fn an_invalid_user_whose_name_imitates_a_message_is_suspicious() {
    let suspicious = |line: Line| with_all(&[line])[0].get(Field::Suspicious).to_owned();
    let m = sshd("web1", 30);
    assert_eq!(suspicious(m.invalid("eve", CLIENT)), "false");
    assert_eq!(suspicious(m.invalid("x from 6.6.6.6 port 22", CLIENT).flag(Flags::SUSPICIOUS)), "true");
    assert_eq!(suspicious(m.invalid("xxxx", CLIENT).flag(Flags::CUT)), "true");
}
