//! Floor 4: raw records in which the names of unknown users are masked.
//!
//! Invariant: a record that cannot be read is not shown.

use super::DETECTOR;
use super::events::{known_user, may_be_shown};
use super::mask::mask;
use crate::event::Event;
use crate::handlers::{Evidence, EvidenceRecord};
use crate::span::Span;
use crate::time::Zone;
use crate::wire::Record;
use std::borrow::Cow;
use std::sync::Arc;

/// Evidence without the names of unknown users.
pub(super) struct Masking(pub(super) Arc<dyn Evidence>);

impl Evidence for Masking {
    fn of(&self, event: Event<'_>) -> Vec<EvidenceRecord> {
        let known = known_user(event);
        self.0.of(event).into_iter().map(|record| masked(record, known)).collect()
    }
}

fn masked(record: EvidenceRecord, known: Option<&[u8]>) -> EvidenceRecord {
    let bytes = masked_frame(&record, known).unwrap_or_else(|| "…".as_bytes().to_vec());
    EvidenceRecord { bytes, ..record }
}

/// The record's frame; nothing when it cannot be read, as when next to nothing is left of it.
fn masked_frame(record: &EvidenceRecord, known: Option<&[u8]>) -> Option<Vec<u8>> {
    let frame = record.bytes.as_slice();
    let parsed = Record::parse(frame, record.arrival, &Zone::UTC).ok()?;
    let program = parsed.app_name.unwrap_or_default();
    let message = mask_message(program, parsed.msg, record.truncated, known);
    let place = Span::locate(frame, parsed.msg);
    Some(replaced(frame, place, &message))
}

/// A program's message without the names that may not be shown, if there are any in it.
pub(super) fn mask_message<'m>(
    program: &[u8],
    message: &'m [u8],
    truncated: bool,
    known: Option<&[u8]>,
) -> Cow<'m, [u8]> {
    let named = DETECTOR.named_users(program, message, truncated);
    let hidden = named.iter().rev().filter(|user| !user.known && !may_be_shown(&user.name, known));
    // From the last to the first, so that each still stands where it was found.
    hidden.fold(Cow::Borrowed(message), |message, user| {
        Cow::Owned(replaced(&message, user.span, mask(&user.name).as_bytes()))
    })
}

/// Text with another one in place of a part.
fn replaced(text: &[u8], part: Span, with: &[u8]) -> Vec<u8> {
    let (start, end) = (part.start as usize, part.start as usize + part.len as usize);
    [text.get(..start).unwrap_or_default(), with, text.get(end..).unwrap_or_default()].concat()
}
