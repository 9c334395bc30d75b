//! Floor 0: an offset and a length, for what is found in bytes that somebody else owns.

/// A part of a byte buffer: where it starts and how long it is.
///
/// A span says nothing of which buffer it belongs to; the type that carries it does.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Number of bytes.
    pub len: u32,
}

impl Span {
    /// The span of nothing, at the start.
    pub const EMPTY: Self = Self { start: 0, len: 0 };

    /// Creates a span from an offset and a length.
    pub const fn new(start: u32, len: u32) -> Self {
        Self { start, len }
    }

    /// Locates `part` within `whole`, or gives the empty span when `part` is not a part of it.
    ///
    /// Both are compared by address: this is for slices that were cut out of `whole`.
    pub fn locate(whole: &[u8], part: &[u8]) -> Self {
        let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
        match (u32::try_from(start), u32::try_from(part.len())) {
            (Ok(s), Ok(len)) if start.saturating_add(part.len()) <= whole.len() => Self { start: s, len },
            _ => Self::EMPTY,
        }
    }

    /// The bytes of this span in `whole`, or nothing when it reaches outside.
    #[inline]
    pub fn of(self, whole: &[u8]) -> &[u8] {
        let start = self.start as usize;
        whole.get(start..start + self.len as usize).unwrap_or_default()
    }

    /// Whether the span holds no bytes.
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The same span, moved on by `by` bytes.
    #[must_use]
    pub const fn shifted(self, by: u32) -> Self {
        Self { start: self.start.saturating_add(by), len: self.len }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locates_what_was_cut_out() {
        let whole = b"Failed password for root";
        assert_eq!(Span::locate(whole, &whole[7..15]), Span::new(7, 8));
        assert_eq!(Span::new(7, 8).of(whole), b"password");
        assert_eq!(Span::new(7, 8).shifted(3).of(&whole[..]), b"sword fo");
    }

    #[test]
    fn what_lies_outside_is_empty() {
        assert_eq!(Span::locate(b"abc", b"zzz"), Span::EMPTY);
        assert_eq!(Span::new(2, 9).of(b"abc"), b"");
        assert_eq!(Span::new(u32::MAX, u32::MAX).of(b"abc"), b"");
    }
}
