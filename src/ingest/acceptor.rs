//! Floor 4: what accepts connections, for every kind of stream.
//!
//! Invariant: a connection is read only while fewer than the limit are; each listener lets one wait, and further ones wait
//! in the kernel. Every connection that is refused, cut or had to wait is counted.

use super::connection::{Connection, Shared};
use super::listener::{Environment, Options};
use super::notices::Refusal;
use super::peer::{Peer, Peers, Place};
use super::proxy;
use super::rate::Rates;
use super::repeats::Tails;
use super::stream::Stream;
use super::tcp::keep_alive;
use super::tls;
use crate::batch::Origin;
use crate::limits;
use rustix::net::{SocketFlags, accept_with};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

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
                Ok(Incoming::tcp(stream, address))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok(Incoming::unix(stream))
            }
        }
    }

    /// A connection that waits in the kernel, whether or not the runtime has heard of it.
    fn waiting(&self) -> Option<(Incoming, Peer)> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        match self {
            Self::Tcp(listener) => {
                let stream = TcpStream::from_std(accept_with(listener, flags).ok()?.into()).ok()?;
                let address = stream.peer_addr().ok()?;
                Some(Incoming::tcp(stream, address))
            }
            Self::Unix(listener) => {
                let stream = UnixStream::from_std(accept_with(listener, flags).ok()?.into()).ok()?;
                Some(Incoming::unix(stream))
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

impl Incoming {
    fn tcp(stream: TcpStream, address: SocketAddr) -> (Self, Peer) {
        keep_alive(&stream);
        (Self::Tcp(stream), Peer::Host(address.ip().to_canonical()))
    }

    fn unix(stream: UnixStream) -> (Self, Peer) {
        let peer = credentials(&stream);
        (Self::Unix(stream), peer)
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
    lobby: Lobby,
    connections: Arc<Semaphore>,
    /// Turns true when the server stops.
    stop: watch::Receiver<bool>,
    /// Tells the connections of it, once no new one can come.
    close: watch::Sender<bool>,
}

/// A connection that may be read once it is known who speaks.
#[derive(Debug)]
struct Arrival {
    incoming: Incoming,
    peer: Peer,
    /// Its place among its peer's connections, where the peer is known.
    place: Option<Place>,
    lobby: Lobby,
}

/// What connections go through before they are read.
#[derive(Clone, Debug)]
struct Lobby {
    gate: Option<Arc<tls::Gate>>,
    shared: Arc<Shared>,
    peers: Arc<Peers>,
}

impl Lobby {
    fn refuse(&self, peer: Peer, refusal: Refusal, detail: &str) {
        let Shared { options, notices, .. } = &*self.shared;
        notices.refuse(&options.name, &peer.to_string(), refusal, &detail);
    }

    /// Lets a peer in, or refuses it.
    fn admit(&self, peer: Peer) -> Option<Place> {
        let options = &self.shared.options;
        if !options.allows(peer) {
            self.refuse(peer, Refusal::NotAllowed, "peer is not in allow_from");
            return None;
        }
        let place = Peers::enter(&self.peers, peer, options.max_connections_per_peer);
        if place.is_none() {
            let detail = format!("peer has {} connections already", options.max_connections_per_peer);
            self.refuse(peer, Refusal::TooManyConnections, &detail);
        }
        place
    }

    /// Lets a connection in as far as can be said from where it comes.
    fn receive(&self, incoming: Incoming, peer: Peer) -> Option<Arrival> {
        let options = &self.shared.options;
        let place = match peer {
            Peer::Host(address) if options.proxy.mode == proxy::Mode::Required => {
                if !options.proxy.trusts(address) {
                    self.refuse(peer, Refusal::NotAllowed, "peer is not in proxy_from");
                    return None;
                }
                None
            }
            _ => Some(self.admit(peer)?),
        };
        Some(Arrival { incoming, peer, place, lobby: self.clone() })
    }
}

impl Arrival {
    /// Makes a connection of it, unless it is refused, or the server stops first; gives its place too.
    async fn connect(self) -> Option<(Box<Connection>, Place)> {
        let mut stop = self.lobby.shared.stop.clone();
        tokio::select! {
            // First, so that one that came before the stop is read, where there is nothing to wait for.
            biased;
            connected = self.meet() => connected,
            _ = stop.wait_for(|stop| *stop) => None,
        }
    }

    async fn meet(self) -> Option<(Box<Connection>, Place)> {
        let Self { incoming, mut peer, place, lobby } = self;
        let place = match (place, &incoming) {
            (None, Incoming::Tcp(stream)) => {
                let source = proxy::source(stream).await;
                let source = source.map_err(|(refusal, detail)| lobby.refuse(peer, refusal, &detail)).ok()?;
                peer = source.map_or(peer, Peer::Host);
                lobby.admit(peer)?
            }
            (place, _) => place?,
        };
        let Lobby { gate, shared, .. } = &lobby;
        let mut name = None;
        let stream = match (incoming, gate) {
            (Incoming::Tcp(stream), Some(gate)) => {
                let entered = gate.enter(stream, shared.intake.pool()).await;
                let entered = entered.map_err(|(refusal, detail)| lobby.refuse(peer, refusal, &detail));
                let (session, shown) = entered.ok()?;
                name = shown;
                Stream::Tls(session)
            }
            (Incoming::Tcp(stream), None) => Stream::Tcp(stream),
            (Incoming::Unix(stream), _) => Stream::Unix(stream),
        };
        let peer = name.map_or_else(|| peer.with_records(), |name| format!("{peer},name={name}"));
        let origin = Arc::new(Origin { listener: shared.options.name.clone(), peer });
        Some((Box::new(Connection::new(stream, Arc::clone(shared), origin)), place))
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
        let tails = Tails::new(intake.remembered());
        let rates = Rates::new(options.rate);
        let (close, closed) = watch::channel(false);
        let shared = Arc::new(Shared { options, intake, notices, stop: closed, tails, rates });
        let lobby = Lobby { gate: gate.map(Arc::new), shared, peers: Arc::default() };
        Self { door, lobby, connections, stop, close }
    }

    /// Accepts connections until the server stops, and returns when the last of them has ended.
    pub(super) async fn run(self) {
        let (alive, mut ended) = mpsc::channel::<()>(1);
        let mut stop = self.stop.clone();
        loop {
            let accepted = tokio::select! {
                accepted = self.door.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            match accepted {
                Ok(accepted) => self.admit(accepted, &mut stop, &alive).await,
                Err(error) => self.accept_failed(&error).await,
            }
        }
        // Whoever has connected may have written already, and counts that as sent.
        for accepted in std::iter::from_fn(|| self.door.waiting()).take(limits::ACCEPTED_AT_STOP) {
            self.admit(accepted, &mut stop, &alive).await;
        }
        let Self { door, close, lobby, .. } = self;
        // A sender that is told of the end connects again at once: it must be refused rather than wait for nobody, and lose
        // what it writes meanwhile. A socket that a service manager holds keeps it for the next run.
        drop(door);
        close.send_replace(true);
        drop((lobby, alive));
        // Nothing is ever sent: this ends when the last connection has dropped its sender.
        while ended.recv().await.is_some() {}
    }

    /// Begins to read a connection. One that came before the stop is read to its end, with a permit or without.
    async fn admit(
        &self,
        (incoming, peer): (Incoming, Peer),
        stop: &mut watch::Receiver<bool>,
        alive: &mpsc::Sender<()>,
    ) {
        let Some(arrival) = self.lobby.receive(incoming, peer) else { return };
        let permit = tokio::select! {
            permit = self.permit(peer) => permit,
            _ = stop.wait_for(|stop| *stop) => None,
        };
        let alive = alive.clone();
        tokio::spawn(async move {
            // Apart, and only while it lasts: in place, what a handshake needs would be part of every idle connection.
            let connected = Box::pin(arrival.connect()).await;
            if let Some((mut connection, place)) = connected {
                connection.run().await;
                // Its socket is closed before another one takes its place.
                drop((connection, place));
            }
            drop((permit, alive));
        });
    }

    /// Waits until fewer connections than the limit are open.
    async fn permit(&self, peer: Peer) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() {
            return Some(permit);
        }
        let detail = "the limit of connections is reached: the connection waits for another to end";
        self.lobby.refuse(peer, Refusal::ConnectionLimit, detail);
        Arc::clone(&self.connections).acquire_owned().await.ok()
    }

    /// Waits after a failure to accept: most often the files have run out, and trying at once would spin.
    async fn accept_failed(&self, error: &io::Error) {
        let Shared { options, notices, .. } = &*self.lobby.shared;
        notices.refuse(&options.name, "", Refusal::Broken, &format!("cannot accept: {error}"));
        tokio::time::sleep(limits::ACCEPT_PAUSE).await;
    }
}
