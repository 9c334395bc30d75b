//! Floor 4: what a program prints: its first and its last bytes, however much there is.
//!
//! Invariant: memory is bounded, and the program never waits for a reader.

use crate::event::render;
use crate::limits;
use std::collections::VecDeque;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The first and the last bytes of a stream.
#[derive(Debug, Default)]
pub(super) struct Output {
    first: Vec<u8>,
    last: VecDeque<u8>,
    left_out: u64,
}

impl Output {
    /// Reads a stream to its end. Dropped before that, what has been read stays.
    pub(super) async fn read(&mut self, mut stream: impl AsyncRead + Unpin) {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            self.take(buffer.get(..count).unwrap_or_default());
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let room = limits::MAX_EXEC_OUTPUT.saturating_sub(self.first.len());
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.first.extend_from_slice(first);
        self.last.extend(rest);
        let over = self.last.len().saturating_sub(limits::MAX_EXEC_OUTPUT);
        self.last.drain(..over);
        self.left_out += over as u64;
    }

    /// All that is kept, as one line for people.
    pub(super) fn line(&self) -> String {
        let last: Vec<u8> = self.last.iter().copied().collect();
        let mut out = Vec::new();
        if self.left_out == 0 {
            let all = [self.first.as_slice(), &last].concat();
            push(&mut out, &all);
        } else {
            push(&mut out, &self.first);
            out.extend_from_slice(format!(" [... {} bytes ...] ", self.left_out).as_bytes());
            push(&mut out, &last);
        }
        String::from_utf8(out).unwrap_or_default()
    }
}

/// Appends a text without the white space around it; nothing where there is nothing.
fn push(out: &mut Vec<u8>, text: &[u8]) {
    let text = text.trim_ascii();
    if !text.is_empty() {
        render::readable(out, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn of_a_flood_the_ends_are_kept() {
        let mut output = Output::default();
        output.read(&b"one\ntwo\n"[..]).await;
        assert_eq!(output.line(), r"one\ntwo");
        let flood = [&b"begin "[..], &vec![b'x'; 1_000_000], b" end\n"].concat();
        let mut output = Output::default();
        output.read(&flood[..]).await;
        let line = output.line();
        assert!(line.starts_with("begin xx") && line.ends_with("xx end"), "{line}");
        let left_out = flood.len() - 2 * limits::MAX_EXEC_OUTPUT;
        assert!(line.contains(&format!(" [... {left_out} bytes ...] ")), "{line}");
        assert_eq!(Output::default().line(), "");
    }
}
