//! Tests of detection as a whole: the rows, the two ways of reading, and what must never be believed.

use super::reader::{App, Caches, Message, Reader};
use super::*;
use crate::limits::SSHD_MESSAGE_CUT;
use crate::time::{Timestamp, Zone};
use crate::wire::Record;
use std::sync::{LazyLock, Mutex};

mod hostile;
mod messages;
mod oracle;
mod records;

static DETECTOR: LazyLock<Detector> =
    LazyLock::new(|| Detector::new(Interest { sshd: true, records: false }));
static READER: LazyLock<Reader> = LazyLock::new(|| Reader::compile().unwrap());
static CACHES: LazyLock<Mutex<Caches>> = LazyLock::new(|| Mutex::new(READER.caches()));

/// A record of a program, in the bytes of its frame.
fn frame(app: &str, message: &[u8]) -> Vec<u8> {
    let mut frame = format!("<38>1 2026-11-23T05:14:16.794Z lab {app} 4711 - - ").into_bytes();
    frame.extend_from_slice(message);
    frame
}

/// Runs `check` on the observation of a message, if there is one.
fn with_observation<T>(app: &str, message: &[u8], check: impl FnOnce(Option<View<'_>>) -> T) -> T {
    let bytes = frame(app, message);
    let record = Record::parse(&bytes, Timestamp::EPOCH, &Zone::UTC).unwrap();
    let mut out = Observations::default();
    let subject = Subject {
        record: &record,
        bytes: &bytes,
        frame: 3,
        truncated: false,
        arrival: Timestamp::EPOCH,
        host: None,
    };
    DETECTOR.observe(&mut DETECTOR.scratch(), subject, &mut out);
    assert!(out.entries.len() <= 1, "{:?}", out.entries);
    let mut views = out.views(&bytes);
    check(views.next())
}

/// What a message means, in a line: the kind, and each field that is not as [`Observation::new`] leaves it.
fn described(app: &str, message: &[u8]) -> String {
    with_observation(app, message, |view| view.map_or_else(|| "nothing".to_owned(), describe))
}

fn describe(view: View<'_>) -> String {
    let entry = view.entry;
    let mut text = entry.kind.name().to_owned();
    let mut add = |name: &str, value: &str| text.push_str(&format!(" {name}={value}"));
    if entry.method != Method::Unnamed {
        add("method", if entry.method == Method::Other { "?" } else { entry.method.name() });
    }
    if entry.user.hash != 0 {
        add("user", &format!("{:?}", String::from_utf8_lossy(view.user())));
    }
    if let Some(addr) = entry.addr {
        add("addr", &addr.to_string());
    }
    if entry.port != 0 {
        add("port", &entry.port.to_string());
    }
    if !entry.claimed.is_empty() {
        add("claimed", &String::from_utf8_lossy(view.claimed()));
    }
    if entry.number != 0 {
        add("number", &entry.number.to_string());
    }
    if entry.other_pid != 0 {
        add("pid", &entry.other_pid.to_string());
    }
    if entry.repeat != 1 {
        add("repeat", &entry.repeat.to_string());
    }
    for index in 0..3 {
        if !view.detail(index).is_empty() {
            add(&index.to_string(), &format!("{:?}", String::from_utf8_lossy(view.detail(index))));
        }
    }
    for (flag, name) in [
        (Flags::INVALID_USER, " invalid"),
        (Flags::AUTHENTICATING, " authenticating"),
        (Flags::PREAUTH, " preauth"),
        (Flags::ERROR, " error"),
        (Flags::BEGIN, " begin"),
        (Flags::CUT, " cut"),
        (Flags::SUSPICIOUS, " suspicious"),
        (Flags::OWN, " own"),
    ] {
        if entry.flags.has(flag) {
            text.push_str(name);
        }
    }
    text
}

/// A message that stands by itself.
fn message(app: App, text: &[u8]) -> Message<'_> {
    Message { app, whole: text, text, cut: text.len() >= SSHD_MESSAGE_CUT }
}
