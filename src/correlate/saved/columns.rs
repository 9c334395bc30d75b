//! Floor 3: columns of a saved state, read from their front.
//!
//! Invariant: no more is given than is there, and what is left over is an error.

use crate::limits;

/// What a saved state says that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Damaged(pub(in crate::correlate) &'static str);

/// A column, of which each row takes its part.
#[derive(Debug)]
pub(in crate::correlate) struct Column<T>(std::vec::IntoIter<T>);

impl<T> Column<T> {
    pub(in crate::correlate) fn new(rows: Vec<T>) -> Self {
        Self(rows.into_iter())
    }

    /// The next `count` entries, of which one row has `most`.
    pub(in crate::correlate) fn take(
        &mut self,
        count: u32,
        most: usize,
    ) -> Result<impl ExactSizeIterator<Item = T>, Damaged> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count > most || count > self.0.len() {
            return Err(Damaged("a row has more entries than it may, or than there are"));
        }
        Ok(self.0.by_ref().take(count))
    }

    /// The next entry.
    pub(in crate::correlate) fn next(&mut self) -> Result<T, Damaged> {
        self.0.next().ok_or(Damaged("a column ends too early"))
    }

    /// Takes the end of the column.
    pub(in crate::correlate) fn finish(self) -> Result<(), Damaged> {
        if self.0.len() == 0 { Ok(()) } else { Err(Damaged("a column has entries of no row")) }
    }
}

/// A length as it is saved; all tables are far smaller than four billion.
pub(in crate::correlate) fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// A count that goes on counting.
pub(in crate::correlate) fn count(count: u64) -> Result<u64, Damaged> {
    if count <= limits::MAX_SAVED_COUNT { Ok(count) } else { Err(Damaged("a count is beyond all bounds")) }
}
