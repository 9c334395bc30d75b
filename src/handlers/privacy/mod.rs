//! Floor 4: what leaves the machine names nobody whom its hosts do not know: people type passwords as user names.
//!
//! A handler that masks is wrapped: it is given copies of events, and its evidence comes through a filter, so that no
//! handler has to think of it. Where neither an event nor a record can say whether a name is a user's, it is masked.
//!
//! Invariant: of a masked name no more is handed on than `mask` shows of it.

mod events;
mod mask;
mod records;

#[cfg(test)]
mod tests;

use self::events::masked;
use self::records::Masking;
use super::{Delivery, DigestDelivery, Evidence, Gathered, Handler, Probing, Selection};
use crate::detect::{Detector, Interest};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// What tells the names in records.
static DETECTOR: LazyLock<Detector> =
    LazyLock::new(|| Detector::new(Interest { sshd: true, records: false }));

/// What becomes of the names of users whom the hosts do not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownUsers {
    /// They are shown by their beginning and length: `hu…(9)`.
    Mask,
    /// They are shown as they were typed.
    Show,
}

/// What a handler may tell of people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Privacy {
    /// The names of unknown users.
    pub unknown_users: UnknownUsers,
}

impl Privacy {
    /// The records that a handler may show.
    pub fn evidence(self, evidence: Arc<dyn Evidence>) -> Arc<dyn Evidence> {
        match self.unknown_users {
            UnknownUsers::Mask => Arc::new(Masking(evidence)),
            UnknownUsers::Show => evidence,
        }
    }

    /// The handler, which gets no more than it may tell.
    pub fn handler(self, handler: Box<dyn Handler>) -> Box<dyn Handler> {
        match self.unknown_users {
            UnknownUsers::Mask => Box::new(Masked(handler)),
            UnknownUsers::Show => handler,
        }
    }
}

/// A handler that gets events with masked names.
struct Masked(Box<dyn Handler>);

impl Handler for Masked {
    fn deliver<'a>(&'a mut self, events: &'a Selection) -> Delivery<'a> {
        Box::pin(async move { self.0.deliver(&masked(events)).await })
    }

    fn most(&self) -> usize {
        self.0.most()
    }

    fn patience(&self) -> Duration {
        self.0.patience()
    }

    fn probe(&mut self) -> Probing<'_> {
        self.0.probe()
    }

    fn digest<'a>(&'a mut self, gathered: &'a Gathered) -> DigestDelivery<'a> {
        let shown = gathered.shown.iter().map(masked).collect();
        let gathered = Gathered { digest: gathered.digest.clone(), shown };
        Box::pin(async move { self.0.digest(&gathered).await })
    }
}
