//! Floor 4: records that a sender of RELP sends again after a reconnect, because it saw no answer to them.
//!
//! It sends them byte for byte as they were, in their order, before anything new. So the first records of a connection are
//! compared with the last ones of the same peer's other connections, for as long as they follow each other there; and, after
//! a restart, with what the journal has of the peer's last ones, which may have gaps: it keeps what meant something.
//!
//! Invariant: what is kept of a connection is bounded, and goes when its peer ended it in the proper way, for then the peer
//! has seen every answer.

use crate::batch::{Batch, Origin};
use crate::limits;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use twox_hash::XxHash3_64;

/// The last records of a connection: a hash of each, and its number.
type Tail = VecDeque<(u64, u64)>;

/// A peer that finds two records of one hash deceives itself alone.
fn hash(record: &[u8]) -> u64 {
    XxHash3_64::oneshot(record)
}

/// The last records of senders as a journal has them, before a restart.
#[derive(Debug, Default)]
pub struct Remembered(HashMap<Origin, VecDeque<u64>>);

impl Remembered {
    /// Takes note of a batch, after all that were noted before.
    pub fn note(&mut self, batch: &Batch) {
        let is_full = self.0.len() >= limits::MAX_RELP_PEERS;
        let last = match self.0.get_mut(&*batch.origin) {
            Some(last) => last,
            None if is_full => return,
            None => self.0.entry((*batch.origin).clone()).or_default(),
        };
        let spare = batch.frames.len().saturating_sub(limits::RELP_TAIL);
        last.extend(batch.frames.iter().skip(spare).map(|frame| hash(frame.span.of(&batch.bytes))));
        last.drain(..last.len().saturating_sub(limits::RELP_TAIL));
    }
}

/// The last records of all peers of a listener.
#[derive(Debug, Default)]
pub(super) struct Tails {
    remembered: Arc<Remembered>,
    peers: Mutex<HashMap<String, VecDeque<Arc<Mutex<Tail>>>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tails {
    /// None yet, but those of before a restart.
    pub(super) fn new(remembered: Arc<Remembered>) -> Self {
        Self { remembered, peers: Mutex::default() }
    }

    /// Begins a connection.
    pub(super) fn begin(&self, origin: &Origin) -> Repeats {
        let peer = &origin.peer;
        let own = Arc::<Mutex<Tail>>::default();
        let mut peers = lock(&self.peers);
        if peers.len() >= limits::MAX_RELP_PEERS && !peers.contains_key(peer) {
            peers.retain(|_, tails| {
                tails.retain(|tail| Arc::strong_count(tail) > 1);
                !tails.is_empty()
            });
        }
        let tails = peers.entry(peer.clone()).or_default();
        tails.retain(|tail| Arc::strong_count(tail) > 1 || !lock(tail).is_empty());
        let before = tails.iter().map(|tail| lock(tail).iter().copied().collect()).collect();
        let others = tails.iter().map(Arc::downgrade).collect();
        tails.push_back(Arc::clone(&own));
        if tails.len() > limits::RELP_TAILS_PER_PEER {
            tails.pop_front();
        }
        let remembered = self.remembered.0.get(origin).cloned().unwrap_or_default();
        let patience = limits::RELP_TAIL;
        Repeats { own, others, before, followed: None, remembered, patience, unnumbered: Vec::new() }
    }
}

/// What of a connection's records came before.
#[derive(Debug)]
pub(super) struct Repeats {
    own: Arc<Mutex<Tail>>,
    /// Those of the peer's connections before.
    others: Vec<Weak<Mutex<Tail>>>,
    /// The last records of the peer's connections before; none once a record was new.
    before: Vec<Vec<(u64, u64)>>,
    /// Where in them the last record stands; nothing before the first one.
    followed: Option<Vec<(usize, usize)>>,
    /// The last records before a restart that have not been sent again.
    remembered: VecDeque<u64>,
    /// Records for which they are still worth a look.
    patience: usize,
    /// Hashes of records that have not been numbered yet.
    unnumbered: Vec<u64>,
}

impl Repeats {
    /// The number of a record if it came before. One that did not is remembered when it is numbered.
    pub(super) fn known(&mut self, record: &[u8]) -> Option<u64> {
        let hash = hash(record);
        let number = self.follow(hash).or_else(|| self.recall(hash));
        match number {
            Some(number) => self.remember(hash, number),
            None => self.unnumbered.push(hash),
        }
        number
    }

    fn follow(&mut self, hash: u64) -> Option<u64> {
        if self.before.is_empty() {
            return None;
        }
        let at = |&(tail, place): &(usize, usize)| self.before.get(tail)?.get(place).copied();
        let is_here = |place: &(usize, usize)| at(place).is_some_and(|(known, _)| known == hash);
        let places: Vec<_> = match &self.followed {
            None => {
                let all = self.before.iter().enumerate();
                all.flat_map(|(tail, known)| (0..known.len()).map(move |place| (tail, place)))
                    .filter(is_here)
                    .collect()
            }
            Some(places) => places.iter().map(|(tail, place)| (*tail, place + 1)).filter(is_here).collect(),
        };
        // The latest, where there are several: it is waited for until that one is durable.
        let number = places.iter().filter_map(at).map(|(_, number)| number).max();
        if number.is_none() {
            self.before = Vec::new();
        }
        self.followed = Some(places);
        number
    }

