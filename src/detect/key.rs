//! Floor 2: what sshd logs of a key or certificate, taken apart.
//!
//! Invariant: a key ID is text of whoever made the certificate, trusted or not; it is found between what stands before
//! and what stands after it, never by its own content.

use super::cut::split_at_byte;

/// The parts of what follows `ssh2: ` in a login's message, or of `TYPE FP` elsewhere. Parts that are absent are empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyInfo<'a> {
    /// The key's type, `ED25519` or `RSA-CERT`.
    pub key_type: &'a [u8],
    /// Its fingerprint: `SHA256:...`, or pairs of hexadecimal digits of MD5.
    pub fingerprint: &'a [u8],
    /// The key ID of a certificate.
    pub cert_id: &'a [u8],
    /// The serial number of a certificate.
    pub serial: Option<u64>,
    /// The certifying key as `TYPE FP`.
    pub ca_key: &'a [u8],
    /// The user on the client, as host-based authentication names it.
    pub client_user: &'a [u8],
    /// The client's host, likewise.
    pub client_host: &'a [u8],
}

impl<'a> KeyInfo<'a> {
    /// Takes apart `TYPE FP`, `TYPE-CERT FP ID id (serial n) CA TYPE FP` (7.9 and later), the same without the first
    /// fingerprint (6.3 to 7.8), and `TYPE FP, client user "u", client host "h"`.
    pub fn parse(info: &'a [u8]) -> Self {
        let Some((key_type, rest)) = split_at_byte(info, b' ') else { return Self::default() };
        let mut key = Self { key_type, ..Self::default() };
        // `Found matching RSA key: FP`, up to 6.2.
        let rest = rest.strip_prefix(b"key: ").unwrap_or(rest);
        if let Some(certificate) = rest.strip_prefix(b"ID ") {
            key.certificate(certificate);
            return key;
        }
        let (fingerprint, rest) = split_at_byte(rest, b' ').unwrap_or((rest, b""));
        if let Some(certificate) = rest.strip_prefix(b"ID ") {
            key.certificate(certificate);
        } else if let Some(client) = rest.strip_prefix(b"client user \"") {
            key.client(client);
        }
        key.fingerprint = fingerprint.strip_suffix(b",").unwrap_or(fingerprint);
        key
    }

    /// `id (serial n) CA TYPE FP`; the ID may imitate what follows it, so that the last of these counts.
    fn certificate(&mut self, text: &'a [u8]) {
        self.cert_id = text;
        let Some(at) = memchr::memmem::rfind(text, b" (serial ") else { return };
        let (id, rest) = text.split_at_checked(at).unwrap_or((text, b""));
        let Some((serial, ca_key)) =
            rest.strip_prefix(b" (serial ").and_then(|rest| split_once(rest, b") CA "))
        else {
            return;
        };
        if let Some(serial) = super::address::decimal(serial) {
            (self.cert_id, self.serial, self.ca_key) = (id, Some(serial), ca_key);
        }
    }

    /// `user", client host "host"`.
    fn client(&mut self, text: &'a [u8]) {
        if let Some(at) = memchr::memmem::rfind(text, b"\", client host \"") {
            let (user, rest) = text.split_at_checked(at).unwrap_or((text, b""));
            let host = rest.strip_prefix(b"\", client host \"").unwrap_or_default();
            (self.client_user, self.client_host) = (user, host.strip_suffix(b"\"").unwrap_or(host));
        }
    }
}

fn split_once<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memchr::memmem::find(text, separator)?;
    Some((text.get(..at)?, text.get(at + separator.len()..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_apart_every_form() {
        let base = KeyInfo { key_type: b"ED25519", fingerprint: b"SHA256:XV4V", ..KeyInfo::default() };
        let certificate = KeyInfo {
            key_type: b"RSA-CERT",
            fingerprint: b"SHA256:aa",
            cert_id: b"alice@ca",
            serial: Some(7),
            ca_key: b"ED25519 SHA256:bb",
            ..KeyInfo::default()
        };
        for (text, expected) in [
            ("ED25519 SHA256:XV4V", base),
            ("RSA 0d:c5:f1", KeyInfo { key_type: b"RSA", fingerprint: b"0d:c5:f1", ..base }),
            ("RSA key: 0d:c5:f1", KeyInfo { key_type: b"RSA", fingerprint: b"0d:c5:f1", ..base }),
            ("RSA-CERT SHA256:aa ID alice@ca (serial 7) CA ED25519 SHA256:bb", certificate),
            (
                "RSA-CERT ID alice@ca (serial 7) CA ED25519 SHA256:bb",
                KeyInfo { fingerprint: b"", ..certificate },
            ),
            (
                "ED25519 SHA256:XV4V, client user \"bob\", client host \"h.example.com\"",
                KeyInfo { client_user: b"bob", client_host: b"h.example.com", ..base },
            ),
            ("", KeyInfo::default()),
            ("ssh2", KeyInfo::default()),
        ] {
            assert_eq!(KeyInfo::parse(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_key_id_cannot_name_its_own_authority() {
        let text = b"RSA-CERT SHA256:aa ID x (serial 1) CA RSA SHA256:trusted (serial 0) CA RSA SHA256:own";
        let key = KeyInfo::parse(text);
        assert_eq!(key.ca_key, b"RSA SHA256:own");
        assert_eq!(key.cert_id, b"x (serial 1) CA RSA SHA256:trusted");
    }

    #[test]
    fn a_certificate_that_was_cut_keeps_what_is_left() {
        let key = KeyInfo::parse(b"RSA-CERT SHA256:aa ID aaaaaaaaaaaa");
        assert_eq!((key.cert_id, key.serial, key.ca_key), (&b"aaaaaaaaaaaa"[..], None, &b""[..]));
    }
}
