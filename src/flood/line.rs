//! Floor 5: connections over which a flood goes out.
//!
//! Invariant: over streams every message is octet-counted (RFC 6587 section 3.4.1), and a datagram holds one message.

use crate::handlers::tls::{self, Identity};
use crate::limits;
use rustls::pki_types::ServerName;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket, UnixDatagram, UnixStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Where a flood goes, as a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// `tcp://HOST:PORT`.
    Tcp(Place),
    /// `tls://HOST:PORT`.
    Tls(Place),
    /// `udp://HOST:PORT`.
    Udp(Place),
    /// `unix:///PATH`.
    Unix(PathBuf),
    /// `unix-datagram:///PATH`.
    UnixDatagram(PathBuf),
}

/// A name or an address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The name or the address; of IPv6 without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not HOST:PORT");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if host.is_empty() || (bare.is_none() && host.contains(':')) {
            return Err(wrong());
        }
        Ok(Self { host: bare.unwrap_or(host).to_owned(), port })
    }
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err("expected a URL, such as tcp://127.0.0.1:6514".to_owned());
        };
        let path = || match Path::new(rest) {
            path if path.is_absolute() => Ok(path.to_owned()),
            _ => Err(format!("`{rest}` is not an absolute path")),
        };
        match scheme {
            "tcp" => Ok(Self::Tcp(rest.parse()?)),
            "tls" => Ok(Self::Tls(rest.parse()?)),
            "udp" => Ok(Self::Udp(rest.parse()?)),
            "unix" => Ok(Self::Unix(path()?)),
            "unix-datagram" => Ok(Self::UnixDatagram(path()?)),
            _ => Err(format!("`{scheme}` is none of tcp, tls, udp, unix, unix-datagram")),
        }
    }
}

/// Messages that go out together.
#[derive(Debug, Default)]
pub(super) struct Parcel {
    bytes: Vec<u8>,
    /// Where each message ends.
    ends: Vec<usize>,
}

impl Parcel {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Adds a message.
    pub(super) fn push(&mut self, message: &[u8], is_counted: bool) {
        if is_counted {
            self.bytes.extend_from_slice(message.len().to_string().as_bytes());
            self.bytes.push(b' ');
        }
        self.bytes.extend_from_slice(message);
        self.ends.push(self.bytes.len());
    }

    pub(super) fn messages(&self) -> u64 {
        self.ends.len() as u64
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn each(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| self.bytes.get(start..*end).unwrap_or_default())
    }
}

/// Makes connections to one place.
#[derive(Clone)]
pub(super) struct Caller {
    to: Destination,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("to", &self.to).finish_non_exhaustive()
    }
}

pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// One connection.
pub(super) enum Line {
    Stream(Box<dyn Duplex>),
    Udp(UdpSocket),
    UnixDatagrams(UnixDatagram),
}

impl Caller {
    /// Prepares; over TLS the server is verified by the authorities in a file, or by those of the system, and may be
    /// shown a certificate.
    pub(super) fn new(
        to: Destination,
        ca: Option<&Path>,
        identity: Option<&(PathBuf, PathBuf)>,
    ) -> io::Result<Self> {
        let tls = match &to {
            Destination::Tls(place) => {
                let name = ServerName::try_from(place.host.clone()).map_err(io::Error::other)?;
                let identity = identity.map(|(certificate, key)| Identity { certificate, key });
                Some((TlsConnector::from(Arc::new(tls::client(ca, identity)?)), name))
            }
            _ => None,
        };
        Ok(Self { to, tls })
    }

    /// Whether messages are octet-counted.
    pub(super) fn is_counted(&self) -> bool {
        !matches!(self.to, Destination::Udp(_) | Destination::UnixDatagram(_))
    }