    /// The number of a record that came before a restart: as durable as can be.
    fn recall(&mut self, hash: u64) -> Option<u64> {
        self.patience = self.patience.checked_sub(1)?;
        let place = self.remembered.iter().position(|known| *known == hash)?;
        self.remembered.drain(..=place);
        Some(0)
    }

    /// Takes the numbers of the records that were new.
    pub(super) fn numbered(&mut self, first: u64, count: usize) {
        let hashes: Vec<_> = self.unnumbered.drain(..count.min(self.unnumbered.len())).collect();
        for (number, hash) in (first..).zip(hashes) {
            self.remember(hash, number);
        }
    }

    fn remember(&self, hash: u64, number: u64) {
        let mut own = lock(&self.own);
        if own.len() >= limits::RELP_TAIL {
            own.pop_front();
        }
        own.push_back((hash, number));
    }

    /// Forgets the connection's records, and those of connections that had ended before: the peer has seen all answers, and
    /// would have sent again what it saw none to.
    pub(super) fn forget(&mut self) {
        lock(&self.own).clear();
        // The register's, and this one.
        let ended = self.others.iter().filter_map(Weak::upgrade).filter(|tail| Arc::strong_count(tail) == 2);
        ended.for_each(|tail| lock(&tail).clear());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(peer: &str) -> Origin {
        Origin { listener: "lan".to_owned(), peer: peer.to_owned() }
    }

    /// Takes records one after another, and numbers those that are new; tells which came before.
    fn take(repeats: &mut Repeats, next: &mut u64, records: &[&str]) -> Vec<Option<u64>> {
        let take = |record: &&str| {
            let known = repeats.known(record.as_bytes());
            if known.is_none() {
                repeats.numbered(*next, 1);
                *next += 1;
            }
            known
        };
        records.iter().map(take).collect()
    }

    #[test]
    fn what_follows_in_order_came_before_and_nothing_else() {
        let (tails, mut next) = (Tails::default(), 1);
        let mut first = tails.begin(&of("a"));
        assert_eq!(take(&mut first, &mut next, &["1", "2", "3", "4"]), [None; 4]);
        drop(first);
        // From somewhere on, to the end, and then new ones, even if they look like old ones.
        let mut second = tails.begin(&of("a"));
        assert_eq!(
            take(&mut second, &mut next, &["3", "4", "5", "3", "4"]),
            [Some(3), Some(4), None, None, None]
        );
        // The second connection is still open: nobody has noticed yet that its peer is gone. Of two places where a record
        // may stand the later one is waited for.
        let mut third = tails.begin(&of("a"));
        assert_eq!(
            take(&mut third, &mut next, &["4", "5", "3", "4", "6"]),
            [Some(7), Some(5), Some(6), Some(7), None]
        );
        // Out of order, or of another peer: new.
        assert_eq!(take(&mut tails.begin(&of("a")), &mut next, &["4", "3"])[1], None);
        assert_eq!(take(&mut tails.begin(&of("b")), &mut next, &["4"]), [None]);
    }

    #[test]
    fn a_proper_end_and_new_records_leave_nothing_to_compare_with() {
        let (tails, mut next) = (Tails::default(), 1);
        let mut first = tails.begin(&of("a"));
        take(&mut first, &mut next, &["1", "2"]);
        first.forget();
        drop(first);
        assert_eq!(take(&mut tails.begin(&of("a")), &mut next, &["1"]), [None]);
        for number in 0..3 * limits::RELP_TAILS_PER_PEER {
            take(&mut tails.begin(&of("a")), &mut next, &[&format!("{number}")]);
        }
        assert!(lock(&tails.peers)["a"].len() <= limits::RELP_TAILS_PER_PEER);
    }

    #[test]
    fn what_the_journal_has_of_before_a_restart_came_before() {
        let mut remembered = Remembered::default();
        let span =
            |start| crate::batch::FrameSpan { span: crate::span::Span::new(start, 1), truncated: false };
        for (peer, bytes) in [("a", "12"), ("b", "3"), ("a", "46")] {
            let frames = (0..bytes.len()).map(|start| span(u32::try_from(start).unwrap())).collect();
            remembered.note(&Batch { origin: Arc::new(of(peer)), bytes: bytes.into(), frames });
        }
        let (tails, mut next) = (Tails::new(Arc::new(remembered)), 1);
        // What meant nothing is not in the journal, and is taken again between the others.
        let records = ["2", "nothing", "4", "5", "6", "7", "1"];
        let known: Vec<_> =
            take(&mut tails.begin(&of("a")), &mut next, &records).iter().map(Option::is_some).collect();
        assert_eq!(known, [true, false, true, false, true, false, false]);
        assert_eq!(take(&mut tails.begin(&of("c")), &mut next, &["3"]), [None]);
    }
}
