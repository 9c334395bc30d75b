//! Floor 2: which hosts speak in a batch, whether its sender may speak for them, and how far off their clocks are.
//!
//! Records come in runs from one host, or in turn from those of a relay: one from a host that the batch knows already costs
//! a comparison with the host that stands where its bytes point to. A host is hashed once for all of its observations.
//!
//! Invariant: what is noted depends on a sender's records and on the rules only. However records are put into batches,
//! the first of a second is noted by which anything could change; what is noted again changes nothing.

mod rules;
#[cfg(test)]
mod tests;

pub use rules::{Rules, Source, is_any};

use super::Name;
use super::detector::{Detector, Scratch, Subject};
use super::observation::Observations;
use crate::batch::Origin;
use crate::span::Span;
use crate::time::Timestamp;
use hashbrown::HashTable;
use std::sync::Arc;
use std::time::Duration;

/// What is noted of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It speaks.
    Heard,
    /// Its sender may not speak for it.
    Refused,
    /// The time of a record lies too far after its arrival.
    Ahead,
    /// The time of a record lies too far before its arrival.
    Behind,
}

/// Something about the records of one host in one batch that arrived within one second. Each word comes once, with the
/// first record that it is true of.
#[derive(Clone, Copy, Debug)]
pub struct Note {
    /// Index of that record's frame in its batch.
    pub frame: u32,
    /// What it is.
    pub word: Word,
    /// The host.
    pub host: Name,
    /// Where the host was heard: how many records there are.
    pub records: u32,
    /// How long before its arrival a record has its time, in microseconds, where it has one: the least of all where the
    /// host was heard, else that of the record.
    pub lag: Option<i64>,
}

/// The hosts of one batch, and whose batch it is.
#[derive(Debug)]
pub(super) struct Roll {
    origin: Option<Arc<Origin>>,
    /// The sources that the sender belongs to.
    sources: Vec<usize>,
    /// The host of the sender's records that name none; empty where there is none.
    nameless: Vec<u8>,
    /// The same, once it stands among the texts that are derived from this batch.
    nameless_name: Option<Name>,
    /// Whether the sender may send such records.
    may_be_nameless: bool,
    /// Whether the sender's records are as new as their arrival.
    is_live: bool,
    hosts: Vec<Host>,
    table: HashTable<u32>,
    /// Where a host may stand, by its digest. What is there is compared, so that it may be out of date.
    near: Box<[u32; NEAR]>,
    last: u32,
    /// The second in which they arrived.
    second: Timestamp,
}

const SECOND: Duration = Duration::from_secs(1);

/// Places for hosts that are found without being hashed.
const NEAR: usize = 1024;

#[derive(Clone, Copy, Debug)]
struct Host {
    name: Name,
    may_speak: bool,
    /// Where it stands among the notes that it was heard.
    note: u32,
    is_ahead: bool,
    is_behind: bool,
}

impl Default for Roll {
    fn default() -> Self {
        Self {
            origin: None,
            sources: Vec::new(),
            nameless: Vec::new(),
            nameless_name: None,
            may_be_nameless: false,
            is_live: false,
            hosts: Vec::new(),
            table: HashTable::new(),
            near: Box::new([0; NEAR]),
            last: 0,
            second: Timestamp::default(),
        }
    }
}

impl Roll {
    fn begin(&mut self, rules: &Rules, origin: &Arc<Origin>) {
        self.forget();
        self.nameless_name = None;
        if self.origin.as_ref().is_some_and(|known| Arc::ptr_eq(known, origin)) {
            return;
        }
        self.sources.clear();
        let covering = rules.sources.iter().enumerate().filter(|(_, source)| source.covers(origin));
        self.sources.extend(covering.map(|(index, _)| index));
        self.nameless.clear();
        self.nameless.extend_from_slice(rules.nameless(origin).as_bytes());
        self.may_be_nameless = rules.may_speak(&self.sources, &self.nameless);
        self.is_live = origin.sender().is_some();
        self.origin = Some(Arc::clone(origin));
    }

