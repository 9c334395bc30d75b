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
use crate::batch::Origin;
use crate::limits;
use std::io;
use std::sync::Arc;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Where connections come in.
#[derive(Debug)]
pub(super) enum Door {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Door {
    /// Waits for a connection.
    async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                keep_alive(&stream);
                Ok((Stream::Tcp(stream), Peer::Host(address.ip().to_canonical())))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let peer = credentials(&stream);
                Ok((Stream::Unix(stream), peer))
            }
        }
    }
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
    shared: Arc<Shared>,
    connections: Arc<Semaphore>,
    peers: Arc<Peers>,
}

impl Acceptor {
    /// Sets a bound address to work.
    pub(super) fn new(door: Door, options: Options, environment: Environment) -> Self {
        let Environment { intake, notices, connections, stop } = environment;
        let shared = Arc::new(Shared { options, intake, notices, stop });
        Self { door, shared, connections, peers: Arc::default() }
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
                Ok((stream, peer)) => {
                    let Some((connection, place)) = self.admit(stream, peer) else {
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
    fn admit(&self, stream: Stream, peer: Peer) -> Option<(Connection, Place)> {
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
