//! Floor 4: a listener of any kind: its options, its sockets, its work.
//!
//! Invariant: an address is taken before anything is accepted on it, so that a server starts whole or not at all.

use super::acceptor::{Acceptor, Door};
use super::activation::Inherited;
use super::address::{Address, Scheme};
use super::datagram::{self, DatagramSocket};
use super::intake::Intake;
use super::notices::Notices;
use super::peer::Peer;
use super::proxy;
use super::rate;
use super::tls::{self, Papers};
use super::unix::{self, SocketFile};
use super::{tcp, udp};
use crate::limits;
use crate::wire::framing;
use ipnet::IpNet;
use socket2::Socket;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixDatagram, UnixListener};
use tokio::sync::{Semaphore, watch};

/// Options of a listener at one address.
#[derive(Clone, Debug)]
pub struct Options {
    /// The listener's name.
    pub name: String,
    /// Where it listens. `[::]` takes IPv4 as well.
    pub address: Address,
    /// Networks whose hosts may send; empty for all.
    pub allow_from: Vec<IpNet>,
    /// How frames of streams are told apart, and how long they may be.
    pub framing: framing::Options,
    /// Connections that one peer may hold.
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
}

impl Options {
    /// The defaults, for a name and an address.
    pub fn new(name: impl Into<String>, address: impl Into<Address>) -> Self {
        Self {
            name: name.into(),
            address: address.into(),
            allow_from: Vec::new(),
            framing: framing::Options::default(),
            max_connections_per_peer: limits::MAX_CONNECTIONS_PER_PEER,
            frame_timeout: limits::FRAME_TIMEOUT,
            rate: rate::Options::default(),
            datagrams: datagram::Options::default(),
            socket_file: unix::Options::default(),
            tls: tls::Options::default(),
            proxy: proxy::Options::default(),
        }
    }

    /// Whether a peer may send; `allow_from` speaks of hosts only.
    pub(super) fn allows(&self, peer: Peer) -> bool {
        let Peer::Host(address) = peer else { return true };
        self.allow_from.is_empty() || self.allow_from.iter().any(|net| net.contains(&address))
    }

    /// Whether everybody who reaches the address may send: worth a warning.
    pub fn is_open(&self) -> bool {
        let knows_clients = self.address.scheme().is_encrypted() && self.tls.knows_clients();
        self.allow_from.is_empty() && !self.address.is_local() && !knows_clients
    }
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("listener `{name}` cannot listen on {address}: {}", explain(reason, address))]
pub struct BindError {
    /// The listener's name.
    pub name: String,
    /// The address.
    pub address: Address,
    /// What the system says; part of the text, and so no source.
    pub reason: io::Error,
}

/// What a failure to bind means, and what the operator can do about it.
fn explain(error: &io::Error, address: &Address) -> String {
    let port = address.socket().map(|address| address.port());
    match (error.kind(), port) {
        (io::ErrorKind::PermissionDenied, Some(..1024)) => "ports under 1024 need a privilege: \
             `setcap cap_net_bind_service=+ep` on the binary, a systemd socket, or a port from 1024 on"
            .to_owned(),
        (io::ErrorKind::AddrInUse, Some(port)) => {
            let kind = if address.scheme() == Scheme::Udp { 'u' } else { 't' };
            format!("another program listens there; `ss -l{kind}np sport = :{port}` tells which")
        }
        (io::ErrorKind::AddrInUse, None) => "another program listens there; `ss -lxp` tells which".to_owned(),
        (io::ErrorKind::AddrNotAvailable, _) => "no interface of this machine has that address".to_owned(),
        _ => error.to_string(),
    }
}

/// What all listeners of a server share.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The door to the pipeline.
    pub intake: Intake,
    /// Where refusals are counted.
    pub notices: Arc<Notices>,
    /// Permits of connections, shared by all listeners.
    pub connections: Arc<Semaphore>,
    /// Turns true when the server stops.
    pub stop: watch::Receiver<bool>,
}

/// An address that is taken, before anything is accepted on it.
#[derive(Debug)]
pub struct Bound {
    options: Options,
    /// Where it listens in fact, with the port that the system chose.
    address: Address,
    sockets: Sockets,
    /// The file of a Unix socket that this process made.
    file: Option<SocketFile>,
    papers: Option<Arc<Papers>>,
}

#[derive(Debug)]
enum Sockets {
    Stream(Door),
    Datagram(Vec<DatagramSocket>),
}

impl Bound {
    /// Binds the address of each listener, unless its socket was inherited. Must be called within a runtime.
    ///
    /// # Errors
    /// Names the listener, the address and, where there is one, the remedy.
    pub fn all(listeners: Vec<Options>, inherited: Inherited) -> Result<Vec<Self>, BindError> {
        let given = inherited.assign(listeners.iter().map(|one| (one.name.as_str(), &one.address)));
        listeners.into_iter().zip(given).map(|(options, given)| Self::one(options, given)).collect()
    }

