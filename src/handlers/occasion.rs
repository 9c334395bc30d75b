//! Floor 4: why a handler is given events: because they happen, or for another reason, which whoever gets them must see.

/// Why a handler is given events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Occasion {
    /// They happen.
    #[default]
    Live,
    /// They happened before, and are replayed.
    Replay,
    /// An operator tries whether the handler works.
    Test,
}

impl Occasion {
    /// What programs know it by; nothing for what happens.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Live => None,
            Self::Replay => Some("replay"),
            Self::Test => Some("test"),
        }
    }

    /// What stands before a text for people.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Live => "",
            Self::Replay => "[replay] ",
            Self::Test => "[test] ",
        }
    }
}
