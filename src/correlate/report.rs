//! Floor 3: the report module: one event for every record.

/// Options of `type = "report"`.
#[derive(Clone, Debug)]
pub struct Options {
    /// Characters of the message that a summary shows at most; it is cut at a word.
    pub max_length: usize,
    /// Kinds that are switched on, off, or have another severity.
    pub events: Vec<(crate::event::Kind, super::sshd::Switch)>,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_length: 160, events: Vec::new() }
    }
}
