//! Floor 4: many events as one message: how many there are of which kind, when they happened, and the gravest of them.
//!
//! Invariant: however many events there are, a digest is small; the counts are those of all of them.

mod text;

pub use text::{json, line, summary};

use super::Selection;
use crate::event::{Event, Kind, Severity};
use crate::limits;
use crate::time::Timestamp;
use std::cmp::Reverse;

/// What several events have in common, and how they differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    groups: Vec<Group>,
    late: u64,
    span: Option<(Timestamp, Timestamp)>,
    /// In order.
    shown: Vec<Shown>,
}

/// An event that is shown one by one. The order is that of the fields: the gravest first, and of those that are as grave one
/// of each kind, then the next of each, so that many of one kind hide none of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shown {
    severity: Reverse<Severity>,
    /// How many of its kind and severity there were with it.
    turn: u64,
    kind: Kind,
    seq: u64,
}

/// A digest on its way, with the events that it shows one by one.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// The counts of all events.
    pub digest: Digest,
    /// The events that are shown, in order; those that cannot be read any more are left out.
    pub shown: Vec<Selection>,
}

impl Gathered {
    /// A digest with those of the events that it shows that were found, each alone, by its sequence number.
    pub(crate) fn new(digest: Digest, mut found: Vec<(u64, Selection)>) -> Self {
        found.sort_by_key(|(seq, _)| digest.place(*seq));
        Self { digest, shown: found.into_iter().map(|(_, event)| event).collect() }
    }

    /// What tells it from others, each time that it is sent: its first event, or else its end, and how many there are.
    pub fn id(&self) -> String {
        let first = self.events().next().map(|event| event.id().to_string());
        let end = || self.digest.span.map_or(0, |(_, last)| last.as_micros());
        let first = first.unwrap_or_else(|| format!("digest.{}", end()));
        format!("{first}+{}", self.digest.count())
    }

    /// The events that are shown.
    pub fn events(&self) -> impl Iterator<Item = Event<'_>> {
        self.shown.iter().flat_map(Selection::events)
    }
}

/// The events of one kind and severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Their kind.
    pub kind: Kind,
    /// Their severity.
    pub severity: Severity,
    /// How many there are.
    pub count: u64,
}

impl Digest {
    /// Adds an event, by its sequence number; `late` says whether it was old already when its turn came.
    pub fn add(&mut self, seq: u64, event: Event<'_>, late: bool) {
        let head = event.head();
        let alike = |group: &&mut Group| (group.kind, group.severity) == (head.kind, head.severity);
        let turn = match self.groups.iter_mut().find(alike) {
            Some(group) => {
                group.count += 1;
                group.count
            }
            None => {
                self.groups.push(Group { kind: head.kind, severity: head.severity, count: 1 });
                1
            }
        };
        self.late += u64::from(late);
        let (first, last) = self.span.unwrap_or((head.time, head.time));
        self.span = Some((first.min(head.time), last.max(head.time)));
        let event = Shown { severity: Reverse(head.severity), turn, kind: head.kind, seq };
        let place = self.shown.partition_point(|other| *other < event);
        if place < limits::MAX_DIGEST_EVENTS {
            // What falls out never comes back: further events only come before it.
            self.shown.truncate(limits::MAX_DIGEST_EVENTS - 1);
            self.shown.insert(place, event);
        }
    }

    /// How many events there are.
    pub fn count(&self) -> u64 {
        self.groups.iter().map(|group| group.count).sum()
    }

    /// How many of them were late.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// How many there are of each kind and severity: the most severe first, then the most frequent.
    pub fn groups(&self) -> Vec<Group> {
        let mut groups = self.groups.clone();
        groups.sort_by(|a, b| (b.severity, b.count, a.kind).cmp(&(a.severity, a.count, b.kind)));
        groups
    }

    /// The highest severity among them.
    pub fn severity(&self) -> Severity {
        self.groups.iter().map(|group| group.severity).max().unwrap_or(Severity::Info)
    }

