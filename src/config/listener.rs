//! Floor 7: `[listeners.NAME]`.

use super::codec::{
    AbsolutePath, Addresses, Choice, Count, DelimiterText, FileMode, Fingerprints, HostName, HostNames,
    Lasting, Networks, OneOf, Owner, Size, ZoneName,
};
use super::option::{Opt, list, options};
use super::problem::{Place, Problem, Problems};
use super::section::{Given, Section};
use super::tree::Table;
use super::zone::NamedZone;
use crate::ingest::{self, Address, Scheme, datagram, proxy, rate, tls, unix};
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
    pub addresses: Vec<Address>,
    /// Networks whose hosts may send; empty for all.
    pub allow_from: Vec<IpNet>,
    /// How frames are told apart.
    pub framing: framing::Options,
    /// Connections that one peer address may hold.
    pub max_connections_per_peer: usize,
    /// Time within which a new connection must send its first complete frame, and a begun frame must end.
    pub frame_timeout: Duration,
    /// What senders may send.
    pub rate: rate::Options,
    /// What is particular to datagrams.
    pub datagrams: datagram::Options,
    /// What is particular to Unix sockets.
    pub socket_file: unix::Options,
    /// What is particular to TLS.
    pub tls: tls::Options,
    /// What is particular to connections through proxies.
    pub proxy: proxy::Options,
    /// The host of records that name none; empty for what their senders tell.
    pub host: String,
    /// The zone of records that name none.
    pub timezone: NamedZone,
}

impl Listener {
    /// A listener with default options.
    pub(super) fn new(name: &str, addresses: Vec<Address>) -> Self {
        Self { name: name.to_owned(), addresses, ..Self::defaults() }
    }

    /// The options of the listener at each address.
    pub fn options(&self) -> impl Iterator<Item = ingest::Options> {
        self.addresses.iter().map(|address| ingest::Options {
            name: self.name.clone(),
            address: address.clone(),
            allow_from: self.allow_from.clone(),
            framing: self.framing.clone(),
            max_connections_per_peer: self.max_connections_per_peer,
            frame_timeout: self.frame_timeout,
            rate: self.rate,
            datagrams: self.datagrams.clone(),
            socket_file: self.socket_file.clone(),
            tls: self.tls.clone(),
            proxy: self.proxy.clone(),
        })
    }

    /// Refuses options that none of the addresses has a use for. One that says no more than the default may stand: so
    /// does the listing of `correlator config`.
    pub(super) fn only_what_applies(&self, path: &str, table: &Table, problems: &mut Problems) {
        let defaults = Self::defaults();
        let shown = |option: &str, target: &Self| {
            let row = Self::OPTIONS.iter().find(|row| row.name == option);
            row.and_then(|row| (row.get)(target)).map(|value| value.to_string())
        };
        for (option, schemes) in PARTICULAR {
            if shown(option, self) == shown(option, &defaults) {
                continue;
            }
            let used = self.addresses.iter().any(|address| schemes.contains(&address.scheme()));
            if let Some(node) = table.get(option).filter(|_| !used && !self.addresses.is_empty()) {
                let names: Vec<_> = schemes.iter().map(|scheme| format!("{}://", scheme.name())).collect();
                let message = format!("`{path}.{option}` is of use only at an address of {}", list(&names));
                problems.push(Problem::new(&node.at, message));
            }
        }
    }
}

/// Says what a listener behind a proxy or with TLS lacks, and what contradicts itself.
pub(super) fn check_streams(listener: &Listener, given: Given<'_>, problems: &mut Problems) {
    let Given { path, at, table } = given;
    let tls = &listener.tls;
    if listener.addresses.iter().any(|address| address.scheme().is_encrypted()) {
        for (option, is_given) in [("certificate", tls.certificate.is_some()), ("key", tls.key.is_some())] {
            if !is_given && table.get(option).is_none() {
                let problem = Problem::new(at, format!("`{path}` lacks `{option}`"));
                problems.push(problem.hint("TLS needs a certificate and its key").absence());
            }
        }
    }
    let through_proxy = listener.proxy.mode == proxy::Mode::Required;
    if through_proxy && listener.proxy.from.is_empty() && table.get("proxy_from").is_none() {
        let problem = Problem::new(at, format!("`{path}` lacks `proxy_from`"));
        let hint = "only proxies that are trusted may say whom they speak for, such as [\"10.0.0.5/32\"]";
        problems.push(problem.hint(hint).absence());
    }
    let mut needs = |option: &str, is_met: bool, what: &str| {
        if let Some(node) = table.get(option).filter(|_| !is_met) {
            let message = format!("`{path}.{option}` says nothing without {what}");
            problems.push(Problem::new(&node.at, message).absence());
        }
    };
    let is_used = through_proxy || listener.proxy.from.is_empty();
    needs("proxy_from", is_used, "`proxy_protocol = \"required\"`");
    needs("permitted_names", tls.client_ca.is_some() || tls.permitted_names.is_empty(), "`client_ca`");
    let is_default = tls.client_auth == tls::Options::default().client_auth;
    needs("client_auth", tls.asks_clients() || is_default, "`client_ca` or `permitted_fingerprints`");
}

