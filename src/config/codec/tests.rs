//! Floor 7, tests: what codecs take, what they refuse, and that they read what they show.

use super::*;
use crate::config::problem::Problems;
use crate::config::tree::parse_set;
use crate::event::Severity;
use proptest::prelude::*;
use std::time::Duration;

fn read<T, C: Codec<T>>(value: &str) -> Result<T, String> {
    let table = parse_set(&format!("x={value}")).unwrap();
    let mut problems = Problems::default();
    let read = C::read(table.get("x").unwrap(), &mut Sink { path: "x", problems: &mut problems });
    read.ok_or_else(|| problems.to_string())
}

fn round_trip<T, C: Codec<T>>(value: &T) -> T {
    read::<T, C>(&C::show(value).unwrap().to_string()).unwrap()
}

#[test]
fn durations_have_a_unit() {
    type C = Lasting<0, 3600>;
    for (text, millis) in [("5m", 300_000), ("1h", 3_600_000), ("0s", 0), ("250ms", 250), ("90 s", 90_000)] {
        assert_eq!(read::<Duration, C>(&format!("'{text}'")), Ok(Duration::from_millis(millis)), "{text}");
    }
    for bad in ["5", "'5'", "'m'", "'-5m'", "'1.5h'", "'2h'", "'99999999999999999999d'", "''", "'5 M'", "[]"]
    {
        assert!(read::<Duration, C>(bad).is_err(), "{bad}");
    }
    assert_eq!(<C as Codec<Duration>>::show(&Duration::from_secs(90)).unwrap().to_string(), "\"90s\"");
    assert_eq!(<C as Codec<Duration>>::show(&Duration::ZERO).unwrap().to_string(), "\"0ms\"");
    assert_eq!(C::takes(), "a length of time from \"0ms\" to \"1h\"");
}

#[test]
fn sizes_have_a_unit_or_are_bytes() {
    type C = Size<1, 1_048_576>;
    for (text, bytes) in [("'64KiB'", 65_536_u64), ("'1MiB'", 1 << 20), ("512", 512), ("'7B'", 7)] {
        assert_eq!(read::<u64, C>(text), Ok(bytes), "{text}");
    }
    for bad in ["'64KB'", "'64'", "0", "-1", "'2MiB'", "1.5", "'KiB'"] {
        assert!(read::<u64, C>(bad).is_err(), "{bad}");
    }
}

#[test]
fn networks_may_be_addresses_and_have_no_stray_bits() {
    let read = read::<Vec<ipnet::IpNet>, Networks>;
    let networks = read("['10.0.0.0/8', 'fd00::/8', '192.0.2.1']").unwrap();
    assert_eq!(
        networks.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["10.0.0.0/8", "fd00::/8", "192.0.2.1/32"]
    );
    assert_eq!(read("10.0.0.0/8").unwrap().len(), 1);
    assert!(read("['10.0.0.1/8']").unwrap_err().contains("did you mean \"10.0.0.0/8\", or \"10.0.0.1\"?"));
    assert!(read("['example.com']").is_err());
}

#[test]
fn addresses_are_urls() {
    let read = read::<Vec<crate::ingest::Address>, Addresses>;
    let one: std::net::SocketAddr = "127.0.0.1:5140".parse().unwrap();
    assert_eq!(read("'tcp://127.0.0.1:5140'"), Ok(vec![one.into()]));
    assert_eq!(read("['tcp://[::1]:1', 'tcp://0.0.0.0:2']").unwrap().len(), 2);
    for (bad, says) in [
        ("[]", "expected an address"),
        ("'127.0.0.1:5140'", "did you mean \"tcp://127.0.0.1:5140\"?"),
        ("'gopher://[::]:70'", "unknown scheme `gopher`"),
        ("'tpc://[::]:6514'", "did you mean `tcp`?"),
        ("'tcp://127.0.0.1'", "lacks a port"),
        ("'tcp://localhost:5140'", "is no IP address and port"),
        ("5140", "found 5140"),
    ] {
        assert!(read(bad).unwrap_err().contains(says), "{bad}: {}", read(bad).unwrap_err());
    }
}

struct Sshd;

impl Raises for Sshd {
    const PREFIX: &'static str = "SSHD";
}

#[test]
fn switches_know_their_kinds() {
    use crate::correlate::sshd::Switch;
    use crate::event::Kind;
    let read = read::<Vec<(Kind, Switch)>, Switches<Sshd>>;
    let switches =
        read("{ SSHDProtocolProbe = 'off', SSHDUserDenied = 'WARNING', SSHDPenalty = 'on' }").unwrap();
    assert_eq!(
        switches,
        [
            (Kind::SSHDProtocolProbe, Switch::Off),
            (Kind::SSHDUserDenied, Switch::Severity(Severity::Warning)),
            (Kind::SSHDPenalty, Switch::On),
        ]
    );
    assert_eq!(round_trip::<_, Switches<Sshd>>(&switches), switches);
    assert!(read("{ SSHDUserDenid = 'off' }").unwrap_err().contains("did you mean `SSHDUserDenied`?"));
    assert!(read("{ ReportRecord = 'off' }").unwrap_err().contains("raises no kind `ReportRecord`"));
    assert!(read("{ SSHDUserDenied = 'warning' }").unwrap_err().contains("expected \"off\""));
}

#[test]
fn delimiters_are_names_or_themselves() {
    let read = read::<Vec<u8>, DelimiterText>;
    assert_eq!(read("'LF'").unwrap(), b"\n");
    assert_eq!(read("'NUL'").unwrap(), b"\0");
    assert_eq!(read("'|||'").unwrap(), b"|||");
    assert!(read("''").is_err());
    assert!(read("'12345678901234567'").is_err());
}

proptest! {
    #[test]
    fn quantities_are_read_as_they_are_shown(millis in 0_u64..3_600_000, bytes in 1_u64..1 << 20, number in 1_u32..) {
        let duration = Duration::from_millis(millis);
        prop_assert_eq!(round_trip::<_, Lasting<0, 3600>>(&duration), duration);
        prop_assert_eq!(round_trip::<_, Size<1, 1_048_576>>(&bytes), bytes);
        prop_assert_eq!(round_trip::<_, Count<1, { u32::MAX as u64 }>>(&number), number);
    }
}
