//! Floor 4: what acts on events: one file or folder for each handler, one trait.
//!
//! Each has a plain `Options` and a `build` that needs nothing of the outside world to succeed: a disk that is full or a
//! server that is away is the outcome of a delivery, not a reason not to start.
//!
//! Invariant: a handler answers each delivery with one outcome for each event, and says [`Outcome::Delivered`] only
//! once the event has left the process.

use crate::credentials::Secrets;
use crate::event::{Event, EventBlock};
use crate::limits;
use crate::time::{Clock, Zone};
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

mod awaiting;
mod bounded;
pub mod csv;
pub mod digest;
pub mod email;
mod evidence;
pub mod exec;
pub mod heartbeat;
mod http;
pub mod log;
mod memory;
mod occasion;
#[cfg(test)]
#[path = "../../tests/support/port.rs"]
mod port;
pub mod privacy;
mod probe;
#[cfg(test)]
mod reference_tests;
mod secrecy;
mod sink;
pub mod sms;
pub mod syslog;
pub mod template;
pub(crate) mod tls;
pub mod webhook;

pub use awaiting::{Make, awaiting};
pub use digest::{Digest, Gathered, Group};
pub use evidence::{Evidence, EvidenceRecord, JournalEvidence, NoEvidence, RecentEvidence};
pub use occasion::Occasion;
pub use probe::{Probing, Trial};
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
    /// The secrets that options name.
    pub secrets: Arc<Secrets>,
    /// Where the records are found that caused an event.
    pub evidence: Arc<dyn Evidence>,
    /// Why there are events.
    pub occasion: Occasion,
}

impl Environment {
    /// Surroundings without secrets and evidence.
    pub fn new(clock: Arc<dyn Clock>, zone: Zone, directory: impl Into<PathBuf>) -> Self {
        let (secrets, evidence) = (Arc::default(), Arc::new(NoEvidence));
        let (directory, occasion) = (directory.into(), Occasion::Live);
        Self { clock, zone, directory, secrets, evidence, occasion }
    }
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

/// Ends what is cut.
const MORE: char = '…';

/// What became of one event in one handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done, and flushed.
    Delivered,
    /// Done, and there is something to remember of it: what the other side calls it, or what a program printed.
    Accepted(String),
    /// Done for some of its recipients, while others have refused it for good.
    Partial {
        /// What there is to remember of it, the refusals with it.
        note: String,
        /// Who has refused it, and why.
        refused: String,
    },
    /// Failed for now: trying again may help.
    Temporary(String),
    /// Failed for now, and the other side wants to be left alone for a while.
    Deferred(String, Duration),
    /// Failed for good.
    Permanent(String),
}

impl Outcome {
    /// Whether the event was delivered.
    pub fn is_delivered(&self) -> bool {
        matches!(self, Self::Delivered | Self::Accepted(_) | Self::Partial { .. })
    }

    /// Whether trying again may help.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Temporary(_) | Self::Deferred(..))
    }

    /// The same with no more said of it than is kept.
    pub fn cut(mut self) -> Self {
        match &mut self {
            Self::Delivered => {}
            Self::Accepted(note)
            | Self::Temporary(note)
            | Self::Deferred(note, _)
            | Self::Permanent(note) => cut(note),
            Self::Partial { note, refused } => {
                cut(note);
                cut(refused);
            }
        }
        self
    }

    /// The same with something more to remember of it.
    pub(crate) fn noting(self, note: &str) -> Self {
        match self {
            Self::Delivered => Self::Accepted(note.to_owned()),
            Self::Accepted(said) => Self::Accepted(format!("{said}; {note}")),
            Self::Partial { note: said, refused } => {
                Self::Partial { note: format!("{said}; {note}"), refused }
            }
            Self::Temporary(why) => Self::Temporary(format!("{why}; {note}")),
            Self::Deferred(why, pause) => Self::Deferred(format!("{why}; {note}"), pause),
            Self::Permanent(why) => Self::Permanent(format!("{why}; {note}")),
        }
    }

    /// Why it failed, if it did.
    pub fn failure(&self) -> Option<&str> {
        match self {
            Self::Delivered | Self::Accepted(_) | Self::Partial { .. } => None,
            Self::Temporary(why) | Self::Deferred(why, _) | Self::Permanent(why) => Some(why),
        }
    }
}

/// Cuts a text to what is kept of it.
fn cut(text: &mut String) {
    if text.len() > limits::MAX_NOTE_BYTES {
        text.truncate(text.floor_char_boundary(limits::MAX_NOTE_BYTES - MORE.len_utf8()));
        text.push(MORE);
    }
}

/// The future of a delivery.
pub type Delivery<'a> = Pin<Box<dyn Future<Output = Vec<Outcome>> + Send + 'a>>;

/// The future of a digest's delivery.
pub type DigestDelivery<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// Acts on events. A handler runs in a task of its own and may take as long as it needs.
pub trait Handler: Send {
    /// Delivers events, in order, with one outcome for each: one flush, one connection, one request per call where
    /// the medium allows.
    fn deliver<'a>(&'a mut self, events: &'a Selection) -> Delivery<'a>;

    /// How many events it takes in one delivery at most: few, where each takes its time and may fail by itself.
    fn most(&self) -> usize {
        usize::MAX
    }

    /// The longest pause after a failure before another attempt makes sense, whatever the options say.
    fn patience(&self) -> Duration {
        Duration::MAX
    }

    /// Delivers many events as one message. Only handlers whose options take a time for digests are asked to.
    fn digest<'a>(&'a mut self, _: &'a Gathered) -> DigestDelivery<'a> {
        Box::pin(async { Outcome::Permanent("this type of handler sends no digests".to_owned()) })
    }

    /// Tries whether the servers that it needs can be reached and take its secrets, as far as that goes without telling
    /// anybody anything.
    fn probe(&mut self) -> Probing<'_> {
        Box::pin(async { Vec::new() })
    }
}
