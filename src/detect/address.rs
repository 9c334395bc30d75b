//! Floor 2: addresses, ports and numbers as OpenSSH and PAM write them.
//!
//! Invariant: an IPv4 address has one value here, whether it was written plainly or mapped into IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Parses a numeric address; an IPv4 address mapped into IPv6 becomes plain, and the scope of a link-local one
/// (`%eth0`) is dropped.
pub fn parse_address(text: &[u8]) -> Option<IpAddr> {
    if let Some(v4) = ipv4(text) {
        return Some(IpAddr::V4(v4));
    }
    let unscoped = text.split(|&byte| byte == b'%').next()?;
    let v6: Ipv6Addr = std::str::from_utf8(unscoped).ok()?.parse().ok()?;
    Some(IpAddr::V6(v6).to_canonical())
}

/// Parses four decimal octets without leading zeros.
fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let (mut packed, mut octet, mut digits, mut dots) = (0_u32, 0_u32, 0_u32, 0_u32);
    for &byte in text {
        let digit = u32::from(byte.wrapping_sub(b'0'));
        if digit <= 9 {
            if digits == 3 || (digits > 0 && octet == 0) {
                return None;
            }
            octet = octet * 10 + digit;
            digits += 1;
        } else if byte == b'.' && digits > 0 && octet <= 255 && dots < 3 {
            packed = packed << 8 | octet;
            (octet, digits, dots) = (0, 0, dots + 1);
        } else {
            return None;
        }
    }
    (dots == 3 && digits > 0 && octet <= 255).then(|| Ipv4Addr::from(packed << 8 | octet))
}

/// Parses a port: 1 to 65535, at most five digits.
pub(super) fn parse_port(text: &[u8]) -> Option<u16> {
    if text.len() > 5 {
        return None;
    }
    decimal(text).and_then(|value| u16::try_from(value).ok()).filter(|&port| port != 0)
}

/// Parses a decimal number, at most [`u64::MAX`].
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut value = 0_u64;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.saturating_mul(10).saturating_add(u64::from(digit));
    }
    Some(value)
}

/// Parses seconds with an optional fraction as whole milliseconds.
pub(super) fn milliseconds(text: &[u8]) -> Option<u64> {
    let mut parts = text.splitn(2, |&byte| byte == b'.');
    let whole = decimal(parts.next()?)?.saturating_mul(1000);
    let fraction = parts.next().unwrap_or_default().iter().chain(b"000").take(3);
    let digits: [u8; 3] = std::array::from_fn({
        let mut fraction = fraction.copied();
        move |_| fraction.next().unwrap_or(b'0')
    });
    Some(whole.saturating_add(decimal(&digits)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_value_for_each_way_to_write_an_address() {
        let parsed = |text: &str| parse_address(text.as_bytes()).map(|ip| ip.to_string());
        assert_eq!(parsed("203.0.113.9").as_deref(), Some("203.0.113.9"));
        assert_eq!(parsed("::ffff:203.0.113.9").as_deref(), Some("203.0.113.9"));
        assert_eq!(parsed("fe80::1%eth0").as_deref(), Some("fe80::1"));
        for wrong in
            ["", "UNKNOWN", "1.2.3", "1.2.3.4.", "1.2.3.256", "01.2.3.4", "1.2.3.4%eth0", "abcd", "1.2.3.4.5"]
        {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_are_strict() {
        assert_eq!(
            [&b"1"[..], b"65535", b"65536", b"0", b"", b"+1", b"000022"].map(parse_port),
            [Some(1), Some(65535), None, None, None, None, None]
        );
        assert_eq!(decimal(b"99999999999999999999999"), Some(u64::MAX));
        assert_eq!(
            [&b"20"[..], b"20.5", b"0.0009", b"1.234", b"x", b"1.x"].map(milliseconds),
            [Some(20_000), Some(20_500), Some(0), Some(1_234), None, None]
        );
    }

    proptest! {
        #[test]
        fn agrees_with_the_standard_library(text in "[0-9.]{0,16}|[0-9a-f:]{0,20}") {
            let expected = text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
            prop_assert_eq!(parse_address(text.as_bytes()), expected);
        }
    }
}
