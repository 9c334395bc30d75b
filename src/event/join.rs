//! Floor 1: small blocks of events made one.
//!
//! Invariant: the events of what was joined are those of its parts, in order, with the same identities.

use super::block::Row;
use super::{Cell, EventBlock};
use std::sync::Arc;

impl EventBlock {
    /// Appends the events of another block of the same run; whether it is of the same run.
    #[must_use]
    pub fn append(&mut self, other: &Self) -> bool {
        if !Arc::ptr_eq(self.stamp(), other.stamp()) && self.stamp() != other.stamp() {
            return false;
        }
        let ends = [self.cells.len(), self.items.len(), self.text.len(), self.evidence.len()];
        // Columns are far shorter than four billion.
        let [cells, items, text, evidence] = ends.map(|end| u32::try_from(end).unwrap_or(u32::MAX));
        let moved = |cell: &Cell| match *cell {
            Cell::Text(span) => Cell::Text(span.shifted(text)),
            Cell::List(span) => Cell::List(span.shifted(items)),
            cell => cell,
        };
        self.rows.extend(other.rows.iter().map(|row| Row {
            cells: row.cells.saturating_add(cells),
            evidence: row.evidence.shifted(evidence),
            ..*row
        }));
        self.cells.extend(other.cells.iter().map(moved));
        self.items.extend(other.items.iter().map(moved));
        self.text.extend_from_slice(&other.text);
        self.evidence.extend_from_slice(&other.evidence);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Field, Head, Kind, ModuleName, Severity, Stamp, StreamId, render};
    use crate::time::Timestamp;

    fn block(run: u32, numbers: std::ops::Range<u8>) -> EventBlock {
        let modules = vec![ModuleName { app: "fleet".into(), module: "openssh".into() }];
        let mut block = EventBlock::new(Arc::new(Stamp { stream: StreamId(7), run, modules }));
        for number in numbers {
            let kind = Kind::ALL[usize::from(number) % Kind::ALL.len()];
            let (severity, time) = (Severity::Info, Timestamp::from_micros(number.into()));
            let number = u64::from(number);
            block
                .push(Head { number, ordinal: 0, module: 0, kind, severity, time })
                .text(Field::Host, format!("web{number}").as_bytes())
                .addr(Field::Addr, "2001:db8::1".parse().unwrap())
                .texts(Field::Users, [&b"a"[..], number.to_string().as_bytes()])
                .addrs(Field::Addrs, ["192.0.2.1".parse().unwrap()])
                .evidence([number, number + 1]);
        }
        block.mark_backlog(0, |evidence| evidence[0] % 3 == 0);
        block
    }

    fn told(event: Event<'_>) -> (String, Vec<u64>, bool) {
        let mut line = Vec::new();
        render::json(&mut line, event);
        (String::from_utf8(line).unwrap(), event.evidence().to_vec(), event.is_backlog())
    }

    #[test]
    fn what_is_joined_has_the_events_of_its_parts() {
        let mut joined = block(1, 0..0);
        for numbers in [0..40, 40..41, 41..41, 41..90] {
            assert!(joined.append(&block(1, numbers)));
        }
        let whole = block(1, 0..90);
        assert!(joined.iter().map(told).eq(whole.iter().map(told)));
    }

    #[test]
    fn events_of_another_run_stay_apart() {
        let mut joined = block(1, 0..3);
        assert!(!joined.append(&block(2, 3..5)));
        assert_eq!(joined.len(), 3);
    }
}
