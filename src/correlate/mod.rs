//! Floor 3: observations → events. Pure, single-threaded, deterministic.
//!
//! Invariant: the same inputs and options give the same events, with the same ids, in the same order.

use crate::time::Timestamp;

mod correlator;
pub mod hosts;
mod names;
pub mod report;
mod saved;
mod sink;
pub mod sshd;
#[cfg(test)]
mod tests;
mod window;

pub use correlator::Correlator;
pub use saved::columns::Damaged;
pub use saved::{RestoreError, SaveError};

/// One application: a named set of modules.
#[derive(Clone, Debug)]
pub struct App {
    /// Its name.
    pub name: String,
    /// Its modules, by name.
    pub modules: Vec<(String, ModuleOptions)>,
}

/// The options of a module, by its type.
#[derive(Clone, Debug)]
pub enum ModuleOptions {
    /// `type = "sshd"`.
    Sshd(sshd::Options),
    /// `type = "report"`.
    Report(report::Options),
}

/// How the inputs ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At a known time: the server stopped, or a capture was closed. What is open stays open.
    At(Timestamp),
    /// A finite input without an end time: what is open ends at its last arrival with `end_of_input`.
    OfInput,
    /// Of a server that was killed, or still runs: nobody knows when, and nothing is raised.
    CutOff,
}

/// What the pipeline counted, for `ServerStats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Records received.
    pub received: u64,
    /// Records understood.
    pub parsed: u64,
    /// Frames and records rejected.
    pub rejected: u64,
    /// Records of our own.
    pub own: u64,
    /// Observations made.
    pub observations: u64,
}