/// Streams.
const STREAMS: &[Scheme] = &[Scheme::Tcp, Scheme::Tls, Scheme::Unix];
/// What has connections.
const CONNECTIONS: &[Scheme] = &[Scheme::Tcp, Scheme::Tls, Scheme::Relp, Scheme::Relps, Scheme::Unix];
/// What hosts reach.
const NETWORK: &[Scheme] = &[Scheme::Tcp, Scheme::Tls, Scheme::Relp, Scheme::Relps, Scheme::Udp];
/// What a proxy passes on.
const PROXIED: &[Scheme] = &[Scheme::Tcp, Scheme::Tls, Scheme::Relp, Scheme::Relps];
/// What is encrypted.
const ENCRYPTED: &[Scheme] = &[Scheme::Tls, Scheme::Relps];
/// What has a file.
const FILES: &[Scheme] = &[Scheme::Unix, Scheme::UnixDatagram];

/// Options that only some kinds of listeners obey.
const PARTICULAR: &[(&str, &[Scheme])] = &[
    ("allow_from", NETWORK),
    ("framing", STREAMS),
    ("delimiter", STREAMS),
    ("max_connections_per_peer", CONNECTIONS),
    ("frame_timeout", CONNECTIONS),
    ("host_rate_limit", &[Scheme::Udp, Scheme::UnixDatagram]),
    ("receive_buffer", &[Scheme::Udp, Scheme::UnixDatagram]),
    ("sockets", &[Scheme::Udp]),
    ("mode", FILES),
    ("owner", FILES),
    ("group", FILES),
    ("proxy_protocol", PROXIED),
    ("proxy_from", PROXIED),
    ("certificate", ENCRYPTED),
    ("key", ENCRYPTED),
    ("client_ca", ENCRYPTED),
    ("client_auth", ENCRYPTED),
    ("permitted_names", ENCRYPTED),
    ("permitted_fingerprints", ENCRYPTED),
    ("min_version", ENCRYPTED),
    ("handshake_timeout", ENCRYPTED),
];

impl Choice for proxy::Mode {
    const NAMES: &'static [(&'static str, Self)] = &[("off", Self::Off), ("required", Self::Required)];
}

impl Choice for tls::ClientAuth {
    const NAMES: &'static [(&'static str, Self)] =
        &[("required", Self::Required), ("optional", Self::Optional)];
}

impl Choice for tls::MinVersion {
    const NAMES: &'static [(&'static str, Self)] = &[("1.2", Self::Tls12), ("1.3", Self::Tls13)];
}

impl Choice for framing::Mode {
    const NAMES: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("octet-counted", Self::OctetCounted), ("delimited", Self::Delimited)];
}

