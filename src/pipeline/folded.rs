//! Floor 6: what the correlator's thread hands on.
//!
//! Invariant: an input's events are in the same piece as the input, and pieces are in the order of the inputs.

use super::reach::Reach;
use crate::event::EventBlock;
use crate::journal::KeptInputs;
use rkyv::util::AlignedVec;
use std::sync::Arc;

/// Some inputs in a row, folded.
#[derive(Debug, Default)]
pub struct Folded {
    /// The events that they raised.
    pub events: Option<Arc<EventBlock>>,
    /// What of them meant something; only where the sink wants it.
    pub inputs: KeptInputs,
    /// Inputs of all earlier runs.
    pub base: u64,
    /// The position of the last of them.
    pub through: u64,
    /// Frames of the run so far, up to the last of them; 0 where they came to nothing.
    pub frames: u64,
    /// The correlator's state behind them, if the sink wanted it.
    pub state: Option<Arc<AlignedVec>>,
}

/// Takes what the inputs came to, in order.
pub trait EventSink: Send {
    /// Whether it wants inputs, and not only events.
    fn wants_inputs(&self) -> bool {
        false
    }

    /// Whether it wants the correlator's state, now.
    fn wants_state(&self) -> bool {
        false
    }

    /// Whether it keeps the state from one run to the next, and so wants it at the end.
    fn keeps_state(&self) -> bool {
        false
    }

    /// Something to gather inputs in, empty: used before where there is such.
    fn spare_inputs(&mut self) -> KeptInputs {
        KeptInputs::default()
    }

    /// Whether it wants to hear how far inputs have been folded, though there is nothing to hand on; `is_further` says
    /// whether that is further than it has heard.
    fn wants_word(&self, _is_further: bool) -> bool {
        false
    }

    /// Where it is told how far things have come, if somebody wants to know.
    fn reach(&self) -> Option<Arc<Reach>> {
        None
    }

    /// Takes a piece. May block: that slows the senders.
    fn offer(&mut self, folded: Folded);
}
