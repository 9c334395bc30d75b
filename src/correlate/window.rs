//! Floor 3: counting over sliding windows: how many, of how many different keys, and when to say so.
//!
//! Invariant: memory is bounded by the caps in `limits`, whatever the input; counts are exact up to those caps, and
//! beyond them never too low while the window lasts.

use crate::limits;
use crate::time::Timestamp;
use smallvec::SmallVec;
use std::time::Duration;

/// What counting one more gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// Counted; so many now lie within the window that ends at the newest time.
    Within(u64),
    /// Older than the window that ends at the newest time: not counted.
    Late,
}

/// Some occurrences at one time, or at several that were joined.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tally {
    pub(super) at: Timestamp,
    /// The newest input that told of them.
    pub(super) number: u64,
    pub(super) count: u32,
}

/// A count over a sliding window, in the records' own time.
///
/// Most sources fail once or twice, in one connection: what they need stands in their entry itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    tallies: SmallVec<[Tally; 2]>,
    /// The sum of their counts.
    total: u64,
}

impl Window {
    /// A window of these tallies, which are in the order of time.
    pub(super) fn of(tallies: impl IntoIterator<Item = Tally>) -> Self {
        let tallies: SmallVec<_> = tallies.into_iter().collect();
        Self { total: sum(&tallies), tallies }
    }

    /// What it counted, in the order of time.
    pub(super) fn tallies(&self) -> &[Tally] {
        &self.tallies
    }

    /// Counts `count` occurrences at `at`, which the input of this number told of.
    pub(super) fn add(&mut self, at: Timestamp, count: u32, number: u64, span: Duration) -> Counted {
        let newest = self.newest();
        if newest.is_some_and(|newest| at.plus(span) <= newest) {
            return Counted::Late;
        }
        let start = newest.map_or(at, |newest| newest.max(at)).minus(span);
        if self.oldest().is_some_and(|oldest| oldest <= start) {
            let gone = self.tallies.iter().take_while(|tally| tally.at <= start).count();
            self.total -= self.tallies.drain(..gone).map(|tally| u64::from(tally.count)).sum::<u64>();
        }
        if self.tallies.len() >= limits::WINDOW_ENTRIES {
            self.join_neighbours();
        }
        let place = self.tallies.iter().rposition(|tally| tally.at <= at).map_or(0, |before| before + 1);
        self.tallies.insert(place, Tally { at, number, count });
        self.total += u64::from(count);
        Counted::Within(self.total)
    }

    /// Halves the number of entries; what is joined counts as long as its newer half.
    fn join_neighbours(&mut self) {
        let mut joined = 0;
        let mut carried: Option<Tally> = None;
        for index in 0..self.tallies.len() {
            let Some(&tally) = self.tallies.get(index) else { break };
            match carried.take() {
                None => carried = Some(tally),
                Some(older) => {
                    if let Some(slot) = self.tallies.get_mut(joined) {
                        *slot = Tally { count: older.count.saturating_add(tally.count), ..tally };
                    }
                    joined += 1;
                }
            }
        }
        self.tallies.truncate(joined);
        self.tallies.extend(carried);
        self.total = sum(&self.tallies);
    }

    /// How many lie within the window that ends at `now`.
    pub(super) fn count(&self, now: Timestamp, span: Duration) -> u64 {
        let start = now.minus(span);
        self.tallies.iter().rev().take_while(|tally| tally.at > start).map(|t| u64::from(t.count)).sum()
    }

    /// The newest time.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.tallies.last().map(|tally| tally.at)
    }

    /// The oldest time that still counts.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.tallies.first().map(|tally| tally.at)
    }

    /// The numbers of the inputs that were counted, oldest first.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.tallies.iter().map(|tally| tally.number)
    }

    /// Forgets everything, and gives back what memory it had beside its entry.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

fn sum(tallies: &[Tally]) -> u64 {
    tallies.iter().map(|tally| u64::from(tally.count)).sum()
}

/// Says when a count that crosses its limit is worth an event: once, and again at each doubling, until it is reset
/// after a quiet window.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Crossing {
    next: u64,
}

impl Crossing {
    /// One whose next crossing is at this count; at its limit if that is 0.
    pub(super) fn of(next: u64) -> Self {
        Self { next }
    }

    /// The count of its next crossing, or 0 before the first one.
    pub(super) fn next(self) -> u64 {
        self.next
    }

    /// Takes a count; whether it is worth an event.
    pub(super) fn crosses(&mut self, count: u64, limit: u64) -> bool {
        if self.is_below(count, limit) {
            return false;
        }
        self.next = self.next.max(limit.max(1));
        while self.next <= count {
            self.next = self.next.saturating_mul(2);
        }
        true
    }

