//! Floor 2: record → observation. Pure functions of a record; precompiled automata, no state, no clock.
//!
//! A record's way: `detector` looks at APP-NAME; `fast` tells the commonest messages by their first bytes; everything
//! else goes through `reader`, which normalises the message and lets the automata of `automaton` match it against the
//! rows of `sshd` and `pam`. Both give a `reading`, which `detector` weighs and makes an [`Observation`].
//! `observation` documents what readers of observations may rely on.
//!
//! Invariant: attacker-controlled text never decides where an address starts; an address that a message does not
//! prove is claimed, never proved.

mod address;
mod automaton;
mod cut;
mod detector;
mod explain;
mod fast;
mod key;
mod kind;
mod name_hasher;
mod named;
mod normalize;
mod observation;
mod pam;
mod reader;
mod reading;
mod row;
pub mod senders;
mod sshd;
mod vis;

#[cfg(test)]
mod tests;

pub use address::parse_address;
pub use detector::{Detector, Interest, Scratch, Subject};
pub use explain::{ExplainedField, Explanation};
pub use key::KeyInfo;
pub use kind::Kind;
pub use name_hasher::NameHasher;
pub use named::NamedUser;
pub use observation::{Flags, Method, Name, Observation, Observations, View};
