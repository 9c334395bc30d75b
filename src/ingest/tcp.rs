//! Floor 4: the TCP listener (RFC 6587).
//!
//! Invariant: a connection is read only while fewer than the limit are; each listener lets one wait, and further ones wait
//! in the kernel. Every connection that is refused, cut or had to wait is counted.

use super::connection::{Connection, Shared};
use super::intake::Intake;
use super::notices::{Notices, Refusal};
use crate::batch::Origin;
use crate::limits;
use crate::wire::framing;
use ipnet::IpNet;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

/// Options of a TCP listener.
#[derive(Clone, Debug)]
pub struct Options {
    /// The listener's name.
    pub name: String,
    /// Where it listens. `[::]` takes IPv4 as well.
    pub address: SocketAddr,
    /// Networks whose hosts may connect; empty for all.
    pub allow_from: Vec<IpNet>,
    /// How frames are told apart.
    pub framing: framing::Options,
    /// Connections that one peer address may hold.
    pub max_connections_per_peer: usize,
    /// Time within which a new connection must send its first complete frame, and a begun frame must end.
    pub frame_timeout: Duration,
}

impl Options {
    /// The defaults, for a name and an address.
    pub fn new(name: impl Into<String>, address: SocketAddr) -> Self {
        Self {
            name: name.into(),
            address,
            allow_from: Vec::new(),
            framing: framing::Options::default(),
            max_connections_per_peer: limits::MAX_CONNECTIONS_PER_PEER,
            frame_timeout: limits::FRAME_TIMEOUT,
        }
    }

    /// Whether everybody who reaches the address may send, in plaintext: worth a warning.
    pub fn is_open(&self) -> bool {
        self.allow_from.is_empty() && !self.address.ip().to_canonical().is_loopback()
    }
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("listener `{name}` cannot listen on tcp://{address}: {}", explain(reason, *address))]
pub struct BindError {
    /// The listener's name.
    pub name: String,
    /// The address.
    pub address: SocketAddr,
    /// What the system says; part of the text, and so no source.
    pub reason: io::Error,
}

/// What a failure to bind means, and what the operator can do about it.
fn explain(error: &io::Error, address: SocketAddr) -> String {
    let port = address.port();
    match error.kind() {
        io::ErrorKind::PermissionDenied if port < 1024 => "ports under 1024 need a privilege: \
             `setcap cap_net_bind_service=+ep` on the binary, a systemd socket, or a port from 1024 on"
            .to_owned(),
        io::ErrorKind::AddrInUse => {
            format!("another program listens there; `ss -ltnp sport = :{port}` tells which")
        }
        io::ErrorKind::AddrNotAvailable => "no interface of this machine has that address".to_owned(),
        _ => error.to_string(),
    }
}

/// An address that is taken, before anything is accepted on it.
#[derive(Debug)]
pub struct Bound {
    options: Options,
    socket: TcpListener,
}

impl Bound {
    /// Binds the address. Must be called within a runtime.
    ///
    /// # Errors
    /// Names the listener, the address and, where there is one, the remedy.
    pub fn new(options: Options) -> Result<Self, BindError> {
        match bind(options.address) {
            Ok(socket) => Ok(Self { options, socket }),
            Err(reason) => Err(BindError { name: options.name, address: options.address, reason }),
        }
    }
}

/// A listener at work.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    shared: Arc<Shared>,
    connections: Arc<Semaphore>,
    peers: Arc<Peers>,
}

/// What a listener hands its connections to, and what it obeys.
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

impl Listener {
    /// Sets a bound address to work.
    pub fn new(bound: Bound, environment: &Environment) -> Self {
        let Environment { intake, notices, connections, stop } = environment.clone();
        let shared = Arc::new(Shared { options: bound.options, intake, notices, stop });
        Self { socket: bound.socket, shared, connections, peers: Arc::default() }
    }

    /// The listener's name.
    pub fn name(&self) -> &str {
        &self.shared.options.name
    }

    /// The address that it listens on.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Accepts connections until the server stops, and returns when the last of them has ended.
    pub async fn run(self) {
        let (alive, mut ended) = mpsc::channel::<()>(1);
        let mut stop = self.shared.stop.clone();
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            match accepted {
                Ok((stream, address)) => {
                    let Some((connection, place)) = self.admit(stream, address.ip().to_canonical()) else {
                        continue;
                    };
                    // One that came before the stop is read to its end, with a permit or without.
                    let permit = tokio::select! {
                        permit = self.permit() => permit,
                        _ = stop.wait_for(|stop| *stop) => None,
                    };
                    let alive = alive.clone();
                    tokio::spawn(async move {
                        connection.run().await;
                        drop((place, permit, alive));
                    });
                }
                Err(error) => self.accept_failed(&error).await,
            }
        }
        drop(alive);
        // Nothing is ever sent: this ends when the last connection has dropped its sender.
        while ended.recv().await.is_some() {}
    }

    /// Waits until fewer connections than the limit are open.
    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() {
            return Some(permit);
        }
        let Options { name, .. } = &self.shared.options;
        self.shared.notices.refuse(
            name,
            "",
            Refusal::ConnectionLimit,
            &"further connections wait for one to end",
        );
        Arc::clone(&self.connections).acquire_owned().await.ok()
    }

    /// Lets a connection in, or refuses it.
    fn admit(&self, stream: TcpStream, peer: IpAddr) -> Option<(Connection, Place)> {
        let Shared { options, notices, .. } = &*self.shared;
        if !options.allow_from.is_empty() && !options.allow_from.iter().any(|net| net.contains(&peer)) {
            notices.refuse(
                &options.name,
                &peer.to_string(),
                Refusal::NotAllowed,
                &"peer is not in allow_from",
            );
            return None;
        }
        let Some(place) = Peers::enter(&self.peers, peer, options.max_connections_per_peer) else {
            let detail = format!("peer has {} connections already", options.max_connections_per_peer);
            notices.refuse(&options.name, &peer.to_string(), Refusal::TooManyConnections, &detail);
            return None;
        };
        let keepalive =
            TcpKeepalive::new().with_time(limits::KEEPALIVE_IDLE).with_interval(limits::KEEPALIVE_INTERVAL);
        if let Err(error) = SockRef::from(&stream).set_tcp_keepalive(&keepalive) {
            tracing::debug!(%peer, %error, "TCP keepalive could not be set");
        }
        let origin = Arc::new(Origin { listener: options.name.clone(), peer: peer.to_string() });
        Some((Connection::new(stream, Arc::clone(&self.shared), origin), place))
    }

    /// Waits after a failure to accept: most often the files have run out, and trying at once would spin.
    async fn accept_failed(&self, error: &io::Error) {
        self.shared.notices.refuse(
            &self.shared.options.name,
            "",
            Refusal::Broken,
            &format!("cannot accept: {error}"),
        );
        tokio::time::sleep(limits::ACCEPT_PAUSE).await;
    }
}

/// Binds with the options that a server needs.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(limits::LISTEN_BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// How many connections each peer holds.
#[derive(Debug, Default)]
struct Peers(Mutex<HashMap<IpAddr, usize>>);

impl Peers {
    /// Counts a connection of `peer`, unless it holds `most` already.
    fn enter(peers: &Arc<Self>, peer: IpAddr, most: usize) -> Option<Place> {
        let mut counts = peers.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(peer).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Place { peers: Arc::clone(peers), peer })
    }
}

/// One connection's place in the count of its peer.
#[derive(Debug)]
struct Place {
    peers: Arc<Peers>,
    peer: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.peers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.peer);
            }
        }
    }
}
