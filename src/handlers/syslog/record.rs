//! Floor 4: events as records of RFC 5424.
//!
//! Invariant: whatever fields hold, a record is one line of valid UTF-8, and its structured data ends where it should.

use super::Facility;
use crate::event::render::{self, LocalTime};
use crate::event::{Event, Severity, Value};
use crate::handlers::{Gathered, Occasion, template};
use crate::limits;
use crate::time::{Timestamp, Zone};
use std::fs;

/// What structured data is called (RFC 5424 section 6.3.2); 32473 is the number that RFC 5612 gives for examples, and so
/// nobody else's.
const SD_ID: &str = "correlator@32473";

/// The mark of UTF-8 (RFC 5424 section 6.4).
const BOM: &[u8] = "\u{feff}".as_bytes();

/// Makes records.
pub(super) struct Format {
    facility: Facility,
    /// HOSTNAME, APP-NAME and PROCID.
    origin: String,
    occasion: Occasion,
    times: LocalTime,
}

impl Format {
    pub(super) fn new(facility: Facility, app_name: &str, occasion: Occasion) -> Self {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host: String = host.trim().chars().filter(char::is_ascii_graphic).take(255).collect();
        let host = if host.is_empty() { "-" } else { &host };
        let origin = format!("{host} {app_name} {}", std::process::id());
        Self { facility, origin, occasion, times: LocalTime::new(Zone::UTC) }
    }

    /// An event: its kind is the MSGID, its fields are structured data, its summary is the message.
    pub(super) fn event(&mut self, event: Event<'_>) -> Vec<u8> {
        let (app, module) = event.module();
        let head = event.head();
        let mut out = self.header(head.severity, head.time, event.kind().spec().name);
        parameter(&mut out, "id", event.id().to_string().as_bytes());
        parameter(&mut out, "severity", head.severity.name().as_bytes());
        parameter(&mut out, "app", app.as_bytes());
        parameter(&mut out, "module", module.as_bytes());
        for (field, value) in event.fields() {
            let name = field.spec().name;
            match value {
                Value::Null => {}
                // A name may come several times (RFC 5424 section 6.3.3).
                Value::List(list) => list.iter().for_each(|item| self.field(&mut out, name, item)),
                value => self.field(&mut out, name, value),
            }
        }
        let mut summary = self.occasion.mark().as_bytes().to_vec();
        render::summary(&mut summary, event);
        message(&mut out, &summary);
        out
    }

    /// A digest: its counts, with the MSGID `Digest`.
    pub(super) fn digest(&mut self, gathered: &Gathered) -> Vec<u8> {
        let digest = &gathered.digest;
        let severity = digest.groups().first().map_or(Severity::Info, |group| group.severity);
        let last = digest.span().map_or(Timestamp::EPOCH, |(_, last)| last);
        let mut out = self.header(severity, last, "Digest");
        parameter(&mut out, "id", template::digest_id(gathered).as_bytes());
        parameter(&mut out, "severity", severity.name().as_bytes());
        parameter(&mut out, "count", digest.count().to_string().as_bytes());
        parameter(&mut out, "late", digest.late().to_string().as_bytes());
        let summary = format!("{}{}", self.occasion.mark(), template::digest_summary(gathered));
        message(&mut out, summary.as_bytes());
        out
    }

    fn header(&self, severity: Severity, time: Timestamp, id: &str) -> Vec<u8> {
        let priority = u32::from(self.facility.0) * 8 + level(severity);
        format!("<{priority}>1 {time} {} {id} [{SD_ID}", self.origin).into_bytes()
    }

    fn field(&mut self, out: &mut Vec<u8>, name: &str, value: Value<'_>) {
        match value {
            Value::Text(text) => parameter(out, name, text),
            Value::Bool(flag) => parameter(out, name, if flag { b"true" } else { b"false" }),
            value => {
                let mut text = Vec::new();
                match value {
                    Value::Duration(duration) => render::seconds(&mut text, duration),
                    Value::Time(time) => render::utc(&mut text, time),
                    value => render::value(&mut text, value, &mut self.times),
                }
                parameter(out, name, &text);
            }
        }
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

/// Appends a parameter. Bytes that are not UTF-8, and control characters, become `\xNN`; then `"`, `\` and `]` are
/// escaped (RFC 5424 section 6.3.3).
fn parameter(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
    let mut text = Vec::new();
    render::flat(&mut text, value.get(..limits::MAX_SYSLOG_VALUE).unwrap_or(value), None);
    for byte in text {
        if matches!(byte, b'"' | b'\\' | b']') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// Ends the structured data, and appends the message.
fn message(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(b"] ");
    if !text.is_ascii() {
        out.extend_from_slice(BOM);
    }
    out.extend_from_slice(text);
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
        let bytes = Format::new(Facility(10), "correlator", Occasion::Live).event(block.get(0).unwrap());
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
}
