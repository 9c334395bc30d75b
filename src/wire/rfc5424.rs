//! Floor 1: records of RFC 5424.
//!
//! Beyond the RFC, header fields may have up to 255 bytes each: its own limits differ from field to field (32 to
//! 255), nothing depends on them here, and a record of a long-named container is worth more than the rule.
//!
//! Invariant: the header is read in one pass over its bytes, and a record is refused with the first field that is
//! not what section 6 says.

use super::scan::{WINDOW, printable_len, stops};
use super::structured_data::StructuredData;
use super::{Format, Priority, Record, Reject, timestamp};
use crate::limits;

/// Parses what follows the PRI and the version: `TIMESTAMP SP HOSTNAME SP ...`.
#[inline]
pub(super) fn parse(priority: Priority, bytes: &[u8]) -> Result<Record<'_>, Reject> {
    let (timestamp, at) = match bytes.first() {
        Some(b'-') => (None, 1),
        _ => match timestamp::rfc5424(bytes) {
            Some((timestamp, len)) => (Some(timestamp), len),
            None => return Err(Reject::Timestamp),
        },
    };
    if bytes.get(at) != Some(&b' ') {
        return Err(Reject::Timestamp);
    }
    let Fields { values: [hostname, app_name, procid, msgid], end } = match Fields::in_window(bytes, at + 1) {
        Some(fields) => fields,
        None => Fields::one_by_one(bytes, at + 1)?,
    };
    let rest = bytes.get(end..).unwrap_or_default();
    let (structured_data, rest) = match rest {
        [b'-', rest @ ..] => (StructuredData::default(), rest),
        [b'[', ..] => StructuredData::split(rest)?,
        _ => return Err(Reject::StructuredData),
    };
    let msg = match rest {
        [] => rest,
        [b' ', msg @ ..] => message(msg),
        _ => return Err(Reject::AfterStructuredData),
    };
    Ok(Record {
        format: Format::Rfc5424,
        priority: Some(priority),
        timestamp,
        hostname,
        app_name,
        procid,
        msgid,
        structured_data,
        msg,
    })
}

/// Whether what follows a PRI is a header of a version of RFC 5424 other than 1: a number, a blank, and then a
/// timestamp or NILVALUE. Anything less may be the free text of an RFC 3164 message.
#[cold]
pub(super) fn is_other_version(bytes: &[u8]) -> bool {
    let digits = bytes.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    let Some((_, [b' ', rest @ ..])) = bytes.split_at_checked(digits) else { return false };
    (1..=3).contains(&digits) && (rest.starts_with(b"- ") || timestamp::rfc5424(rest).is_some())
}

/// HOSTNAME, APP-NAME, PROCID and MSGID; `None` for NILVALUE.
struct Fields<'a> {
    values: [Option<&'a [u8]>; 4],
    /// Where STRUCTURED-DATA begins.
    end: usize,
}

impl<'a> Fields<'a> {
    /// Cuts the fields at all ends of fields in 64 bytes, found at once. Nothing if they are longer or malformed.
    #[inline]
    fn in_window(bytes: &'a [u8], start: usize) -> Option<Self> {
        let rest = bytes.get(start..)?;
        // Near the end of the frame the window begins before the fields.
        let (window, before) = match rest.first_chunk::<WINDOW>() {
            Some(window) => (window, 0),
            None => (bytes.last_chunk::<WINDOW>()?, WINDOW - rest.len()),
        };
        let mut at = before;
        let mut ends = stops(window) & u64::MAX.checked_shl(u32::try_from(before).ok()?)?;
        let mut next = || {
            let end = ends.trailing_zeros() as usize;
            let field = window.get(at..end).filter(|field| !field.is_empty())?;
            if window.get(end) != Some(&b' ') {
                return None;
            }
            ends &= ends.wrapping_sub(1);
            at = end + 1;
            Some(if field == b"-" { None } else { Some(field) })
        };
        let values = [next()?, next()?, next()?, next()?];
        Some(Self { values, end: start + at - before })
    }

    /// Cuts the fields one after the other, and says which one is malformed.
    #[cold]
    fn one_by_one(bytes: &'a [u8], start: usize) -> Result<Self, Reject> {
        let mut fields = Self { values: [None; 4], end: start };
        let reasons = [Reject::Hostname, Reject::AppName, Reject::ProcId, Reject::MsgId];
        for (value, reason) in fields.values.iter_mut().zip(reasons) {
            let rest = bytes.get(fields.end..).unwrap_or_default();
            let len = printable_len(rest);
            let Some((field, [b' ', ..])) = rest.split_at_checked(len) else { return Err(reason) };
            if field.is_empty() || len > limits::MAX_HEADER_FIELD {
                return Err(reason);
            }
            *value = (field != b"-").then_some(field);
            fields.end += len + 1;
        }
        Ok(fields)
    }
}

/// The message without its byte order mark and one leading blank, which forwarding templates add before or after it.
#[inline]
fn message(msg: &[u8]) -> &[u8] {
    match msg {
        [b' ', 0xEF, 0xBB, 0xBF, rest @ ..] | [0xEF, 0xBB, 0xBF, b' ', rest @ ..] => rest,
        [b' ', rest @ ..] | [0xEF, 0xBB, 0xBF, rest @ ..] => rest,
        _ => msg,
    }
}
