//! Floor 4: sockets that the process was started with: systemd's socket activation (sd_listen_fds(3)).
//!
//! The service manager binds them and keeps them while the server restarts, so that nobody is refused: connections wait
//! in the backlog, datagrams in the receive buffer.
//!
//! Invariant: each inherited socket goes to at most one listener, and what nobody wants is closed and told.

use super::address::{Address, Scheme};
use listenfd::ListenFd;
use socket2::Socket;
use std::env;
use std::os::fd::OwnedFd;

/// Sockets that the process was started with.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Vec<Given>,
    /// Descriptors that nobody can listen on, with their names.
    others: Vec<(usize, String)>,
}

#[derive(Debug)]
struct Given {
    /// What `FileDescriptorName=` calls it.
    name: String,
    scheme: Scheme,
    /// Where it is bound; nothing for a Unix socket without a name.
    address: Option<Address>,
    socket: Socket,
}

/// The kinds of sockets that a listener can use, as the system names them.
const KINDS: [(rustix::net::AddressFamily, rustix::net::SocketType, Scheme); 4] = {
    use rustix::net::{AddressFamily, SocketType};
    [
        (AddressFamily::INET, SocketType::STREAM, Scheme::Tcp),
        (AddressFamily::INET, SocketType::DGRAM, Scheme::Udp),
        (AddressFamily::UNIX, SocketType::STREAM, Scheme::Unix),
        (AddressFamily::UNIX, SocketType::DGRAM, Scheme::UnixDatagram),
    ]
};

impl Inherited {
    /// Takes the sockets that `LISTEN_FDS` counts, and removes the variables. Must be called while the process has one
    /// thread.
    pub fn take() -> Self {
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut listed = ListenFd::from_env();
        // What is left of the variables goes too, so that no child takes them for its own.
        sd_notify::listen_fds_with_names(true).map(drop).ok();
        let mut names = names.split(':');
        let mut inherited = Self::default();
        for index in 0..listed.len() {
            let name = names.next().unwrap_or_default().to_owned();
            match KINDS.iter().find_map(|kind| open(&mut listed, index, &name, kind)) {
                Some(socket) => inherited.sockets.push(socket),
                None => inherited.others.push((index + 3, name)),
            }
        }
        inherited
    }

    /// Gives each listener its sockets: those at its address, else one that has its name and is of its kind.
    pub(super) fn assign<'a>(
        mut self,
        wanted: impl Iterator<Item = (&'a str, &'a Address)> + Clone,
    ) -> Vec<Vec<Socket>> {
        let mut assigned: Vec<Vec<Socket>> = wanted
            .clone()
            .map(|(_, address)| self.matching(|given| given.address.as_ref() == Some(&address.plain())))
            .collect();
        for (sockets, (name, address)) in assigned.iter_mut().zip(wanted) {
            if sockets.is_empty() {
                let scheme = address.plain().scheme();
                let at = self.sockets.iter().position(|given| given.name == name && given.scheme == scheme);
                sockets.extend(at.map(|at| self.sockets.remove(at).socket));
            }
        }
        for (descriptor, name) in self.others {
            tracing::warn!(descriptor, name, "inherited what is no socket to listen on");
        }
        for Given { name, address, .. } in self.sockets {
            let address = address.map(|address| address.to_string()).unwrap_or_default();
            tracing::warn!(address, name, "no listener wants an inherited socket; it is closed");
        }
        assigned
    }

    fn matching(&mut self, wanted: impl Fn(&Given) -> bool) -> Vec<Socket> {
        self.sockets.extract_if(.., |given| wanted(given)).map(|given| given.socket).collect()
    }
}

/// An inherited socket, if it is of a kind.
fn open(
    listed: &mut ListenFd,
    index: usize,
    name: &str,
    &(family, kind, scheme): &(rustix::net::AddressFamily, rustix::net::SocketType, Scheme),
) -> Option<Given> {
    let family = i32::from(family.as_raw());
    let kind = i32::try_from(kind.as_raw()).ok()?;
    let descriptor = listed.take_custom::<OwnedFd>(index, family, kind, "socket to listen on").ok()??;
    let socket = Socket::from(descriptor);
    let bound = socket.local_addr().ok();
    let at = bound.as_ref().and_then(socket2::SockAddr::as_socket);
    let path = bound.as_ref().and_then(|bound| bound.as_pathname().map(ToOwned::to_owned));
    let address = match scheme {
        Scheme::Tcp | Scheme::Tls | Scheme::Relp | Scheme::Relps => at.map(Address::Tcp),
        Scheme::Udp => at.map(Address::Udp),
        Scheme::Unix => path.map(Address::Unix),
        Scheme::UnixDatagram => path.map(Address::UnixDatagram),
    };
    Some(Given { name: name.to_owned(), scheme, address, socket })
}
