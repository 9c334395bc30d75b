//! Floor 4: many datagrams with one system call.
//!
//! Invariant: a datagram is taken whole, or as far as the limit for messages goes and marked truncated.

use super::peer::Peer;
use crate::limits;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage, UnixCredentials, recvmmsg,
};
use std::io::{self, IoSliceMut};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

/// A place for as many datagrams as one call takes. Of a place, only what a datagram has filled occupies memory.
#[derive(Debug)]
pub(super) struct Scoop {
    space: Vec<u8>,
    place: usize,
}

/// A datagram in the scoop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Datagram {
    pub(super) peer: Peer,
    /// Its place.
    index: usize,
    len: usize,
    /// Whether it was longer than the limit.
    pub(super) truncated: bool,
}

impl Scoop {
    /// Creates one for datagrams of so many bytes.
    pub(super) fn new(max_message_size: usize) -> Self {
        let place = max_message_size.clamp(1, limits::MAX_DATAGRAM);
        Self { space: vec![0; place * limits::DATAGRAMS_PER_READ], place }
    }

    /// Takes what the kernel holds of a socket, up to [`limits::DATAGRAMS_PER_READ`].
    pub(super) fn take(
        &mut self,
        socket: BorrowedFd<'_>,
        with_credentials: bool,
    ) -> io::Result<Vec<Datagram>> {
        let mut slices: Vec<_> =
            self.space.chunks_exact_mut(self.place).map(|place| [IoSliceMut::new(place)]).collect();
        // Made anew for each call: the kernel writes into them how much of them it used.
        let control = with_credentials.then(|| nix::cmsg_space!(UnixCredentials));
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(slices.len(), control);
        let flags = MsgFlags::MSG_DONTWAIT;
        let received = recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), flags, None)?;
        let datagram = |(index, message): (usize, RecvMsg<'_, '_, SockaddrStorage>)| Datagram {
            peer: if with_credentials { process(&message) } else { host(&message) },
            index,
            len: message.bytes,
            truncated: message.flags.contains(MsgFlags::MSG_TRUNC),
        };
        Ok(received.enumerate().map(datagram).collect())
    }

    /// The bytes of a datagram, without the line feed or NUL that some senders end it with.
    pub(super) fn bytes(&self, datagram: &Datagram) -> &[u8] {
        let start = datagram.index * self.place;
        let mut bytes = self.space.get(start..start + datagram.len).unwrap_or_default();
        while let [rest @ .., b'\n' | b'\r' | 0] = bytes {
            bytes = rest;
        }
        bytes
    }
}

/// The host that a datagram came from.
fn host(message: &RecvMsg<'_, '_, SockaddrStorage>) -> Peer {
    let address = message.address.as_ref();
    let v4 = address.and_then(|address| address.as_sockaddr_in()).map(|at| IpAddr::V4(at.ip()));
    let v6 = || address.and_then(|address| address.as_sockaddr_in6()).map(|at| IpAddr::V6(at.ip()));
    v4.or_else(v6).map_or(Peer::Unknown, |address: IpAddr| Peer::Host(address.to_canonical()))
}

/// The process that a datagram came from (SCM_CREDENTIALS); the kernel vouches for it.
fn process(message: &RecvMsg<'_, '_, SockaddrStorage>) -> Peer {
    let mut control = message.cmsgs().into_iter().flatten();
    let peer = control.find_map(|control| match control {
        ControlMessageOwned::ScmCredentials(sender) => {
            Some(Peer::Process { uid: sender.uid(), gid: sender.gid(), pid: sender.pid() })
        }
        _ => None,
    });
    peer.unwrap_or(Peer::Unknown)
}
