//! Floor 4: datagrams → batches (RFC 5426): one datagram is one record.
//!
//! A wake-up takes many datagrams with one system call, puts those of one peer side by side, and submits a batch for
//! each peer. Nobody can make a sender of datagrams wait: while the pipeline is full they wait in the kernel's buffer,
//! for [`limits::DATAGRAM_PATIENCE`] at most; then they are dropped, here or there.
//!
//! Invariant: what was sent to a listener is what was submitted, plus what was refused, plus what was dropped, and each
//! of these is counted with its reason.

use super::address::Address;
use super::held::{Held, Pack};
use super::intake::{Intake, Permit};
use super::listener::{self, Environment};
use super::notices::{Notices, Refusal};
use super::peer::Peer;
use super::pool::Buffer;
use super::rate::Rates;
use super::scoop::{Datagram, Scoop};
use super::udp::KernelDrops;
use crate::batch::{FrameSpan, Origin};
use crate::limits;
use crate::span::Span;
use rustix::net::{Shutdown, shutdown};
use socket2::Socket;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::net::{UdpSocket, UnixDatagram};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// What is particular to datagrams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes of datagrams that the kernel holds for each socket.
    pub receive_buffer: usize,
    /// Sockets that share a UDP address.
    pub sockets: usize,
    /// Time that they wait for room in the pipeline before they are dropped.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            receive_buffer: limits::RECEIVE_BUFFER,
            sockets: limits::UDP_SOCKETS,
            patience: limits::DATAGRAM_PATIENCE,
        }
    }
}

/// A socket that datagrams come in by.
#[derive(Debug)]
pub(super) enum DatagramSocket {
    Udp(UdpSocket),
    Unix {
        socket: UnixDatagram,
        /// Whether the service manager holds it, too: what comes at last waits there for the next start.
        is_inherited: bool,
    },
}

impl DatagramSocket {
    async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.readable().await,
            Self::Unix { socket, .. } => socket.readable().await,
        }
    }

    /// Takes what there is: with `at_end`, what the kernel holds, whether or not the runtime has heard of it.
    fn receive(&self, scoop: &mut Scoop, at_end: bool) -> io::Result<Vec<Datagram>> {
        let mut take = || scoop.take(self.as_fd(), matches!(self, Self::Unix { .. }));
        match self {
            _ if at_end => take(),
            Self::Udp(socket) => socket.try_io(Interest::READABLE, take),
            Self::Unix { socket, .. } => socket.try_io(Interest::READABLE, take),
        }
    }

    /// Takes no more in, where a sender is told of that: what has been sent without an error is there to be read.
    fn refuse_more(&self) {
        if let Self::Unix { socket, is_inherited: false } = self {
            // Where it fails, the end comes without a word, as with UDP.
            shutdown(socket, Shutdown::Read).ok();
        }
    }
}

impl AsFd for DatagramSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Udp(socket) => socket.as_fd(),
            Self::Unix { socket, .. } => socket.as_fd(),
        }
    }
}

/// Makes the kernel's buffer as large as it may be.
pub(super) fn prepare(socket: &Socket, listener: &str, options: &Options) {
    let wanted = options.receive_buffer;
    // The first needs a privilege and knows no limit.
    let forced = rustix::net::sockopt::set_socket_recv_buffer_size_force(socket, wanted);
    if forced.is_err()
        && let Err(error) = socket.set_recv_buffer_size(wanted)
    {
        tracing::warn!(listener, %error, "the receive buffer could not be enlarged");
    }
    // The kernel tells twice what was asked for: it counts its own book-keeping in.
    let given = socket.recv_buffer_size().unwrap_or_default() / 2;
    if given < wanted {
        tracing::warn!(
            listener,
            given,
            wanted,
            "the kernel gives a smaller receive buffer; `sysctl net.core.rmem_max` is its limit"
        );
    }
}

