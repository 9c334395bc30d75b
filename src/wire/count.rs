//! Floor 1: octet counts (RFC 6587 section 3.4.1), and what is said of a stream that lacks them.
//!
//! Invariant: nothing is computed from more than nine digits, so no count can overflow.

use super::scan::{Shape, lane, load};
use crate::limits;
use std::ascii;

/// A stream that cannot be framed any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset} of the stream: {kind}")]
pub struct FramingError {
    /// What is wrong.
    pub kind: FramingErrorKind,
    /// How many bytes of the stream stand before the one that is wrong.
    pub offset: u64,
}

/// What is not an octet count (RFC 6587 section 3.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingErrorKind {
    /// A frame begins with this instead of a digit.
    #[error("expected an octet count, found `{}`", ascii::escape_default(*.0))]
    NoCount(u8),
    /// A count begins with zero.
    #[error("the octet count begins with zero")]
    LeadingZero,
    /// A count is longer than any that would be honoured.
    #[error("the octet count has more than {} digits", limits::MAX_COUNT_DIGITS)]
    TooManyDigits,
    /// This stands after a count instead of a blank.
    #[error("expected a blank after the octet count, found `{}`", ascii::escape_default(*.0))]
    NoBlank(u8),
}

/// What stands where a count would.
pub(super) enum Count {
    /// A count, and the length of it and the blank after it.
    Is { len: usize, header: usize },
    /// No count, because of what stands at this place.
    IsNot(FramingErrorKind, usize),
    /// The beginning of a count, and nothing after it yet.
    Undecided,
}

const THREE_DIGITS: Shape = Shape::new(b"000 ????");

impl Count {
    /// Reads MSG-LEN and the blank after it: 1 to 9 digits, the first of which is not zero.
    #[inline]
    pub(super) fn of(rest: &[u8]) -> Self {
        // Nearly all messages have 100 to 999 bytes.
        match THREE_DIGITS.read::<4>(load(rest)) {
            Some(digits) if lane(digits, 0) > 0 => {
                let len = lane(digits, 0) * 100 + lane(digits, 1) * 10 + lane(digits, 2);
                Self::Is { len: len as usize, header: 4 }
            }
            _ => Self::digit_by_digit(rest),
        }
    }

    fn digit_by_digit(rest: &[u8]) -> Self {
        let mut len = 0;
        for (place, byte) in rest.iter().take(limits::MAX_COUNT_DIGITS + 1).enumerate() {
            match byte {
                b'0' if place == 0 => return Self::IsNot(FramingErrorKind::LeadingZero, place),
                b'0'..=b'9' if place == limits::MAX_COUNT_DIGITS => {
                    return Self::IsNot(FramingErrorKind::TooManyDigits, place);
                }
                b'0'..=b'9' => len = len * 10 + usize::from(byte - b'0'),
                b' ' if place > 0 => return Self::Is { len, header: place + 1 },
                _ if place == 0 => return Self::IsNot(FramingErrorKind::NoCount(*byte), place),
                _ => return Self::IsNot(FramingErrorKind::NoBlank(*byte), place),
            }
        }
        Self::Undecided
    }
}
