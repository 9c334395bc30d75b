//! Floor 2: the cuts that the fast way to read a message makes: at places that no text of the peer can reach.
//!
//! Invariant: a cut that is not certain is none.

use super::address::{decimal, parse_address};
use std::net::{IpAddr, Ipv4Addr};

/// Cuts ` ssh2: INFO` from the end of an authentication message. Names hold no colon, so that the first one is that
/// before the info, or else in an IPv6 address. What ends in a bracket may bear the mark of a relayed message.
#[inline]
pub(super) fn split_info(message: &[u8]) -> Option<(&[u8], &[u8])> {
    if message.ends_with(b"]") {
        return None;
    }
    let (head, rest) = message.split_at_checked(memchr::memchr(b':', message)?)?;
    if let Some(head) = head.strip_suffix(b" ssh2") {
        return Some((head, rest.strip_prefix(b": ")?));
    }
    let at = memchr::memmem::find(message, b" ssh2: ")?;
    Some((message.get(..at)?, message.get(at + 7..)?))
}

/// Cuts ` port N` from the end of a message.
#[inline]
pub(super) fn cut_port(message: &[u8]) -> Option<(&[u8], u16)> {
    let (mut port, mut scale, mut rest) = (0_u32, 1_u32, message);
    while let Some((byte, before)) = rest.split_last() {
        let digit = u32::from(byte.wrapping_sub(b'0'));
        if digit > 9 || scale > 10_000 {
            break;
        }
        port += digit * scale;
        scale *= 10;
        rest = before;
    }
    let port = u16::try_from(port).ok().filter(|&port| port != 0)?;
    Some((rest.strip_suffix(b" port ")?, port))
}

/// Cuts ` A.B.C.D` from the end of text, reading it from right to left: what stands before it, and the address as text
/// and as value.
#[inline]
pub(super) fn cut_ipv4(text: &[u8]) -> Option<(&[u8], &[u8], Ipv4Addr)> {
    let (rest, d) = cut_octet(text, b'.')?;
    let (rest, c) = cut_octet(rest, b'.')?;
    let (rest, b) = cut_octet(rest, b'.')?;
    let (rest, a) = cut_octet(rest, b' ')?;
    Some((rest, text.get(rest.len() + 1..)?, Ipv4Addr::new(a, b, c, d)))
}

/// Cuts a separator and up to three digits, without a leading zero, from the end of text.
#[inline]
fn cut_octet(text: &[u8], separator: u8) -> Option<(&[u8], u8)> {
    let digit = |byte: u8| Some(u32::from(byte.wrapping_sub(b'0'))).filter(|&digit| digit <= 9);
    match text {
        [rest @ .., before, c] if *before == separator => Some((rest, u8::try_from(digit(*c)?).ok()?)),
        [rest @ .., before, b @ b'1'..=b'9', c] if *before == separator => {
            Some((rest, u8::try_from(digit(*b)? * 10 + digit(*c)?).ok()?))
        }
        [rest @ .., before, a @ b'1'..=b'2', b, c] if *before == separator => {
            Some((rest, u8::try_from(digit(*a)? * 100 + digit(*b)? * 10 + digit(*c)?).ok()?))
        }
        _ => None,
    }
}

/// Cuts the last word from text, and the blank before it.
#[inline]
pub(super) fn cut_word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let blank = memchr::memrchr(b' ', text)?;
    Some((text.get(..blank)?, text.get(blank + 1..)?))
}

/// Parses an address without a scope.
#[inline]
pub(super) fn address(text: &[u8]) -> Option<IpAddr> {
    parse_address(text).filter(|addr| addr.is_ipv4() || !text.contains(&b'%'))
}

/// The user of `USER(uid=N) by [NAME](uid=N)`, as Linux-PAM has written it since 1.4.
pub(super) fn opened_user(message: &[u8]) -> Option<&[u8]> {
    let (user, rest) = split_at_byte(message, b'(').filter(|(user, _)| !user.is_empty())?;
    let (uid, rest) = split_at_byte(rest.strip_prefix(b"uid=")?, b')')?;
    let (_, rest) = split_at_byte(rest.strip_prefix(b" by ")?, b'(')?;
    let by = rest.strip_prefix(b"uid=")?.strip_suffix(b")")?;
    (decimal(uid).is_some() && decimal(by).is_some()).then_some(user)
}

/// What stands before and after the first `byte`.
#[inline]
pub(super) fn split_at_byte(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(byte, text)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_cut_as_they_are_parsed() {
        for (text, expected) in [
            ("x 1.2.3.4", Some("x")),
            (" 255.249.10.0", Some("")),
            ("x 256.2.3.4", None),
            ("x 01.2.3.4", None),
            ("x 1.2.3.04", None),
            ("x 1.2.3", None),
            ("x 5.1.2.3.4", None),
            ("1.2.3.4", None),
            ("x 1..3.4", None),
            ("x 1.2.3.", None),
            ("x 300.2.3.4", None),
        ] {
            let found = cut_ipv4(text.as_bytes());
            assert_eq!(found.map(|(before, _, _)| before), expected.map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn ports_are_cut_as_they_are_parsed() {
        for (text, expected) in [
            ("x port 22", Some(22)),
            ("x port 65535", Some(65535)),
            ("x port 65536", None),
            ("x port 0", None),
            ("x port ", None),
            ("x port 123456", None),
            ("port 22", None),
        ] {
            assert_eq!(cut_port(text.as_bytes()).map(|(_, port)| port), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn cuts_what_the_parser_accepts(text in "[0-9.]{0,12}|([0-9]{1,3}[.]){3}[0-9]{1,3}") {
            let line = format!("x {text}");
            let cut = cut_ipv4(line.as_bytes()).map(|(_, text, addr)| (text.to_vec(), IpAddr::V4(addr)));
            let parsed = parse_address(text.as_bytes()).map(|addr| (text.clone().into_bytes(), addr));
            prop_assert_eq!(cut, parsed);
        }
    }
}
