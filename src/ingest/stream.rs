//! Floor 4: a connection's bytes, whatever carries them.
//!
//! Invariant: nothing is held while a stream waits; bytes are read only into what the caller brings.

use super::tls::Session;
use rustix::io::ioctl_fionread;
use rustix::net::{RecvFlags, Shutdown, recv, shutdown};
use std::io;
use std::os::fd::AsFd;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};

/// A stream of bytes from a peer.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Tls(Session),
    Unix(UnixStream),
}

impl Stream {
    /// Waits until there may be something to read.
    pub(super) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.readable().await,
            Self::Tls(session) => session.readable().await,
            Self::Unix(stream) => stream.readable().await,
        }
    }

    /// Reads what there is: with `at_end`, what the kernel holds, whether or not the runtime has heard of it.
    pub(super) fn read(&mut self, room: &mut [u8], at_end: bool) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) if at_end => held(&*stream, room),
            Self::Tcp(stream) => stream.try_read(room),
            Self::Tls(session) => session.read(room, at_end),
            Self::Unix(stream) if at_end => held(&*stream, room),
            Self::Unix(stream) => stream.try_read(room),
        }
    }

    /// Bytes that can be read now, at most. Nothing where that cannot be told.
    pub(super) fn held(&mut self) -> usize {
        match self {
            Self::Tcp(stream) => waiting(&*stream),
            Self::Tls(session) => waiting(session.socket()).saturating_add(session.held()),
            Self::Unix(stream) => waiting(&*stream),
        }
    }

    /// Writes all of it.
    pub(super) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes).await,
            Self::Tls(session) => session.write_all(bytes).await,
            Self::Unix(stream) => stream.write_all(bytes).await,
        }
    }

    /// Tells the peer that it is to end, and goes on reading: a sender that looks sees the end of what comes from us. An error
    /// is that the peer has gone, which reading will find out.
    ///
    /// In TLS, too, that is the end of the socket alone (RFC 5425 section 4.4 wants a close_notify before it): rsyslog looks at
    /// the socket, not at the session, takes an alert that waits there for a sign of life, and writes on.
    pub(super) fn part(&self) {
        let parted = match self {
            Self::Tcp(stream) => shutdown(stream, Shutdown::Write),
            Self::Tls(session) => shutdown(session.socket(), Shutdown::Write),
            Self::Unix(stream) => shutdown(stream, Shutdown::Write),
        };
        parted.ok();
    }

    /// Tells the peer that nothing more is read, where there is a way to say so.
    pub(super) fn close(&mut self) {
        if let Self::Tls(session) = self {
            session.close();
        }
    }
}

/// Bytes that the kernel holds of a socket.
fn waiting(socket: impl AsFd) -> usize {
    let bytes = ioctl_fionread(socket).unwrap_or_default();
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Reads what the kernel holds of a socket.
pub(super) fn held(socket: impl AsFd, room: &mut [u8]) -> io::Result<usize> {
    Ok(recv(socket, room, RecvFlags::DONTWAIT)?.0)
}
