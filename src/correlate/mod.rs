//! Floor 3: observations → events. Pure, single-threaded, deterministic.

use crate::batch::Sequenced;
use crate::detect::{Interest, Observations};
use crate::event::{EventBlock, ModuleName};
use crate::time::{Timestamp, Zone};

pub mod report;
pub mod sshd;

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

/// The state of all modules, and the fold over the inputs.
#[derive(Debug)]
pub struct Correlator {}

impl Correlator {
    /// Creates the modules of all applications, in their initial state.
    pub fn new(_apps: &[App], _zone: Zone) -> Self {
        Self {}
    }

    /// The names of the modules, by the index that events hold.
    pub fn modules(_apps: &[App]) -> Vec<ModuleName> {
        Vec::new()
    }

    /// What the modules want to see.
    pub fn interest(_apps: &[App]) -> Interest {
        Interest::default()
    }

    /// Takes the inputs of one batch, in the order of their numbers, and appends the events they raise.
    pub fn fold(&mut self, _batch: &Sequenced, _observations: &Observations, _events: &mut EventBlock) {}

    /// Takes the end of the inputs: raises what is due, and then the statistics.
    pub fn finish(&mut self, _end: End, _totals: Totals, _events: &mut EventBlock) {}
}