    /// Whether a count is too low to be worth an event, so that the exact one need not be known.
    pub(super) fn is_below(self, most: u64, limit: u64) -> bool {
        most < self.next.max(limit.max(1))
    }

    /// Whether the limit was crossed since the last quiet window.
    pub(super) fn has_crossed(self) -> bool {
        self.next != 0
    }

    /// Begins again, after a quiet window.
    pub(super) fn reset(&mut self) {
        self.next = 0;
    }
}

/// One key of a [`Recent`] set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<K> {
    /// The key.
    pub(super) key: K,
    /// When and how often it was seen.
    pub(super) counts: Counts,
}

/// When and how often a key of a [`Recent`] set was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    /// When it was last seen.
    pub(super) newest: Timestamp,
    /// How often it counted.
    pub(super) count: u32,
    /// How often it counted since it was last forgiven.
    pub(super) unforgiven: u32,
}

/// Which keys were seen of late: exact up to `cap` of them, then the one that came first makes room.
///
/// The keys stand together: each is compared whenever one is noted, and the rest of one alone is looked at.
#[derive(Clone, Debug)]
pub(super) struct Recent<K> {
    keys: SmallVec<[K; 1]>,
    /// Of each key, at its place.
    counts: SmallVec<[Counts; 1]>,
    /// The place that makes room next.
    pub(super) replace: u32,
    /// How many had to make room while they still counted.
    pub(super) replaced: u32,
    pub(super) newest: Timestamp,
}

impl<K> Default for Recent<K> {
    fn default() -> Self {
        let (keys, counts) = (SmallVec::new(), SmallVec::new());
        Self { keys, counts, replace: 0, replaced: 0, newest: Timestamp::MIN }
    }
}

/// What noting a key gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noted<K> {
    /// The key was there, last seen at this time.
    Known(Timestamp),
    /// The key is new; if there was no room, another one had to go.
    New(Option<K>),
}

/// How much a [`Recent`] set remembers, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    /// Keys at most.
    pub(super) cap: usize,
    /// How long a key counts as seen of late.
    pub(super) window: Duration,
    /// How long a key's own count lasts after it was last seen.
    pub(super) count: Duration,
}

impl<K: Copy + PartialEq> Recent<K> {
    /// Notes a key at a time and adds to its count.
    pub(super) fn note(&mut self, key: K, at: Timestamp, add: u32, memory: Memory) -> Noted<K> {
        self.newest = self.newest.max(at);
        if let Some(counts) = self.counts_mut(key) {
            let before = counts.newest;
            if before.plus(memory.count) <= at {
                (counts.count, counts.unforgiven) = (0, 0);
            }
            counts.newest = before.max(at);
            counts.count = counts.count.saturating_add(add);
            counts.unforgiven = counts.unforgiven.saturating_add(add);
            return Noted::Known(before);
        }
        let new = Counts { newest: at, count: add, unforgiven: add };
        if self.keys.len() < memory.cap {
            self.put(Seen { key, counts: new });
            return Noted::New(None);
        }
        let place = self.replace as usize;
        self.replace = if place + 1 < memory.cap { self.replace + 1 } else { 0 };
        let old_key = self.keys.get_mut(place).map(|slot| std::mem::replace(slot, key));
        let old = self.counts.get_mut(place).map(|slot| std::mem::replace(slot, new));
        let counts = old.is_some_and(|old| old.newest > self.newest.minus(memory.window));
        self.replaced = if counts { self.replaced.saturating_add(1) } else { 0 };
        Noted::New(old_key)
    }

    fn place(&self, key: K) -> Option<usize> {
        self.keys.iter().position(|known| *known == key)
    }

    fn counts_mut(&mut self, key: K) -> Option<&mut Counts> {
        self.place(key).and_then(|place| self.counts.get_mut(place))
    }

    /// Whether a key is remembered.
    pub(super) fn holds(&self, key: K) -> bool {
        self.place(key).is_some()
    }

    /// Puts a key that is not there behind the others.
    pub(super) fn put(&mut self, Seen { key, counts }: Seen<K>) {
        self.keys.push(key);
        self.counts.push(counts);
    }

