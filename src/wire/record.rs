//! Floor 1: one syslog message as a borrowed view, whatever its dialect.
//!
//! The first bytes decide: `<PRI>1 ` begins RFC 5424, and such a frame is refused if anything in its header is not;
//! `<PRI>` and anything else is RFC 3164, if need be with a message only (its section 4.3.2). A frame without PRI
//! must begin with a timestamp, as lines of log files do.
//!
//! Invariant: every slice of a record lies within its frame.

use super::structured_data::StructuredData;
use super::{Priority, Reject, rfc3164, rfc5424, unfit};
use crate::time::{Timestamp, Zone};

/// The dialect in which a record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 5424.
    Rfc5424,
    /// RFC 3164, with or without PRI.
    Rfc3164,
    /// An RFC 3339 timestamp before a BSD-style header, as rsyslog writes files, with or without PRI.
    Iso,
}

impl Format {
    /// The name in output for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rfc5424 => "rfc5424",
            Self::Rfc3164 => "rfc3164",
            Self::Iso => "iso",
        }
    }
}

/// One syslog message, borrowed from its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The dialect.
    pub format: Format,
    /// Facility and severity, where given.
    pub priority: Option<Priority>,
    /// The record's own time; `None` for NILVALUE or none.
    pub timestamp: Option<Timestamp>,
    /// The host; `None` for NILVALUE or none. Likewise below.
    pub hostname: Option<&'a [u8]>,
    /// The program.
    pub app_name: Option<&'a [u8]>,
    /// The process.
    pub procid: Option<&'a [u8]>,
    /// The type of message.
    pub msgid: Option<&'a [u8]>,
    /// The structured data, checked but not yet taken apart; empty for NILVALUE or none.
    pub structured_data: StructuredData<'a>,
    /// The message without BOM, one leading blank and one trailing LF, CRLF or NUL.
    pub msg: &'a [u8],
}

impl<'a> Record<'a> {
    /// Parses one frame. `reference` is its arrival: it supplies the year where the dialect has none; `zone` is where
    /// a time without zone is from.
    ///
    /// # Errors
    /// Says why the frame is no record.
    pub fn parse(frame: &'a [u8], reference: Timestamp, zone: &Zone) -> Result<Self, Reject> {
        let frame = without_ending(frame);
        if frame.first() != Some(&b'<') {
            return match frame {
                [] => Err(Reject::Empty),
                _ => rfc3164::parse(None, frame, reference, zone).ok_or_else(|| why_none(frame)),
            };
        }
        let (priority, rest) = Priority::split(frame).ok_or(Reject::Priority)?;
        match rest {
            [b'1', b' ', rest @ ..] => rfc5424::parse(priority, rest),
            _ if rfc5424::is_other_version(rest) => Err(Reject::Version),
            _ => Ok(rfc3164::parse(Some(priority), rest, reference, zone)
                .unwrap_or_else(|| rfc3164::content_only(priority, rest))),
        }
    }
}

/// Why a frame without PRI is no record.
#[cold]
fn why_none(frame: &[u8]) -> Reject {
    unfit::split(frame).map_or(Reject::NoHeader, |(reject, _)| reject)
}

/// The bytes as they came in of a frame that was rejected.
pub fn as_received(frame: &[u8]) -> &[u8] {
    unfit::split(frame).map_or(frame, |(_, line)| line)
}

/// The frame without one trailing LF, CRLF or NUL, which belong to a transport rather than to the message.
#[inline]
fn without_ending(frame: &[u8]) -> &[u8] {
    match frame {
        // Most frames end with a letter or a digit: one look suffices.
        [.., b' '..=0xFF] => frame,
        [rest @ .., b'\r', b'\n'] | [rest @ .., b'\n' | 0] => rest,
        _ => frame,
    }
}
