//! Floor 4: events as records of RFC 5424.
//!
//! Receivers cut what is longer than they take, amid the structured data, and then understand nothing of it. So a record
//! is made to fit: what has no room is left out, field by field, and the record says so.
//!
//! Invariant: whatever fields hold, a record is one line of valid UTF-8, not longer than may be, and its structured data
//! ends where it should.

use super::Facility;
use crate::event::render::{self, LocalTime};
use crate::event::{Event, Severity, Value};
use crate::handlers::digest::summary;
use crate::handlers::{Gathered, Occasion};
use crate::limits;
use crate::machine;
use crate::time::{Timestamp, Zone};

/// What structured data is called (RFC 5424 section 6.3.2); 32473 is the number that RFC 5612 gives for examples, and so
/// nobody else's.
const SD_ID: &str = "correlator@32473";

/// The mark of UTF-8 (RFC 5424 section 6.4).
const BOM: &[u8] = "\u{feff}".as_bytes();

/// The parameter of a record that had no room for all.
const CUT: &[u8] = b" cut=\"true\"";

/// Makes records.
pub(super) struct Format {
    facility: Facility,
    /// How long a record may be.
    room: usize,
    /// HOSTNAME, APP-NAME and PROCID.
    origin: String,
    occasion: Occasion,
    times: LocalTime,
}

impl Format {
    pub(super) fn new(facility: Facility, app_name: &str, room: usize, occasion: Occasion) -> Self {
        let host = machine::name().unwrap_or_else(|| "-".to_owned());
        let origin = format!("{host} {app_name} {}", std::process::id());
        Self { facility, room, origin, occasion, times: LocalTime::new(Zone::UTC) }
    }

    /// An event: its kind is the MSGID, its fields are structured data, its summary is the message.
    pub(super) fn event(&mut self, event: Event<'_>) -> Vec<u8> {
        let (app, module) = event.module();
        let head = event.head();
        let mut summary = self.occasion.mark().as_bytes().to_vec();
        render::summary(&mut summary, event);
        let mut out = self.begin(head.severity, head.time, event.kind().spec().name, summary);
        out.parameter("id", event.id().to_string().as_bytes());
        out.parameter("severity", head.severity.name().as_bytes());
        out.parameter("app", app.as_bytes());
        out.parameter("module", module.as_bytes());
        for (field, value) in event.fields() {
            let name = field.spec().name;
            match value {
                Value::Null => {}
                // A name may come several times (RFC 5424 section 6.3.3).
                Value::List(list) => list.iter().for_each(|item| self.field(&mut out, name, item)),
                value => self.field(&mut out, name, value),
            }
        }
        out.end()
    }

    /// A digest: its counts, with the MSGID `Digest`.
    pub(super) fn digest(&mut self, gathered: &Gathered) -> Vec<u8> {
        let digest = &gathered.digest;
        let severity = digest.severity();
        let last = digest.span().map_or(Timestamp::EPOCH, |(_, last)| last);
        let summary = format!("{}{}", self.occasion.mark(), summary(digest));
        let mut out = self.begin(severity, last, "Digest", summary.into_bytes());
        out.parameter("id", gathered.id().as_bytes());
        out.parameter("severity", severity.name().as_bytes());
        out.parameter("count", digest.count().to_string().as_bytes());
        out.parameter("late", digest.late().to_string().as_bytes());
        out.end()
    }

    fn begin(&self, severity: Severity, time: Timestamp, id: &str, message: Vec<u8>) -> Record {
        let priority = u32::from(self.facility.0) * 8 + level(severity);
        let head = format!("<{priority}>1 {time} {} {id} [{SD_ID}", self.origin).into_bytes();
        Record::new(head, message, self.room)
    }

    fn field(&mut self, out: &mut Record, name: &str, value: Value<'_>) {
        match value {
            Value::Text(text) => out.parameter(name, text),
            Value::Bool(flag) => out.parameter(name, if flag { b"true" } else { b"false" }),
            value => {
                let mut text = Vec::new();
                match value {
                    Value::Duration(duration) => render::seconds(&mut text, duration),
                    Value::Time(time) => render::utc(&mut text, time),
                    value => render::value(&mut text, value, &mut self.times),
                }
                out.parameter(name, &text);
            }
        }
    }
}

/// A record that is being written, up to the end of its structured data.
struct Record {
    out: Vec<u8>,
    /// What comes behind the structured data.
    message: Vec<u8>,
    /// How long all before that may become.
    room: usize,
    is_cut: bool,
}

impl Record {
    /// Begins with a head that leaves room for more, and a message, of which a quarter of the whole is kept.
    fn new(head: Vec<u8>, mut message: Vec<u8>, room: usize) -> Self {
        let is_cut = message.len() > room / 4;
        if is_cut {
            let mut text = String::from_utf8_lossy(&message).into_owned();
            text.truncate(text.floor_char_boundary(room / 4));
            message = format!("{text}…").into_bytes();
        }
        let end = b"] ".len() + BOM.len() + message.len() + CUT.len();
        Self { out: head, message, room: room.saturating_sub(end), is_cut }
    }

