//! Floor 1: the header that a proxy sends before a connection's own bytes, so that the address of the one behind it is
//! known (the PROXY protocol of HAProxy, versions 1 and 2).
//!
//! Invariant: a header is read only as a whole; what is its beginning is incomplete, and anything else is an error. The
//! bytes behind it are not looked at.

use crate::limits;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A whole header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyHeader {
    /// The address that the proxy speaks for; nothing where it speaks for itself, as its health checks do, or does not
    /// know.
    pub source: Option<IpAddr>,
    /// How many bytes the header has.
    pub len: usize,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// They begin otherwise.
    #[error("the connection does not begin with a PROXY header")]
    NoHeader,
    /// Version 1 is not as it should be.
    #[error("the PROXY header of version 1 is not well formed")]
    Text,
    /// Version 2 is not as it should be.
    #[error("the PROXY header of version 2 is not well formed")]
    Binary,
    /// It is longer than any that is read.
    #[error("the PROXY header is longer than {} bytes", limits::MAX_PROXY_HEADER)]
    TooLong,
}

const TEXT: &[u8] = b"PROXY ";
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, the version and command, the family and protocol, the length of the rest.
const BINARY_HEAD: usize = 16;

/// Reads the header that a connection begins with; nothing if more of it has to come.
///
/// # Errors
/// When no header begins so.
pub fn parse(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyError> {
    let begins = |beginning: &[u8]| {
        let common = bytes.len().min(beginning.len());
        bytes.get(..common) == beginning.get(..common)
    };
    match (begins(TEXT), begins(BINARY)) {
        (true, false) => text(bytes),
        (false, true) => binary(bytes),
        (true, true) => Ok(None),
        (false, false) => Err(ProxyError::NoHeader),
    }
}

/// Version 1: a line (section 2.1).
fn text(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyError> {
    let longest = bytes.get(..limits::MAX_PROXY_LINE).unwrap_or(bytes);
    let Some(end) = memchr::memchr(b'\n', longest) else {
        return if bytes.len() < limits::MAX_PROXY_LINE { Ok(None) } else { Err(ProxyError::Text) };
    };
    let line = longest.get(TEXT.len()..end).and_then(|line| line.strip_suffix(b"\r"));
    let line = line.and_then(|line| std::str::from_utf8(line).ok()).ok_or(ProxyError::Text)?;
    let mut words = line.split(' ');
    let source = match words.next() {
        // Whatever follows is to be ignored.
        Some("UNKNOWN") => None,
        Some("TCP4") => Some(IpAddr::V4(addresses(words)?)),
        Some("TCP6") => Some(IpAddr::V6(addresses(words)?)),
        _ => return Err(ProxyError::Text),
    };
    Ok(Some(ProxyHeader { source, len: end + 1 }))
}

/// The first of two addresses, before two ports, and nothing else.
fn addresses<'a, A: FromStr>(mut words: impl Iterator<Item = &'a str>) -> Result<A, ProxyError> {
    let mut address = || words.next().and_then(|word| word.parse::<A>().ok()).ok_or(ProxyError::Text);
    let (source, _) = (address()?, address()?);
    for _ in 0..2 {
        let port = words.next().unwrap_or_default();
        let is_plain = port == "0" || !port.starts_with(['0', '+']);
        if !is_plain || port.parse::<u16>().is_err() {
            return Err(ProxyError::Text);
        }
    }
    if words.next().is_none() { Ok(source) } else { Err(ProxyError::Text) }
}

/// Version 2: a structure (section 2.2).
fn binary(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyError> {
    let Some([command, family, high, low]) = bytes.get(BINARY.len()..BINARY_HEAD) else { return Ok(None) };
    let len = BINARY_HEAD + usize::from(u16::from_be_bytes([*high, *low]));
    let speaks_for = match command {
        0x20 => false,
        0x21 => true,
        _ => return Err(ProxyError::Binary),
    };
    if len > limits::MAX_PROXY_HEADER {
        return Err(ProxyError::TooLong);
    }
    let Some(rest) = bytes.get(BINARY_HEAD..len) else { return Ok(None) };
    let source = match family {
        _ if !speaks_for => None,
        0x11 => Some(IpAddr::V4(Ipv4Addr::from(first::<4, 12>(rest)?))),
        0x21 => Some(IpAddr::V6(Ipv6Addr::from(first::<16, 36>(rest)?))),
        // Families that a connection over TCP does not have, and what is unspecified.
        _ => None,
    };
    Ok(Some(ProxyHeader { source, len }))
}

/// The first bytes of a block that has a certain length at least.
fn first<const BYTES: usize, const LEAST: usize>(block: &[u8]) -> Result<[u8; BYTES], ProxyError> {
    let first = block.get(..LEAST).and_then(|block| block.first_chunk());
    first.copied().ok_or(ProxyError::Binary)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [BINARY, &[command, family], &len, rest].concat()
    }

    fn headers() -> Vec<(Vec<u8>, Option<&'static str>)> {
        let v6 = [&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1][..], &[0; 20]].concat();
        let with_more =
            [&[192, 0, 2, 1, 192, 0, 2, 2, 1, 2, 3, 4][..], b"\x03\x00\x04\xfd\x16\xee\x60"].concat();
        vec![
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n".to_vec(), Some("192.0.2.1")),
            (b"PROXY TCP6 2001:db8::1 2001:db8::2 0 65535\r\n".to_vec(), Some("2001:db8::1")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n".to_vec(), None),
            (v2(0x21, 0x11, &[192, 0, 2, 1, 192, 0, 2, 2, 1, 2, 3, 4]), Some("192.0.2.1")),
            (v2(0x21, 0x11, &with_more), Some("192.0.2.1")),
            (v2(0x21, 0x21, &v6), Some("2001:db8::1")),
            (v2(0x20, 0x00, &[]), None),
            (v2(0x20, 0x11, &[192, 0, 2, 1, 192, 0, 2, 2, 1, 2, 3, 4]), None),
            (v2(0x21, 0x31, &[0; 216]), None),
            (v2(0x21, 0x00, b"whatever"), None),
        ]
    }

    #[test]
    fn headers_are_read_whole_and_their_beginnings_are_incomplete() {
        for (header, source) in headers() {
            let source = source.map(|source| source.parse().unwrap());
            let expected = Ok(Some(ProxyHeader { source, len: header.len() }));
            assert_eq!(parse(&header), expected, "{header:?}");
            assert_eq!(parse(&[&header[..], b"<14>record\n\r\n"].concat()), expected, "{header:?}");
            for end in 0..header.len() {
                assert_eq!(parse(&header[..end]), Ok(None), "{:?}", &header[..end]);
            }
        }
    }

    #[test]
    fn anything_else_is_an_error() {
        let long = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 100]].concat();
        for (bytes, error) in [
            (b"<14>record\n".to_vec(), ProxyError::NoHeader),
            (b"PROXX".to_vec(), ProxyError::NoHeader),
            (b"\x16\x03\x01".to_vec(), ProxyError::NoHeader),
            (b"\r\n\r\n\0\r\nQUIX".to_vec(), ProxyError::NoHeader),
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\n".to_vec(), ProxyError::Text),
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 56324\r\n".to_vec(), ProxyError::Text),
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 056324 443\r\n".to_vec(), ProxyError::Text),
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 443\r\n".to_vec(), ProxyError::Text),
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n".to_vec(), ProxyError::Text),
            (b"PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n".to_vec(), ProxyError::Text),
            (b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n".to_vec(), ProxyError::Text),
            (b"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n".to_vec(), ProxyError::Text),
            (b"PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n".to_vec(), ProxyError::Text),
            (b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n".to_vec(), ProxyError::Text),
            (b"PROXY \xff\r\n".to_vec(), ProxyError::Text),
            (long, ProxyError::Text),
            (v2(0x11, 0x11, &[0; 12]), ProxyError::Binary),
            (v2(0x22, 0x11, &[0; 12]), ProxyError::Binary),
            (v2(0x21, 0x11, &[0; 11]), ProxyError::Binary),
            (v2(0x21, 0x21, &[0; 35]), ProxyError::Binary),
            (v2(0x21, 0x11, &[0; 5000]), ProxyError::TooLong),
        ] {
            assert_eq!(parse(&bytes), Err(error), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_decided_of_a_beginning_holds_for_the_whole(
            header in prop::sample::select(headers()),
            place in any::<prop::sample::Index>(),
            byte in any::<Option<u8>>(),
        ) {
            let mut bytes = header.0;
            let place = place.index(bytes.len());
            if let Some(byte) = byte {
                bytes[place] = byte;
            }
            let whole = parse(&bytes);
            for end in 0..bytes.len() {
                match parse(&bytes[..end]) {
                    Ok(None) => {}
                    decided => prop_assert_eq!(decided, whole),
                }
            }
        }
    }
}
