//! Floor 4: text of which so much is taken and no more.
//!
//! Invariant: who writes more than there is room for is told at once, so that no template can fill the memory.

use std::io::{self, Write};

/// Takes so much text and no more.
#[derive(Debug)]
pub(super) struct Bounded {
    bytes: Vec<u8>,
    most: usize,
    overflowed: bool,
}

impl Bounded {
    pub(super) fn new(most: usize) -> Self {
        Self { bytes: Vec::new(), most, overflowed: false }
    }

    /// Whether more was written than there was room for.
    pub(super) fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// What was taken, up to the last whole character.
    pub(super) fn into_text(self) -> String {
        String::from_utf8(self.bytes).unwrap_or_else(|error| {
            let whole = error.utf8_error().valid_up_to();
            let mut bytes = error.into_bytes();
            bytes.truncate(whole);
            String::from_utf8(bytes).unwrap_or_default()
        })
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.most.saturating_sub(self.bytes.len());
        if bytes.len() > room {
            self.bytes.extend_from_slice(bytes.get(..room).unwrap_or_default());
            self.overflowed = true;
            return Err(io::Error::other(format!("the text is longer than {} bytes", self.most)));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_ends_with_a_whole_character() {
        let mut text = Bounded::new(4);
        text.write_all("abc".as_bytes()).unwrap();
        assert!(!text.overflowed());
        let error = text.write_all("日本".as_bytes()).unwrap_err().to_string();
        assert_eq!(error, "the text is longer than 4 bytes");
        assert!(text.overflowed());
        assert_eq!(text.into_text(), "abc");
    }
}
