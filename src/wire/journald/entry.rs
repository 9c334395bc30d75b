//! Floor 1: an entry of systemd's journal as a frame of RFC 5424, by the names in systemd.journal-fields(7).
//!
//! Entries are converted where they come in, so that everything behind, a capture too, holds records of one kind.
//!
//! Invariant: whatever an entry holds, what it becomes is one frame, within the limit for messages.

use super::between;
use crate::batch::FrameSpan;
use crate::limits;
use crate::time::Timestamp;

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

/// Severity and facility of an entry that names none (sd-daemon(3), syslog(3)): info, user.
const DEFAULT_PRIORITY: (u32, u32) = (6, 1);

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
        let start = out.len();
        out.extend_from_slice(format!("<{}>1 ", facility * 8 + severity).as_bytes());
        let micros = self.time.as_deref().and_then(|time| std::str::from_utf8(time).ok()?.parse().ok());
        match micros.filter(|micros| (0..=Timestamp::MAX.as_micros()).contains(micros)) {
            Some(micros) => out.extend_from_slice(Timestamp::from_micros(micros).to_string().as_bytes()),
            None => out.push(b'-'),
        }
        // What the kernel says of a process comes before what the process says of itself.
        for value in [
            self.host.as_deref(),
            self.identifier.as_deref().or(self.command.as_deref()),
            self.process.as_deref().or(self.claimed_process.as_deref()),
        ] {
            out.push(b' ');
            name(value.unwrap_or_default(), out);
        }
        out.extend_from_slice(b" - - ");
        let room = limit.saturating_sub(out.len() - start);
        let message = self.message.as_deref().unwrap_or_default();
        out.extend_from_slice(message.get(..room).unwrap_or(message));
        let truncated = self.is_cut || message.len() > room;
        FrameSpan { span: between(start, out.len()), truncated }
    }
}

/// Writes a value as a name of a header: of printable ASCII without blanks, or `-` (RFC 5424, section 6).
fn name(value: &[u8], out: &mut Vec<u8>) {
    let value = value.get(..limits::MAX_HEADER_FIELD).unwrap_or(value);
    if value.is_empty() {
        out.push(b'-');
    }
    out.extend(value.iter().map(|byte| if byte.is_ascii_graphic() { *byte } else { b'_' }));
}
