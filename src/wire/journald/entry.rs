//! Floor 1: an entry of systemd's journal as a frame of RFC 5424, by the names in systemd.journal-fields(7).
//!
//! Invariant: whatever an entry holds, what it becomes is one frame, within the limit for messages.

use crate::batch::FrameSpan;
use crate::time::Timestamp;
use crate::wire::compose::{DEFAULT_PRIORITY, Header, between};

/// What a record is made of; the first value of each field counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// When journald received it, in microseconds.
    time: Option<Vec<u8>>,
    host: Option<Vec<u8>>,
    identifier: Option<Vec<u8>>,
    command: Option<Vec<u8>>,
    process: Option<Vec<u8>>,
    claimed_process: Option<Vec<u8>>,
    priority: Option<Vec<u8>>,
    facility: Option<Vec<u8>>,
    message: Option<Vec<u8>>,
    /// Whether something of it was left out.
    pub(super) is_cut: bool,
}

impl Entry {
    /// The place of a field by its name, if the record is made of it.
    pub(super) fn field(&mut self, name: &[u8]) -> Option<&mut Option<Vec<u8>>> {
        Some(match name {
            b"__REALTIME_TIMESTAMP" => &mut self.time,
            b"_HOSTNAME" => &mut self.host,
            b"SYSLOG_IDENTIFIER" => &mut self.identifier,
            b"_COMM" => &mut self.command,
            b"_PID" => &mut self.process,
            b"SYSLOG_PID" => &mut self.claimed_process,
            b"PRIORITY" => &mut self.priority,
            b"SYSLOG_FACILITY" => &mut self.facility,
            b"MESSAGE" => &mut self.message,
            _ => return None,
        })
    }

    /// Appends the record to `out`, at most `limit` bytes of it.
    pub(super) fn write(&self, limit: usize, out: &mut Vec<u8>) -> FrameSpan {
        let number = |field: &Option<Vec<u8>>, most: u32| {
            let text = std::str::from_utf8(field.as_deref()?).ok()?;
            text.parse::<u32>().ok().filter(|number| *number <= most)
        };
        let severity = number(&self.priority, 7).unwrap_or(DEFAULT_PRIORITY.0);
        let facility = number(&self.facility, 23).unwrap_or(DEFAULT_PRIORITY.1);
        let micros = self.time.as_deref().and_then(|time| std::str::from_utf8(time).ok()?.parse().ok());
        let micros = micros.filter(|micros| (0..=Timestamp::MAX.as_micros()).contains(micros));
        // What the kernel says of a process comes before what the process says of itself.
        let names = [
            self.host.as_deref(),
            self.identifier.as_deref().or(self.command.as_deref()),
            self.process.as_deref().or(self.claimed_process.as_deref()),
            None,
        ];
        let start = out.len();
        Header {
            priority: (severity, facility),
            time: micros.map(Timestamp::from_micros),
            names: names.map(Option::unwrap_or_default),
            limit,
        }
        .write(out);
        out.extend_from_slice(b"- ");
        let room = limit.saturating_sub(out.len() - start);
        let message = self.message.as_deref().unwrap_or_default();
        out.extend_from_slice(message.get(..room).unwrap_or(message));
        let truncated = self.is_cut || message.len() > room;
        FrameSpan { span: between(start, out.len()), truncated }
    }
}
