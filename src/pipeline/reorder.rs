//! Floor 6: results of workers back into the order of the numbers.
//!
//! Invariant: there are as many slots as batches may be under way, so each result has a slot of its own.

use crate::limits;

/// A ring of results that wait for those before them.
#[derive(Debug)]
pub(super) struct Ring<T> {
    slots: Vec<Option<T>>,
    next: u64,
}

impl<T> Ring<T> {
    pub(super) fn new() -> Self {
        Self { slots: (0..limits::IN_FLIGHT_BATCHES).map(|_| None).collect(), next: 0 }
    }

    fn slot(&mut self, place: u64) -> Option<&mut Option<T>> {
        let index = place % self.slots.len() as u64;
        self.slots.get_mut(usize::try_from(index).ok()?)
    }

    /// Puts the result for a place.
    pub(super) fn put(&mut self, place: u64, result: T) {
        debug_assert!(
            place >= self.next && place - self.next < self.slots.len() as u64,
            "one permit a batch"
        );
        if let Some(slot) = self.slot(place) {
            *slot = Some(result);
        }
    }

    /// Takes the next result in order, if it is there.
    pub(super) fn take(&mut self) -> Option<T> {
        let next = self.next;
        let result = self.slot(next)?.take()?;
        self.next += 1;
        Some(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_order_within_the_window_comes_out_sorted(shuffled in Just((0..limits::IN_FLIGHT_BATCHES as u64).collect::<Vec<_>>()).prop_shuffle()) {
            let mut ring = Ring::new();
            let mut out = Vec::new();
            for round in 0..3 {
                let base = round * limits::IN_FLIGHT_BATCHES as u64;
                for place in &shuffled {
                    ring.put(base + place, base + place);
                    while let Some(result) = ring.take() {
                        out.push(result);
                    }
                }
            }
            prop_assert_eq!(out, (0..3 * limits::IN_FLIGHT_BATCHES as u64).collect::<Vec<_>>());
        }
    }
}
