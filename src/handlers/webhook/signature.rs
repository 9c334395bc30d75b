//! Floor 4: signatures of requests, by which a receiver knows who sent them, and when.
//!
//! The signature is the HMAC-SHA256 (RFC 2104) of the timestamp, a dot and the body, in hexadecimal. The timestamp is
//! within, so that a request that somebody has recorded cannot be sent again later as if it were new.

use reqwest::header::HeaderName;
use ring::hmac;
use std::fmt::Write;

/// The header that tells when a request was signed: seconds since the Unix epoch.
pub(super) const TIMESTAMP: HeaderName = HeaderName::from_static("x-correlator-timestamp");

/// The header with the signature: `sha256=` and 64 hexadecimal digits.
pub(super) const SIGNATURE: HeaderName = HeaderName::from_static("x-correlator-signature");

/// Signs requests.
pub(super) struct Signer(hmac::Key);

impl Signer {
    pub(super) fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The value of the header.
    pub(super) fn sign(&self, seconds: i64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{seconds}.").as_bytes());
        context.update(body);
        let mut text = "sha256=".to_owned();
        for byte in context.sign().as_ref() {
            // Writing to a string cannot fail.
            write!(text, "{byte:02x}").unwrap_or_default();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_others_do() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac key
        let expected = "sha256=a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03";
        assert_eq!(Signer::new(b"key").sign(1_700_000_000, br#"{"a":1}"#), expected);
    }
}
