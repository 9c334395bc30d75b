//! Floor 4: the names in a certificate, and whether one is permitted (RFC 5425, 5.2).
//!
//! Invariant: where a certificate has names for its host (subjectAltName), its common name does not count.

use crate::limits;
use std::fmt::Write;
use std::net::IpAddr;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// The names that a certificate bears: those of hosts and addresses, else the common name.
pub(super) fn names(certificate: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let names = alternative.iter().flat_map(|names| &names.value.general_names);
    let names: Vec<_> = names.filter_map(host).collect();
    if names.is_empty() { common_name(&certificate).into_iter().collect() } else { names }
}

/// The common name of a certificate's subject.
pub(super) fn common_name(certificate: &X509Certificate<'_>) -> Option<String> {
    let name = certificate.subject().iter_common_name().next()?.as_str().ok()?;
    (!name.is_empty()).then(|| name.to_owned())
}

fn host(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) if !name.is_empty() => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok().map(|ip| ip.to_string())
        }
        _ => None,
    }
}

/// Whether a name of a certificate is one that is permitted. On either side `*` may stand for the first label.
pub(super) fn matches(permitted: &str, name: &str) -> bool {
    let (permitted, name) = (trim(permitted), trim(name));
    if permitted.eq_ignore_ascii_case(name) {
        return true;
    }
    let is_address = |name: &str| name.parse::<IpAddr>().is_ok();
    if is_address(permitted) || is_address(name) {
        return false;
    }
    let covers = |wild: &str, other: &str| {
        let (Some(domain), Some((label, rest))) = (wild.strip_prefix("*."), other.split_once('.')) else {
            return false;
        };
        !label.is_empty() && !domain.is_empty() && domain.eq_ignore_ascii_case(rest)
    };
    covers(permitted, name) || covers(name, permitted)
}

/// A name without the dot of the root.
fn trim(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// A name for the provenance of records, in which nothing that a certificate holds can pass for another part. Nothing if
/// it is too long.
pub(super) fn shown(name: &str) -> Option<String> {
    let mut shown = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b".-_:*@".contains(&byte) {
            shown.push(char::from(byte));
        } else {
            write!(shown, "%{byte:02X}").ok()?;
        }
    }
    (shown.len() <= limits::MAX_SENDER_NAME).then_some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_permitted_as_the_rfc_says() {
        for (permitted, name, expected) in [
            ("a.example.com", "a.example.com", true),
            ("a.example.com", "A.EXAMPLE.com", true),
            ("a.example.com", "a.example.com.", true),
            ("a.example.com", "b.example.com", false),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("*.example.com", "a.b.example.com", false),
            ("a.example.com", "*.example.com", true),
            ("example.com", "*.example.com", false),
            ("a*.example.com", "ab.example.com", false),
            ("*", "a", false),
            ("*.", "a.", false),
            ("192.0.2.1", "192.0.2.1", true),
            ("*.0.2.1", "192.0.2.1", false),
            ("*.example.com", "*.example.com", true),
            ("", "", true),
        ] {
            assert_eq!(matches(permitted, name), expected, "{permitted} {name}");
        }
    }

    #[test]
    fn the_common_name_counts_only_without_others() {
        let signed = |names: &[&str], common: &str| {
            let names: Vec<_> = names.iter().map(ToString::to_string).collect();
            let mut parameters = rcgen::CertificateParams::new(names).unwrap();
            parameters.distinguished_name.push(rcgen::DnType::CommonName, common);
            let key = rcgen::KeyPair::generate().unwrap();
            super::names(parameters.self_signed(&key).unwrap().der())
        };
        assert_eq!(signed(&["a.example", "192.0.2.1"], "b.example"), ["a.example", "192.0.2.1"]);
        assert_eq!(signed(&[], "b.example"), ["b.example"]);
        assert_eq!(names(b"no certificate"), Vec::<String>::new());
    }

    #[test]
    fn no_name_passes_for_another_part_of_the_provenance() {
        assert_eq!(shown("web-1.example.com").as_deref(), Some("web-1.example.com"));
        assert_eq!(shown("a,pid=1 ä%\n").as_deref(), Some("a%2Cpid%3D1%20%C3%A4%25%0A"));
        assert_eq!(shown(&"a".repeat(256)), None);
    }
}