    /// Appends a parameter, if there is room. Bytes that are not UTF-8, and control characters, become `\xNN`; then `"`, `\`
    /// and `]` are escaped (RFC 5424 section 6.3.3).
    fn parameter(&mut self, name: &str, value: &[u8]) {
        let before = self.out.len();
        self.out.extend_from_slice(format!(" {name}=\"").as_bytes());
        let mut text = Vec::new();
        render::flat(&mut text, value.get(..limits::MAX_SYSLOG_VALUE).unwrap_or(value), None);
        for byte in text {
            if matches!(byte, b'"' | b'\\' | b']') {
                self.out.push(b'\\');
            }
            self.out.push(byte);
        }
        self.out.push(b'"');
        if self.out.len() > self.room {
            self.out.truncate(before);
            self.is_cut = true;
        }
    }

    /// Ends the structured data, and appends the message.
    fn end(mut self) -> Vec<u8> {
        if self.is_cut {
            self.out.extend_from_slice(CUT);
        }
        self.out.extend_from_slice(b"] ");
        if !self.message.is_ascii() {
            self.out.extend_from_slice(BOM);
        }
        self.out.extend_from_slice(&self.message);
        self.out
    }
}

/// The severity of RFC 5424 section 6.2.1.
const fn level(severity: Severity) -> u32 {
    match severity {
        Severity::Info => 6,
        Severity::Notice => 5,
        Severity::Warning => 4,
        Severity::Error => 3,
        Severity::Critical => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventBlock, Field, Head, Kind, ModuleName, Stamp, StreamId};
    use std::sync::Arc;

    #[test]
    fn a_record_reads_back_as_what_the_event_says() {
        let modules = vec![ModuleName { app: "fleet".into(), module: "openssh".into() }];
        let mut block = EventBlock::new(Arc::new(Stamp { stream: StreamId(1), run: 1, modules }));
        let (kind, severity) = (Kind::SSHDUserEnumeration, Severity::Warning);
        let time = Timestamp::from_civil(2026, 7, 1, 43_200, 5);
        block
            .push(Head { number: 7, ordinal: 0, module: 0, kind, severity, time })
            .text(Field::Host, b"\"] [x@1 y=\"z\\\r\n\xff")
            .texts(Field::Users, [&b"root"[..], "jörg".as_bytes()])
            .count(Field::Count, 5)
            .flag(Field::Trusted, true);
        let bytes = Format::new(Facility(10), "correlator", limits::MAX_SYSLOG_RECORD, Occasion::Live)
            .event(block.get(0).unwrap());
        let text = str::from_utf8(&bytes).unwrap();
        assert!(text.starts_with("<84>1 2026-07-01T12:00:00.000005Z "), "{text}");
        assert!(!text.contains(['\r', '\n']), "{text}");
        let pid = std::process::id();
        assert!(
            text.contains(&format!(" correlator {pid} SSHDUserEnumeration [correlator@32473 id=\"")),
            "{text}"
        );
        assert!(text.contains(r#" host="\"\] [x@1 y=\"z\\\\x0d\\x0a\\xff""#), "{text}");
        assert!(text.contains(r#" users="root" users="jörg""#), "{text}");
        assert!(text.contains(r#" count="5" "#) && text.contains(r#" trusted="true"] "#), "{text}");
    }

    #[test]
    fn a_record_is_no_longer_than_may_be_and_leaves_out_whole_fields() {
        let modules = vec![ModuleName { app: "fleet".into(), module: "openssh".into() }];
        let mut block = EventBlock::new(Arc::new(Stamp { stream: StreamId(1), run: 1, modules }));
        let (kind, severity, time) = (Kind::SSHDUserEnumeration, Severity::Warning, Timestamp::EPOCH);
        let hostile = [b"\xff\\]\"".repeat(100), "é\r\n".repeat(200).into_bytes()];
        let users: Vec<_> = hostile.iter().cycle().take(32).map(Vec::as_slice).collect();
        block
            .push(Head { number: 7, ordinal: 0, module: 0, kind, severity, time })
            .text(Field::Source, &hostile[1])
            .texts(Field::Users, users)
            .count(Field::Count, 5);
        for room in [limits::MAX_SYSLOG_DATAGRAM, limits::MAX_SYSLOG_RECORD] {
            let mut format = Format::new(Facility(10), "correlator", room, Occasion::Live);
            let bytes = format.event(block.get(0).unwrap());
            assert!(bytes.len() <= room && bytes.len() > room / 2, "{} of {room}", bytes.len());
            let text = str::from_utf8(&bytes).unwrap();
            let (data, message) = text.split_once(" cut=\"true\"] ").unwrap();
            // What comes behind what had no room still has its own.
            assert!(data.contains(" count=\"5\"") && !message.is_empty(), "{text}");
            assert!(room == limits::MAX_SYSLOG_RECORD || message.ends_with('…'), "{message}");
        }
    }
}
