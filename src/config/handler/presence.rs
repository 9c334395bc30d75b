//! Floor 7: whether a handler has to be ready when the server starts.

use crate::config::codec::Flag;
use crate::config::option::{Opt, options};
use crate::config::section::Section;

/// Whether a handler has to be ready when the server starts.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) struct Presence {
    pub(super) required: bool,
}

impl Section for Presence {
    const OPTIONS: &'static [Opt<Self>] = options! { Self:
        required = required as Flag,
            "Whether nothing starts while a credential of the handler cannot be had. Where it is false, the handler's \
             events wait for it.";
    };

    fn defaults() -> Self {
        Self { required: true }
    }
}