    /// Binds an address. Must be called within a runtime.
    ///
    /// # Errors
    /// Names the listener, the address and, where there is one, the remedy.
    pub fn new(options: Options) -> Result<Self, BindError> {
        Self::one(options, Vec::new())
    }

    fn one(options: Options, given: Vec<Socket>) -> Result<Self, BindError> {
        let bound = papers(&options).and_then(|papers| Ok((papers, sockets(&options, given)?)));
        match bound {
            Ok((papers, (sockets, address, file))) => Ok(Self { options, address, sockets, file, papers }),
            Err(reason) => Err(BindError { name: options.name, address: options.address, reason }),
        }
    }

    /// Checks whether an address could be bound now; leaves nothing behind. Gives what is in the way: its certificates,
    /// the address, or both.
    pub fn check(options: &Options) -> Vec<BindError> {
        let wrong = [papers(options).err(), bind(options).err()];
        let told = |reason| {
            let Options { name, address, .. } = options.clone();
            BindError { name, address, reason }
        };
        wrong.into_iter().flatten().map(told).collect()
    }

    /// The listener's name.
    pub fn name(&self) -> &str {
        &self.options.name
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The certificates that it goes by, if it speaks TLS.
    pub fn papers(&self) -> Option<&Arc<Papers>> {
        self.papers.as_ref()
    }

    /// Receives until the server stops, and returns when all that was begun has ended.
    pub async fn run(self, environment: Environment) {
        let Self { options, address, sockets, file, papers } = self;
        match sockets {
            Sockets::Stream(door) => {
                let gate = papers.map(|papers| tls::Gate::new(papers, options.tls.handshake_timeout));
                Acceptor::new(door, gate, options, environment).run().await;
            }
            Sockets::Datagram(sockets) => datagram::run(sockets, options, &address, &environment).await,
        }
        drop(file);
    }
}

/// What a listener that speaks TLS goes by.
fn papers(options: &Options) -> io::Result<Option<Arc<Papers>>> {
    if !options.address.scheme().is_encrypted() {
        return Ok(None);
    }
    let papers = Papers::load(&options.name, &options.tls).map_err(io::Error::other)?;
    Ok(Some(Arc::new(papers)))
}

/// New sockets for a listener, and the file that was made for them.
fn bind(options: &Options) -> io::Result<(Vec<Socket>, Option<SocketFile>)> {
    let address = &options.address;
    Ok(match address {
        Address::Tcp(at) | Address::Tls(at) | Address::Relp(at) | Address::Relps(at) => {
            (vec![tcp::bind(*at)?], None)
        }
        Address::Udp(at) => (udp::bind(*at, options.datagrams.sockets)?, None),
        Address::Unix(path) | Address::UnixDatagram(path) => {
            let (socket, made) = unix::bind(path, address.scheme(), &options.socket_file)?;
            (vec![socket], Some(made))
        }
    })
}

/// The sockets of a listener, those that were inherited or else new ones, and where they listen.
fn sockets(options: &Options, mut given: Vec<Socket>) -> io::Result<(Sockets, Address, Option<SocketFile>)> {
    let address = &options.address;
    for socket in &given {
        socket.set_nonblocking(true)?;
        tracing::info!(listener = options.name, %address, "goes on with a socket that the service manager holds");
    }
    let mut file = None;
    if given.is_empty() {
        (given, file) = bind(options)?;
    }
    let at = given.first().and_then(|socket| socket.local_addr().ok()?.as_socket());
    let address = at.map_or_else(|| address.clone(), |at: SocketAddr| address.at(at));
    let mut given = given.into_iter();
    let mut next = || given.next().ok_or_else(|| io::Error::other("there is no socket"));
    let sockets = match address.scheme() {
        Scheme::Tcp | Scheme::Tls | Scheme::Relp | Scheme::Relps => {
            Sockets::Stream(Door::Tcp(TcpListener::from_std(next()?.into())?))
        }
        Scheme::Unix => Sockets::Stream(Door::Unix(UnixListener::from_std(next()?.into())?)),
        Scheme::UnixDatagram => {
            let socket = next()?;
            datagram::prepare(&socket, &options.name, &options.datagrams);
            rustix::net::sockopt::set_socket_passcred(&socket, true)?;
            let socket = UnixDatagram::from_std(socket.into())?;
            Sockets::Datagram(vec![DatagramSocket::Unix { socket, is_inherited: file.is_none() }])
        }
        Scheme::Udp => {
            let sockets = given.map(|socket| {
                datagram::prepare(&socket, &options.name, &options.datagrams);
                tokio::net::UdpSocket::from_std(socket.into()).map(DatagramSocket::Udp)
            });
            Sockets::Datagram(sockets.collect::<io::Result<_>>()?)
        }
    };
    Ok((sockets, address, file))
}
