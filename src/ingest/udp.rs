//! Floor 4: the sockets of UDP listeners, and what the kernel dropped of them.

use rustix::fs::fstat;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;

/// Binds several sockets to one address; the kernel gives all datagrams of one peer to the same one.
pub(super) fn bind(address: SocketAddr, count: usize) -> io::Result<Vec<Socket>> {
    // The first does not share the address while it binds, so that another program's socket is not joined unseen.
    let first = new(address)?;
    first.bind(&address.into())?;
    first.set_reuse_port(true)?;
    let at = first.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..count {
        let socket = new(address)?;
        socket.set_reuse_port(true)?;
        socket.bind(&at)?;
        sockets.push(socket);
    }
    Ok(sockets)
}

fn new(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// How many datagrams the kernel dropped because a receive buffer was full.
#[derive(Debug, Default)]
pub(super) struct KernelDrops {
    /// The sockets by their inodes, with what was last read of each.
    seen: HashMap<u64, u32>,
}

impl KernelDrops {
    /// Watches a socket from now on.
    pub(super) fn watch(&mut self, socket: impl AsFd) {
        if let Ok(stat) = fstat(socket) {
            self.seen.insert(stat.st_ino, 0);
        }
    }

    /// What was dropped since the last call.
    pub(super) fn news(&mut self) -> u64 {
        let mut news = 0;
        for table in ["/proc/self/net/udp", "/proc/self/net/udp6"] {
            news += self.count(&fs::read_to_string(table).unwrap_or_default());
        }
        news
    }

    fn count(&mut self, table: &str) -> u64 {
        let mut news = 0;
        for (inode, drops) in table.lines().skip(1).filter_map(inode_and_drops) {
            if let Some(seen) = self.seen.get_mut(&inode) {
                news += u64::from(drops.wrapping_sub(*seen));
                *seen = drops;
            }
        }
        news
    }
}

/// The tenth column, and the last one, of a line of /proc/net/udp.
fn inode_and_drops(line: &str) -> Option<(u64, u32)> {
    let inode = line.split_ascii_whitespace().nth(9)?.parse().ok()?;
    let drops = line.split_ascii_whitespace().next_back()?.parse().ok()?;
    Some((inode, drops))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_read_by_socket_and_each_told_once() {
        let table = |drops: u32| {
            format!(
                "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n \
                 1: 0100007F:0202 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 {drops}\n \
                 2: 0100007F:0203 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4712 2 0000000000000000 99\n"
            )
        };
        let mut watched = KernelDrops { seen: HashMap::from([(4711, 0)]) };
        assert_eq!([3, 3, 10].map(|drops| watched.count(&table(drops))), [3, 0, 7]);
        assert_eq!(watched.count("nonsense\nof a kernel\n"), 0);
    }
}
