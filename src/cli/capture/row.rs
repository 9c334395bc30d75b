//! Floor 8: one record of a capture, as a line for people or an object for programs.

use crate::batch::{Origin, Sequenced};
use crate::event::render::{self, Fraction, LocalTime};
use crate::time::{Timestamp, Zone};
use crate::wire::{Record, Reject};
use std::io::Write;

/// Bytes of a message that a line for people shows.
const MESSAGE_START: usize = 160;

/// One record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub(super) number: u64,
    pub(super) arrival: Timestamp,
    pub(super) origin: &'a Origin,
    pub(super) frame: &'a [u8],
    pub(super) truncated: bool,
    pub(super) record: Result<Record<'a>, Reject>,
}

/// The records of a batch; none for a tick.
pub(super) fn rows(batch: &Sequenced) -> impl Iterator<Item = Row<'_>> {
    let mut runs = batch.arrivals.runs().peekable();
    let mut arrival = Timestamp::MIN;
    (0_u32..).zip(&batch.batch.frames).map(move |(index, frame)| {
        while let Some(run) = runs.next_if(|run| run.0 <= index) {
            arrival = run.1;
        }
        let bytes = frame.span.of(&batch.batch.bytes);
        Row {
            number: batch.first.saturating_add(u64::from(index)),
            arrival,
            origin: &batch.batch.origin,
            frame: bytes,
            truncated: frame.truncated,
            record: Record::parse(bytes, arrival, &Zone::UTC),
        }
    })
}

impl Row<'_> {
    /// Appends the line for people: number, arrival, peer, host, program, and how the message begins.
    pub(super) fn text(&self, out: &mut Vec<u8>, times: &mut LocalTime) {
        // Writing to a vector cannot fail.
        write!(out, "{:>8}  ", self.number).unwrap_or_default();
        times.write(out, self.arrival, Fraction::Millis);
        out.extend_from_slice(b"  ");
        word(out, self.origin.peer.as_bytes());
        out.push(b' ');
        match &self.record {
            Ok(record) => {
                word(out, record.hostname.unwrap_or_default());
                out.push(b' ');
                word(out, record.app_name.unwrap_or_default());
                if let Some(procid) = record.procid {
                    out.push(b'[');
                    render::readable(out, procid);
                    out.push(b']');
                }
                out.extend_from_slice(b": ");
                start(out, record.msg);
            }
            Err(reject) => {
                write!(out, "({reject}): ").unwrap_or_default();
                start(out, self.frame);
            }
        }
        if self.truncated {
            out.extend_from_slice(b" (truncated)");
        }
        out.push(b'\n');
    }

    /// Appends the object for programs, on one line.
    pub(super) fn json(&self, out: &mut Vec<u8>) {
        write!(out, "{{\"number\":{},\"arrival\":\"{}\",\"listener\":", self.number, self.arrival)
            .unwrap_or_default();
        render::json_string(out, self.origin.listener.as_bytes());
        member(out, "peer", Some(self.origin.peer.as_bytes()).filter(|peer| !peer.is_empty()));
        write!(out, ",\"truncated\":{}", self.truncated).unwrap_or_default();
        let record = self.record.as_ref().ok();
        member(out, "format", record.map(|record| record.format.name().as_bytes()));
        match record.and_then(|record| record.priority) {
            Some(priority) => write!(out, ",\"priority\":{}", priority.0),
            None => write!(out, ",\"priority\":null"),
        }
        .unwrap_or_default();
        let time = record.and_then(|record| record.timestamp).map(|time| time.to_string());
        member(out, "timestamp", time.as_deref().map(str::as_bytes));
        member(out, "host", record.and_then(|record| record.hostname));
        member(out, "app", record.and_then(|record| record.app_name));
        member(out, "procid", record.and_then(|record| record.procid));
        member(out, "msgid", record.and_then(|record| record.msgid));
        member(out, "msg", record.map(|record| record.msg));
        let reject = self.record.as_ref().err().map(ToString::to_string);
        member(out, "rejected", reject.as_deref().map(str::as_bytes));
        member(out, "frame", Some(self.frame));
        out.extend_from_slice(b"}\n");
    }
}

fn member(out: &mut Vec<u8>, name: &str, value: Option<&[u8]>) {
    write!(out, ",\"{name}\":").unwrap_or_default();
    match value {
        Some(text) => render::json_string(out, text),
        None => out.extend_from_slice(b"null"),
    }
}

/// Appends text as one word, `-` where there is none.
fn word(out: &mut Vec<u8>, text: &[u8]) {
    if text.is_empty() {
        return out.push(b'-');
    }
    render::readable(out, text);
}

/// Appends how a message begins.
fn start(out: &mut Vec<u8>, message: &[u8]) {
    if message.len() > MESSAGE_START {
        render::readable(out, until_character(message, MESSAGE_START));
        out.extend_from_slice("…".as_bytes());
    } else if !message.is_empty() {
        render::readable(out, message);
    }
}

/// The first bytes of a text, without a part of a UTF-8 character at the end.
fn until_character(text: &[u8], most: usize) -> &[u8] {
    let begins_here = |at: usize| text.get(at).is_none_or(|byte| byte & 0xC0 != 0x80);
    let end = (most.saturating_sub(3)..=most).rev().find(|at| begins_here(*at)).unwrap_or(most);
    text.get(..end).unwrap_or(text)
}
