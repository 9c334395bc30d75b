//! Floor 7: networks, and addresses to listen on.

use super::{Codec, Takes, items, text};
use crate::config::option::Sink;
use crate::config::tree::Node;
use crate::suggest::suggest;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
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

/// Addresses to listen on, as URLs.
pub(in crate::config) struct TcpAddresses;

impl Takes for TcpAddresses {
    fn takes() -> String {
        "an address such as \"tcp://[::]:5140\", or a list of them".to_owned()
    }
}

impl Codec<Vec<SocketAddr>> for TcpAddresses {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Vec<SocketAddr>> {
        let read = items(node, sink, |node, sink| {
            let given = text(node, &Self::takes(), sink)?;
            match parse_tcp(given) {
                Ok(address) => Some(address),
                Err(WrongAddress { message, hint }) => {
                    sink.wrong(node, &message, hint);
                    None
                }
            }
        })?;
        if read.is_empty() {
            sink.expected(&Self::takes(), node);
            return None;
        }
        Some(read)
    }

    fn show(value: &Vec<SocketAddr>) -> Option<Value> {
        let urls: Vec<_> = value.iter().map(|address| format!("tcp://{address}")).collect();
        match urls.as_slice() {
            [] => None,
            [one] => Some(one.as_str().into()),
            several => Some(Value::Array(several.iter().map(String::as_str).collect::<Array>())),
        }
    }
}

/// Why a text is no address to listen on.
pub(in crate::config) struct WrongAddress {
    pub(in crate::config) message: String,
    pub(in crate::config) hint: Option<String>,
}

/// Schemes of listeners that later versions bring.
const LATER_SCHEMES: [&str; 6] = ["tls", "udp", "unix", "unix-datagram", "relp", "relps"];

/// Reads the URL of a TCP listener.
pub(in crate::config) fn parse_tcp(url: &str) -> Result<SocketAddr, WrongAddress> {
    let wrong = |message: String, hint: Option<String>| Err(WrongAddress { message, hint });
    let example =
        || Some("expected an address such as \"tcp://[::]:5140\" or \"tcp://127.0.0.1:5140\"".to_owned());
    let Some((scheme, rest)) = url.split_once("://") else {
        let meant =
            url.parse::<SocketAddr>().map(|address| format!("did you mean \"tcp://{address}\"?")).ok();
        return wrong(format!("`{}` is no URL", url.escape_debug()), meant.or_else(example));
    };
    if LATER_SCHEMES.contains(&scheme) {
        let hint = "supported: `tcp`".to_owned();
        return wrong(format!("scheme `{scheme}` is not supported by this version"), Some(hint));
    }
    if scheme != "tcp" {
        let known = ["tcp"].into_iter().chain(LATER_SCHEMES);
        let hint = suggest(scheme, known).map(|near| format!("did you mean `{near}`?"));
        return wrong(format!("unknown scheme `{}`", scheme.escape_debug()), hint.or_else(example));
    }
    match rest.parse::<SocketAddr>() {
        Ok(address) => Ok(address),
        Err(_) if rest.parse::<IpAddr>().is_ok() => wrong(format!("`{url}` lacks a port"), example()),
        Err(_) => wrong(format!("`{}` is no IP address and port", rest.escape_debug()), example()),
    }
}
