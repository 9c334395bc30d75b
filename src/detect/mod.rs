//! Floor 2: record → observation. Pure functions of a record; precompiled automata, no state, no clock.
//!
//! Invariant: attacker-controlled text never decides where an address starts; an address that a message does not
//! prove is claimed, never proved.

mod detector;
mod observation;

pub use detector::{Detector, Interest, Scratch, Subject};
pub use observation::{Flags, Kind, Method, Name, Observation, Observations, View};