    #[inline]
    fn arrive(&mut self, arrival: Timestamp) {
        let (from, to) = (self.second, self.second.plus(SECOND));
        if !(from..to).contains(&arrival) {
            self.second = arrival.second();
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.hosts.clear();
        self.table.clear();
        self.last = 0;
    }

    /// Turns to a host that stands where its digest points to; whether it does.
    #[inline]
    fn turn_to(&mut self, bytes: &[u8], host: &[u8]) -> bool {
        let Some(&place) = self.near.get(digest(host)) else { return false };
        let is_there = self.hosts.get(place as usize).is_some_and(|known| known.name.span.of(bytes) == host);
        if is_there {
            self.last = place;
        }
        is_there
    }

    /// Where a host stands, if it is known.
    fn find(&self, bytes: &[u8], name: Name) -> Option<u32> {
        let text = name.span.of(bytes);
        let is_it = |host: &Host| host.name.hash == name.hash && host.name.span.of(bytes) == text;
        let known = self.table.find(name.hash, |&index| self.hosts.get(index as usize).is_some_and(is_it));
        known.copied()
    }

    /// Adds a host that is not known; gives its place.
    fn add(&mut self, host: Host) -> u32 {
        let hosts = &mut self.hosts;
        let place = u32::try_from(hosts.len()).unwrap_or(u32::MAX);
        hosts.push(host);
        let hash = |&index: &u32| hosts.get(index as usize).map_or(0, |host| host.name.hash);
        self.table.insert_unique(host.name.hash, place, hash);
        place
    }

    /// Turns to a host at its place, where its digest points to from now on.
    fn turn(&mut self, host: &[u8], place: u32) {
        self.last = place;
        if let Some(near) = self.near.get_mut(digest(host)) {
            *near = place;
        }
    }
}

/// A few bits of a host's bytes, by which it is found again quickly. Anybody can find hosts that have the same; they are
/// hashed then.
#[inline]
fn digest(host: &[u8]) -> usize {
    let word = |at: usize| host.get(at..).and_then(<[u8]>::first_chunk).map(|word| u64::from_le_bytes(*word));
    let bits = match host.len().checked_sub(8) {
        // Hosts of one domain differ at the beginning, or in the middle.
        Some(last) => [0, last / 2, last]
            .into_iter()
            .filter_map(word)
            .fold(0, |bits: u64, word| (bits ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)),
        None => {
            host.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        }
    };
    (bits >> 48) as usize % NEAR
}

impl Scratch {
    /// Begins a batch: whom it is from.
    pub fn begin(&mut self, rules: &Rules, origin: &Arc<Origin>) {
        self.roll.begin(rules, origin);
    }

    /// Goes on with the records of another arrival.
    pub fn arrive(&mut self, arrival: Timestamp) {
        self.roll.arrive(arrival);
    }
}

impl Detector {
    /// The host of a record that names none, where its sender tells it.
    pub(super) fn nameless(&self, roll: &mut Roll, derived: &mut Vec<u8>) -> Name {
        if roll.nameless.is_empty() {
            return Name::default();
        }
        *roll.nameless_name.get_or_insert_with(|| {
            let start = derived.len();
            derived.extend_from_slice(&roll.nameless);
            let span = Span::locate(derived, derived.get(start..).unwrap_or_default());
            Name { span, derived: true, hash: self.hash(&roll.nameless) }
        })
    }

    /// Notes that the host of a record speaks, and names it in `subject`; whether its sender may speak for it. Of what counts
    /// as the host of a record that names none nothing is noted: a machine of which some records lack a name is no relay.
    #[inline]
    pub fn hear(
        &self,
        scratch: &mut Scratch,
        rules: &Rules,
        subject: &mut Subject<'_>,
        out: &mut Observations,
    ) -> bool {
        let Some(host) = subject.record.hostname else { return scratch.roll.may_be_nameless };
        if !scratch.roll.turn_to(subject.bytes, host) {
            self.change_host(scratch, rules, (subject, host), out);
        }
        let Some(known) = scratch.roll.hosts.get_mut(scratch.roll.last as usize) else { return true };
        if !known.may_speak {
            return false;
        }
        subject.host = Some(known.name);
        let Some(note) = out.notes.get_mut(known.note as usize) else { return true };
        note.records = note.records.saturating_add(1);
        if let Some(time) = subject.record.timestamp.filter(|_| scratch.roll.is_live) {
            let lag = subject.arrival.as_micros().saturating_sub(time.as_micros());
            note.lag = Some(note.lag.map_or(lag, |least| least.min(lag)));
            let (word, is_noted, records) = match rules.clock(lag) {
                None => return true,
                Some(Word::Ahead) => (Word::Ahead, &mut known.is_ahead, &mut out.ahead),
                Some(word) => (word, &mut known.is_behind, &mut out.behind),
            };
            *records += 1;
            if !std::mem::replace(is_noted, true) {
                let (frame, host, lag) = (subject.frame, known.name, Some(lag));
                out.notes.push(Note { frame, word, host, records: 0, lag });
            }
        }
        true
    }

    /// Turns to the host of a record, which does not stand where its digest points to.
    fn change_host(
        &self,
        scratch: &mut Scratch,
        rules: &Rules,
        (subject, host): (&Subject<'_>, &[u8]),
        out: &mut Observations,
    ) {
        let name = self.name_in(subject.bytes, host);
        let roll = &mut scratch.roll;
        if let Some(index) = roll.find(subject.bytes, name) {
            roll.turn(host, index);
            return;
        }
        let may_speak = rules.may_speak(&roll.sources, host);
        let note = u32::try_from(out.notes.len()).unwrap_or(u32::MAX);
        let place = roll.add(Host { name, may_speak, note, is_ahead: false, is_behind: false });
        roll.turn(host, place);
        let word = if may_speak { Word::Heard } else { Word::Refused };
        out.notes.push(Note { frame: subject.frame, word, host: name, records: 0, lag: None });
    }
}
