//! Floor 2: what is to be observed, and the compiled means to do it.

use super::{Kind, Name, Observation, Observations};
use crate::span::Span;
use crate::time::Timestamp;
use crate::wire::Record;

/// What the modules that are switched on want to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Messages of OpenSSH's daemons and what belongs to them.
    pub sshd: bool,
    /// A [`Kind::Record`] observation for every record, after any other of the same record.
    pub records: bool,
}

/// One record and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The record, borrowed from `bytes`.
    pub record: &'a Record<'a>,
    /// The bytes of its batch.
    pub bytes: &'a [u8],
    /// Index of its frame in the batch.
    pub frame: u32,
    /// Whether the frame was truncated.
    pub truncated: bool,
    /// When it arrived.
    pub arrival: Timestamp,
}

/// Compiled detection, shared by all workers.
#[derive(Debug)]
pub struct Detector {
    interest: Interest,
}

/// What one worker needs to run a [`Detector`]: caches that would be contended if they were shared.
#[derive(Debug)]
pub struct Scratch {}

impl Detector {
    /// Compiles what `interest` asks for.
    pub fn new(interest: Interest) -> Self {
        Self { interest }
    }

    /// Makes the scratch space of one worker.
    pub fn scratch(&self) -> Scratch {
        Scratch {}
    }

    /// Appends what a record means.
    pub fn observe(&self, _scratch: &mut Scratch, subject: Subject<'_>, out: &mut Observations) {
        if self.interest.records {
            let mut entry = Observation::new(Kind::Record, subject.frame, subject.arrival);
            entry.host = Name { span: Span::locate(subject.bytes, subject.record.msg), ..Name::default() };
            out.entries.push(entry);
        }
    }
}
