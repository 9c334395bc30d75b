//! Floor 1: records of RFC 3164, and of rsyslog's form of it with an ISO timestamp.
//!
//! RFC 3164 describes what was seen, not what is right, so this follows what daemons and network equipment send:
//! the host may be missing, the tag may be too, and what has no known header is content (section 4.3.2).
//!
//! Invariant: nothing of the message decides where the header ends. A host is the first word after the timestamp
//! unless that word is a tag; a tag is the next word, and only if it ends as tags do.

use super::scan::printable_len;
use super::structured_data::StructuredData;
use super::{Format, Priority, Record, timestamp};
use crate::limits::MAX_HEADER_FIELD;
use crate::time::{Timestamp, Zone};

/// Parses what follows the PRI, or a line without one; nothing if it has no timestamp.
pub(super) fn parse<'a>(
    priority: Option<Priority>,
    bytes: &'a [u8],
    reference: Timestamp,
    zone: &Zone,
) -> Option<Record<'a>> {
    let (origin, bytes) = match priority {
        Some(_) => equipment_prefix(bytes),
        None => (None, bytes),
    };
    let (format, (timestamp, rest)) = match bytes.first()? {
        b'0'..=b'9' => (Format::Iso, timestamp::iso(bytes, zone).or_else(|| spaced_iso(bytes, zone))?),
        _ => (Format::Rfc3164, timestamp::bsd(bytes, reference, zone)?),
    };
    let rest = match rest {
        [] => rest,
        [b' ', rest @ ..] => rest,
        _ => return None,
    };
    let (hostname, rest) = split_hostname(rest);
    let tag = Tag::split(without_level(rest)).unwrap_or(Tag { app_name: None, procid: None, msg: rest });
    Some(Record {
        format,
        priority,
        timestamp: Some(timestamp),
        hostname: hostname.or(origin),
        app_name: tag.app_name,
        procid: tag.procid,
        msgid: None,
        structured_data: StructuredData::default(),
        msg: tag.msg.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(tag.msg),
    })
}

/// The record of a message that has a PRI but no known header (section 4.3.2).
pub(super) fn content_only(priority: Priority, msg: &[u8]) -> Record<'_> {
    Record {
        format: Format::Rfc3164,
        priority: Some(priority),
        timestamp: None,
        hostname: None,
        app_name: None,
        procid: None,
        msgid: None,
        structured_data: StructuredData::default(),
        msg: without_blank(msg),
    }
}

/// Reads an ISO timestamp that has a blank in place of its `T` (RFC 3339 section 5.6 allows that).
#[cold]
fn spaced_iso<'a>(bytes: &'a [u8], zone: &Zone) -> Option<(Timestamp, &'a [u8])> {
    /// More than a timestamp with nanoseconds and an offset takes.
    const LONGEST: usize = 48;
    const T: usize = 10;
    if bytes.get(T) != Some(&b' ') {
        return None;
    }
    let mut buffer = [0; LONGEST];
    let length = bytes.len().min(LONGEST);
    let copy = buffer.get_mut(..length)?;
    copy.copy_from_slice(bytes.get(..length)?);
    *copy.get_mut(T)? = b'T';
    let (instant, rest) = timestamp::iso(copy, zone)?;
    Some((instant, bytes.get(length - rest.len()..)?))
}

/// Passes over the facility and level that AIX writes before a tag, as in `auth|security:info sshd[1]: ...`.
fn without_level(bytes: &[u8]) -> &[u8] {
    const LEVELS: [&[u8]; 9] =
        [b"emerg", b"alert", b"crit", b"err", b"error", b"warning", b"notice", b"info", b"debug"];
    let level = || {
        let (word, rest) = split_word(bytes)?;
        let colon = memchr::memchr(b':', word)?;
        let (facility, level) = (word.get(..colon)?, word.get(colon + 1..)?);
        let is_facility =
            facility.iter().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'|' | b'0'..=b'7'));
        (is_facility && !facility.is_empty() && LEVELS.contains(&level)).then_some(rest)
    };
    match bytes.first() {
        // Everything else begins its tags so too; only a colon within the word makes the difference.
        Some(b'a'..=b'z') => level().unwrap_or(bytes),
        _ => bytes,
    }
}

/// Passes over what may stand between PRI and timestamp: a blank, or the sequence number of Cisco IOS
/// (`<189>29: host: *Mar  1 ...`), after which the configured origin gives the host.
fn equipment_prefix(bytes: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let bytes = without_blank(bytes);
    let digits = bytes.iter().take(11).take_while(|byte| byte.is_ascii_digit()).count();
    let Some((_, [b':', b' ', rest @ ..])) = bytes.split_at_checked(digits) else { return (None, bytes) };
    if digits == 0 {
        return (None, bytes);
    }
    match split_word(rest) {
        Some(([host @ .., b':'], after)) if !host.is_empty() => (Some(host), after),
        _ => (None, rest),
    }
}

/// Splits the host off, if there is one: a word that is no tag.
fn split_hostname(bytes: &[u8]) -> (Option<&[u8]>, &[u8]) {
    if let Some(forwarded) = bytes.strip_prefix(b"Message forwarded from ") {
        // AIX writes so of what it relays: `Message forwarded from HOST: TAG: ...`.
        match split_word(forwarded) {
            Some(([host @ .., b':'], rest)) if !host.is_empty() => return (Some(host), rest),
            _ => {}
        }
    }
    match split_word(bytes) {
        Some((word, rest)) if !is_tag(word) => (Some(word), rest.strip_prefix(b": ").unwrap_or(rest)),
        _ => (None, bytes),
    }
}

/// Splits off a word of at most 255 printable bytes that a blank or the end follows.
fn split_word(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = printable_len(bytes.get(..=MAX_HEADER_FIELD).unwrap_or(bytes));
    let (word, rest) = bytes.split_at_checked(len)?;
    match rest {
        _ if word.is_empty() || len > MAX_HEADER_FIELD => None,
        [] => Some((word, rest)),
        [b' ', rest @ ..] => Some((word, rest)),
        _ => None,
    }
}

/// Whether a word is a tag rather than a host: it ends with a colon or a process in brackets. An address in brackets
/// is a host.
fn is_tag(word: &[u8]) -> bool {
    match word {
        [b'[', ..] => false,
        [.., b':'] => true,
        [.., b']'] => word.contains(&b'['),
        _ => false,
    }
}

/// The tag of a message (section 4.1.3), and what follows it.
struct Tag<'a> {
    app_name: Option<&'a [u8]>,
    procid: Option<&'a [u8]>,
    msg: &'a [u8],
}

impl<'a> Tag<'a> {
    /// Splits off `name:`, `name[pid]:` or `name[pid]`, as one word, and one blank after it.
    ///
    /// A colon within the word is part of the name, as in `foo::bar[1]:`, so that neither `http://...` nor `12:00`
    /// is a tag.
    fn split(bytes: &'a [u8]) -> Option<Self> {
        let (word, msg) = split_word(bytes)?;
        let (app_name, procid) = match word.strip_suffix(b":").unwrap_or(word) {
            [inner @ .., b']'] => {
                let open = memchr::memchr(b'[', inner)?;
                let (app_name, bracket) = inner.split_at_checked(open)?;
                (app_name, bracket.get(1..).filter(|procid| !procid.is_empty()))
            }
            app_name if app_name.len() < word.len() => (app_name, None),
            _ => return None,
        };
        (!app_name.is_empty()).then_some(Self { app_name: Some(app_name), procid, msg })
    }
}

/// The bytes without one leading blank.
fn without_blank(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b" ").unwrap_or(bytes)
}
