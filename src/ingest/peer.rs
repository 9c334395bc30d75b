//! Floor 4: who sends, and how many connections each holds.

use crate::machine;
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// A sender, as the system knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Peer {
    /// A host.
    Host(IpAddr),
    /// A process of this machine, by what the kernel says of it.
    Process { uid: u32, gid: u32, pid: i32 },
    /// A process that the kernel says nothing of.
    Unknown,
}

impl Peer {
    /// What connections are counted by: a host, or a user of this machine.
    fn account(self) -> Self {
        match self {
            Self::Process { uid, .. } => Self::Process { uid, gid: 0, pid: 0 },
            other => other,
        }
    }
}

impl Peer {
    /// What is kept of it with its records. What this machine is called goes with what its processes send: nothing else would
    /// say it where the records are read again.
    pub(super) fn with_records(self) -> String {
        match (self, machine::name()) {
            (Self::Process { .. }, Some(name)) => format!("{self},host={name}"),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(address) => address.fmt(f),
            Self::Process { uid, gid, pid } => write!(f, "unix:uid={uid},gid={gid},pid={pid}"),
            Self::Unknown => f.write_str("unix:unknown"),
        }
    }
}

/// How many connections each peer holds.
#[derive(Debug, Default)]
pub(super) struct Peers(Mutex<HashMap<Peer, usize>>);

impl Peers {
    /// Counts a connection of `peer`, unless it holds `most` already.
    pub(super) fn enter(peers: &Arc<Self>, peer: Peer, most: usize) -> Option<Place> {
        let peer = peer.account();
        let mut counts = peers.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(peer).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Place { peers: Arc::clone(peers), peer })
    }
}

/// One connection's place in the count of its peer.
#[derive(Debug)]
pub(super) struct Place {
    peers: Arc<Peers>,
    peer: Peer,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.peers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.peer);
            }
        }
    }
}
