//! Floor 7: networks, and the names of hosts.

use super::{Codec, Takes, items, text};
use crate::config::option::Sink;
use crate::config::tree::Node;
use crate::limits;
use ipnet::IpNet;
use std::net::IpAddr;
use toml_edit::{Array, Value};

/// Networks in CIDR notation; an address alone is a network of one.
pub(in crate::config) struct Networks;

impl Takes for Networks {
    fn takes() -> String {
        "a list of networks, such as [\"10.0.0.0/8\", \"fd00::/8\"]".to_owned()
    }
}

impl Codec<Vec<IpNet>> for Networks {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Vec<IpNet>> {
        items(node, sink, network)
    }

    fn show(value: &Vec<IpNet>) -> Option<Value> {
        Some(Value::Array(value.iter().map(ToString::to_string).collect::<Array>()))
    }
}

fn network(node: &Node, sink: &mut Sink<'_>) -> Option<IpNet> {
    let what = "a network such as \"10.0.0.0/8\"";
    let given = text(node, what, sink)?;
    let parsed = given.parse::<IpNet>().ok().or_else(|| given.parse::<IpAddr>().ok().map(IpNet::from));
    let Some(network) = parsed else {
        sink.expected(what, node);
        return None;
    };
    if network != network.trunc() {
        let hint = format!("did you mean \"{}\", or \"{}\"?", network.trunc(), network.addr());
        sink.wrong(node, &format!("`{given}` has bits set past its prefix"), Some(hint));
        return None;
    }
    Some(network)
}

/// The name of a host, as it stands in the header of a record (RFC 5424, section 6.2.4).
pub(in crate::config) struct HostName;

impl Takes for HostName {
    fn takes() -> String {
        "the name of a host, such as \"web-1\"".to_owned()
    }
}

impl Codec<String> for HostName {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<String> {
        let given = text(node, &Self::takes(), sink)?;
        let is_name = (1..=limits::MAX_HEADER_FIELD).contains(&given.len())
            && given.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_name {
            sink.expected(&Self::takes(), node);
        }
        is_name.then(|| given.to_owned())
    }

    fn show(value: &String) -> Option<Value> {
        (!value.is_empty()).then(|| value.as_str().into())
    }
}
