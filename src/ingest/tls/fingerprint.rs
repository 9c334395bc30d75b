//! Floor 4: fingerprints of certificates, in the form of RFC 5425, 4.2.2: the name of a hash, and its value in pairs of
//! hexadecimal digits.

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use std::fmt;
use std::str::FromStr;

/// The fingerprint of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fingerprint {
    /// `sha-1:`, which RFC 5425 demands.
    Sha1([u8; 20]),
    /// `sha-256:`.
    Sha256([u8; 32]),
}

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    pub(super) fn of(certificate: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, certificate).as_ref());
        Self::Sha256(hash)
    }

    /// All that are those of a certificate in DER.
    pub(super) fn all(certificate: &[u8]) -> [Self; 2] {
        let mut hash = [0; 20];
        hash.copy_from_slice(digest(&SHA1_FOR_LEGACY_USE_ONLY, certificate).as_ref());
        [Self::Sha1(hash), Self::of(certificate)]
    }
}

impl FromStr for Fingerprint {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (name, value) = text.split_once(':').ok_or(())?;
        match name {
            "sha-1" => hash(value).map(Self::Sha1),
            "sha-256" => hash(value).map(Self::Sha256),
            _ => Err(()),
        }
    }
}

/// A hash of just so many bytes.
fn hash<const BYTES: usize>(text: &str) -> Result<[u8; BYTES], ()> {
    let byte = |pair: &str| {
        let is_hex = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_hex.then(|| u8::from_str_radix(pair, 16).ok()).flatten().ok_or(())
    };
    let bytes = text.split(':').map(byte).collect::<Result<Vec<_>, _>>()?;
    bytes.try_into().map_err(|_| ())
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, hash) = match self {
            Self::Sha1(hash) => ("sha-1", &hash[..]),
            Self::Sha256(hash) => ("sha-256", &hash[..]),
        };
        f.write_str(name)?;
        hash.iter().try_for_each(|byte| write!(f, ":{byte:02X}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_the_rfc_is_read_and_shown_alike() {
        // RFC 5425, 4.2.2.
        let text = "sha-1:E1:2D:53:2B:7C:6B:8A:29:A2:76:C8:64:36:0B:08:4B:7A:F1:9E:9D";
        let parsed: Fingerprint = text.parse().unwrap();
        assert_eq!(parsed.to_string(), text);
        assert_eq!(text.replace("E1:2D", "e1:2d").parse(), Ok(parsed));
        let own = Fingerprint::of(b"certificate");
        assert_eq!(own.to_string().parse(), Ok(own));
        assert!(Fingerprint::all(b"certificate").contains(&own));
        assert!(!Fingerprint::all(b"certificatf").contains(&own));
    }

    #[test]
    fn the_known_hashes_are_computed() {
        let abc: Fingerprint =
            "sha-1:A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D".parse().unwrap();
        assert!(Fingerprint::all(b"abc").contains(&abc) && !Fingerprint::all(b"abd").contains(&abc));
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "sha-1",
            "sha-1:",
            "sha-1:E1:2D",
            "md5:E1",
            "sha-1:E12D532B7C6B8A29A276C864360B084B7AF19E9D",
            "sha-1:+1:2D:53:2B:7C:6B:8A:29:A2:76:C8:64:36:0B:08:4B:7A:F1:9E:9D",
            "sha-256:E1:2D:53:2B:7C:6B:8A:29:A2:76:C8:64:36:0B:08:4B:7A:F1:9E:9D",
        ] {
            assert_eq!(text.parse::<Fingerprint>(), Err(()), "{text}");
        }
    }
}