impl Section for Listener {
    const OPTIONS: &'static [Opt<Self>] = options! { Self:
        (required) address = addresses as Addresses,
            "Where to listen: `tcp://`, `tls://`, `relp://`, `relps://`, `udp://`, `unix://PATH` or `unix-datagram://PATH`. \
             `[::]` takes IPv4 as well.";
        allow_from = allow_from as Networks,
            "Networks whose hosts may send; empty for all, which is warned about unless the address is loopback.";
        framing = framing.mode as OneOf<framing::Mode>,
            "How messages are told apart (RFC 6587): `auto` decides message by message; `octet-counted` closes a \
             connection that sends anything else; for `delimited`, digits mean nothing.";
        delimiter = framing.delimiter as DelimiterText,
            "What ends a message that has no count.";
        max_message_size = framing.max_message_size as
            Size<{ limits::MIN_MESSAGE_SIZE as u64 }, { limits::MAX_MESSAGE_SIZE_CEILING as u64 }>,
            "Bytes of a message that are kept; a longer one is marked truncated.";
        max_connections_per_peer = max_connections_per_peer as Count<1, 1_000_000>,
            "Connections that one address may hold, or one user of this machine: generous, because relays and NAT put a \
             fleet behind one address.";
        frame_timeout = frame_timeout as Lasting<1, 86_400>,
            "Time within which a new connection must send its first whole message, and a begun one must end. A \
             connection between two messages is never closed.";
        rate_limit = rate.of_sender as Count<0, 10_000_000>,
            "Records that one sender may send in a second, and ten times as many at once; 0 means any number. A stream is read \
             more slowly then; datagrams are dropped, those of the facilities auth and authpriv last.";
        host_rate_limit = rate.of_host as Count<0, 10_000_000>,
            "The same for the datagrams of one host, whoever sends them.";
        receive_buffer = datagrams.receive_buffer as Size<4096, { limits::MAX_RECEIVE_BUFFER as u64 }>,
            "Bytes of datagrams that the kernel holds for each socket while we are busy; `net.core.rmem_max` limits it.";
        sockets = datagrams.sockets as Count<1, { limits::MAX_UDP_SOCKETS as u64 }>,
            "Sockets that share a UDP address; each peer always has the same one.";
        mode = socket_file.mode as FileMode,
            "Permissions of the file of a Unix socket.";
        owner = socket_file.owner as Owner,
            "The user that the file of a Unix socket belongs to; that of the process if there is none.";
        group = socket_file.group as Owner,
            "The group that the file of a Unix socket belongs to; that of the process if there is none.";
        proxy_protocol = proxy.mode as OneOf<proxy::Mode>,
            "Whether each connection begins with a header of the PROXY protocol (version 1 or 2), which says for whom the \
             proxy speaks; that one is the peer then, for `allow_from` as well.";
        proxy_from = proxy.from as Networks,
            "Networks of the proxies; no other connection is taken then.";
        certificate = tls.certificate as AbsolutePath,
            "A file (PEM) with the certificate that clients are shown, and those that lead to its authority.";
        key = tls.key as AbsolutePath,
            "A file (PEM) with its key, which not everybody may read.";
        client_ca = tls.client_ca as AbsolutePath,
            "A file (PEM) with the authorities that vouch for clients, which then must show a certificate.";
        client_auth = tls.client_auth as OneOf<tls::ClientAuth>,
            "Whether a client must show a certificate, or only may; one that is shown must be right.";
        permitted_names = tls.permitted_names as HostNames,
            "Names of clients (RFC 5425, 5.2), of which the certificate must bear one; empty for all that `client_ca` \
             vouches for.";
        permitted_fingerprints = tls.permitted_fingerprints as Fingerprints,
            "Certificates of clients (RFC 5425, 4.2.2) that are let in whoever made them, and whatever their names and \
             dates.";
        min_version = tls.min_version as OneOf<tls::MinVersion>,
            "The oldest version of TLS that is spoken.";
        handshake_timeout = tls.handshake_timeout as Lasting<1, 3600>,
            "Time within which a TLS handshake must be done.";
        host = host as HostName,
            "The host of records that name none; without it, the address of their sender, and for those that come in by a \
             Unix socket what this machine is called.";
        timezone = timezone as ZoneName,
            "Time zone of records that name none (RFC 3164).";
    };
    fn defaults() -> Self {
        Self {
            name: String::new(),
            addresses: Vec::new(),
            allow_from: Vec::new(),
            framing: framing::Options::default(),
            max_connections_per_peer: limits::MAX_CONNECTIONS_PER_PEER,
            frame_timeout: limits::FRAME_TIMEOUT,
            rate: rate::Options::default(),
            datagrams: datagram::Options::default(),
            socket_file: unix::Options::default(),
            tls: tls::Options::default(),
            proxy: proxy::Options::default(),
            host: String::new(),
            timezone: NamedZone::default(),
        }
    }
}

/// Addresses that are listened on, with where each was said.
#[derive(Debug, Default)]
pub(super) struct Taken(Vec<(Address, Place)>);

impl Taken {
    /// Takes one more address; it is a problem when another one leaves no room for it.
    pub(super) fn add(&mut self, address: &Address, at: &Place, problems: &mut Problems) {
        if let Some((other, first)) = self.0.iter().find(|(other, _)| collide(other, address)) {
            let (message, why) = if other == address {
                (format!("cannot listen on {address} twice"), "")
            } else {
                (format!("cannot listen on both {other} and {address}"), "one covers the other; ")
            };
            problems.push(Problem::new(at, message).hint(format!("{why}the first is at {first}")));
        }
        self.0.push((address.clone(), at.clone()));
    }
}

/// Whether two sockets cannot listen on both addresses. `[::]` takes IPv4 as well; port 0 is any that is free.
fn collide(a: &Address, b: &Address) -> bool {
    match (a.socket(), b.socket()) {
        (Some(x), Some(y)) => {
            (a.scheme() == Scheme::Udp) == (b.scheme() == Scheme::Udp) && sockets_collide(x, y)
        }
        _ => a.path().is_some() && a.path() == b.path(),
    }
}

fn sockets_collide(a: SocketAddr, b: SocketAddr) -> bool {
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
            let [x, y]: [SocketAddr; 2] = [a, b].map(|at| at.parse().unwrap());
            assert_eq!(sockets_collide(x, y), expected, "{a} {b}");
            assert_eq!(sockets_collide(y, x), expected, "{b} {a}");
            assert_eq!(collide(&Address::Udp(x), &Address::Udp(y)), expected, "{a} {b}");
            assert!(!collide(&Address::Udp(x), &Address::Tcp(y)), "UDP and TCP are apart");
        }
    }
}
