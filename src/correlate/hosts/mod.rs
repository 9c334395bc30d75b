//! Floor 3: what is known of the hosts themselves: whether they still speak, who speaks for them, and their clocks.
//!
//! The journal keeps the records that mean something, and no others. So a host's state changes only with records that
//! this module asks to keep (`Hosts::take`), and how recently a host spoke is known to within a grain.
//!
//! Its clock goes by whole seconds. So what a host is noted for twice within one second changes nothing the second time,
//! and need not be noted.
//!
//! Invariant: a record that changes nothing, left out, changes nothing either; nothing depends on the order of a table.

mod options;
mod presence;
mod refused;
mod saved;
mod shared;
mod silence;
#[cfg(test)]
mod tests;

pub use options::Options;
pub use presence::Presence;
pub(super) use saved::Saved;

use super::names::{NameId, Names};
use super::sink::{Raise, Sink};
use crate::batch::Origin;
use crate::detect::NameHasher;
use crate::detect::senders::{Note, Word};
use crate::event::{Field, Kind};
use crate::limits;
use crate::time::Timestamp;
use refused::Refused;
use shared::{Peer, Speaker};
use std::collections::BTreeSet;
use std::time::Duration;

/// What was noted of a host, with where and when it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard<'a> {
    pub(super) note: &'a Note,
    pub(super) host: &'a [u8],
    pub(super) origin: &'a Origin,
    /// The position of the record.
    pub(super) position: u64,
    pub(super) arrival: Timestamp,
    /// The second of its arrival: what decides.
    pub(super) now: Timestamp,
}

/// What is known of one host.
#[derive(Debug)]
struct Host {
    /// The second of its first record.
    since: Timestamp,
    /// The second of its last record, to within the grain.
    heard: Timestamp,
    is_silent: bool,
    /// When it is looked at: its deadline, or earlier.
    due: Timestamp,
    /// When it was last told that its clock is wrong.
    clock_told: Option<Timestamp>,
    speakers: Vec<Speaker>,
}

/// All hosts, and who speaks for them.
#[derive(Debug)]
pub(super) struct Hosts {
    options: Options,
    /// The names of hosts and of senders.
    names: Names,
    /// By the number of the name.
    hosts: Vec<Option<Box<Host>>>,
    count: usize,
    most: usize,
    /// By the number of the name.
    peers: Vec<Option<Peer>>,
    /// When each host is looked at.
    due: BTreeSet<(Timestamp, NameId)>,
    /// The names of the watched hosts that are silent, by when each was last heard.
    silent: BTreeSet<(Timestamp, Box<[u8]>)>,
    /// Records of hosts for which there was no room.
    unwatched: u64,
    /// How often anything of this changed that people look at.
    changes: u64,
    refused: Refused,
    hasher: NameHasher,
    /// The hash of the sender at hand.
    sender: u64,
}

impl Hosts {
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            names: Names::new(NameHasher::of_process()),
            hosts: Vec::new(),
            count: 0,
            most: limits::MAX_HOSTS,
            peers: Vec::new(),
            due: BTreeSet::new(),
            silent: BTreeSet::new(),
            unwatched: 0,
            changes: 0,
            refused: Refused::default(),
            hasher: NameHasher::of_process(),
            sender: 0,
        }
    }

    /// Goes by other options.
    pub(super) fn set_options(&mut self, options: Options) {
        self.options = options;
        // Deadlines may be earlier than they were.
        let ids: Vec<NameId> = self.due.iter().map(|(_, id)| *id).collect();
        ids.into_iter().for_each(|id| self.put_off(id));
        self.find_silent();
    }

    /// Begins a batch of a sender.
    pub(super) fn begin(&mut self, origin: &Origin) {
        self.sender = self.hasher.hash(origin.peer.as_bytes());
    }

    /// Takes what was noted of a host; whether that changed anything, so that the record must be kept.
    pub(super) fn take(&mut self, heard: &Heard<'_>, sink: &mut Sink<'_>) -> bool {
        match heard.note.word {
            Word::Heard => self.heard(heard, sink),
            Word::Refused => self.refuse(heard, sink),
            Word::Ahead | Word::Behind => self.misdated(heard, sink),
        }
    }

    fn heard(&mut self, heard: &Heard<'_>, sink: &mut Sink<'_>) -> bool {
        let (id, is_new) = match self.names.find(heard.note.host.hash, heard.host) {
            Some(id) if self.host(id).is_some() => (id, false),
            _ => match self.learn(heard) {
                Some(id) => (id, true),
                None => return false,
            },
        };
        let is_news = is_new || self.goes_on(id, heard, sink);
        self.speaks(id, heard, sink) || is_news
    }

    /// Begins to know a host, unless there is no room.
    fn learn(&mut self, heard: &Heard<'_>) -> Option<NameId> {
        if !self.may_learn() {
            self.unwatched = self.unwatched.saturating_add(u64::from(heard.note.records));
            self.changes += 1;
            return None;
        }
        let id = self.names.hold(heard.note.host.hash, heard.host);
        let host = Host {
            since: heard.now,
            heard: heard.now,
            is_silent: false,
            due: Timestamp::MAX,
            clock_told: None,
            speakers: Vec::new(),
        };
        self.put(id, host);
        Some(id)
    }

    /// Puts a host in its place, whose name is held for it.
    fn put(&mut self, id: NameId, host: Host) {
        let place = id.number() as usize;
        if self.hosts.len() <= place {
            self.hosts.resize_with(place + 1, || None);
        }
        if let Some(slot) = self.hosts.get_mut(place) {
            *slot = Some(Box::new(host));
            self.count += 1;
            self.changes += 1;
        }
        self.schedule(id);
    }

    /// Forgets a host.
    fn forget(&mut self, id: NameId) {
        let Some(host) = self.hosts.get_mut(id.number() as usize).and_then(Option::take) else { return };
        self.due.remove(&(host.due, id));
        if host.is_silent {
            self.silent.remove(&(host.heard, self.names.text(id).into()));
        }
        self.count -= 1;
        self.changes += 1;
        for speaker in host.speakers {
            self.leave(speaker.peer);
        }
        self.names.release(id);
    }

    fn host(&self, id: NameId) -> Option<&Host> {
        self.hosts.get(id.number() as usize)?.as_deref()
    }

    fn host_mut(&mut self, id: NameId) -> Option<&mut Host> {
        self.hosts.get_mut(id.number() as usize)?.as_deref_mut()
    }

    /// Takes a record whose time cannot be right: tells it, once for a host within a while.
    fn misdated(&mut self, heard: &Heard<'_>, sink: &mut Sink<'_>) -> bool {
        let id = self.names.find(heard.note.host.hash, heard.host);
        let Some(host) = id.and_then(|id| self.host_mut(id)) else { return false };
        if host.clock_told.is_some_and(|told| heard.now < told.plus(limits::SENDER_TOLD_INTERVAL)) {
            return false;
        }
        host.clock_told = Some(heard.now);
        if let Some(mut event) = sink.raise(Raise::new(Kind::HostClockWrong, heard.arrival)) {
            let clock = if heard.note.word == Word::Ahead { "ahead" } else { "behind" };
            let offset = heard.note.lag.unwrap_or_default().unsigned_abs();
            event
                .text(Field::Host, heard.host)
                .text(Field::Peer, heard.origin.peer.as_bytes())
                .text(Field::Clock, clock.as_bytes())
                .duration(Field::Offset, Duration::from_micros(offset))
                .evidence([heard.position]);
        }
        true
    }
}
