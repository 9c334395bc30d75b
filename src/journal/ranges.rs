//! Floor 3: sets of sequence numbers as ranges.
//!
//! Invariant: the ranges ascend, none is empty, and no two touch.

use std::ops::Range;

/// A set of sequence numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(Vec<Range<u64>>);

impl Ranges {
    /// Adds a range.
    pub fn insert(&mut self, add: Range<u64>) {
        if add.is_empty() {
            return;
        }
        let from = self.0.partition_point(|range| range.end < add.start);
        let to = self.0.partition_point(|range| range.start <= add.end);
        let touched = self.0.get(from..to).unwrap_or_default();
        let start = touched.first().map_or(add.start, |first| first.start.min(add.start));
        let end = touched.last().map_or(add.end, |last| last.end.max(add.end));
        self.0.splice(from..to.max(from), std::iter::once(start..end));
    }

    /// Adds all of another set.
    pub fn extend(&mut self, other: Self) {
        other.0.into_iter().for_each(|range| self.insert(range));
    }

    /// Takes a range out; gives what of it was there.
    pub fn take(&mut self, gone: &Range<u64>) -> Self {
        if gone.is_empty() {
            return Self::default();
        }
        let from = self.0.partition_point(|range| range.end <= gone.start);
        let to = self.0.partition_point(|range| range.start < gone.end).max(from);
        let touched = self.0.get(from..to).unwrap_or_default();
        let before = touched.first().map(|first| first.start..gone.start.max(first.start));
        let after = touched.last().map(|last| gone.end.min(last.end)..last.end);
        let left: Vec<_> = before.into_iter().chain(after).filter(|range| !range.is_empty()).collect();
        let within = |range: Range<u64>| range.start.max(gone.start)..range.end.min(gone.end);
        Self(self.0.splice(from..to, left).map(within).collect())
    }

    /// Whether a number is in the set.
    pub fn contains(&self, number: u64) -> bool {
        let at = self.0.partition_point(|range| range.end <= number);
        self.0.get(at).is_some_and(|range| range.contains(&number))
    }

    /// Whether any number of a range is in the set.
    pub fn touches(&self, range: &Range<u64>) -> bool {
        let at = self.0.partition_point(|known| known.end <= range.start);
        self.0.get(at).is_some_and(|known| known.start < range.end && !range.is_empty())
    }

    /// What is in this set and in another one.
    pub fn common(&self, other: &Self) -> Self {
        let mut own = self.clone();
        other.iter().flat_map(|range| own.take(&range).0).collect()
    }

    /// The smallest number.
    pub fn first(&self) -> Option<u64> {
        self.0.first().map(|range| range.start)
    }

    /// How many numbers are in the set.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|range| range.end - range.start).sum()
    }

    /// How many ranges the numbers make.
    pub fn spans(&self) -> usize {
        self.0.len()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ranges, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.0.iter().cloned()
    }
}

impl FromIterator<Range<u64>> for Ranges {
    fn from_iter<I: IntoIterator<Item = Range<u64>>>(ranges: I) -> Self {
        let mut set = Self::default();
        ranges.into_iter().for_each(|range| set.insert(range));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn ranges_are_the_set_of_their_numbers(
            steps in proptest::collection::vec((any::<bool>(), 0u64..60, 0u64..12), 1..60)
        ) {
            let (mut ranges, mut oracle) = (Ranges::default(), BTreeSet::new());
            for (add, start, length) in steps {
                let range = start..start + length;
                if add {
                    ranges.insert(range.clone());
                    oracle.extend(range);
                } else {
                    let taken: BTreeSet<_> = oracle.extract_if(range.clone(), |_| true).collect();
                    prop_assert_eq!(ranges.take(&range).iter().flatten().collect::<BTreeSet<_>>(), taken);
                }
                prop_assert_eq!(ranges.iter().flatten().collect::<BTreeSet<_>>(), oracle.clone());
                prop_assert_eq!(ranges.len(), oracle.len() as u64);
                prop_assert!(ranges.iter().zip(ranges.iter().skip(1)).all(|(a, b)| a.end < b.start));
                prop_assert!((0..80).all(|number| ranges.contains(number) == oracle.contains(&number)));
            }
        }
    }
}
