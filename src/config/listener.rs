//! Floor 7: `[listeners.NAME]`.

use super::codec::{Choice, Count, DelimiterText, Lasting, Networks, OneOf, Size, TcpAddresses, ZoneName};
use super::option::{Opt, options};
use super::problem::{Place, Problem, Problems};
use super::section::Section;
use super::zone::NamedZone;
use crate::ingest::tcp;
use crate::limits;
use crate::wire::framing;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// A listener: where it listens, for whom, and how it takes what comes.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    /// Networks whose hosts may connect; empty for all.
    pub allow_from: Vec<IpNet>,
    /// How frames are told apart.
    pub framing: framing::Options,
    /// Connections that one peer address may hold.
    pub max_connections_per_peer: usize,
    /// Time within which a new connection must send its first complete frame, and a begun frame must end.
    pub frame_timeout: Duration,
    /// The zone of records that name none.
    pub timezone: NamedZone,
}

impl Listener {
    /// A listener with default options.
    pub(super) fn new(name: &str, addresses: Vec<SocketAddr>) -> Self {
        Self { name: name.to_owned(), addresses, ..Self::defaults() }
    }

    /// The options of the TCP listener of each address.
    pub fn tcp(&self) -> impl Iterator<Item = tcp::Options> {
        self.addresses.iter().map(|address| tcp::Options {
            name: self.name.clone(),
            address: *address,
            allow_from: self.allow_from.clone(),
            framing: self.framing.clone(),
            max_connections_per_peer: self.max_connections_per_peer,
            frame_timeout: self.frame_timeout,
        })
    }
}

impl Choice for framing::Mode {
    const NAMES: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("octet-counted", Self::OctetCounted), ("delimited", Self::Delimited)];
}

impl Section for Listener {
    const OPTIONS: &'static [Opt<Self>] = options! { Self:
        (required) address = addresses as TcpAddresses,
            "Where to listen. `[::]` takes IPv4 as well.";
        allow_from = allow_from as Networks,
            "Networks whose hosts may connect; empty for all, which is warned about unless the address is loopback.";
        framing = framing.mode as OneOf<framing::Mode>,
            "How messages are told apart (RFC 6587): `auto` decides message by message; `octet-counted` closes a \
             connection that sends anything else; for `delimited`, digits mean nothing.";
        delimiter = framing.delimiter as DelimiterText,
            "What ends a message that has no count.";
        max_message_size = framing.max_message_size as
            Size<{ limits::MIN_MESSAGE_SIZE as u64 }, { limits::MAX_MESSAGE_SIZE_CEILING as u64 }>,
            "Bytes of a message that are kept; a longer one is marked truncated.";
        max_connections_per_peer = max_connections_per_peer as Count<1, 1_000_000>,
            "Connections that one address may hold: generous, because relays and NAT put a fleet behind one.";
        frame_timeout = frame_timeout as Lasting<1, 86_400>,
            "Time within which a new connection must send its first whole message, and a begun one must end. A \
             connection between two messages is never closed.";
        timezone = timezone as ZoneName,
            "Time zone of records that name none (RFC 3164).";
    };
    const LATER: &'static [&'static str] = &[
        "certificate",
        "key",
        "client_ca",
        "client_names",
        "client_fingerprints",
        "proxy",
        "rate_limit",
        "hosts",
        "mode",
    ];

    fn defaults() -> Self {
        Self {
            name: String::new(),
            addresses: Vec::new(),
            allow_from: Vec::new(),
            framing: framing::Options::default(),
            max_connections_per_peer: limits::MAX_CONNECTIONS_PER_PEER,
            frame_timeout: limits::FRAME_TIMEOUT,
            timezone: NamedZone::default(),
        }
    }
}

/// Addresses that are listened on, with where each was said.
#[derive(Debug, Default)]
pub(super) struct Taken(Vec<(SocketAddr, Place)>);

impl Taken {
    /// Takes one more address; it is a problem when another one leaves no room for it.
    pub(super) fn add(&mut self, address: SocketAddr, at: &Place, problems: &mut Problems) {
        if let Some((other, first)) = self.0.iter().find(|(other, _)| collide(*other, address)) {
            let (message, why) = if *other == address {
                (format!("cannot listen on tcp://{address} twice"), "")
            } else {
                (format!("cannot listen on both tcp://{other} and tcp://{address}"), "one covers the other; ")
            };
            problems.push(Problem::new(at, message).hint(format!("{why}the first is at {first}")));
        }
        self.0.push((address, at.clone()));
    }
}

/// Whether two sockets cannot listen on both addresses. `[::]` takes IPv4 as well; port 0 is any that is free.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let covers = |wide: IpAddr, other: IpAddr| match wide {
        IpAddr::V6(wide) => wide.is_unspecified(),
        IpAddr::V4(wide) => wide.is_unspecified() && other.is_ipv4(),
    };
    let (x, y) = (a.ip().to_canonical(), b.ip().to_canonical());
    a.port() == b.port() && a.port() != 0 && (x == y || covers(x, y) || covers(y, x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_addresses_collide_with_what_they_cover() {
        for (a, b, expected) in [
            ("127.0.0.1:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "127.0.0.1:2", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("0.0.0.0:1", "127.0.0.1:1", true),
            ("[::]:1", "127.0.0.1:1", true),
            ("[::]:1", "0.0.0.0:1", true),
            ("[::1]:1", "0.0.0.0:1", false),
            ("[::1]:1", "127.0.0.1:1", false),
            ("[::ffff:127.0.0.1]:1", "127.0.0.1:1", true),
        ] {
            assert_eq!(collide(a.parse().unwrap(), b.parse().unwrap()), expected, "{a} {b}");
            assert_eq!(collide(b.parse().unwrap(), a.parse().unwrap()), expected, "{b} {a}");
        }
    }
}
