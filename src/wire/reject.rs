//! Floor 1: why a frame is no record, or none that counts.
//!
//! Invariant: [`Reject::index`] counts up from 0 without gaps in the order of [`Reject::ALL`], so that counters can
//! be arrays.

/// Why a frame is no record: one variant for each reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Reject {
    /// Nothing stands in the frame.
    #[error("the frame is empty")]
    Empty,
    /// No header of any dialect.
    #[error("no header of RFC 5424, RFC 3164 or an ISO timestamp")]
    NoHeader,
    /// A `<` that does not begin a PRI.
    #[error("`<` is not followed by a priority of 0 to 191 without leading zeros, and `>`")]
    Priority,
    /// RFC 5424 in a version that does not exist yet.
    #[error("the version of the RFC 5424 header is not 1")]
    Version,
    /// The TIMESTAMP of an RFC 5424 header.
    #[error("the timestamp is missing or not one of RFC 5424 section 6.2.3")]
    Timestamp,
    /// The HOSTNAME of an RFC 5424 header.
    #[error("the hostname is missing, empty, longer than 255 bytes or not printable ASCII")]
    Hostname,
    /// The APP-NAME of an RFC 5424 header.
    #[error("the app-name is missing, empty, longer than 255 bytes or not printable ASCII")]
    AppName,
    /// The PROCID of an RFC 5424 header.
    #[error("the procid is missing, empty, longer than 255 bytes or not printable ASCII")]
    ProcId,
    /// The MSGID of an RFC 5424 header.
    #[error("the msgid is missing, empty, longer than 255 bytes or not printable ASCII")]
    MsgId,
    /// No STRUCTURED-DATA where it must begin.
    #[error("structured data is missing: neither `-` nor `[` follows the msgid")]
    StructuredData,
    /// The SD-ID of an element.
    #[error("an element of the structured data has no valid SD-ID")]
    SdId,
    /// The PARAM-NAME of a parameter, or what must stand around it.
    #[error("a parameter of the structured data is not NAME=\"VALUE\" after one blank")]
    SdParam,
    /// The PARAM-VALUE of a parameter.
    #[error("a value of the structured data has no closing quote or holds an unescaped `]`")]
    SdValue,
    /// Something other than a blank after STRUCTURED-DATA.
    #[error("the structured data is not followed by a blank")]
    AfterStructuredData,
    /// A line, or lines, that the pattern of its format does not match.
    #[error("it does not match the pattern of its format")]
    Pattern,
    /// A time that is not as its format says.
    #[error("its time is not as its format says")]
    LineTime,
    /// Lines before which none is the beginning of a record.
    #[error("no line before it begins a record of its format")]
    Start,
    /// A record of a host that its sender may not speak for.
    #[error("the sender may not speak for the host that the record names")]
    Sender,
}

impl Reject {
    /// All reasons, in the order of their indices.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Empty,
        Self::NoHeader,
        Self::Priority,
        Self::Version,
        Self::Timestamp,
        Self::Hostname,
        Self::AppName,
        Self::ProcId,
        Self::MsgId,
        Self::StructuredData,
        Self::SdId,
        Self::SdParam,
        Self::SdValue,
        Self::AfterStructuredData,
        Self::Pattern,
        Self::LineTime,
        Self::Start,
        Self::Sender,
    ];

    /// How many reasons there are.
    pub const COUNT: usize = Self::Sender as usize + 1;

    /// Place of this reason among [`Reject::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name of this reason in counters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NoHeader => "no-header",
            Self::Priority => "priority",
            Self::Version => "version",
            Self::Timestamp => "timestamp",
            Self::Hostname => "hostname",
            Self::AppName => "app-name",
            Self::ProcId => "procid",
            Self::MsgId => "msgid",
            Self::StructuredData => "structured-data",
            Self::SdId => "sd-id",
            Self::SdParam => "sd-param",
            Self::SdValue => "sd-value",
            Self::AfterStructuredData => "after-structured-data",
            Self::Pattern => "pattern",
            Self::LineTime => "line-time",
            Self::Start => "start",
            Self::Sender => "sender-not-entitled",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Reject;
    use std::collections::HashSet;

    #[test]
    fn indices_and_names_are_distinct_and_in_order() {
        for (index, reject) in Reject::ALL.into_iter().enumerate() {
            assert_eq!(reject.index(), index);
        }
        let names: HashSet<_> = Reject::ALL.into_iter().map(Reject::name).collect();
        assert_eq!(names.len(), Reject::COUNT);
    }
}
