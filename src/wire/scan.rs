//! Floor 1: eight bytes at a time: what the hot parsers share.
//!
//! All of it is plain arithmetic on `u64` words whose first byte is the lowest ("SIMD within a register"), so it is
//! the same on every machine. Invariant: bytes past the end of a slice read as zero, which is neither a digit nor a
//! separator nor printable.

/// The lowest bit of each byte.
const LOW: u64 = 0x0101_0101_0101_0101;
/// The highest bit of each byte.
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Reads the first eight bytes, with zeros past the end.
#[inline]
pub(super) fn load(bytes: &[u8]) -> u64 {
    match bytes.first_chunk::<8>() {
        Some(word) => u64::from_le_bytes(*word),
        None => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// Index of the first byte equal to `byte`, or 8.
#[inline]
pub(super) fn position(word: u64, byte: u8) -> u32 {
    let zeros = word ^ (LOW * u64::from(byte));
    // A borrow can mark bytes after the first zero wrongly, never one before it.
    (zeros.wrapping_sub(LOW) & !zeros & HIGH).trailing_zeros() / 8
}

/// Whether every byte is less than ten.
#[inline]
pub(super) fn all_below_ten(word: u64) -> bool {
    ((word.wrapping_add(LOW * 0x76)) | word) & HIGH == 0
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

/// The places where something other than PRINTUSASCII stands, in order: where header fields end.
pub(super) struct Stops<'a> {
    bytes: &'a [u8],
    base: usize,
    mask: u64,
}

impl<'a> Stops<'a> {
    /// Starts at the beginning of `bytes`.
    #[inline]
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, base: 0, mask: stops(bytes) }
    }

    /// Refills the mask from the next 64 bytes; false at the end.
    #[cold]
    fn refill(&mut self) -> bool {
        while self.mask == 0 {
            self.base += 64;
            match self.bytes.get(self.base..) {
                Some(rest) if !rest.is_empty() => self.mask = stops(rest),
                _ => return false,
            }
        }
        true
    }
}

impl Iterator for Stops<'_> {
    type Item = usize;

    /// The next such place; the end of the bytes may be given as the last one.
    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.mask == 0 && !self.refill() {
            return None;
        }
        let place = self.base + self.mask.trailing_zeros() as usize;
        self.mask &= self.mask - 1;
        Some(place)
    }
}

/// A bit for each of the first 64 bytes that is not PRINTUSASCII.
#[inline]
fn stops(bytes: &[u8]) -> u64 {
    let mut mask = 0;
    let window = bytes.get(..64).unwrap_or(bytes);
    let (words, rest) = window.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        mask |= stops_of_word(u64::from_le_bytes(*word)) << (8 * index);
    }
    if !rest.is_empty() {
        mask |= stops_of_word(load(rest)) << (8 * words.len());
    }
    mask
}

/// A bit for each byte of a word that is not PRINTUSASCII.
#[inline]
const fn stops_of_word(word: u64) -> u64 {
    let low = word & !HIGH;
    let printable = (low + LOW * 0x5F) & !(low + LOW) & !word & HIGH;
    // The multiplication gathers the eight high bits in the top byte.
    ((printable ^ HIGH) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
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
        fn stops_are_what_is_not_printable(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let expected: Vec<_> = (0..bytes.len()).filter(|at| !is_printable(bytes[*at])).collect();
            let found: Vec<_> = Stops::new(&bytes).filter(|at| *at < bytes.len()).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn positions_agree_with_a_search(bytes in proptest::collection::vec(any::<u8>(), 0..12), byte: u8) {
            let mut padded = bytes.clone();
            padded.resize(12, 0);
            let expected = padded[..8].iter().position(|each| *each == byte).unwrap_or(8);
            prop_assert_eq!(position(load(&bytes), byte) as usize, expected);
            let digits = padded[..8].iter().take_while(|each| **each < 10).count();
            prop_assert_eq!(leading_below_ten(load(&bytes)) as usize, digits);
            prop_assert_eq!(all_below_ten(load(&bytes)), digits == 8);
        }
    }
}
