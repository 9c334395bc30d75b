//! Floor 4: where a listener listens, written as a URL.
//!
//! Invariant: the text of an address, read back, is the same address.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `tcp://`, RFC 6587.
    Tcp(SocketAddr),
    /// `tls://`, RFC 5425.
    Tls(SocketAddr),
    /// `udp://`, RFC 5426.
    Udp(SocketAddr),
    /// `unix://`: a stream socket of this machine.
    Unix(PathBuf),
    /// `unix-datagram://`: a datagram socket of this machine, as `/dev/log` is.
    UnixDatagram(PathBuf),
}

/// What kind of listener an address asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Streams over TCP.
    Tcp,
    /// Streams over TLS.
    Tls,
    /// Datagrams over UDP.
    Udp,
    /// Streams over a Unix socket.
    Unix,
    /// Datagrams over a Unix socket.
    UnixDatagram,
}

impl Scheme {
    /// All schemes.
    pub const ALL: [Self; 5] = [Self::Tcp, Self::Tls, Self::Udp, Self::Unix, Self::UnixDatagram];

    /// What stands before `://`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Udp => "udp",
            Self::Unix => "unix",
            Self::UnixDatagram => "unix-datagram",
        }
    }
}

impl Address {
    /// The kind of listener.
    pub const fn scheme(&self) -> Scheme {
        match self {
            Self::Tcp(_) => Scheme::Tcp,
            Self::Tls(_) => Scheme::Tls,
            Self::Udp(_) => Scheme::Udp,
            Self::Unix(_) => Scheme::Unix,
            Self::UnixDatagram(_) => Scheme::UnixDatagram,
        }
    }

    /// The address and port, where it has those.
    pub const fn socket(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) | Self::Tls(address) | Self::Udp(address) => Some(*address),
            Self::Unix(_) | Self::UnixDatagram(_) => None,
        }
    }

    /// The path, where it has one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) | Self::UnixDatagram(path) => Some(path),
            Self::Tcp(_) | Self::Tls(_) | Self::Udp(_) => None,
        }
    }

    /// The same kind of listener at another address and port.
    #[must_use]
    pub fn at(&self, address: SocketAddr) -> Self {
        match self {
            Self::Tcp(_) => Self::Tcp(address),
            Self::Tls(_) => Self::Tls(address),
            Self::Udp(_) => Self::Udp(address),
            Self::Unix(_) | Self::UnixDatagram(_) => self.clone(),
        }
    }

    /// The address of the socket beneath what is spoken over it.
    #[must_use]
    pub(super) fn plain(&self) -> Self {
        match self {
            Self::Tls(address) => Self::Tcp(*address),
            other => other.clone(),
        }
    }

    /// Whether only this machine reaches it.
    pub fn is_local(&self) -> bool {
        self.socket().is_none_or(|address| address.ip().to_canonical().is_loopback())
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme().name())?;
        match self {
            Self::Tcp(address) | Self::Tls(address) | Self::Udp(address) => address.fmt(f),
            Self::Unix(path) | Self::UnixDatagram(path) => path.display().fmt(f),
        }
    }
}
