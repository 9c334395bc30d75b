//! Floor 4: datagrams of authentication that wait for room in the pipeline.
//!
//! Invariant: at most [`limits::MAX_HELD_DATAGRAMS`] and [`limits::MAX_HELD_BYTES`] are held, in their own memory: a read
//! buffer is not kept for the sake of a few datagrams in it.

use super::rate;
use crate::batch::{FrameSpan, Origin};
use crate::limits;
use crate::span::Span;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;

/// Datagrams of one peer, side by side.
#[derive(Debug)]
pub(super) struct Pack {
    pub(super) origin: Arc<Origin>,
    pub(super) bytes: Bytes,
    pub(super) frames: Vec<FrameSpan>,
}

/// What waits, in the order in which it came.
#[derive(Debug, Default)]
pub(super) struct Held {
    packs: VecDeque<Pack>,
    datagrams: usize,
    bytes: usize,
}

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.packs.is_empty()
    }

    /// Keeps of a pack what is about authentication, as far as there is room for it; gives how many datagrams it does not
    /// keep.
    pub(super) fn push(&mut self, pack: &Pack) -> usize {
        let (mut bytes, mut frames) = (Vec::new(), Vec::new());
        for frame in &pack.frames {
            let text = frame.span.of(&pack.bytes);
            let has_room = self.datagrams + frames.len() < limits::MAX_HELD_DATAGRAMS
                && self.bytes + bytes.len() + text.len() <= limits::MAX_HELD_BYTES;
            if has_room && rate::is_authentication(text) {
                let start = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                bytes.extend_from_slice(text);
                frames.push(FrameSpan { span: Span::new(start, frame.span.len), ..*frame });
            }
        }
        let dropped = pack.frames.len() - frames.len();
        if !frames.is_empty() {
            self.datagrams += frames.len();
            self.bytes += bytes.len();
            let (origin, bytes) = (Arc::clone(&pack.origin), Bytes::from(bytes.into_boxed_slice()));
            self.packs.push_back(Pack { origin, bytes, frames });
        }
        dropped
    }

    /// Takes what has waited longest.
    pub(super) fn pop(&mut self) -> Option<Pack> {
        let pack = self.packs.pop_front()?;
        self.datagrams -= pack.frames.len();
        self.bytes -= pack.bytes.len();
        Some(pack)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(texts: &[&str]) -> Pack {
        let (mut bytes, mut frames) = (Vec::new(), Vec::new());
        for text in texts {
            let span = Span::new(bytes.len().try_into().unwrap(), text.len().try_into().unwrap());
            bytes.extend_from_slice(text.as_bytes());
            frames.push(FrameSpan { span, truncated: false });
        }
        let origin = Arc::new(Origin { listener: "lan".into(), peer: "192.0.2.1".to_owned() });
        Pack { origin, bytes: Bytes::from(bytes), frames }
    }

    fn texts(pack: &Pack) -> Vec<&str> {
        pack.frames.iter().map(|frame| std::str::from_utf8(frame.span.of(&pack.bytes)).unwrap()).collect()
    }

    #[test]
    fn only_authentication_is_held_in_its_order() {
        let mut held = Held::default();
        assert_eq!(held.push(&pack(&["<78>cron", "<86>one", "<38>two"])), 1);
        assert_eq!(held.push(&pack(&["<78>cron"])), 1);
        assert_eq!(held.push(&pack(&["<86>three"])), 0);
        assert_eq!(texts(&held.pop().unwrap()), ["<86>one", "<38>two"]);
        assert_eq!(texts(&held.pop().unwrap()), ["<86>three"]);
        assert!(held.is_empty() && held.pop().is_none());
    }

    #[test]
    fn what_is_held_is_bounded_by_datagrams() {
        let mut held = Held::default();
        let many = vec!["<86>x"; limits::MAX_HELD_DATAGRAMS - 1];
        assert_eq!(held.push(&pack(&many)), 0);
        assert_eq!(held.push(&pack(&["<86>fits", "<86>does not"])), 1);
        held.pop();
        assert_eq!(held.push(&pack(&many)), 0, "what went has made room");
    }

    #[test]
    fn what_is_held_is_bounded_by_bytes() {
        let mut held = Held::default();
        let long = format!("<86>{}", "x".repeat(limits::MAX_HELD_BYTES / 4));
        assert_eq!(held.push(&pack(&[long.as_str(); 2])), 0);
        assert_eq!(held.push(&pack(&[&long, &long, "<86>short"])), 1, "the fourth long one has no room");
        held.pop();
        assert_eq!(held.push(&pack(&[&long])), 0, "what went has made room");
    }
}