/// Receives until the server stops.
pub(super) async fn run(
    sockets: Vec<DatagramSocket>,
    options: listener::Options,
    address: &Address,
    environment: &Environment,
) {
    let url = address.to_string();
    let mut drops = KernelDrops::default();
    sockets.iter().for_each(|socket| drops.watch(socket));
    let options = Arc::new(options);
    let rates = Arc::new(Rates::new(options.rate));
    let mut receivers = JoinSet::new();
    for socket in sockets {
        let receiver = Receiver {
            socket,
            url: url.clone(),
            options: Arc::clone(&options),
            intake: environment.intake.clone(),
            notices: Arc::clone(&environment.notices),
            scoop: Scoop::new(options.framing.max_message_size),
            origins: HashMap::new(),
            rates: Arc::clone(&rates),
            held: Held::default(),
            in_vain: false,
        };
        receivers.spawn(receiver.run(environment.stop.clone()));
    }
    let tell = |drops: &mut KernelDrops| {
        let detail = "the receive buffer was full: datagrams came faster than they were taken";
        environment.notices.lose(&options.name, &url, (Refusal::KernelDrop, drops.news()), &detail);
    };
    let mut looks = interval(limits::KERNEL_DROPS_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    // A closed socket tells nothing any more.
    let mut open = Vec::new();
    loop {
        tokio::select! {
            ended = receivers.join_next() => match ended {
                Some(socket) => open.extend(socket.ok()),
                None => break,
            },
            _ = looks.tick() => tell(&mut drops),
        }
    }
    tell(&mut drops);
    drop(open);
}

/// One socket at work.
#[derive(Debug)]
struct Receiver {
    socket: DatagramSocket,
    /// The listener's address, for what cannot be told by peer.
    url: String,
    options: Arc<listener::Options>,
    intake: Intake,
    notices: Arc<Notices>,
    scoop: Scoop,
    origins: HashMap<Peer, Arc<Origin>>,
    /// What senders may send, over all sockets of the listener.
    rates: Arc<Rates>,
    /// What is about authentication and found no room.
    held: Held,
    /// Whether room was waited for in vain: what the kernel holds goes without more waiting.
    in_vain: bool,
}

impl Receiver {
    /// Receives until the server stops; gives the socket back.
    async fn run(mut self, mut stop: watch::Receiver<bool>) -> DatagramSocket {
        loop {
            let (stopping, room) = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => (true, None),
                // Perhaps nobody sends anything any more: what is held goes in as soon as there is room.
                Some(room) = self.intake.permit(), if !self.held.is_empty() => (false, Some(room)),
                _ready = self.socket.readable() => (false, None),
            };
            if room.is_some() {
                self.pass_on_held(room).await;
                continue;
            }
            if stopping {
                self.socket.refuse_more();
            }
            // First the leave, then the datagrams: until there is one they are better off in the kernel.
            let permit = self.permit().await;
            match self.socket.receive(&mut self.scoop, stopping) {
                Ok(datagrams) => self.pass_on(permit, datagrams).await,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && stopping => {
                    self.in_vain = false;
                    self.pass_on_held(None).await;
                    while let Some(pack) = self.held.pop() {
                        self.give_up(&pack.origin, pack.frames.len());
                    }
                    return self.socket;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.in_vain = false,
                Err(error) => {
                    let detail = format!("cannot receive: {error}");
                    self.notices.refuse(&self.options.name, &self.url, Refusal::Broken, &detail);
                    tokio::time::sleep(limits::ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Waits for the leave to submit a batch, but not for ever.
    async fn permit(&mut self) -> Option<Permit> {
        let patience = if self.in_vain { Duration::ZERO } else { self.options.datagrams.patience };
        let permit = timeout(patience, self.intake.permit()).await.ok().flatten();
        self.in_vain = permit.is_none();
        permit
    }

    /// Submits datagrams by peer, those that were held first; holds or drops what there is no room for.
    async fn pass_on(&mut self, permit: Option<Permit>, datagrams: Vec<Datagram>) {
        let mut permit = self.pass_on_held(permit).await;
        for pack in self.packs(datagrams) {
            permit = self.pass_on_held(permit).await;
            // What is held has found no room just now, and nothing overtakes it.
            if permit.is_none() && self.held.is_empty() {
                permit = self.permit().await;
            }
            match permit.take() {
                Some(permit) => self.submit(permit, pack),
                None => {
                    let dropped = self.held.push(&pack);
                    self.give_up(&pack.origin, dropped);
                }
            }
        }
    }

    /// Submits what is held, as far as there is room; gives back the permit if it was not needed.
    async fn pass_on_held(&mut self, mut permit: Option<Permit>) -> Option<Permit> {
        while !self.held.is_empty() {
            let leave = match permit.take() {
                None => self.permit().await?,
                Some(leave) => leave,
            };
            if let Some(pack) = self.held.pop() {
                self.submit(leave, pack);
            }
        }
        permit
    }

    fn submit(&self, permit: Permit, Pack { origin, bytes, frames }: Pack) {
        // Nobody answers for datagrams.
        let _ = self.intake.submit(permit, &origin, bytes, frames);
    }

    /// Counts datagrams for which there is no room.
    fn give_up(&self, origin: &Origin, count: usize) {
        let detail = "the pipeline is full: datagrams are dropped";
        self.notices.lose(&origin.listener, &origin.peer, (Refusal::Overload, count as u64), &detail);
    }

    /// Puts the datagrams of each peer side by side; refuses those of peers that may not send.
    fn packs(&mut self, mut datagrams: Vec<Datagram>) -> Vec<Pack> {
        // A stable sort: what one peer sends stays in its order.
        datagrams.sort_by_key(|datagram| datagram.peer);
        let mut packs = Vec::new();
        let mut buffer = self.intake.pool().take();
        let mut begun: Vec<(Arc<Origin>, Vec<FrameSpan>)> = Vec::new();
        for run in datagrams.chunk_by(|a, b| a.peer == b.peer) {
            let Some(peer) = run.first().map(|datagram| datagram.peer) else { continue };
            if !self.options.allows(peer) {
                let count = (Refusal::NotAllowed, run.len() as u64);
                let detail = "peer is not in allow_from";
                self.notices.lose(&self.options.name, &peer.to_string(), count, &detail);
                continue;
            }
            let origin = self.origin(peer);
            let run = self.within_rate(&origin, run);
            begun.push((Arc::clone(&origin), Vec::with_capacity(run.len())));
            for datagram in run {
                let bytes = self.scoop.bytes(datagram);
                if buffer.room().len() < bytes.len() {
                    let full = std::mem::replace(&mut buffer, self.intake.pool().take());
                    finish(full, &mut begun, &mut packs);
                    begun.push((Arc::clone(&origin), Vec::new()));
                }
                let start = u32::try_from(buffer.as_ref().len()).unwrap_or(u32::MAX);
                buffer.fill(bytes);
                let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                let frame = FrameSpan { span: Span::new(start, len), truncated: datagram.truncated };
                if let Some((_, frames)) = begun.last_mut() {
                    frames.push(frame);
                }
            }
        }
        finish(buffer, &mut begun, &mut packs);
        packs
    }

    /// Of the datagrams of a sender those that may come in.
    fn within_rate<'d>(&self, origin: &Origin, run: &'d [Datagram]) -> Vec<&'d Datagram> {
        let mut run: Vec<&Datagram> = run.iter().collect();
        let bytes = |datagram: &&Datagram| self.scoop.bytes(datagram);
        for (refusal, count) in self.rates.admit(origin.account(), &mut run, bytes, Instant::now()) {
            let detail = "more datagrams came than may: they are dropped";
            self.notices.lose(&origin.listener, &origin.peer, (refusal, count), &detail);
        }
        run
    }

    /// The origin of a peer. What is kept of them is bounded, and begun anew when it is full.
    fn origin(&mut self, peer: Peer) -> Arc<Origin> {
        if self.origins.len() >= limits::MAX_DATAGRAM_PEERS && !self.origins.contains_key(&peer) {
            self.origins.clear();
        }
        let new = || Arc::new(Origin { listener: self.options.name.clone(), peer: peer.with_records() });
        Arc::clone(self.origins.entry(peer).or_insert_with(new))
    }
}

/// Shares a filled buffer among the packs that were begun in it.
fn finish(buffer: Buffer, begun: &mut Vec<(Arc<Origin>, Vec<FrameSpan>)>, packs: &mut Vec<Pack>) {
    let bytes = buffer.freeze();
    let done = begun.drain(..).filter(|(_, frames)| !frames.is_empty());
    packs.extend(done.map(|(origin, frames)| Pack { origin, bytes: bytes.clone(), frames }));
}
