//! Floor 6: events about the server itself.
//!
//! They are raised by no input: their number is 0, and a count tells those of a run apart. A replay does not raise them.

use crate::event::{EventBlock, EventWriter, Head, Kind, Stamp};
use crate::limits;
use crate::time::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;

/// Raises events about the server.
#[derive(Debug)]
pub(super) struct Health {
    stamp: Arc<Stamp>,
    raised: u32,
    /// When each trouble of each handler was last told.
    told: HashMap<(Kind, String), Timestamp>,
}

impl Health {
    pub(super) fn new(stamp: Arc<Stamp>) -> Self {
        Self { stamp, raised: 0, told: HashMap::new() }
    }

    /// How many events it has raised.
    pub(super) fn raised(&self) -> u64 {
        u64::from(self.raised)
    }

    /// Raises an event, whose fields are filled in by `fill`.
    pub(super) fn raise(
        &mut self,
        kind: Kind,
        time: Timestamp,
        fill: impl FnOnce(&mut EventWriter<'_>),
    ) -> Arc<EventBlock> {
        let mut block = EventBlock::new(Arc::clone(&self.stamp));
        let module = self.stamp.modules.len().saturating_sub(1);
        let head = Head {
            number: 0,
            ordinal: self.raised,
            module: u16::try_from(module).unwrap_or(u16::MAX),
            kind,
            severity: kind.spec().severity,
            time,
        };
        self.raised = self.raised.saturating_add(1);
        fill(&mut block.push(head));
        Arc::new(block)
    }

    /// Whether a trouble is worth an event: it was not told of for a while. Handlers are few, so this is bounded.
    pub(super) fn is_news(&mut self, kind: Kind, handler: &str, now: Timestamp) -> bool {
        let told = self.told.get_mut(&(kind, handler.to_owned()));
        if told.as_ref().is_some_and(|told| now.since(**told) < limits::TROUBLE_INTERVAL) {
            return false;
        }
        match told {
            Some(told) => *told = now,
            None => drop(self.told.insert((kind, handler.to_owned()), now)),
        }
        true
    }
}
