//! Floor 1: how much an event matters.

use std::fmt;
use std::str::FromStr;

/// How much an event matters, in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Severity {
    /// Normal operation.
    Info,
    /// Normal, but worth a look.
    Notice,
    /// Something that may need action.
    Warning,
    /// Something that needs action.
    Error,
    /// Something that needs action now.
    Critical,
}

impl Severity {
    /// All severities, in ascending order.
    pub const ALL: [Self; 5] = [Self::Info, Self::Notice, Self::Warning, Self::Error, Self::Critical];

    /// The name in upper case, as output and configuration have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Notice => "NOTICE",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Severity {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|s| s.name() == text).ok_or(())
    }
}
