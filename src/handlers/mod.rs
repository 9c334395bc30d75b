//! Floor 4: what acts on events: one file each, one trait.

use crate::event::EventBlock;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// Events for one handler: those of a block that its filter let through, by index, ascending.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The block.
    pub block: Arc<EventBlock>,
    /// Indices of the selected events.
    pub indices: Vec<u32>,
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
