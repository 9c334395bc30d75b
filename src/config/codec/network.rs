//! Floor 7: networks.

use super::{Codec, Takes, items, text};
use crate::config::option::Sink;
use crate::config::tree::Node;
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
