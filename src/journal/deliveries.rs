//! Floor 3: what became of events, as a block of the journal, and back.
//!
//! Invariant: what is read of a block that was written is what was written.

use super::schema::{ArchivedDeliveryRow, Deliveries, DeliveryRow};
use super::standing::{Settled, State};
use crate::segment::{Damage, Entry, Fault, Schema, Segment};
use crate::time::Timestamp;
use std::sync::Arc;

/// Reads a block of deliveries.
pub(super) fn settled(segment: &Segment, entry: &Entry) -> Result<Vec<Settled>, Damage> {
    let contradiction =
        |what: &str| segment.damage(entry.offset, Fault::Contents(Deliveries::TAG, what.to_owned()));
    let block = segment.read::<Deliveries>(entry)?;
    let names: Vec<Arc<str>> = block.handlers.iter().map(|name| Arc::from(name.as_str())).collect();
    let row = |row: &ArchivedDeliveryRow| {
        let handler = names.get(usize::from(row.handler.to_native()));
        let state = State::from_code(row.state).ok_or_else(|| contradiction("a state that is unknown"))?;
        let first = row.first.to_native();
        let note = row.note.as_ref().and_then(|note| block.notes.get(usize::from(note.to_native())));
        Ok(Settled {
            handler: Arc::clone(handler.ok_or_else(|| contradiction("a handler without a name"))?),
            events: first..first.saturating_add(row.count.to_native()),
            state,
            attempts: row.attempts.to_native(),
            time: Timestamp::from_micros(row.time.to_native()),
            note: note.map(|note| note.as_str().to_owned()),
        })
    };
    block.rows.iter().map(row).collect()
}

/// What became of events, with each name and note once.
pub(super) fn block(settled: &[Settled]) -> Deliveries {
    let mut block = Deliveries::default();
    for settled in settled {
        let handler = place(&mut block.handlers, &settled.handler);
        let note = settled.note.as_deref().map(|note| place(&mut block.notes, note));
        block.rows.push(DeliveryRow {
            first: settled.events.start,
            count: settled.events.end.saturating_sub(settled.events.start),
            time: settled.time.as_micros(),
            attempts: settled.attempts,
            handler,
            state: settled.state as u8,
            note,
        });
    }
    block
}

/// Where a text stands in a list; it is added where it is not there.
fn place(list: &mut Vec<String>, text: &str) -> u16 {
    let known = list.iter().position(|item| item == text);
    let index = known.unwrap_or_else(|| {
        list.push(text.to_owned());
        list.len() - 1
    });
    u16::try_from(index).unwrap_or(u16::MAX)
}
