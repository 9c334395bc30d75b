//! Floor 5: what an operator has dropped before the handler came to it.
//!
//! Such events are looked at all the same when their turn comes, so that what the filter leaves out is not called dropped.

use crate::limits;
use std::ops::Range;
use std::sync::Arc;

/// Ranges of events, each with the reason.
#[derive(Debug, Default)]
pub(in crate::dispatch) struct Unwanted(Vec<(Range<u64>, Arc<str>)>);

impl Unwanted {
    /// Adds a range; whether there was room for it.
    pub(super) fn add(&mut self, range: Range<u64>, reason: &Arc<str>) -> bool {
        self.0.retain(|(known, _)| known.start < range.start || known.end > range.end);
        let has_room = self.0.len() < limits::MAX_UNWANTED_RANGES;
        if has_room && !range.is_empty() {
            self.0.push((range, Arc::clone(reason)));
        }
        has_room
    }

    /// The range that an event is in, with its reason.
    pub(super) fn at(&self, seq: u64) -> Option<(Range<u64>, Arc<str>)> {
        self.0.iter().find(|(range, _)| range.contains(&seq)).cloned()
    }

    /// The ranges, in the order of the orders.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(Range<u64>, Arc<str>)> {
        self.0.iter()
    }

    /// Forgets what ends here or before.
    pub(super) fn forget(&mut self, upto: u64) {
        self.0.retain(|(range, _)| range.end > upto);
    }
}
