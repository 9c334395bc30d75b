//! Floor 1: which lines make a record.
//!
//! A record goes from a line that begins one to the next such line. Lines before the first one, and those behind a record
//! that has become too long, are put together likewise, and rejected later, for want of a beginning.
//!
//! Invariant: however the lines come in, the records are the same; none is longer than the limit for messages, nor of
//! more lines than [`limits::MAX_RECORD_LINES`]. No line is searched twice, however often its record is presented again.

use super::LineFormat;
use crate::batch::FrameSpan;
use crate::limits;
use crate::span::Span;
use crate::wire::compose::between;
use crate::wire::framing::{Framer, Mode, Options};
use std::sync::Arc;

/// Finds the records of a log.
#[derive(Debug)]
pub struct Records {
    /// What says where records begin; without it each line is one.
    format: Option<Arc<LineFormat>>,
    framer: Framer,
    limit: usize,
    /// The record that goes on, at the start of the unconsumed bytes.
    open: Option<Open>,
    /// How many of those belong to lines that have been found.
    searched: usize,
    /// The lines that were found last; kept for its memory.
    lines: Vec<FrameSpan>,
}

/// A record whose end is not in sight.
#[derive(Clone, Copy, Debug)]
struct Open {
    start: usize,
    /// The end of its last line.
    end: usize,
    lines: usize,
}

impl Records {
    /// Begins at the start of a line. Of a record at most `limit` bytes are kept.
    pub fn new(format: Option<Arc<LineFormat>>, limit: usize) -> Self {
        let format = format.filter(|format| format.start.is_some());
        let framer =
            Framer::new(Options { mode: Mode::Delimited, max_message_size: limit, ..Options::default() });
        Self { format, framer, limit, open: None, searched: 0, lines: Vec::new() }
    }

    /// Finds the complete records in `bytes`, which begins where the last call's consumed bytes ended, and appends their
    /// spans, up to `most`, which is more than the lines of a record. Gives how many bytes are done with.
    pub fn advance(&mut self, bytes: &[u8], frames: &mut Vec<FrameSpan>, most: usize) -> usize {
        let Some(format) = self.format.clone() else { return self.find(bytes, frames, most) };
        let mut lines = std::mem::take(&mut self.lines);
        lines.clear();
        let searched = std::mem::take(&mut self.searched);
        let found = searched + self.find(bytes.get(searched..).unwrap_or_default(), &mut lines, most);
        shift(&mut lines, searched);
        let open = self.join(&format, bytes, &lines, frames);
        self.lines = lines;
        match open {
            Some(open) if !self.is_full(open, found) => {
                // Its bytes come again, with those behind them.
                self.searched = found - open.start;
                self.open = Some(Open { start: 0, end: open.end - open.start, ..open });
                open.start
            }
            Some(open) => {
                frames.push(self.record(open, found));
                found
            }
            None => found,
        }
    }

    /// Appends what the end of the log completes of `rest`. Afterwards it stands at the start of another log.
    pub fn finish(&mut self, rest: &[u8], frames: &mut Vec<FrameSpan>) {
        let Some(format) = self.format.clone() else { return self.framer.finish(rest, frames) };
        let mut lines = Vec::new();
        let searched = std::mem::take(&mut self.searched);
        self.framer.finish(rest.get(searched..).unwrap_or_default(), &mut lines);
        shift(&mut lines, searched);
        if let Some(open) = self.join(&format, rest, &lines, frames) {
            frames.push(self.record(open, rest.len()));
        }
    }

    /// Whether what is done with ends within a line.
    pub fn is_mid_line(&self) -> bool {
        self.framer.is_mid_frame(0)
    }

    /// Finds lines.
    fn find(&mut self, bytes: &[u8], lines: &mut Vec<FrameSpan>, most: usize) -> usize {
        // Delimited text cannot break any rule of framing.
        self.framer.advance(bytes, lines, most).unwrap_or(bytes.len())
    }

    /// Puts lines to the record that goes on and to each other, and appends the records that are complete; gives the last
    /// one, which may go on.
    fn join(
        &mut self,
        format: &LineFormat,
        bytes: &[u8],
        lines: &[FrameSpan],
        frames: &mut Vec<FrameSpan>,
    ) -> Option<Open> {
        let mut last = self.open.take();
        for line in lines {
            let start = line.span.start as usize;
            let end = start + line.span.len as usize;
            last = Some(match last {
                Some(open) if !self.is_full(open, start) && !format.begins(line.span.of(bytes)) => {
                    Open { end, lines: open.lines + 1, ..open }
                }
                before => {
                    frames.extend(before.map(|open| self.record(open, start)));
                    Open { start, end, lines: 1 }
                }
            });
        }
        last
    }

    /// Whether a record takes no more lines when the next byte after it stands here.
    fn is_full(&self, open: Open, next: usize) -> bool {
        open.lines >= limits::MAX_RECORD_LINES || next - open.start >= self.limit
    }

    fn record(&self, open: Open, next: usize) -> FrameSpan {
        let end = open.end.min(open.start + self.limit);
        FrameSpan { span: between(open.start, end), truncated: self.is_full(open, next) }
    }
}

/// Moves spans to where the bytes stand that they were found in.
fn shift(lines: &mut [FrameSpan], by: usize) {
    for line in lines.iter_mut().filter(|_| by > 0) {
        let start = (line.span.start as usize).saturating_add(by);
        line.span = Span::new(u32::try_from(start).unwrap_or(u32::MAX), line.span.len);
    }
}
