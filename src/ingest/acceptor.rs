//! Floor 4: what accepts connections, for every kind of stream.
//!
//! Invariant: a connection is read only while fewer than the limit are; each listener lets one wait, and further ones wait
//! in the kernel. Every connection that is refused, cut or had to wait is counted.

use super::connection::{Connection, Shared};
use super::listener::{Environment, Options};
use super::notices::Refusal;
use super::peer::{Peer, Peers, Place};
use super::stream::Stream;
use super::tcp::keep_alive;
use super::tls;
use crate::batch::Origin;
use crate::limits;
use std::io;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Where connections come in.
#[derive(Debug)]
pub(super) enum Door {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Door {
    /// Waits for a connection.
    async fn accept(&self) -> io::Result<(Incoming, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                keep_alive(&stream);
                Ok((Incoming::Tcp(stream), Peer::Host(address.ip().to_canonical())))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let peer = credentials(&stream);
                Ok((Incoming::Unix(stream), peer))
            }
        }
    }
}

/// A connection as it is accepted.
#[derive(Debug)]
enum Incoming {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// The process at the other end (SO_PEERCRED), as it was when it connected.
fn credentials(stream: &UnixStream) -> Peer {
    let Ok(peer) = stream.peer_cred() else { return Peer::Unknown };
    Peer::Process { uid: peer.uid(), gid: peer.gid(), pid: peer.pid().unwrap_or_default() }
}

/// A listener for streams, at work.
#[derive(Debug)]
pub(super) struct Acceptor {
    door: Door,
    /// Where connections go through before they are read, if they speak TLS.
    gate: Option<Arc<tls::Gate>>,
    shared: Arc<Shared>,
    connections: Arc<Semaphore>,
    peers: Arc<Peers>,
}

/// A connection that may be read, once it has been through the gate.
#[derive(Debug)]
struct Arrival {
    incoming: Incoming,
    peer: Peer,
    gate: Option<Arc<tls::Gate>>,
    shared: Arc<Shared>,
}

impl Arrival {
    /// Makes a connection of it, unless it is refused, or the server stops first.
    async fn connect(self) -> Option<Connection> {
        let Self { incoming, peer, gate, shared } = self;
        let mut peer = peer.to_string();
        let stream = match (incoming, gate) {
            (Incoming::Tcp(stream), Some(gate)) => {
                let mut stop = shared.stop.clone();
                let entered = tokio::select! {
                    entered = gate.enter(stream, shared.intake.pool()) => entered,
                    _ = stop.wait_for(|stop| *stop) => return None,
                };
                match entered {
                    Ok((session, name)) => {
                        peer.extend(name.iter().flat_map(|name| [",name=", name]));
                        Stream::Tls(session)
                    }
                    Err((refusal, detail)) => {
                        shared.notices.refuse(&shared.options.name, &peer, refusal, &detail);
                        return None;
                    }
                }
            }
            (Incoming::Tcp(stream), None) => Stream::Tcp(stream),
            (Incoming::Unix(stream), _) => Stream::Unix(stream),
        };
        let origin = Arc::new(Origin { listener: shared.options.name.clone(), peer });
        Some(Connection::new(stream, shared, origin))
    }
}

impl Acceptor {
    /// Sets a bound address to work.
    pub(super) fn new(
        door: Door,
        gate: Option<tls::Gate>,
        options: Options,
        environment: Environment,
    ) -> Self {
        let Environment { intake, notices, connections, stop } = environment;
        let shared = Arc::new(Shared { options, intake, notices, stop });
        Self { door, gate: gate.map(Arc::new), shared, connections, peers: Arc::default() }
    }

    /// Accepts connections until the server stops, and returns when the last of them has ended.
    pub(super) async fn run(self) {
        let (alive, mut ended) = mpsc::channel::<()>(1);
        let mut stop = self.shared.stop.clone();
        loop {
            let accepted = tokio::select! {
                accepted = self.door.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            match accepted {
                Ok((incoming, peer)) => {
                    let Some((arrival, place)) = self.admit(incoming, peer) else {
                        continue;
                    };
                    // One that came before the stop is read to its end, with a permit or without.
                    let permit = tokio::select! {
                        permit = self.permit() => permit,
                        _ = stop.wait_for(|stop| *stop) => None,
                    };
                    let alive = alive.clone();
                    tokio::spawn(async move {
                        if let Some(connection) = arrival.connect().await {
                            connection.run().await;
                        }
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
    fn admit(&self, incoming: Incoming, peer: Peer) -> Option<(Arrival, Place)> {
        let Shared { options, notices, .. } = &*self.shared;
        if !options.allows(peer) {
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
        let (gate, shared) = (self.gate.clone(), Arc::clone(&self.shared));
        Some((Arrival { incoming, peer, gate, shared }, place))
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
