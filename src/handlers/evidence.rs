//! Floor 4: where the records are found that caused events.
//!
//! Invariant: what is handed out was received as it stands; what is not there any more is left out.

pub use crate::journal::EvidenceRecord;

use super::Selection;
use crate::event::Event;
use crate::journal::{self, KeptInputs};
use crate::limits;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Finds the records that caused events.
pub trait Evidence: Send + Sync {
    /// The records of an event that are still there, in order. Reads files.
    fn of(&self, event: Event<'_>) -> Vec<EvidenceRecord>;
}

/// Where no record is kept.
#[derive(Clone, Copy, Debug)]
pub struct NoEvidence;

impl Evidence for NoEvidence {
    fn of(&self, _: Event<'_>) -> Vec<EvidenceRecord> {
        Vec::new()
    }
}

/// The records that the journal of a data directory keeps.
#[derive(Clone, Debug)]
pub struct JournalEvidence(pub PathBuf);

impl Evidence for JournalEvidence {
    fn of(&self, event: Event<'_>) -> Vec<EvidenceRecord> {
        journal::evidence(&self.0, event.evidence()).unwrap_or_else(|error| {
            tracing::warn!(%error, "the records of an event cannot be read");
            Vec::new()
        })
    }
}

/// The latest records, in memory, where there is no journal: of a replay.
#[derive(Debug, Default)]
pub struct RecentEvidence(Mutex<Recent>);

#[derive(Debug, Default)]
struct Recent {
    /// Inputs with the count of those of all earlier runs, the oldest first.
    pieces: VecDeque<(u64, KeptInputs)>,
    size: usize,
}

impl RecentEvidence {
    /// Adds inputs, with the count of those of all earlier runs; the oldest are forgotten when there are too many.
    pub fn add(&self, base: u64, inputs: KeptInputs) {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recent.size += inputs.size();
        recent.pieces.push_back((base, inputs));
        while recent.size > limits::MAX_RECENT_EVIDENCE {
            let Some((_, oldest)) = recent.pieces.pop_front() else { break };
            recent.size = recent.size.saturating_sub(oldest.size());
        }
    }
}

impl Evidence for RecentEvidence {
    fn of(&self, event: Event<'_>) -> Vec<EvidenceRecord> {
        let recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pieces = recent.pieces.iter();
        pieces.flat_map(|(base, inputs)| inputs.records(*base, event.evidence())).collect()
    }
}

/// Reads the records of some events where that holds up nobody else.
pub(super) async fn read(evidence: &Arc<dyn Evidence>, events: &Selection) -> Vec<Vec<EvidenceRecord>> {
    let (evidence, events) = (Arc::clone(evidence), events.clone());
    let read = move || events.events().map(|event| evidence.of(event)).collect();
    // A reader that panics costs the records, not the message.
    tokio::task::spawn_blocking(read).await.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Arrivals, Batch, FrameSpan, Origin, Sequenced};
    use crate::event::{EventBlock, Kind, sample};
    use crate::span::Span;
    use crate::time::Timestamp;

    /// Three frames from this number on, of which all but the second meant something.
    fn inputs(first: u64, size: u32) -> KeptInputs {
        let frames =
            (0..3).map(|index| FrameSpan { span: Span::new(index * size, size), truncated: index == 2 });
        let batch = Batch {
            origin: Arc::new(Origin { listener: "log".into(), peer: "p".into() }),
            bytes: (0..3).flat_map(|index| vec![b'a' + index; size as usize]).collect::<Vec<_>>().into(),
            frames: frames.collect(),
        };
        let arrivals = Arrivals::One(Timestamp::from_micros(9));
        let mut kept = KeptInputs::default();
        kept.push(&Sequenced { slot: 0, first, arrivals, batch }, [0, 0, 2].into_iter(), false);
        kept
    }

    /// An event that rests on the inputs of these positions.
    fn event(positions: &[u64]) -> EventBlock {
        let sample = sample(Kind::SSHDStats, Timestamp::EPOCH);
        let mut block = EventBlock::new(Arc::clone(sample.stamp()));
        block.push(*sample.get(0).unwrap().head()).evidence(positions.iter().copied());
        block
    }

    #[test]
    fn the_latest_records_are_found_by_position_and_the_oldest_forgotten() {
        let recent = RecentEvidence::default();
        recent.add(100, inputs(1, 2));
        recent.add(100, inputs(4, 2));
        let found = |positions: &[u64]| {
            let block = event(positions);
            let records = recent.of(block.get(0).unwrap());
            let text = |record: EvidenceRecord| {
                (record.position, String::from_utf8(record.bytes).unwrap(), record.truncated)
            };
            records.into_iter().map(text).collect::<Vec<_>>()
        };
        assert_eq!(found(&[106, 101, 102, 999]), [(101, "aa".into(), false), (106, "cc".into(), true)]);
        let half = u32::try_from(limits::MAX_RECENT_EVIDENCE / 4).unwrap();
        recent.add(100, inputs(7, half));
        assert_eq!(found(&[101]).len(), 1);
        recent.add(100, inputs(10, half));
        assert_eq!((found(&[101]).len(), found(&[104]).len(), found(&[112]).len()), (0, 0, 1));
    }
}
