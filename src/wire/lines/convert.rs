//! Floor 1: records of a format as frames of RFC 5424.
//!
//! Invariant: of each record comes one frame, of which only the names in its header may pass the limit for messages; one
//! that is not what its format says is rejected wherever that frame is read.

use super::{LineFormat, SD_ID};
use crate::batch::FrameSpan;
use crate::time::{Timestamp, Zone};
use crate::wire::compose::{DEFAULT_PRIORITY, Header, between};
use crate::wire::structured_data::escape;
use crate::wire::{Reject, unfit};
use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::{Anchored, Input};

/// What records do not say of themselves.
pub struct Reading<'a> {
    /// The zone of times that name none.
    pub zone: &'a Zone,
    /// What a time without a year is at most a day after, by the time of the record before it, if there is one.
    pub reference: &'a dyn Fn(Option<Timestamp>) -> Timestamp,
    /// Bytes of a frame that are kept.
    pub limit: usize,
}

/// Where each group has matched: the places of its beginning and its end.
type Slots = [Option<NonMaxUsize>];

impl LineFormat {
    /// Converts all frames among `bytes`; gives the bytes that they then stand in.
    pub fn convert(&self, bytes: &[u8], frames: &mut [FrameSpan], reading: &Reading<'_>) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 4);
        let mut slots = vec![None; self.pattern.group_info().slot_len()];
        let mut before = None;
        for frame in frames {
            let record = frame.span.of(bytes);
            let start = out.len();
            let is_cut = match self.understand(record, &mut slots, (before, reading)) {
                Ok(time) => {
                    before = time.or(before);
                    self.write(record, &slots, time, (reading.limit, &mut out))
                }
                Err(reject) => {
                    unfit::write(reject, &mut out);
                    append(record, start + reading.limit, &mut out)
                }
            };
            *frame = FrameSpan { span: between(start, out.len()), truncated: frame.truncated || is_cut };
        }
        out
    }

    /// Finds the groups of a record in it, and its time.
    fn understand(
        &self,
        record: &[u8],
        slots: &mut Slots,
        (before, reading): (Option<Timestamp>, &Reading<'_>),
    ) -> Result<Option<Timestamp>, Reject> {
        let end = memchr::memchr(b'\n', record).unwrap_or(record.len());
        let first = record.get(..end).unwrap_or(record);
        if !self.begins(first.strip_suffix(b"\r").unwrap_or(first)) {
            return Err(Reject::Start);
        }
        let input = Input::new(record).anchored(Anchored::Yes);
        self.pattern.search_slots(&input, slots).ok_or(Reject::Pattern)?;
        let Some(text) = self.groups.time.map(|group| within(record, slots, group)) else { return Ok(None) };
        if text.is_empty() {
            return Ok(None);
        }
        let time = self.time.read(text, (reading.reference)(before), reading.zone);
        time.map(Some).ok_or(Reject::LineTime)
    }

    /// Writes a record whose groups have been found; tells whether something of it was left out.
    fn write(
        &self,
        record: &[u8],
        slots: &Slots,
        time: Option<Timestamp>,
        (limit, out): (usize, &mut Vec<u8>),
    ) -> bool {
        let start = out.len();
        let given = [self.description.host.as_bytes(), self.description.app.as_bytes(), b"", b""];
        let mut names = given;
        for (name, group) in names.iter_mut().zip(self.groups.names) {
            let found = group.map(|group| within(record, slots, group)).unwrap_or_default();
            if !found.is_empty() {
                *name = found;
            }
        }
        Header { priority: DEFAULT_PRIORITY, time, names, limit }.write(out);
        let is_cut = self.write_others(record, slots, (start + limit, out));
        out.push(b' ');
        let message = within(record, slots, self.groups.message);
        append(message, start + limit, out) || is_cut
    }

    /// Writes what is no part of the header as structured data, as far as there is room.
    fn write_others(&self, record: &[u8], slots: &Slots, (end, out): (usize, &mut Vec<u8>)) -> bool {
        let start = out.len();
        let mut is_cut = false;
        for (name, group) in &self.groups.others {
            let value = within(record, slots, *group);
            // Each byte may have to be escaped.
            if out.len() + SD_ID.len() + name.len() + 2 * value.len() + 8 > end {
                is_cut = true;
                continue;
            }
            if value.is_empty() {
                continue;
            }
            if out.len() == start {
                out.push(b'[');
                out.extend_from_slice(SD_ID.as_bytes());
            }
            out.push(b' ');
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"=\"");
            out.extend_from_slice(&escape(value));
            out.push(b'"');
        }
        out.push(if out.len() == start { b'-' } else { b']' });
        is_cut
    }
}

/// What a group has matched; nothing where it has no part in the match.
fn within<'a>(record: &'a [u8], slots: &Slots, group: usize) -> &'a [u8] {
    let place = |slot: usize| slots.get(slot).copied().flatten().map(NonMaxUsize::get);
    let found = place(2 * group).zip(place(2 * group + 1));
    found.and_then(|(start, end)| record.get(start..end)).unwrap_or_default()
}

/// Appends text as far as `end`; tells whether some of it was left out.
fn append(text: &[u8], end: usize, out: &mut Vec<u8>) -> bool {
    let room = end.saturating_sub(out.len());
    out.extend_from_slice(text.get(..room).unwrap_or(text));
    text.len() > room
}