    /// When the first and the last of them happened; nothing where there are none.
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        self.span
    }

    /// The sequence numbers of the gravest [`limits::MAX_DIGEST_EVENTS`] of them, in the order in which they are shown.
    pub fn shown(&self) -> Vec<u64> {
        self.shown.iter().map(|event| event.seq).collect()
    }

    /// Where an event stands among those that are shown, by its sequence number, if it does.
    pub fn place(&self, seq: u64) -> Option<usize> {
        self.shown.iter().position(|event| event.seq == seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventBlock, Head, Stamp, StreamId};
    use std::sync::Arc;

    #[test]
    fn counts_all_and_shows_the_gravest() {
        let mut block = EventBlock::new(Arc::new(Stamp { stream: StreamId(1), run: 1, modules: Vec::new() }));
        let (failed, crash) = (Kind::SSHDLoginFailed, Kind::SSHDChildCrash);
        let storm = (0..200).map(|number| (number, failed, Severity::Notice));
        for (number, kind, severity) in
            storm.chain([(7, failed, Severity::Error), (3, crash, Severity::Critical)])
        {
            let time = Timestamp::from_micros(500 - number);
            block.push(Head { number: 1, ordinal: 0, module: 0, kind, severity, time });
        }
        let mut digest = Digest::default();
        (1_000..).zip(block.iter()).for_each(|(seq, event)| digest.add(seq, event, seq < 1_003));
        assert_eq!((digest.count(), digest.late(), digest.severity()), (202, 3, Severity::Critical));
        let shown = vec![Selection::all(Arc::new(block))];
        let gathered = Gathered { digest: digest.clone(), shown };
        assert!(gathered.id().ends_with("+202"), "{}", gathered.id());
        let unread = Gathered { shown: Vec::new(), ..gathered };
        assert_eq!(unread.id(), "digest.500+202");
        let groups: Vec<_> = digest.groups().iter().map(|group| (group.kind, group.count)).collect();
        assert_eq!(groups, [(crash, 1), (failed, 1), (failed, 200)]);
        assert_eq!(digest.span(), Some((Timestamp::from_micros(301), Timestamp::from_micros(500))));
        assert_eq!(digest.shown().len(), limits::MAX_DIGEST_EVENTS);
        let (grave, first) = (&digest.shown()[..2], &digest.shown()[2..]);
        assert_eq!((grave, first), (&[1_201, 1_200][..], &(1_000..1_098).collect::<Vec<_>>()[..]));
    }

    #[test]
    fn many_of_one_kind_hide_none_of_another() {
        let mut block = EventBlock::new(Arc::new(Stamp { stream: StreamId(1), run: 1, modules: Vec::new() }));
        let storm = std::iter::repeat_n(Kind::SSHDLoginFailed, 300);
        for kind in storm.chain([Kind::SSHDThrottled, Kind::SSHDUserDenied, Kind::SSHDThrottled]) {
            let (severity, time) = (Severity::Notice, Timestamp::EPOCH);
            block.push(Head { number: 1, ordinal: 0, module: 0, kind, severity, time });
        }
        let mut digest = Digest::default();
        (0..).zip(block.iter()).for_each(|(seq, event)| digest.add(seq, event, false));
        assert_eq!(digest.shown()[..6], [0, 300, 301, 1, 302, 2]);
        assert_eq!((digest.shown().len(), digest.place(302), digest.place(299)), (100, Some(4), None));
        let block = Arc::new(block);
        let alone = |seq: u32| (u64::from(seq), Selection { block: Arc::clone(&block), indices: vec![seq] });
        let gathered = Gathered::new(digest, vec![alone(1), alone(300), alone(302)]);
        let kinds: Vec<_> = gathered.events().map(|event| event.kind()).collect();
        assert_eq!(kinds, [Kind::SSHDThrottled, Kind::SSHDLoginFailed, Kind::SSHDThrottled]);
    }
}
