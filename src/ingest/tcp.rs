//! Floor 4: the sockets of TCP listeners.

use crate::limits;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// Binds with the options that a server needs.
pub(super) fn bind(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(limits::LISTEN_BACKLOG)?;
    Ok(socket)
}

/// Lets the kernel find out which peers are gone: a connection is never closed for being idle.
pub(super) fn keep_alive(stream: &TcpStream) {
    let keepalive =
        TcpKeepalive::new().with_time(limits::KEEPALIVE_IDLE).with_interval(limits::KEEPALIVE_INTERVAL);
    if let Err(error) = SockRef::from(stream).set_tcp_keepalive(&keepalive) {
        tracing::debug!(%error, "TCP keepalive could not be set");
    }
}
