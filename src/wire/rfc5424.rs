//! Floor 1: records of RFC 5424.
//!
//! Beyond the RFC, header fields may have up to 255 bytes each: its own limits differ from field to field (32 to
//! 255), nothing depends on them here, and a record of a long-named container is worth more than the rule.
//!
//! Invariant: the header is read in one pass over its bytes, and a record is refused with the first field that is
//! not what section 6 says.

use super::scan::Stops;
use super::structured_data::StructuredData;
use super::{Format, Priority, Record, Reject, timestamp};
use crate::limits;

/// Parses what follows the PRI and the version: `TIMESTAMP SP HOSTNAME SP ...`.
#[inline]
pub(super) fn parse(priority: Priority, bytes: &[u8]) -> Result<Record<'_>, Reject> {
    let (timestamp, rest) = match bytes {
        [b'-', rest @ ..] => (None, rest),
        _ => match timestamp::rfc5424(bytes) {
            Some((timestamp, rest)) => (Some(timestamp), rest),
            None => return Err(Reject::Timestamp),
        },
    };
    let [b' ', rest @ ..] = rest else { return Err(Reject::Timestamp) };
    let mut fields = Fields { bytes: rest, stops: Stops::new(rest), at: 0 };
    let hostname = fields.next(Reject::Hostname)?;
    let app_name = fields.next(Reject::AppName)?;
    let procid = fields.next(Reject::ProcId)?;
    let msgid = fields.next(Reject::MsgId)?;
    let rest = rest.get(fields.at..).unwrap_or_default();
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
pub(super) fn is_other_version(bytes: &[u8]) -> bool {
    let digits = bytes.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    let Some((_, [b' ', rest @ ..])) = bytes.split_at_checked(digits) else { return false };
    (1..=3).contains(&digits) && (rest.starts_with(b"- ") || timestamp::rfc5424(rest).is_some())
}

/// The header fields, one after the other.
struct Fields<'a> {
    bytes: &'a [u8],
    stops: Stops<'a>,
    at: usize,
}

impl<'a> Fields<'a> {
    /// The next field, which one blank must end; `None` for NILVALUE.
    #[inline]
    fn next(&mut self, reject: Reject) -> Result<Option<&'a [u8]>, Reject> {
        let end = self.stops.next().ok_or(reject)?;
        let field = self.bytes.get(self.at..end).unwrap_or_default();
        if field.is_empty() || field.len() > limits::MAX_HEADER_FIELD || self.bytes.get(end) != Some(&b' ') {
            return Err(reject);
        }
        self.at = end + 1;
        Ok(if field == b"-" { None } else { Some(field) })
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
