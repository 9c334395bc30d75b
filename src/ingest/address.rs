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
    /// `relp://`, rsyslog's reliable protocol.
    Relp(SocketAddr),
    /// `relps://`: the same over TLS.
    Relps(SocketAddr),
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
    /// RELP over TCP.
    Relp,
    /// RELP over TLS.
    Relps,
    /// Datagrams over UDP.
    Udp,
    /// Streams over a Unix socket.
    Unix,
    /// Datagrams over a Unix socket.
    UnixDatagram,
}

impl Scheme {
    /// All schemes.
    pub const ALL: [Self; 7] =
        [Self::Tcp, Self::Tls, Self::Relp, Self::Relps, Self::Udp, Self::Unix, Self::UnixDatagram];

    /// Whether it is encrypted.
    pub const fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::Relps)
    }

    /// Whether records are answered, by RELP.
    pub const fn is_answered(self) -> bool {
        matches!(self, Self::Relp | Self::Relps)
    }

    /// What stands before `://`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Relp => "relp",
            Self::Relps => "relps",
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
            Self::Relp(_) => Scheme::Relp,
            Self::Relps(_) => Scheme::Relps,
            Self::Udp(_) => Scheme::Udp,
            Self::Unix(_) => Scheme::Unix,
            Self::UnixDatagram(_) => Scheme::UnixDatagram,
        }
    }

    /// The address and port, where it has those.
    pub const fn socket(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address)
            | Self::Tls(address)
            | Self::Relp(address)
            | Self::Relps(address)
            | Self::Udp(address) => Some(*address),
            Self::Unix(_) | Self::UnixDatagram(_) => None,
        }
    }

    /// The path, where it has one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) | Self::UnixDatagram(path) => Some(path),
            Self::Tcp(_) | Self::Tls(_) | Self::Relp(_) | Self::Relps(_) | Self::Udp(_) => None,
        }
    }

    /// The same kind of listener at another address and port.
    #[must_use]
    pub fn at(&self, address: SocketAddr) -> Self {
        match self {
            Self::Tcp(_) => Self::Tcp(address),
            Self::Tls(_) => Self::Tls(address),
            Self::Relp(_) => Self::Relp(address),
            Self::Relps(_) => Self::Relps(address),
            Self::Udp(_) => Self::Udp(address),
            Self::Unix(_) | Self::UnixDatagram(_) => self.clone(),
        }
    }

    /// The address of the socket beneath what is spoken over it.
    #[must_use]
    pub(super) fn plain(&self) -> Self {
        match self {
            Self::Tls(address) | Self::Relp(address) | Self::Relps(address) => Self::Tcp(*address),
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
            Self::Tcp(address)
            | Self::Tls(address)
            | Self::Relp(address)
            | Self::Relps(address)
            | Self::Udp(address) => address.fmt(f),
            Self::Unix(path) | Self::UnixDatagram(path) => path.display().fmt(f),
        }
    }
}
