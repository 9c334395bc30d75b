//! Floor 4: messages for ntfy: a title, a priority and tags in headers, and the text as the body.

use super::message::{Message, TEXT};
use crate::event::render::{self, LocalTime, Paint};
use crate::event::{Event, Severity};
use crate::handlers::{self, Gathered, Occasion};
use crate::limits;
use reqwest::header::{HeaderName, HeaderValue};

const TITLE: HeaderName = HeaderName::from_static("title");
const PRIORITY: HeaderName = HeaderName::from_static("priority");
const TAGS: HeaderName = HeaderName::from_static("tags");

/// The message for an event.
pub(super) fn event(id: String, occasion: Occasion, event: Event<'_>, times: &mut LocalTime) -> Message {
    let severity = event.head().severity;
    let mut body = Vec::new();
    render::summary(&mut body, event);
    body.extend_from_slice(b"\n\n");
    for row in render::table(event, times) {
        body.extend_from_slice(format!("{}: {}\n", row.name, row.value).as_bytes());
    }
    let title = format!("{}{severity} {}", occasion.mark(), event.kind().spec().name);
    message(id, severity, &title, body)
}

/// The message for a digest.
pub(super) fn digest(id: String, occasion: Occasion, gathered: &Gathered, times: &mut LocalTime) -> Message {
    let severity = gathered.digest.severity();
    let mut body = handlers::digest::summary(&gathered.digest).into_bytes();
    body.extend_from_slice(b"\n\n");
    for event in gathered.events().take(limits::MAX_CHAT_EVENTS) {
        render::line(&mut body, event, times, Paint::Plain);
        body.push(b'\n');
    }
    let title = format!("{}{severity} digest of {}", occasion.mark(), gathered.digest.count());
    message(id, severity, &title, body)
}

/// The title is made of our own words alone: what a peer sent has no place in a header.
fn message(id: String, severity: Severity, title: &str, body: Vec<u8>) -> Message {
    let mut message = Message::new(id, TEXT, cut(body));
    let (priority, tags) = match severity {
        Severity::Info => ("2", "information_source"),
        Severity::Notice => ("3", "information_source"),
        Severity::Warning => ("3", "warning"),
        Severity::Error => ("4", "warning"),
        Severity::Critical => ("5", "rotating_light"),
    };
    if let Ok(title) = HeaderValue::from_str(title) {
        message.headers.insert(TITLE, title);
    }
    message.headers.insert(PRIORITY, HeaderValue::from_static(priority));
    message.headers.insert(TAGS, HeaderValue::from_static(tags));
    message
}

/// Cuts a text at a character: one that is longer ntfy would take for a file.
fn cut(mut body: Vec<u8>) -> Vec<u8> {
    const MORE: &[u8] = "…".as_bytes();
    if body.len() > limits::MAX_NTFY_BODY {
        let mut end = limits::MAX_NTFY_BODY.saturating_sub(MORE.len());
        while end > 0 && body.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
            end -= 1;
        }
        body.truncate(end);
        body.extend_from_slice(MORE);
    }
    body
}
