//! Floor 3: hosts for which several senders speak.
//!
//! A sender that has spoken for one host alone is taken for that host; one that speaks for several is a relay. Two of the
//! first kind that speak under one name at the same time are two machines with one name, whose sessions would be taken
//! for one machine's. A machine that was given another address is none: its old address falls silent.
//!
//! Invariant: a sender is known as long as it speaks for a known host; each further sender of a host is told of once.

use super::{Heard, Hosts};
use crate::batch::Origin;
use crate::correlate::names::NameId;
use crate::correlate::sink::{Raise, Sink};
use crate::event::{Field, Kind};
use crate::limits;
use crate::time::Timestamp;

/// A sender that speaks for a host.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speaker {
    /// The sender, whose name it holds.
    pub(super) peer: NameId,
    /// Arrival of its first record for the host.
    pub(super) since: Timestamp,
    /// Arrival of its last record for the host; that of the first while nobody else speaks for it.
    pub(super) last: Timestamp,
    /// Whether it was told that it is not the only one.
    pub(super) is_told: bool,
}

/// What is known of a sender.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    /// For how many hosts it is known to speak.
    pub(super) hosts: u32,
    /// Whether it has spoken for more than one.
    pub(super) is_relay: bool,
}

/// The name that a sender on the network is known by. Processes of this machine, and files, are no senders of their own.
fn network_sender(origin: &Origin) -> Option<&str> {
    origin.sender().filter(|sender| !sender.starts_with("unix:"))
}

impl Hosts {
    /// Takes note that a sender speaks for a host; whether that changed anything.
    pub(super) fn speaks(&mut self, id: NameId, heard: &Heard<'_>, sink: &mut Sink<'_>) -> bool {
        let Some(name) = network_sender(heard.origin) else { return false };
        let Some(host) = self.host(id) else { return false };
        let peer = self.names.find(self.sender, name.as_bytes());
        let place = host.speakers.iter().position(|speaker| Some(speaker.peer) == peer);
        let (Some(peer), Some(place)) = (peer, place) else {
            return self.begins_to_speak(id, name, heard.now);
        };
        let is_alone = host.speakers.len() == 1;
        if is_alone || self.peer(peer).is_none_or(|peer| peer.is_relay) {
            return false;
        }
        let Some(speaker) = self.host_mut(id).and_then(|host| host.speakers.get_mut(place)) else {
            return false;
        };
        if heard.now < speaker.last.plus(limits::SHARED_PATIENCE) {
            return false;
        }
        speaker.last = heard.now;
        self.compare(id, *heard, place, sink);
        true
    }

    fn begins_to_speak(&mut self, id: NameId, name: &str, now: Timestamp) -> bool {
        let Some(host) = self.host(id).filter(|_| !self.names.is_full()) else { return false };
        let mut oldest = None;
        if host.speakers.len() >= limits::MAX_SPEAKERS {
            oldest = host.speakers.iter().enumerate().min_by_key(|(_, speaker)| speaker.last);
            // Where more speak than are known, they would push each other out with every record.
            if oldest.is_none_or(|(_, speaker)| now < speaker.last.plus(limits::SENDER_TOLD_INTERVAL)) {
                return false;
            }
        }
        let oldest = oldest.map(|(place, _)| place);
        let peer = self.names.hold(self.sender, name.as_bytes());
        let Some(host) = self.host_mut(id) else { return false };
        let new = Speaker { peer, since: now, last: now, is_told: false };
        let gone = oldest.map(|place| host.speakers.remove(place));
        host.speakers.push(new);
        if let Some(gone) = gone {
            self.leave(gone.peer);
        }
        self.join(peer, false);
        true
    }

    /// Counts one more host of a sender, which may be known to be a relay.
    pub(super) fn join(&mut self, peer: NameId, is_relay: bool) {
        let place = peer.number() as usize;
        if self.peers.len() <= place {
            self.peers.resize_with(place + 1, || None);
        }
        let Some(slot) = self.peers.get_mut(place) else { return };
        let known = slot.get_or_insert(Peer { hosts: 0, is_relay: false });
        known.hosts += 1;
        known.is_relay |= is_relay || known.hosts > 1;
    }

    /// Counts one host of a sender less, and lets go of its name.
    pub(super) fn leave(&mut self, peer: NameId) {
        if let Some(slot) = self.peers.get_mut(peer.number() as usize)
            && let Some(known) = slot
        {
            known.hosts -= 1;
            if known.hosts == 0 {
                *slot = None;
            }
        }
        self.names.release(peer);
    }

    pub(super) fn peer(&self, id: NameId) -> Option<Peer> {
        self.peers.get(id.number() as usize).copied().flatten()
    }

    /// Tells when the sender at a place and another one speak for a host at the same time, and for no other.
    fn compare(&mut self, id: NameId, heard: Heard<'_>, place: usize, sink: &mut Sink<'_>) {
        let Some(host) = self.host(id) else { return };
        let Some(&own) = host.speakers.get(place).filter(|own| !own.is_told) else { return };
        let other = host.speakers.iter().find(|other| {
            let is_settled = own.since.max(other.since).plus(limits::SHARED_PATIENCE) <= heard.now;
            let at_once = own.since < other.since || other.last > own.since;
            let is_relay = self.peer(other.peer).is_none_or(|peer| peer.is_relay);
            let is_one = || self.is_one(heard, other.peer);
            other.peer != own.peer && is_settled && at_once && !is_relay && !is_one()
        });
        let Some(other) = other.map(|other| other.peer) else { return };
        if let Some(mut event) = sink.raise(Raise::new(Kind::HostShared, heard.arrival)) {
            event
                .text(Field::Host, heard.host)
                .text(Field::Peer, heard.origin.peer.as_bytes())
                .text(Field::OtherPeer, self.names.text(other))
                .evidence([heard.position]);
        }
        let Some(host) = self.host_mut(id) else { return };
        for speaker in host.speakers.iter_mut().filter(|one| one.peer == own.peer || one.peer == other) {
            speaker.is_told = true;
        }
    }

    /// Whether the configuration says that two senders are one host.
    fn is_one(&self, heard: Heard<'_>, other: NameId) -> bool {
        if self.options.rules.sources.is_empty() {
            return false;
        }
        let peer = String::from_utf8_lossy(self.names.text(other)).into_owned();
        let other = Origin { listener: heard.origin.listener.clone(), peer };
        self.options.rules.are_one(heard.host, [heard.origin, &other])
    }
}
