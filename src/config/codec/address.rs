//! Floor 7: addresses to listen on, as URLs.

use super::{Codec, Takes, items, text};
use crate::config::option::{Sink, list};
use crate::config::tree::Node;
use crate::ingest::{Address, Scheme};
use crate::limits;
use crate::suggest::did_you_mean;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use toml_edit::{Array, Value};

/// Addresses to listen on.
pub(in crate::config) struct Addresses;

impl Takes for Addresses {
    fn takes() -> String {
        "an address such as \"tcp://[::]:5140\", or a list of them".to_owned()
    }
}

impl Codec<Vec<Address>> for Addresses {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Vec<Address>> {
        let read = items(node, sink, |node, sink| {
            let given = text(node, &Self::takes(), sink)?;
            match parse_address(given) {
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

    fn show(value: &Vec<Address>) -> Option<Value> {
        let urls: Vec<_> = value.iter().map(ToString::to_string).collect();
        match urls.as_slice() {
            [] => None,
            [one] => Some(one.as_str().into()),
            several => Some(Value::Array(several.iter().map(String::as_str).collect::<Array>())),
        }
    }
}

/// Why a text is no address to listen on.
#[derive(Debug)]
pub(in crate::config) struct WrongAddress {
    pub(in crate::config) message: String,
    pub(in crate::config) hint: Option<String>,
}

impl WrongAddress {
    fn new(message: String, hint: impl Into<Option<String>>) -> Self {
        Self { message, hint: hint.into() }
    }
}

/// Reads the URL of a listener.
pub(in crate::config) fn parse_address(url: &str) -> Result<Address, WrongAddress> {
    let names = Scheme::ALL.map(Scheme::name);
    let Some((scheme, rest)) = url.split_once("://") else {
        let meant = url.parse::<SocketAddr>().map(|address| format!("did you mean \"tcp://{address}\"?"));
        let hint = meant.unwrap_or_else(|_| example(Scheme::Tcp));
        return Err(WrongAddress::new(format!("`{}` is no URL", url.escape_debug()), hint));
    };
    let Some(kind) = Scheme::ALL.into_iter().find(|known| known.name() == scheme) else {
        let hint = did_you_mean(scheme, names).unwrap_or_else(|| format!("supported: {}", list(&names)));
        return Err(WrongAddress::new(format!("unknown scheme `{}`", scheme.escape_debug()), hint));
    };
    match kind {
        Scheme::Tcp => socket(kind, rest).map(Address::Tcp),
        Scheme::Tls => socket(kind, rest).map(Address::Tls),
        Scheme::Relp => socket(kind, rest).map(Address::Relp),
        Scheme::Relps => socket(kind, rest).map(Address::Relps),
        Scheme::Udp => socket(kind, rest).map(Address::Udp),
        Scheme::Unix => path(kind, rest).map(Address::Unix),
        Scheme::UnixDatagram => path(kind, rest).map(Address::UnixDatagram),
    }
}

fn example(kind: Scheme) -> String {
    let name = kind.name();
    match kind {
        Scheme::Unix | Scheme::UnixDatagram => format!("expected a path such as \"{name}:///run/log.sock\""),
        Scheme::Tcp | Scheme::Tls | Scheme::Relp | Scheme::Relps | Scheme::Udp => {
            let port = match kind {
                Scheme::Tls => 6514,
                Scheme::Relp | Scheme::Relps => 2514,
                _ => 5140,
            };
            format!("expected an address such as \"{name}://[::]:{port}\" or \"{name}://127.0.0.1:{port}\"")
        }
    }
}

/// The address and port of a URL.
fn socket(kind: Scheme, rest: &str) -> Result<SocketAddr, WrongAddress> {
    rest.parse().map_err(|_| {
        let message = if rest.parse::<IpAddr>().is_ok() {
            format!("`{}://{rest}` lacks a port", kind.name())
        } else {
            format!("`{}` is no IP address and port", rest.escape_debug())
        };
        WrongAddress::new(message, example(kind))
    })
}

/// The path of a URL.
fn path(kind: Scheme, rest: &str) -> Result<PathBuf, WrongAddress> {
    let quoted = rest.escape_debug();
    if !rest.starts_with('/') || rest.contains('\0') || rest.ends_with('/') {
        return Err(WrongAddress::new(format!("`{quoted}` is no absolute path of a socket"), example(kind)));
    }
    if rest.len() > limits::MAX_LISTENER_PATH {
        let message = format!("`{quoted}` is longer than the system allows for a socket");
        return Err(WrongAddress::new(message, format!("at most {} bytes", limits::MAX_LISTENER_PATH)));
    }
    Ok(rest.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_shown_alike() {
        for url in [
            "tcp://127.0.0.1:514",
            "tls://[::1]:6514",
            "udp://[::]:514",
            "unix:///run/x.sock",
            "unix-datagram:///run/my log",
        ] {
            assert_eq!(parse_address(url).unwrap().to_string(), url);
        }
    }

    #[test]
    fn what_is_no_address_is_told_with_what_would_be() {
        for (url, message, hint) in [
            ("127.0.0.1:5", "is no URL", "did you mean \"tcp://127.0.0.1:5\"?"),
            ("relp://[::]", "is no IP address and port", "\"relp://[::]:2514\""),
            ("gopher://[::]:70", "unknown scheme `gopher`", "`tcp`, `tls`, `relp`, `relps`, `udp`, `unix`"),
            ("upd://[::]:514", "unknown scheme `upd`", "did you mean `udp`?"),
            ("udp://[::]", "is no IP address and port", "\"udp://[::]:5140\""),
            ("udp://10.0.0.1", "lacks a port", "\"udp://[::]:5140\""),
            ("unix://run/x", "is no absolute path", "\"unix:///run/log.sock\""),
            ("unix-datagram:///run/", "is no absolute path", "\"unix-datagram:///run/log.sock\""),
            (&format!("unix:///{}", "x".repeat(107)), "is longer than the system allows", "107 bytes"),
        ] {
            let wrong = parse_address(url).unwrap_err();
            assert!(wrong.message.contains(message), "{wrong:?}");
            assert!(wrong.hint.as_deref().unwrap_or_default().contains(hint), "{wrong:?}");
        }
    }
}
