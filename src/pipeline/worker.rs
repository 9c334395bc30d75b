//! Floor 6: frames → records → observations, a pure function of each batch, on a worker's thread or on the correlator's.
//!
//! Invariant: a worker keeps nothing of one batch for the next but memory and caches.

use crate::batch::{FrameSpan, Sequenced};
use crate::detect::senders::Rules;
use crate::detect::{Detector, Flags, Kind, Observations, Scratch, Subject};
use crate::limits;
use crate::time::{Timestamp, Zone};
use crate::wire::{Record, Reject, as_received};
use crossbeam_channel::{Receiver, Sender};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Takes frames that are no records, or none that count, for the operator to look at. Called by all workers.
pub trait RejectSink: Send + Sync {
    /// Takes one of them: its batch, number, arrival, bytes, and what is wrong with it.
    fn rejected(&self, rejected: &Rejected<'_>);

    /// Takes how many more of a batch were rejected for a reason, beyond those that it was given.
    fn left_out(&self, batch: &Sequenced, reject: Reject, frames: u64);
}

/// A frame that is no record, or none that counts.
#[derive(Clone, Copy, Debug)]
pub struct Rejected<'a> {
    /// The batch.
    pub batch: &'a Sequenced,
    /// The frame's number.
    pub number: u64,
    /// When it arrived.
    pub arrival: Timestamp,
    /// The frame's bytes.
    pub bytes: &'a [u8],
    /// What is wrong with it.
    pub reject: Reject,
}

/// What all workers share.
pub(super) struct Shared {
    pub(super) detector: Arc<Detector>,
    pub(super) zones: Vec<(String, Zone)>,
    pub(super) other_zone: Zone,
    pub(super) rules: Arc<Rules>,
    pub(super) rejects: Arc<dyn RejectSink>,
}

/// What one batch came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) parsed: u64,
    pub(super) own: u64,
    pub(super) truncated: u64,
    /// Observations, those of [`Kind::Record`] not counted.
    pub(super) observations: u64,
    /// Records that a fault of ours kept from being understood.
    pub(super) failed: u64,
    /// Records whose times lie too far after their arrival.
    pub(super) ahead: u64,
    /// Records whose times lie too far before their arrival.
    pub(super) behind: u64,
    pub(super) rejected: Vec<(Reject, u64)>,
}

/// A batch and what its records meant.
pub(super) struct Observed {
    pub(super) sequenced: Sequenced,
    pub(super) observations: Observations,
    pub(super) counts: Counts,
}

/// Understands batches, one after another.
pub(super) struct Observer {
    shared: Arc<Shared>,
    scratch: Scratch,
}

impl Observer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { scratch: shared.detector.scratch(), shared }
    }

    /// Understands a batch; a fault of ours costs the whole of it, and nothing else.
    pub(super) fn observe(&mut self, sequenced: Sequenced, mut observations: Observations) -> Observed {
        observations.clear();
        let mut counts = Counts::default();
        let observed = catch_unwind(AssertUnwindSafe(|| {
            observe(&self.shared, &mut self.scratch, &sequenced, &mut observations, &mut counts);
        }));
        if observed.is_err() {
            tracing::error!(first = sequenced.first, "a worker failed on a batch; its records are left out");
            self.scratch = self.shared.detector.scratch();
            observations.clear();
            counts = Counts { failed: sequenced.batch.frames.len() as u64, ..Counts::default() };
        }
        Observed { sequenced, observations, counts }
    }
}

/// One worker.
pub(super) struct Worker {
    pub(super) observer: Observer,
    pub(super) batches: Receiver<Sequenced>,
    pub(super) results: Sender<Observed>,
    pub(super) recycled: Receiver<Observations>,
}

impl Worker {
    /// Works until no batch can come any more.
    pub(super) fn run(mut self) {
        while let Ok(sequenced) = self.batches.recv() {
            let observations = self.recycled.try_recv().unwrap_or_default();
            if self.results.send(self.observer.observe(sequenced, observations)).is_err() {
                return;
            }
        }
    }
}

/// Understands the records of one batch.
pub(super) fn observe(
    shared: &Shared,
    scratch: &mut Scratch,
    sequenced: &Sequenced,
    observations: &mut Observations,
    counts: &mut Counts,
) {
    let batch = &sequenced.batch;
    let zone = shared.zones.iter().find(|(listener, _)| *listener == batch.origin.listener);
    let zone = zone.map_or(&shared.other_zone, |(_, zone)| zone);
    let mut runs = sequenced.arrivals.runs().peekable();
    let mut arrival = sequenced.arrivals.last();
    scratch.begin(&shared.rules, &batch.origin);
    for (frame, &FrameSpan { span, truncated }) in (0_u32..).zip(&batch.frames) {
        while let Some((_, at)) = runs.next_if(|(first, _)| *first <= frame) {
            arrival = at;
            scratch.arrive(at);
        }
        counts.truncated += u64::from(truncated);
        let bytes = span.of(&batch.bytes);
        let reject = match Record::parse(bytes, arrival, zone) {
            Ok(record) => {
                let bytes = &batch.bytes;
                let mut subject = Subject { record: &record, bytes, frame, truncated, arrival, host: None };
                if shared.detector.hear(scratch, &shared.rules, &mut subject, observations) {
                    understand(shared, scratch, subject, observations, counts);
                    continue;
                }
                Reject::Sender
            }
            Err(reject) => reject,
        };
        if count(&mut counts.rejected, reject) <= limits::REJECT_SAMPLES_PER_BATCH {
            let number = sequenced.first.saturating_add(u64::from(frame));
            let bytes = as_received(bytes);
            shared.rejects.rejected(&Rejected { batch: sequenced, number, arrival, bytes, reject });
        }
    }
    for &(reject, frames) in &counts.rejected {
        let left_out = frames.saturating_sub(limits::REJECT_SAMPLES_PER_BATCH);
        if left_out > 0 {
            shared.rejects.left_out(sequenced, reject, left_out);
        }
    }
    (counts.ahead, counts.behind) = (observations.ahead, observations.behind);
}

/// Understands one record.
fn understand(
    shared: &Shared,
    scratch: &mut Scratch,
    subject: Subject<'_>,
    observations: &mut Observations,
    counts: &mut Counts,
) {
    counts.parsed += 1;
    let before = observations.entries.len();
    shared.detector.observe(scratch, subject, observations);
    for entry in observations.entries.iter().skip(before) {
        let record = entry.kind == Kind::Record;
        counts.observations += u64::from(!record);
        counts.own += u64::from(record && entry.flags.has(Flags::OWN));
    }
}

/// Counts one more reject of a kind, and tells how many there are.
fn count(rejected: &mut Vec<(Reject, u64)>, reject: Reject) -> u64 {
    if let Some((_, count)) = rejected.iter_mut().find(|(known, _)| *known == reject) {
        *count += 1;
        return *count;
    }
    rejected.push((reject, 1));
    1
}
