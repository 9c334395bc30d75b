//! Floor 7: who may send: names of hosts and of certificates, and fingerprints.

use super::{Codec, Takes, bounded, items, text};
use crate::config::option::Sink;
use crate::config::tree::Node;
use crate::ingest::tls::Fingerprint;
use crate::limits;
use toml_edit::{Array, Value};

/// Names of hosts, whose first label may be `*`.
pub(in crate::config) struct HostNames;

impl Takes for HostNames {
    fn takes() -> String {
        "a list of host names, such as [\"web-1.example.com\", \"*.db.example.com\"]".to_owned()
    }
}

impl Codec<Vec<String>> for HostNames {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Vec<String>> {
        let what = "a host name such as \"web-1.example.com\" or \"*.example.com\"";
        let names = items(node, sink, |node, sink| {
            let given = text(node, what, sink)?;
            if !is_pattern(given) {
                sink.expected(what, node);
                return None;
            }
            Some(given.to_owned())
        })?;
        bounded(names, limits::MAX_PERMITTED, node, sink)
    }

    fn show(value: &Vec<String>) -> Option<Value> {
        Some(Value::Array(value.iter().map(String::as_str).collect::<Array>()))
    }
}

fn is_pattern(name: &str) -> bool {
    let rest = name.strip_prefix("*.").unwrap_or(name);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    !rest.is_empty() && name.len() <= limits::MAX_SENDER_NAME && rest.bytes().all(plain)
}

/// Names of hosts or senders, in which `*` stands for any text.
pub(in crate::config) struct NamePatterns;

impl Takes for NamePatterns {
    fn takes() -> String {
        "a list of names, such as [\"web*\", \"db-1\"], in which `*` stands for any text".to_owned()
    }
}

impl Codec<Vec<String>> for NamePatterns {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Vec<String>> {
        let what = "a name such as \"db-1\" or \"web*\"";
        let names = items(node, sink, |node, sink| {
            let given = text(node, what, sink)?;
            let is_plain = given.bytes().all(|byte| byte.is_ascii_graphic());
            if !is_plain || !(1..=limits::MAX_HEADER_FIELD).contains(&given.len()) {
                sink.expected(what, node);
                return None;
            }
            Some(given.to_owned())
        })?;
        bounded(names, limits::MAX_SOURCE_ENTRIES, node, sink)
    }

    fn show(value: &Vec<String>) -> Option<Value> {
        Some(Value::Array(value.iter().map(String::as_str).collect::<Array>()))
    }
}

/// Fingerprints of certificates.
pub(in crate::config) struct Fingerprints;

impl Takes for Fingerprints {
    fn takes() -> String {
        "a list of fingerprints, such as [\"sha-256:E1:2D:...\"]".to_owned()
    }
}

impl Codec<Vec<Fingerprint>> for Fingerprints {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Vec<Fingerprint>> {
        let what =
            "`sha-256:` or `sha-1:` and the fingerprint as pairs of hexadecimal digits, joined by colons";
        let fingerprints = items(node, sink, |node, sink| {
            let parsed = text(node, what, sink)?.parse().ok();
            if parsed.is_none() {
                let example = "`openssl x509 -in client.pem -noout -fingerprint -sha256` tells it";
                sink.expected_as_in(what, node, Some(example));
            }
            parsed
        })?;
        bounded(fingerprints, limits::MAX_PERMITTED, node, sink)
    }

    fn show(value: &Vec<Fingerprint>) -> Option<Value> {
        Some(Value::Array(value.iter().map(ToString::to_string).collect::<Array>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_the_first_label_only() {
        for (name, expected) in [
            ("web-1.example.com", true),
            ("*.example.com", true),
            ("192.0.2.1", true),
            ("2001:db8::1", true),
            ("*", false),
            ("*.", false),
            ("a.*.example.com", false),
            ("a*.example.com", false),
            ("a b", false),
            ("", false),
        ] {
            assert_eq!(is_pattern(name), expected, "{name}");
        }
    }
}
