//! Floor 1: lines that are not what their format says, on their way to be rejected.
//!
//! What is wrong with a line is found where it comes in; it is rejected where all records are, so that the books and a
//! replay know it. So the line becomes a frame that begins with a byte that no record begins with (SUB, which stands for
//! what is in error) and the name of the reason.
//!
//! Invariant: such a frame is rejected with its reason, whatever the line holds.

use super::Reject;

const SUBSTITUTE: u8 = 0x1A;

/// What can be wrong.
const REASONS: [Reject; 3] = [Reject::Pattern, Reject::LineTime, Reject::Start];

/// Appends the beginning of a frame that is rejected.
pub(super) fn write(reason: Reject, out: &mut Vec<u8>) {
    out.push(SUBSTITUTE);
    out.extend_from_slice(reason.name().as_bytes());
    out.push(b' ');
}

/// The reason for which a frame is to be rejected, and the line in it; nothing if it is no such frame.
#[cold]
pub(super) fn split(frame: &[u8]) -> Option<(Reject, &[u8])> {
    let text = frame.strip_prefix(&[SUBSTITUTE])?;
    REASONS.into_iter().find_map(|reason| {
        let line = text.strip_prefix(reason.name().as_bytes())?.strip_prefix(b" ")?;
        Some((reason, line))
    })
}
