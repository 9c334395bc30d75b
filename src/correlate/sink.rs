//! Floor 3: how a module raises events: switches, severities, and the ordinals that make their ids.
//!
//! Invariant: an ordinal counts every event that an input raises in a module, switched on or not, so that ids do not
//! depend on what is switched on.

use super::sshd::Switch;
use crate::event::{EventBlock, EventWriter, Head, Kind, Severity};
use crate::time::Timestamp;

/// Which kinds are on, and how severe.
#[derive(Clone, Debug)]
pub(super) struct Switches {
    configured: [Option<Severity>; 256],
}

impl Switches {
    pub(super) fn new(switches: &[(Kind, Switch)]) -> Self {
        let mut configured = [None; 256];
        let mut set = |kind: Kind, severity| {
            if let Some(slot) = configured.get_mut(kind as usize) {
                *slot = severity;
            }
        };
        for kind in Kind::ALL.iter().copied().filter(|kind| kind.spec().on) {
            set(kind, Some(kind.spec().severity));
        }
        for (kind, switch) in switches {
            match switch {
                Switch::Off => set(*kind, None),
                Switch::On => set(*kind, Some(kind.spec().severity)),
                Switch::Severity(severity) => set(*kind, Some(*severity)),
            }
        }
        Self { configured }
    }

    /// The severity of a kind whose rule says `rule`, or nothing when it is off. A configured severity stands in for
    /// the default one; a rule that is milder than the default still makes it milder, and a graver one graver.
    fn severity(&self, kind: Kind, rule: Severity) -> Option<Severity> {
        let configured = self.configured.get(kind as usize).copied().flatten()?;
        Some(match rule.cmp(&kind.spec().severity) {
            std::cmp::Ordering::Less => configured.min(rule),
            std::cmp::Ordering::Equal => configured,
            std::cmp::Ordering::Greater => configured.max(rule),
        })
    }
}

/// Whose turn it is: a module, and the input that it takes.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    module: u16,
    number: u64,
    ordinal: u32,
    raised: u64,
}

impl Turn {
    pub(super) fn new(module: u16) -> Self {
        Self { module, number: 0, ordinal: 0, raised: 0 }
    }

    /// Moves on to an input.
    pub(super) fn take(&mut self, number: u64) {
        if self.number != number {
            (self.number, self.ordinal) = (number, 0);
        }
    }

    /// Begins a run: its first input is no continuation, whatever its number, and nothing was raised yet.
    pub(super) fn begin_run(&mut self) {
        *self = Self::new(self.module);
    }

    /// Goes on after so many events that were raised.
    pub(super) fn resume(&mut self, raised: u64) {
        self.raised = raised;
    }

    /// The ordinal that the input's next event takes.
    pub(super) fn ordinal(&self) -> u32 {
        self.ordinal
    }

    /// How many events the module raised.
    pub(super) fn raised(&self) -> u64 {
        self.raised
    }
}

/// What is to be said of one event before its fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raise {
    /// Its kind.
    pub(super) kind: Kind,
    /// The severity by its rule.
    pub(super) severity: Severity,
    /// When it happened.
    pub(super) time: Timestamp,
    /// Whether its source is trusted, which caps its severity.
    pub(super) trusted: bool,
}

impl Raise {
    /// An event with the default severity of its kind.
    pub(super) fn new(kind: Kind, time: Timestamp) -> Self {
        Self { kind, severity: kind.spec().severity, time, trusted: false }
    }
}

/// Where one module's events go.
#[derive(Debug)]
pub(super) struct Sink<'a> {
    pub(super) turn: &'a mut Turn,
    pub(super) switches: &'a Switches,
    pub(super) events: &'a mut EventBlock,
}

impl Sink<'_> {
    /// Raises an event and gives the means to fill its fields, unless its kind is switched off.
    pub(super) fn raise(&mut self, raise: Raise) -> Option<EventWriter<'_>> {
        let Raise { kind, severity, time, trusted } = raise;
        let ordinal = self.turn.ordinal;
        self.turn.ordinal += 1;
        let severity = self.switches.severity(kind, severity)?;
        let severity = if trusted { severity.min(Severity::Notice) } else { severity };
        self.turn.raised += 1;
        let (number, module) = (self.turn.number, self.turn.module);
        Some(self.events.push(Head { number, ordinal, module, kind, severity, time }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_severity_stands_in_for_the_default() {
        let switches = Switches::new(&[
            (Kind::SSHDProtocolProbe, Switch::On),
            (Kind::SSHDStats, Switch::Off),
            (Kind::SSHDSuccessAfterFailures, Switch::Severity(Severity::Error)),
        ]);
        let severity = |kind, rule| switches.severity(kind, rule);
        assert_eq!(severity(Kind::SSHDProtocolProbe, Severity::Info), Some(Severity::Info));
        assert_eq!(severity(Kind::SSHDStats, Severity::Info), None);
        assert_eq!(severity(Kind::SSHDPenalty, Severity::Info), None, "off by default");
        let kind = Kind::SSHDSuccessAfterFailures;
        assert_eq!(severity(kind, Severity::Critical), Some(Severity::Error));
        assert_eq!(severity(kind, Severity::Notice), Some(Severity::Notice), "a milder case stays milder");
        assert_eq!(severity(Kind::SSHDLoginFailed, Severity::Info), Some(Severity::Info));
    }
}
