//! Floor 1: one syslog message as a borrowed view, whatever its dialect.

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

/// Facility and severity (RFC 5424 section 6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priority(pub u8);

/// One syslog message, borrowed from its frame.
#[derive(Clone, Copy, Debug)]
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
    /// The message without BOM, one leading blank and one trailing LF, CRLF or NUL.
    pub msg: &'a [u8],
}

/// Why a frame is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Reject {
    /// No header of any dialect.
    #[error("no header of RFC 5424, RFC 3164 or an ISO timestamp")]
    NoHeader,
}

impl<'a> Record<'a> {
    /// Parses one frame. `reference` is its arrival: it supplies the year where the dialect has none; `zone` is where
    /// a time without zone is from.
    ///
    /// # Errors
    /// Says why the frame is no record.
    pub fn parse(_frame: &'a [u8], _reference: Timestamp, _zone: &Zone) -> Result<Self, Reject> {
        Err(Reject::NoHeader)
    }
}
