//! Floor 3: what an operator may say of hosts and their senders.

use crate::correlate::sshd::Switch;
use crate::detect::senders::Rules;
use crate::event::Kind;
use crate::limits;
use std::sync::Arc;
use std::time::Duration;

/// What is configured of hosts and their senders.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who may speak for which hosts, and how far off clocks may be.
    pub rules: Arc<Rules>,
    /// Time without a record after which a host that used to speak is silent; nothing for never.
    pub silent_after: Option<Duration>,
    /// The hosts that may become silent; `*` stands for any text.
    pub watched: Vec<String>,
    /// Kinds that are switched off, or have another severity.
    pub events: Vec<(Kind, Switch)>,
}

impl Default for Options {
    fn default() -> Self {
        let rules = Rules { most_ahead: Some(limits::CLOCK_AHEAD), ..Rules::default() };
        Self { rules: Arc::new(rules), silent_after: None, watched: vec!["*".to_owned()], events: Vec::new() }
    }
}