    /// How many keys are remembered.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// All keys that are remembered.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = Seen<K>> {
        self.keys.iter().zip(&self.counts).map(|(&key, &counts)| Seen { key, counts })
    }

    /// The newest time that was noted.
    pub(super) fn newest(&self) -> Timestamp {
        self.newest
    }

    /// How many different keys can have been seen at most, which takes no look at any.
    pub(super) fn most_distinct(&self) -> u64 {
        self.keys.len() as u64 + u64::from(self.replaced)
    }

    /// How many different keys were seen since `start`, those that had to make room counted in.
    pub(super) fn distinct(&self, start: Timestamp) -> u64 {
        self.since(start).count() as u64 + u64::from(self.replaced)
    }

    /// The keys seen since `start`.
    pub(super) fn since(&self, start: Timestamp) -> impl Iterator<Item = Seen<K>> {
        self.iter().filter(move |seen| seen.counts.newest > start)
    }

    /// Forgives a key what it counted until now.
    pub(super) fn forgive(&mut self, key: K) {
        if let Some(counts) = self.counts_mut(key) {
            counts.unforgiven = 0;
        }
    }

    /// Takes all keys out, and gives back what memory they had beside their entry.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = K> {
        std::mem::take(self).keys.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SPAN: Duration = Duration::from_secs(300);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    #[test]
    fn a_window_holds_what_is_younger_than_its_span() {
        let mut window = Window::default();
        for (second, count) in [(0, 1), (100, 2), (299, 3), (300, 3), (401, 3)] {
            assert_eq!(window.add(at(second), 1, 0, SPAN), Counted::Within(count), "at {second}");
        }
        assert_eq!(window.count(at(600), SPAN), 1);
    }

    #[test]
    fn an_older_record_counts_within_the_window_before_the_newest() {
        let mut window = Window::default();
        window.add(at(1000), 1, 10, SPAN);
        assert_eq!(window.add(at(701), 1, 11, SPAN), Counted::Within(2));
        assert_eq!(window.add(at(700), 1, 12, SPAN), Counted::Late);
        assert_eq!(window.numbers().collect::<Vec<_>>(), [11, 10], "in the order of their own time");
    }

    #[test]
    fn a_crossing_is_told_once_and_at_each_doubling() {
        let mut crossing = Crossing::default();
        let told: Vec<u64> = (1..=100).filter(|count| crossing.crosses(*count, 5)).collect();
        assert_eq!(told, [5, 10, 20, 40, 80]);
        assert!(!crossing.crosses(6, 5), "falling below and crossing again is not news");
        crossing.reset();
        assert!(crossing.crosses(50, 5), "a repeat count may leap");
        assert!(!crossing.crosses(79, 5));
        assert!(crossing.crosses(80, 5));
    }

    #[test]
    fn recent_keys_are_exact_up_to_the_cap_and_never_too_few_beyond() {
        let mut recent = Recent::default();
        let memory = Memory { cap: 4, window: SPAN, count: SPAN };
        for key in 0..6 {
            recent.note(key % 3, at(key), 1, memory);
        }
        assert_eq!(recent.distinct(at(-1)), 3);
        assert_eq!(recent.distinct(at(3)), 2, "0 was last seen at 3");
        for key in 10..20 {
            recent.note(key, at(key), 1, memory);
        }
        assert_eq!(recent.distinct(at(-1)), 13);
        assert_eq!(recent.since(at(-1)).count(), 4);
    }

    proptest! {
        #[test]
        fn a_window_counts_as_an_unbounded_one_would_up_to_its_cap(
            steps in proptest::collection::vec(0i64..60, 1..limits::WINDOW_ENTRIES)
        ) {
            let mut window = Window::default();
            let mut now = 0;
            let mut all = Vec::new();
            for step in steps {
                now += step;
                all.push(now);
                let oracle = all.iter().filter(|second| **second > now - 300).count() as u64;
                prop_assert_eq!(window.add(at(now), 1, 0, SPAN), Counted::Within(oracle));
            }
        }

        #[test]
        fn no_more_keys_are_seen_than_can_be(steps in proptest::collection::vec((0..40_u32, 0i64..90), 0..200)) {
            let (mut recent, mut now) = (Recent::default(), 0);
            for (key, step) in steps {
                now += step;
                recent.note(key, at(now), 1, Memory { cap: 8, window: SPAN, count: SPAN });
                prop_assert!(recent.distinct(at(now - 300)) <= recent.most_distinct());
            }
        }

        #[test]
        fn a_full_window_never_counts_too_few_and_stays_small(
            steps in proptest::collection::vec(0i64..20, 1..400)
        ) {
            let mut window = Window::default();
            let mut now = 0;
            let mut all = Vec::new();
            for step in steps {
                now += step;
                all.push(now);
                let oracle = all.iter().filter(|second| **second > now - 300).count() as u64;
                let Counted::Within(count) = window.add(at(now), 1, 0, SPAN) else { panic!("late") };
                prop_assert!(count >= oracle && window.tallies.len() <= limits::WINDOW_ENTRIES);
            }
        }
    }
}
