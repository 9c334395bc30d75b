//! Floor 4: what acts on events: one file or folder for each handler, one trait.
//!
//! Each has a plain `Options` and a `build` that needs nothing of the outside world to succeed: a disk that is full or a
//! server that is away is the outcome of a delivery, not a reason not to start.
//!
//! Invariant: a handler answers each delivery with one outcome for each event, and says [`Outcome::Delivered`] only
//! once the event has left the process.

use crate::event::{Event, EventBlock};
use crate::time::{Clock, Zone};
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

pub mod csv;
mod digest;
pub mod log;
mod sink;

pub use digest::{Digest, Group};
pub use sink::panic_text;

/// What handlers share of their surroundings.
#[derive(Clone)]
pub struct Environment {
    /// What tells when a file is to be rotated.
    pub clock: Arc<dyn Clock>,
    /// The zone of what people read, and of midnight.
    pub zone: Zone,
    /// What relative paths are under.
    pub directory: PathBuf,
}

/// Events for one handler: those of a block that its filter let through, by index, ascending.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The block.
    pub block: Arc<EventBlock>,
    /// Indices of the selected events.
    pub indices: Vec<u32>,
}

impl Selection {
    /// Selects all events of a block.
    pub fn all(block: Arc<EventBlock>) -> Self {
        let indices = (0..u32::try_from(block.len()).unwrap_or(u32::MAX)).collect();
        Self { block, indices }
    }

    /// The selected events, in order.
    pub fn events(&self) -> impl Iterator<Item = Event<'_>> {
        self.indices.iter().filter_map(|index| self.block.get(*index as usize))
    }

    /// How many events are selected.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }
}

/// What became of one event in one handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done, and flushed.
    Delivered,
    /// Failed for now: trying again may help.
    Temporary(String),
    /// Failed for good.
    Permanent(String),
}

/// The future of a delivery.
pub type Delivery<'a> = Pin<Box<dyn Future<Output = Vec<Outcome>> + Send + 'a>>;

/// Acts on events. A handler runs in a task of its own and may take as long as it needs.
pub trait Handler: Send {
    /// Delivers events, in order, with one outcome for each: one flush, one connection, one request per call where
    /// the medium allows.
    fn deliver<'a>(&'a mut self, events: &'a Selection) -> Delivery<'a>;
}
