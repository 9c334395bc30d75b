//! Floor 7: where and as what records are sent.

use super::{Choice, Codec, Takes, text};
use crate::config::option::Sink;
use crate::config::tree::Node;
use crate::handlers::syslog::{Address, Facility, Transport};
use reqwest::Url;
use toml_edit::Value;

/// The address of a syslog server.
pub(in crate::config) struct SyslogAddress;

const TRANSPORTS: [(&str, Transport); 3] =
    [("tcp", Transport::Tcp), ("tls", Transport::Tls), ("udp", Transport::Udp)];

impl Takes for SyslogAddress {
    fn takes() -> String {
        "an address such as \"tls://siem.example.com:6514\"; the schemes are tcp, tls and udp".to_owned()
    }
}

impl Codec<Option<Address>> for SyslogAddress {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Option<Address>> {
        let address = parse(text(node, &Self::takes(), sink)?);
        if address.is_none() {
            sink.expected(&Self::takes(), node);
        }
        address.map(Some)
    }

    fn show(value: &Option<Address>) -> Option<Value> {
        value.as_ref().map(|address| address.to_string().into())
    }
}

fn parse(text: &str) -> Option<Address> {
    let url = Url::parse(text).ok()?;
    let (_, transport) = TRANSPORTS.iter().find(|(scheme, _)| *scheme == url.scheme())?;
    let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']');
    let address = Address { transport: *transport, host: host.to_owned(), port: url.port()? };
    // Nothing else may stand there: no user, no path, no query.
    let whole = address.to_string();
    (!host.is_empty() && text.trim_end_matches('/').eq_ignore_ascii_case(&whole)).then_some(address)
}

impl Choice for Facility {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("kern", Self(0)),
        ("user", Self(1)),
        ("mail", Self(2)),
        ("daemon", Self(3)),
        ("auth", Self(4)),
        ("syslog", Self(5)),
        ("authpriv", Self(10)),
        ("local0", Self(16)),
        ("local1", Self(17)),
        ("local2", Self(18)),
        ("local3", Self(19)),
        ("local4", Self(20)),
        ("local5", Self(21)),
        ("local6", Self(22)),
        ("local7", Self(23)),
    ];
}

/// The APP-NAME of records (RFC 5424 section 6.2.5).
pub(in crate::config) struct AppName;

/// Characters of an APP-NAME.
const LONGEST: usize = 48;

impl Takes for AppName {
    fn takes() -> String {
        format!("1 to {LONGEST} printable ASCII characters without a blank")
    }
}

impl Codec<String> for AppName {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<String> {
        let name = text(node, &Self::takes(), sink)?;
        if !(1..=LONGEST).contains(&name.len()) || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            sink.expected(&Self::takes(), node);
            return None;
        }
        Some(name.to_owned())
    }

    fn show(value: &String) -> Option<Value> {
        Some(value.as_str().into())
    }
}
