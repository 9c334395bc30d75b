//! Floor 4: what a program finds in its environment: the parts of an event.
//!
//! Invariant: the environment is clean but for `PATH` and what begins with `CORRELATOR_`; no value holds a NUL, which
//! would end it early.

use crate::event::render::{self, LocalTime};
use crate::event::{Event, Value};
use crate::handlers::{Gathered, Occasion, digest};
use crate::limits;
use crate::time::Zone;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// Where programs are found when the server itself was started without `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where programs are found.
pub(super) fn path() -> OsString {
    std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into())
}

/// Names and values.
#[derive(Clone, Debug)]
pub(super) struct Variables(Vec<(String, OsString)>);

impl Variables {
    /// The parts of an event; fields that are not known are left out. Texts are as they came; numbers, flags (`true`,
    /// `false`), times (UTC) and durations (seconds) are written as in JSON, and the items of lists are apart by line feeds.
    pub(super) fn of_event(occasion: Occasion, event: Event<'_>) -> Self {
        let (app, module) = event.module();
        let head = event.head();
        let mut variables =
            Self::new(occasion, event.kind().spec().name, head.severity.name(), &event.id().to_string());
        let mut summary = Vec::new();
        render::summary(&mut summary, event);
        variables.add("SUMMARY", summary);
        variables.add("TIME", head.time.to_string().into_bytes());
        variables.add("APP", app.as_bytes().to_vec());
        variables.add("MODULE", module.as_bytes().to_vec());
        let mut times = LocalTime::new(Zone::UTC);
        for (field, value) in event.fields().filter(|(_, value)| *value != Value::Null) {
            let mut text = Vec::new();
            write(&mut text, value, &mut times);
            let name = field.spec().name.to_ascii_uppercase();
            variables.add(&format!("FIELD_{name}"), text);
        }
        variables
    }

    /// What a digest has in common.
    pub(super) fn of_digest(occasion: Occasion, gathered: &Gathered) -> Self {
        let severity = gathered.digest.severity().name();
        let mut variables = Self::new(occasion, "Digest", severity, &gathered.id());
        variables.add("SUMMARY", digest::summary(&gathered.digest).into_bytes());
        variables.add("COUNT", gathered.digest.count().to_string().into_bytes());
        variables
    }

    fn new(occasion: Occasion, kind: &str, severity: &str, id: &str) -> Self {
        let mut variables = Self(vec![("PATH".to_owned(), path())]);
        for (name, value) in [("KIND", kind), ("SEVERITY", severity), ("ID", id)] {
            variables.add(name, value.as_bytes().to_vec());
        }
        if let Some(name) = occasion.name() {
            variables.add("OCCASION", name.as_bytes().to_vec());
        }
        variables
    }

    fn add(&mut self, name: &str, value: Vec<u8>) {
        let mut clean = Vec::with_capacity(value.len());
        for byte in value.into_iter().take(limits::MAX_EXEC_VARIABLE) {
            match byte {
                0 => clean.extend_from_slice(br"\x00"),
                byte => clean.push(byte),
            }
        }
        self.0.push((format!("CORRELATOR_{name}"), OsString::from_vec(clean)));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &OsString)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

fn write(out: &mut Vec<u8>, value: Value<'_>, times: &mut LocalTime) {
    match value {
        Value::Text(text) => out.extend_from_slice(text),
        Value::Bool(flag) => out.extend_from_slice(if flag { b"true" } else { b"false" }),
        Value::Duration(duration) => render::seconds(out, duration),
        Value::Time(time) => render::utc(out, time),
        Value::List(list) => {
            for (index, item) in list.iter().enumerate() {
                if index > 0 {
                    out.push(b'\n');
                }
                write(out, item, times);
            }
        }
        Value::Null | Value::Count(_) | Value::Addr(_) => render::value(out, value, times),
    }
}