    pub(super) async fn call(&self) -> io::Result<Line> {
        match &self.to {
            Destination::Tcp(place) | Destination::Tls(place) => {
                let stream = TcpStream::connect((place.host.as_str(), place.port)).await?;
                stream.set_nodelay(true)?;
                Ok(Line::Stream(match &self.tls {
                    None => Box::new(stream),
                    Some((connector, name)) => Box::new(connector.connect(name.clone(), stream).await?),
                }))
            }
            Destination::Udp(place) => {
                let mut found = lookup_host((place.host.as_str(), place.port)).await?;
                let address = found.next().ok_or_else(|| io::Error::other("the name has no address"))?;
                let own = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(own).await?;
                socket.connect(address).await?;
                Ok(Line::Udp(socket))
            }
            Destination::Unix(path) => Ok(Line::Stream(Box::new(UnixStream::connect(path).await?))),
            Destination::UnixDatagram(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(path)?;
                Ok(Line::UnixDatagrams(socket))
            }
        }
    }
}

impl Line {
    pub(super) async fn send(&mut self, parcel: &Parcel) -> io::Result<()> {
        match self {
            Self::Stream(stream) => match stream.write_all(&parcel.bytes).await {
                Ok(()) => Ok(()),
                Err(error) => Err(refusal(stream).await.unwrap_or(error)),
            },
            Self::Udp(socket) => {
                for message in parcel.each() {
                    socket.send(message).await?;
                }
                Ok(())
            }
            Self::UnixDatagrams(socket) => {
                for message in parcel.each() {
                    socket.send(message).await?;
                }
                Ok(())
            }
        }
    }

    /// Says that nothing more comes, and waits until a server that closes its end, too, has read everything.
    ///
    /// # Errors
    /// When the server breaks off instead, as it does with a client that it refuses.
    pub(super) async fn end(self) -> io::Result<()> {
        let Self::Stream(mut stream) = self else { return Ok(()) };
        let told = async {
            stream.flush().await?;
            stream.shutdown().await
        };
        if let Err(error) = told.await {
            return Err(refusal(&mut stream).await.unwrap_or(error));
        }
        // A server that keeps its end open has the records all the same.
        timeout(limits::FLOOD_END_TIME, rest(&mut stream)).await.unwrap_or(Ok(()))
    }
}

/// Reads to the end; what the server says is of no use. Not every server says over TLS that it ends.
async fn rest(stream: &mut dyn Duplex) -> io::Result<()> {
    let mut room = [0; 512];
    loop {
        match stream.read(&mut room).await {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Why a server does not take more, where it has said so before it closed its end, as TLS lets it.
async fn refusal(stream: &mut dyn Duplex) -> Option<io::Error> {
    let said = timeout(limits::FLOOD_END_TIME, rest(stream)).await.ok()?.err()?;
    (said.kind() == io::ErrorKind::InvalidData).then_some(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_urls() {
        let place = |host: &str, port| Place { host: host.to_owned(), port };
        assert_eq!("tcp://[::1]:514".parse(), Ok(Destination::Tcp(place("::1", 514))));
        assert_eq!(
            "tls://log.example.com:6514".parse(),
            Ok(Destination::Tls(place("log.example.com", 6514)))
        );
        assert_eq!("unix-datagram:///dev/log".parse(), Ok(Destination::UnixDatagram("/dev/log".into())));
        let refusals = [
            ("127.0.0.1:514", "expected a URL, such as tcp://127.0.0.1:6514"),
            ("relp://h:1", "`relp` is none of tcp, tls, udp, unix, unix-datagram"),
            ("tcp://h", "`h` is not HOST:PORT"),
            ("tcp://h:0", "`h:0` is not HOST:PORT"),
            ("udp://::1:514", "`::1:514` is not HOST:PORT"),
            ("unix://run/log", "`run/log` is not an absolute path"),
        ];
        for (text, expected) in refusals {
            assert_eq!(text.parse::<Destination>(), Err(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_parcel_keeps_messages_apart() {
        let mut parcel = Parcel::default();
        parcel.push(b"one", true);
        parcel.push(b"three", true);
        assert_eq!(parcel.each().collect::<Vec<_>>(), [&b"3 one"[..], b"5 three"]);
        assert_eq!((parcel.messages(), parcel.bytes()), (2, 12));
    }
}
