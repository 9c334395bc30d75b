//! Floor 6: what came in, and what became of it, by peer.
//!
//! Invariant: received = parsed + rejected + failed, for every peer and in all.

mod hosts;

pub use hosts::{HostFigures, Hosts};

use super::worker::Counts;
use crate::batch::{Origin, Sequenced};
use crate::correlate::Totals;
use crate::correlate::hosts::Presence;
use crate::detect::senders::Note;
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
    /// Records whose times lie too far after their arrival; they are parsed too, as the next ones.
    pub ahead: u64,
    /// Records whose times lie too far before their arrival.
    pub behind: u64,
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
        self.ahead += counts.ahead;
        self.behind += counts.behind;
        for (reject, count) in &counts.rejected {
            *self.rejected.entry(*reject).or_default() += count;
        }
    }
}

/// The counts of a run.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Of all peers together.
    pub total: PeerCounts,
    /// By peer; those beyond [`limits::MAX_LEDGER_PEERS`] together, under an empty name.
    pub peers: BTreeMap<String, PeerCounts>,
    /// What hosts said, and how their clocks go.
    pub hosts: Hosts,
    /// Which hosts are known, and which are silent.
    pub presence: Presence,
    /// Observations made.
    pub observations: u64,
    /// Events that inputs raised.
    pub events: u64,
    /// Events about the server itself, which no input raised.
    pub server_events: u64,
}

impl Ledger {
    pub(super) fn add(&mut self, origin: &Origin, received: u64, counts: &Counts) {
        self.total.add(received, counts);
        self.observations += counts.observations;
        if let Some(peer) = self.peers.get_mut(origin.account()) {
            return peer.add(received, counts);
        }
        let name = if self.peers.len() < limits::MAX_LEDGER_PEERS { origin.account() } else { "" };
        self.peers.entry(name.to_owned()).or_default().add(received, counts);
    }

    /// All events that were raised.
    pub fn raised(&self) -> u64 {
        self.events + self.server_events
    }

    /// Adds what was noted of hosts.
    pub(super) fn hear(&mut self, batch: &Sequenced, notes: &[Note]) {
        self.hosts.add(batch, notes);
    }

    /// Says what of it contradicts itself; nothing where all adds up.
    pub fn contradiction(&self) -> Option<String> {
        let peers = self.peers.iter().map(|(peer, counts)| (peer.as_str(), counts));
        let wrong = std::iter::once(("all peers", &self.total))
            .chain(peers)
            .find(|(_, counts)| counts.received != counts.parsed + counts.rejected() + counts.failed);
        if let Some((peer, counts)) = wrong {
            let PeerCounts { received, parsed, failed, .. } = counts;
            let rejected = counts.rejected();
            return Some(format!(
                "of {peer} {received} received are not {parsed} parsed, {rejected} rejected and {failed} failed"
            ));
        }
        let (of_peers, in_all) =
            (self.peers.values().map(|counts| counts.received).sum(), self.total.received);
        let differs = |of_peers: u64| of_peers != in_all;
        differs(of_peers).then(|| format!("peers sent {of_peers}, and {in_all} were received"))
    }

    /// Whether more than half of what came in so far was no record, once there is enough to tell.
    pub(super) fn is_mostly_rejected(&self) -> bool {
        let rejected = self.total.rejected();
        rejected >= limits::TELLING_REJECTS && rejected > self.total.received / 2
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
        assert_eq!(ledger.contradiction(), None);

        let mut lost = ledger.clone();
        lost.peers.remove("peer 000003");
        let (most, all) = (ledger.total.received - 3, ledger.total.received);
        assert_eq!(lost.contradiction(), Some(format!("peers sent {most}, and {all} were received")));
        ledger.peers.get_mut("peer 000003").unwrap().parsed += 1;
        let wrong = "of peer 000003 3 received are not 3 parsed, 1 rejected and 0 failed";
        assert_eq!(ledger.contradiction().as_deref(), Some(wrong));
    }
}
