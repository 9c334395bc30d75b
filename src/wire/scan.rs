//! Floor 1: eight or sixteen bytes at a time: what the hot parsers share.
//!
//! Digits are read by plain arithmetic on `u64` words whose first byte is the lowest ("SIMD within a register"), ends
//! of fields by vectors. Invariant: bytes past the end of a slice read as zero, which is neither a digit nor a
//! separator nor printable.

use wide::u8x16;

/// The lowest bit of each byte.
const LOW: u64 = 0x0101_0101_0101_0101;
/// The highest bit of each byte.
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Bytes that are searched at once: a bit of a word for each.
pub(super) const WINDOW: usize = 64;

/// Reads the first eight bytes, with zeros past the end.
#[inline]
pub(super) fn load(bytes: &[u8]) -> u64 {
    match bytes.first_chunk::<8>() {
        Some(word) => u64::from_le_bytes(*word),
        None => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// How many of the first bytes are less than ten.
#[inline]
pub(super) fn leading_below_ten(word: u64) -> u32 {
    (((word.wrapping_add(LOW * 0x76)) | word) & HIGH).trailing_zeros() / 8
}

/// A fixed arrangement of eight characters, in which `0` stands for any digit and anything else for itself.
pub(super) struct Shape {
    text: u64,
    /// What added to a byte's difference from `text` sets its high bit, if the byte does not fit.
    slack: u64,
}

impl Shape {
    /// Creates a shape from its picture; `?` at the end stands for what is not looked at.
    pub(super) const fn new(picture: &[u8; 8]) -> Self {
        let text = u64::from_le_bytes(*picture);
        let (mut slack, mut lane) = (0_u64, 0);
        while lane < 8 {
            let shift = 8 * lane;
            slack |= if (text >> shift) & 0xFF == b'0' as u64 { 0x76 << shift } else { 0x7F << shift };
            lane += 1;
        }
        Self { text, slack }
    }

    /// The values of the digits, and zero for each separator, when the word's first `N` bytes have this shape.
    #[inline]
    pub(super) const fn read<const N: u32>(&self, word: u64) -> Option<u64> {
        let seen = u64::MAX >> (64 - 8 * N);
        let values = (word ^ self.text) & seen;
        if (values.wrapping_add(self.slack & seen) | values) & HIGH == 0 { Some(values) } else { None }
    }
}

/// Joins each digit with the next: afterwards byte `i` holds ten times digit `i` plus digit `i + 1`.
#[inline]
pub(super) const fn pairs(values: u64) -> u64 {
    values.wrapping_mul(10).wrapping_add(values >> 8)
}

/// The byte of a word at an index.
#[inline]
pub(super) const fn lane(word: u64, index: u32) -> u32 {
    (word >> (8 * index)).to_le_bytes()[0] as u32
}

/// Whether a byte is one of RFC 5424's PRINTUSASCII.
#[inline]
pub(super) const fn is_printable(byte: u8) -> bool {
    matches!(byte, 33..=126)
}

/// A bit for each byte of a window that is not PRINTUSASCII: where header fields end.
#[inline]
pub(super) fn stops(window: &[u8; WINDOW]) -> u64 {
    let (blocks, _) = window.as_chunks::<16>();
    blocks.iter().rev().fold(0, |mask, block| {
        let above = u8x16::from(*block) - u8x16::splat(b'!');
        let printable = above.min(u8x16::splat(b'~' - b'!')).simd_eq(above);
        mask << 16 | u64::from(printable.to_bitmask() ^ 0xFFFF)
    })
}

/// How many of the first bytes are PRINTUSASCII.
#[inline]
pub(super) fn printable_len(bytes: &[u8]) -> usize {
    match bytes.first_chunk().map(stops) {
        Some(mask) if mask != 0 => mask.trailing_zeros() as usize,
        _ => bytes.iter().take_while(|byte| is_printable(**byte)).count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shapes_fit_exactly() {
        let shape = Shape::new(b"00T00:0?");
        for place in 0..7 {
            for byte in 0..=255_u8 {
                let mut text = *b"12T34:5x";
                text[place] = byte;
                let fits = match place {
                    2 => byte == b'T',
                    5 => byte == b':',
                    _ => byte.is_ascii_digit(),
                };
                assert_eq!(shape.read::<7>(load(&text)).is_some(), fits, "{byte} at {place}");
            }
        }
        let values = shape.read::<7>(load(b"12T34:5x")).unwrap();
        assert_eq!((lane(pairs(values), 0), lane(pairs(values), 3), lane(values, 6)), (12, 34, 5));
    }

    proptest! {
        #[test]
        fn stops_are_what_is_not_printable(window: [u8; WINDOW]) {
            for (place, byte) in window.iter().enumerate() {
                prop_assert_eq!(stops(&window) >> place & 1 == 0, is_printable(*byte));
            }
        }

        #[test]
        fn words_are_printable(text in "[!-~]{0,90}", rest in proptest::collection::vec(any::<u8>(), 0..80)) {
            let bytes = [text.as_bytes(), b" ", &rest].concat();
            prop_assert_eq!(printable_len(&bytes), text.len());
            prop_assert_eq!(printable_len(text.as_bytes()), text.len());
        }

        #[test]
        fn leading_digits_are_counted(bytes in proptest::collection::vec(0_u8..12, 0..12)) {
            let mut padded = bytes.clone();
            padded.resize(8.max(bytes.len()), 0);
            let digits = padded[..8].iter().take_while(|each| **each < 10).count();
            prop_assert_eq!(leading_below_ten(load(&bytes)) as usize, digits);
        }
    }
}
