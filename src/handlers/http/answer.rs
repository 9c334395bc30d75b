//! Floor 4: answers to requests, and what they mean for an event.

use crate::handlers::Outcome;
use crate::handlers::secrecy::Hushed;
use crate::limits;
use crate::time::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};
use std::time::Duration;

/// What a server answered.
#[derive(Debug)]
pub(in crate::handlers) struct Answer {
    /// The status.
    pub(in crate::handlers) status: StatusCode,
    /// How long the server wants to be left alone, at most [`limits::MAX_RETRY_AFTER`].
    pub(in crate::handlers) retry_after: Option<Duration>,
    /// The beginning of the body.
    pub(in crate::handlers) body: Vec<u8>,
}

/// What a status means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::handlers) enum Class {
    /// Done.
    Delivered,
    /// Trying again may help.
    Temporary,
    /// Trying again would not help.
    Permanent,
}

impl Answer {
    /// What the status means (RFC 9110 section 15). A redirect is a mistake of the configuration.
    pub(in crate::handlers) fn class(&self) -> Class {
        match self.status.as_u16() {
            200..=299 => Class::Delivered,
            408 | 425 | 429 | 500..=599 => Class::Temporary,
            _ => Class::Permanent,
        }
    }

    /// Whether the server asks to be left alone, so that other events need not be tried.
    pub(in crate::handlers) fn wants_rest(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS || self.retry_after.is_some()
    }

    /// What became of an event that was answered like this.
    pub(in crate::handlers) fn outcome(&self, hushed: &Hushed) -> Outcome {
        match self.class() {
            Class::Delivered => Outcome::Delivered,
            Class::Temporary => self.failed_for_now(self.note(hushed)),
            Class::Permanent => Outcome::Permanent(self.note(hushed)),
        }
    }

    /// A temporary failure, as long as the server wishes.
    pub(in crate::handlers) fn failed_for_now(&self, why: String) -> Outcome {
        match self.retry_after {
            Some(pause) => Outcome::Deferred(why, pause),
            None => Outcome::Temporary(why),
        }
    }

    /// The status, and what the server said of it.
    pub(in crate::handlers) fn note(&self, hushed: &Hushed) -> String {
        let Self { status, body, .. } = self;
        let hint = if status.is_redirection() { "; redirects are not followed" } else { "" };
        let said = hushed.line(body);
        match status.canonical_reason() {
            _ if !body.is_empty() => format!("it answered {}{hint}: {said}", status.as_u16()),
            Some(reason) => format!("it answered {} {reason}{hint}", status.as_u16()),
            None => format!("it answered {}{hint}", status.as_u16()),
        }
    }
}

/// Reads `Retry-After` (RFC 9110 section 10.2.3): seconds, or an instant by the clock of the server, which `Date` tells.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let wanted = text(RETRY_AFTER)?;
    let pause = match wanted.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => instant(wanted)?.since(text(DATE).and_then(instant)?),
    };
    Some(pause.min(limits::MAX_RETRY_AFTER))
}

fn instant(text: &str) -> Option<Timestamp> {
    let parsed = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Timestamp::from_micros(parsed.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn answer(status: u16, body: &[u8]) -> Answer {
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, retry_after: None, body: body.to_vec() }
    }

    #[test]
    fn statuses_are_classed() {
        let classes = [
            (Class::Delivered, &[200, 201, 202, 204][..]),
            (Class::Temporary, &[408, 425, 429, 500, 502, 503, 504, 599]),
            (Class::Permanent, &[301, 302, 307, 400, 401, 403, 404, 410, 413, 418, 422, 600]),
        ];
        for (class, statuses) in classes {
            for status in statuses {
                assert_eq!(answer(*status, b"").class(), class, "{status}");
            }
        }
    }

    #[test]
    fn notes_say_what_was_answered() {
        let hushed = Hushed::default();
        let note = |status, body: &[u8]| answer(status, body).outcome(&hushed);
        assert_eq!(note(404, b""), Outcome::Permanent("it answered 404 Not Found".into()));
        assert_eq!(
            note(400, b"invalid_blocks\n"),
            Outcome::Permanent("it answered 400: invalid_blocks".into())
        );
        assert_eq!(note(503, b""), Outcome::Temporary("it answered 503 Service Unavailable".into()));
        let moved = "it answered 302 Found; redirects are not followed";
        assert_eq!(note(302, b""), Outcome::Permanent(moved.into()));
        let wait = Answer { retry_after: Some(Duration::from_secs(7)), ..answer(429, b"") };
        let why = "it answered 429 Too Many Requests".to_owned();
        assert_eq!(wait.outcome(&hushed), Outcome::Deferred(why, Duration::from_secs(7)));
    }

    #[test]
    fn retry_after_is_seconds_or_an_instant_and_capped() {
        let read = |retry: &'static str, date: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(retry));
            date.map(|date| headers.insert(DATE, HeaderValue::from_static(date)));
            retry_after(&headers)
        };
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(read("120", None), Some(Duration::from_secs(120)));
        assert_eq!(read("Sun, 06 Nov 1994 08:50:00 GMT", date), Some(Duration::from_secs(23)));
        assert_eq!(read("Sun, 06 Nov 1994 08:00:00 GMT", date), Some(Duration::ZERO));
        assert_eq!(read("99999999999", None), Some(limits::MAX_RETRY_AFTER));
        assert_eq!(read("Sat, 06 Nov 2094 08:50:00 GMT", date), Some(limits::MAX_RETRY_AFTER));
        for nonsense in ["", "soon", "-1", "1.5", "99999999999999999999999"] {
            assert_eq!(read(nonsense, date), None, "{nonsense}");
        }
        assert_eq!(read("Sun, 06 Nov 1994 08:50:00 GMT", None), None);
    }
}
