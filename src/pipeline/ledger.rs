//! Floor 6: what came in, and what became of it, by peer.
//!
//! Invariant: received = parsed + rejected + failed, for every peer and in all.

use super::worker::Counts;
use crate::batch::Origin;
use crate::correlate::Totals;
use crate::limits;
use crate::wire::Reject;
use std::collections::BTreeMap;

/// What one peer sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerCounts {
    /// Frames.
    pub received: u64,
    /// Frames that were records.
    pub parsed: u64,
    /// Records of our own, which are parsed too.
    pub own: u64,
    /// Frames longer than the limit, of which the beginning was kept.
    pub truncated: u64,
    /// Records that a fault of ours kept from being understood.
    pub failed: u64,
    /// Frames that were no records, by reason.
    pub rejected: BTreeMap<Reject, u64>,
}

impl PeerCounts {
    /// Frames that were no records, whatever the reason.
    pub fn rejected(&self) -> u64 {
        self.rejected.values().sum()
    }

    fn add(&mut self, received: u64, counts: &Counts) {
        self.received += received;
        self.parsed += counts.parsed;
        self.own += counts.own;
        self.truncated += counts.truncated;
        self.failed += counts.failed;
        for (reject, count) in &counts.rejected {
            *self.rejected.entry(*reject).or_default() += count;
        }
    }
}

/// The counts of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Of all peers together.
    pub total: PeerCounts,
    /// By peer; those beyond [`limits::MAX_LEDGER_PEERS`] together, under an empty name.
    pub peers: BTreeMap<String, PeerCounts>,
    /// Observations made.
    pub observations: u64,
    /// Events raised.
    pub events: u64,
}

impl Ledger {
    pub(super) fn add(&mut self, origin: &Origin, received: u64, counts: &Counts) {
        self.total.add(received, counts);
        self.observations += counts.observations;
        if let Some(peer) = self.peers.get_mut(&origin.peer) {
            return peer.add(received, counts);
        }
        let name = if self.peers.len() < limits::MAX_LEDGER_PEERS { origin.peer.as_str() } else { "" };
        self.peers.entry(name.to_owned()).or_default().add(received, counts);
    }

    /// The totals that `ServerStats` shows.
    pub fn totals(&self) -> Totals {
        Totals {
            received: self.total.received,
            parsed: self.total.parsed,
            rejected: self.total.rejected() + self.total.failed,
            own: self.total.own,
            observations: self.observations,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_bounded_and_the_sums_agree() {
        let mut ledger = Ledger::default();
        let counts = Counts { parsed: 2, rejected: vec![(Reject::NoHeader, 1)], ..Counts::default() };
        for peer in 0..limits::MAX_LEDGER_PEERS + 5 {
            let origin = Origin { listener: "lan".into(), peer: format!("peer {peer:06}") };
            ledger.add(&origin, 3, &counts);
        }
        assert_eq!(ledger.peers.len(), limits::MAX_LEDGER_PEERS + 1);
        assert_eq!(ledger.peers[""].received, 15);
        let sum: u64 = ledger.peers.values().map(|peer| peer.parsed + peer.rejected()).sum();
        assert_eq!(sum, ledger.total.received);
    }
}
