//! Floor 7: what handlers of all types may tell of people.

use crate::config::codec::{Choice, OneOf};
use crate::config::option::{Opt, options};
use crate::config::section::Section;
use crate::handlers::privacy::{Privacy, UnknownUsers};

impl Choice for UnknownUsers {
    const NAMES: &'static [(&'static str, Self)] = &[("mask", Self::Mask), ("show", Self::Show)];
}

impl Section for Privacy {
    const OPTIONS: &'static [Opt<Self>] = options! { Self:
        unknown_users = unknown_users as OneOf<UnknownUsers>,
            "How users are named whom the hosts do not know: people type passwords as user names. Masked, `hunter2hu` \
             is `hu…(9)`. Handlers of the types `csv` and `log`, which write on this machine, show such names by \
             default (docs/privacy.md).";
    };

    fn defaults() -> Self {
        Self { unknown_users: UnknownUsers::Mask }
    }
}
