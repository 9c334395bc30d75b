//! Floor 1: the PRI part, which RFC 5424 (section 6.2.1) and RFC 3164 (section 4.1.1) share.
//!
//! Invariant: a priority that was read from a frame is at most 191.

use super::scan::{self, Shape};

/// Facility and severity (RFC 5424 section 6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priority(pub u8);

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];

const SEVERITIES: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

const ONE_DIGIT: Shape = Shape::new(b"<0>?????");
const TWO_DIGITS: Shape = Shape::new(b"<00>????");
const THREE_DIGITS: Shape = Shape::new(b"<000>???");

/// The greatest PRIVAL: facility 23, severity 7.
const MAX_PRIVAL: u32 = 191;

impl Priority {
    /// The facility's number, 0 to 23.
    pub const fn facility(self) -> u8 {
        self.0 >> 3
    }

    /// The severity's number, 0 (emergency) to 7 (debug).
    pub const fn severity(self) -> u8 {
        self.0 & 7
    }

    /// The facility's keyword, as syslog daemons write it.
    pub fn facility_name(self) -> &'static str {
        FACILITIES.get(usize::from(self.facility())).copied().unwrap_or("unknown")
    }

    /// The severity's keyword, as syslog daemons write it.
    pub fn severity_name(self) -> &'static str {
        SEVERITIES.get(usize::from(self.severity())).copied().unwrap_or("unknown")
    }

    /// The priority that a frame begins with.
    pub fn of(frame: &[u8]) -> Option<Self> {
        Self::split(frame).map(|(priority, _)| priority)
    }

    /// Reads the PRI at the start of `frame`, and gives the bytes after it.
    ///
    /// Leading zeros are refused, as section 6.2.1 demands.
    #[inline]
    pub(super) fn split(frame: &[u8]) -> Option<(Self, &[u8])> {
        let word = scan::load(frame);
        let (value, least, len) = if let Some(digits) = TWO_DIGITS.read::<4>(word) {
            (scan::lane(digits, 1) * 10 + scan::lane(digits, 2), 10, 4)
        } else if let Some(digits) = THREE_DIGITS.read::<5>(word) {
            (scan::lane(digits, 1) * 100 + scan::lane(digits, 2) * 10 + scan::lane(digits, 3), 100, 5)
        } else {
            (scan::lane(ONE_DIGIT.read::<3>(word)?, 1), 0, 3)
        };
        if !(least..=MAX_PRIVAL).contains(&value) {
            return None;
        }
        u8::try_from(value).ok().map(Self).zip(frame.get(len..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_up_to_191_is_read_and_nothing_else() {
        for value in 0..2000_u32 {
            let text = format!("<{value}>x");
            let expected = u8::try_from(value).ok().filter(|value| *value <= 191);
            let read = Priority::split(text.as_bytes());
            assert_eq!(read, expected.map(|value| (Priority(value), &b"x"[..])), "{text}");
        }
    }

    #[test]
    fn malformed_priorities_are_refused() {
        let cases = [
            "",
            "<",
            "<>",
            "<1",
            "<12",
            "<1 >",
            "<-1>",
            "<+1>",
            "<01>",
            "<00>",
            "<007>",
            "<1x>",
            "<x1>",
            "<:>",
            "1>",
            " <1>",
            "<\u{ff11}>",
        ];
        for case in cases {
            assert_eq!(Priority::split(case.as_bytes()), None, "{case}");
        }
        assert_eq!(Priority::split(b"<0>"), Some((Priority(0), &b""[..])));
    }

    #[test]
    fn facility_and_severity_have_names() {
        let cases =
            [(0, "kern", "emerg"), (34, "auth", "crit"), (86, "authpriv", "info"), (191, "local7", "debug")];
        for (value, facility, severity) in cases {
            let priority = Priority(value);
            assert_eq!((priority.facility_name(), priority.severity_name()), (facility, severity));
        }
    }
}
