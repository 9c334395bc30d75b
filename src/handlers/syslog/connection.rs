//! Floor 4: connections to syslog servers.
//!
//! Invariant: what is sent is flushed before it counts as sent.

use super::{Address, Options, Transport};
use crate::handlers::probe::{Place, Trial, Trials};
use crate::handlers::tls::{self, Identity};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use rustls::pki_types::ServerName;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio_rustls::TlsConnector;

/// Connects to one server.
pub(super) struct Connector {
    address: Address,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// How the server is called in notes.
    pub(super) name: String,
}

pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sync {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync> Stream for T {}

/// A way to a server.
pub(super) enum Line {
    Stream {
        stream: Box<dyn Stream>,
        /// The same socket, to look at it past what is buffered.
        socket: OwnedFd,
    },
    Datagrams(UdpSocket),
}

impl Connector {
    pub(super) fn new(options: &Options) -> io::Result<Self> {
        let address = options.address.clone().ok_or_else(|| io::Error::other("`address` is not given"))?;
        let identity = match (&options.certificate, &options.key) {
            (Some(certificate), Some(key)) => Some(Identity { certificate, key }),
            _ => None,
        };
        let tls = if address.transport == Transport::Tls {
            let config = tls::client(options.ca.as_deref(), identity)?;
            let name = ServerName::try_from(address.host.clone()).map_err(io::Error::other)?;
            Some((TlsConnector::from(Arc::new(config)), name))
        } else {
            None
        };
        let name = address.to_string();
        Ok(Self { address, tls, name })
    }

    /// Tries whether the server can be reached. Nothing is sent to it.
    pub(super) async fn probe(&self, time: Duration) -> Vec<Trial> {
        let Address { host, port, transport } = &self.address;
        let mut trials = Trials::within(time);
        trials.resolve(Place { host, port: *port, shown: host }).await;
        let connect = async { self.connect().await.map_err(|error| error.to_string()) };
        let said = match transport {
            Transport::Tcp => "connected",
            Transport::Tls => "connected, and the certificate is good",
            Transport::Udp => "there is a way to it, and no answer to expect",
        };
        trials.attempt(format!("syslog {}", self.name), connect, |_| said.to_owned()).await;
        trials.made()
    }

    pub(super) async fn connect(&self) -> io::Result<Line> {
        let target = (self.address.host.as_str(), self.address.port);
        if self.address.transport == Transport::Udp {
            return datagrams(lookup_host(target).await?).await;
        }
        let stream = TcpStream::connect(target).await?;
        stream.set_nodelay(true)?;
        let socket = stream.as_fd().try_clone_to_owned()?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(stream),
            Some((connector, name)) => Box::new(connector.connect(name.clone(), stream).await?),
        };
        Ok(Line::Stream { stream, socket })
    }
}

async fn datagrams(found: impl Iterator<Item = SocketAddr>) -> io::Result<Line> {
    let mut failure = io::Error::other("the name has no address");
    for address in found {
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).await?;
        match socket.connect(address).await {
            Ok(()) => return Ok(Line::Datagrams(socket)),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

impl Line {
    /// Whether the server has not closed it, so far as is known. Servers of syslog say nothing, so whatever can be
    /// read is the end; the look does not wait.
    pub(super) fn is_open(&mut self) -> bool {
        let Self::Stream { stream, socket } = self else { return true };
        let look = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        match recv(&*socket, &mut [0; 1], look) {
            // Under TLS there may be something of no matter, such as a ticket.
            Ok((_, 1..)) | Err(Errno::WOULDBLOCK) => {}
            Ok(_) | Err(_) => return false,
        }
        let (mut room, mut context) = ([0; 64], Context::from_waker(Waker::noop()));
        let mut buffer = ReadBuf::new(&mut room);
        matches!(Pin::new(stream).poll_read(&mut context, &mut buffer), Poll::Pending)
    }

    /// Sends records.
    ///
    /// # Errors
    /// When it breaks; then nobody knows how many of them have arrived.
    pub(super) async fn send(&mut self, records: &[Vec<u8>]) -> io::Result<()> {
        match self {
            Self::Stream { stream, .. } => {
                let mut frames = Vec::new();
                for record in records {
                    frames.extend_from_slice(format!("{} ", record.len()).as_bytes());
                    frames.extend_from_slice(record);
                }
                stream.write_all(&frames).await?;
                stream.flush().await
            }
            Self::Datagrams(socket) => {
                for record in records {
                    socket.send(record).await?;
                }
                Ok(())
            }
        }
    }
}
