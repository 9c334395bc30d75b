//! Floor 8: how a line was understood, as a JSON object.

use super::Understood;
use crate::detect::{Flags, Kind, Method, View, parse_address};
use crate::event::render;
use crate::wire::Record;

/// Appends the object and a line break.
pub(super) fn write(out: &mut Vec<u8>, understood: &Understood<'_>) {
    let mut object = Object::begin(out);
    match &understood.record {
        Ok(record) => object.object("record", |inner| write_record(inner, understood.written, record)),
        Err(reject) => {
            object.null("record");
            object.text("error", reject.to_string().as_bytes());
        }
    }
    match understood.observations.views(understood.line).next() {
        Some(view) => object.object("observation", |inner| write_observation(inner, view)),
        None => object.null("observation"),
    }
    object.end();
    out.push(b'\n');
}

fn write_record(object: &mut Object<'_>, written: Option<&str>, record: &Record<'_>) {
    object.text("format", written.unwrap_or(record.format.name()).as_bytes());
    match record.timestamp {
        Some(timestamp) => object.text("timestamp", timestamp.to_string().as_bytes()),
        None => object.null("timestamp"),
    }
    for (key, value) in [("host", record.hostname), ("app", record.app_name), ("procid", record.procid)] {
        match value {
            Some(value) => object.text(key, value),
            None => object.null(key),
        }
    }
    object.text("msg", record.msg);
}

fn write_observation(object: &mut Object<'_>, view: View<'_>) {
    let entry = view.entry;
    object.text("kind", entry.kind.name().as_bytes());
    if entry.user != Default::default() {
        object.text("user", view.user());
        object.flag("invalid_user", entry.flags.has(Flags::INVALID_USER));
    }
    if let Some(addr) = entry.addr {
        object.text("addr", addr.to_string().as_bytes());
    }
    let claimed = view.claimed();
    if !claimed.is_empty() {
        object.text(if is_address(claimed) { "claimed_addr" } else { "host" }, claimed);
    }
    if let Some(port) = port(view) {
        object.number("port", port);
    }
    if let Some(method) = method(view) {
        object.text("method", method);
    }
    for (key, fact) in [("cut", Flags::CUT), ("suspicious", Flags::SUSPICIOUS)] {
        if entry.flags.has(fact) {
            object.flag(key, true);
        }
    }
    if entry.repeat > 1 {
        object.number("repeat", u64::from(entry.repeat));
    }
}

/// Whether a text is an address and no name.
fn is_address(text: &[u8]) -> bool {
    parse_address(text).is_some()
}

/// The port: the proved one, or that which stands beside a claimed address.
fn port(view: View<'_>) -> Option<u64> {
    let entry = view.entry;
    if entry.port > 0 {
        return Some(u64::from(entry.port));
    }
    // The number of these is a count, or a code.
    let counts = matches!(entry.kind, Kind::PamMoreFailures | Kind::ReceivedDisconnect);
    (!view.claimed().is_empty() && !counts).then_some(entry.number).filter(|port| (1..=65_535).contains(port))
}

/// The method by the name that sshd gives it.
fn method(view: View<'_>) -> Option<&[u8]> {
    match view.entry.method {
        Method::Unnamed => None,
        Method::Other => Some(view.detail(2)),
        method => Some(method.name().as_bytes()),
    }
}

/// Writes a JSON object, keys in the order of the calls.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
}

impl<'a> Object<'a> {
    fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, is_first: true }
    }

    fn end(self) {
        self.out.push(b'}');
    }

    fn key(&mut self, key: &str) {
        if !std::mem::replace(&mut self.is_first, false) {
            self.out.push(b',');
        }
        render::json_string(self.out, key.as_bytes());
        self.out.push(b':');
    }

    fn text(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        render::json_string(self.out, value);
    }

    fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        render::count(self.out, value);
    }

    fn flag(&mut self, key: &str, value: bool) {
        self.key(key);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn null(&mut self, key: &str) {
        self.key(key);
        self.out.extend_from_slice(b"null");
    }

    fn object(&mut self, key: &str, fill: impl FnOnce(&mut Object<'_>)) {
        self.key(key);
        let mut inner = Object::begin(self.out);
        fill(&mut inner);
        inner.end();
    }
}
