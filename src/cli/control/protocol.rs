//! Floor 8: what is asked and answered.
//!
//! Each line is an object with the `version` of the protocol. A server answers every line with one, in order. Blanks
//! before an answer are signs that the server works on it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the protocol.
pub(in crate::cli) const VERSION: u32 = 1;

/// One question.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct Request {
    /// The version of the protocol.
    pub(in crate::cli) version: u32,
    /// What is asked.
    #[serde(flatten)]
    pub(in crate::cli) ask: Ask,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(in crate::cli) enum Ask {
    /// How the server is.
    Status,
    /// Deliver dead letters again.
    Retry {
        /// Which.
        which: Which,
    },
    /// Give up what waits or is dead.
    Drop {
        /// Which.
        which: Which,
        /// Why.
        reason: String,
    },
}

/// Which events are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cli) struct Which {
    /// Those of this handler; of all without it.
    pub(in crate::cli) handler: Option<String>,
    /// This event, by its sequence number; all without it.
    pub(in crate::cli) event: Option<u64>,
    /// Dead letters alone.
    pub(in crate::cli) dead: bool,
}

/// What is answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct Answer {
    /// The version of the protocol.
    pub(in crate::cli) version: u32,
    /// Why nothing was done.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(in crate::cli) error: Option<String>,
    /// How the server is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(in crate::cli) status: Option<Status>,
    /// What was asked of handlers.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(in crate::cli) done: Vec<Done>,
}

/// What was asked of one handler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cli) struct Done {
    /// The handler.
    pub(in crate::cli) handler: String,
    /// How many events it is about.
    pub(in crate::cli) events: u64,
    /// How many wait, because the handler fails, which is to try again.
    #[serde(default)]
    pub(in crate::cli) hastened: u64,
    /// Why it failed the last time.
    #[serde(default)]
    pub(in crate::cli) error: Option<String>,
}

/// How a server is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::cli) struct Status {
    /// The version of the program.
    pub(in crate::cli) version: String,
    /// The stream of the data directory.
    pub(in crate::cli) stream: String,
    /// The number of the run.
    pub(in crate::cli) run: u32,
    /// When it began.
    pub(in crate::cli) started: String,
    /// For how long it has been running.
    pub(in crate::cli) uptime_seconds: u64,
    /// Where it listens.
    pub(in crate::cli) listeners: Vec<Listening>,
    /// The files that it follows.
    #[serde(default)]
    pub(in crate::cli) files: Vec<FollowedFile>,
    /// Frames received, of which the next three are the parts.
    pub(in crate::cli) received: u64,
    /// Frames that were records.
    pub(in crate::cli) parsed: u64,
    /// Frames that were none.
    pub(in crate::cli) rejected: u64,
    /// Records that a fault of the program kept from being understood.
    pub(in crate::cli) failed: u64,
    /// Why frames were rejected.
    pub(in crate::cli) reasons: BTreeMap<String, u64>,
    /// The peers that sent most, and those of which most was rejected.
    pub(in crate::cli) peers: Vec<Peer>,
    /// Peers that are left out.
    pub(in crate::cli) other_peers: u64,
    /// How many hosts have spoken in this run.
    #[serde(default)]
    pub(in crate::cli) hosts: u64,
    /// How many are known, of all runs.
    #[serde(default)]
    pub(in crate::cli) known_hosts: u64,
    /// How many of those that are watched are silent.
    #[serde(default)]
    pub(in crate::cli) silent_hosts: u64,
    /// Those of them that have been so for longest, those first.
    #[serde(default)]
    pub(in crate::cli) silent: Vec<SilentHost>,
    /// Whether there is no room to know more hosts.
    #[serde(default)]
    pub(in crate::cli) hosts_full: bool,
    /// Records of hosts for which there was no room, in this run.
    #[serde(default)]
    pub(in crate::cli) unwatched: u64,
    /// The hosts whose clocks are most off, those first.
    #[serde(default)]
    pub(in crate::cli) clocks: Vec<HostClock>,
    /// Records whose times lie too far after their arrival.
    #[serde(default)]
    pub(in crate::cli) ahead: u64,
    /// Records whose times lie too far before their arrival.
    #[serde(default)]
    pub(in crate::cli) behind: u64,
    /// Connections that were refused or cut, the most first.
    pub(in crate::cli) refused: Vec<Refused>,
    /// Observations made.
    pub(in crate::cli) observations: u64,
    /// Events raised by them.
    pub(in crate::cli) events: u64,
    /// What became of events, in all runs.
    pub(in crate::cli) handlers: Vec<Delivery>,
    /// Whether all sums are right.
    pub(in crate::cli) balanced: bool,
    /// When something was last made durable; nothing without a journal.
    pub(in crate::cli) last_commit: Option<String>,
    /// Bytes that the journal takes on the disk.
    pub(in crate::cli) journal_bytes: u64,
    /// Whether there is no room for inputs.
    pub(in crate::cli) disk_full: bool,
    /// Whether nothing is wrong.
    pub(in crate::cli) healthy: bool,
    /// What is wrong.
    pub(in crate::cli) problems: Vec<String>,
}

/// An address that a server listens on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct Listening {
    /// The listener.
    pub(in crate::cli) name: String,
    /// The address.
    pub(in crate::cli) address: String,
}

/// A file that a server follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cli) struct FollowedFile {
    /// The section of the configuration.
    pub(in crate::cli) name: String,
    /// The path.
    pub(in crate::cli) path: String,
    /// How far it has been read, in bytes; nothing while it is not there.
    pub(in crate::cli) position: Option<u64>,
    /// How many bytes there are beyond that; nothing where that cannot be told.
    pub(in crate::cli) lag: Option<u64>,
    /// When its last record was read, in this run.
    pub(in crate::cli) last_record: Option<String>,
    /// Why it cannot be read.
    pub(in crate::cli) trouble: Option<String>,
}

/// What one peer sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct Peer {
    /// Its address; those that are not counted one by one have none.
    pub(in crate::cli) peer: String,
    /// Frames received, of which the next three are the parts.
    pub(in crate::cli) received: u64,
    /// Frames that were records.
    pub(in crate::cli) parsed: u64,
    /// Frames that were none.
    pub(in crate::cli) rejected: u64,
    /// Records that a fault of the program kept from being understood.
    pub(in crate::cli) failed: u64,
    /// Why frames were rejected.
    pub(in crate::cli) reasons: BTreeMap<String, u64>,
}

/// A host that is silent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct SilentHost {
    /// The host.
    pub(in crate::cli) host: String,
    /// When it was last heard, or a little later.
    pub(in crate::cli) last: String,
}

/// How the clock of a host goes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct HostClock {
    /// The host.
    pub(in crate::cli) host: String,
    /// By how many seconds it is ahead; behind where that is negative.
    pub(in crate::cli) ahead_seconds: f64,
    /// Its records in this run.
    pub(in crate::cli) records: u64,
    /// When the last one came.
    pub(in crate::cli) last: String,
}

/// What was refused of a peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct Refused {
    /// Its address.
    pub(in crate::cli) peer: String,
    /// Why.
    pub(in crate::cli) reason: String,
    /// How often.
    pub(in crate::cli) count: u64,
}

/// What became of events in one handler.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::cli) struct Delivery {
    /// The handler.
    pub(in crate::cli) handler: String,
    /// Whether it runs; else it is one that is no longer configured.
    pub(in crate::cli) runs: bool,
    /// Events that were to go to it: the sum of the next seven.
    pub(in crate::cli) all: u64,
    /// Events that it took.
    pub(in crate::cli) delivered: u64,
    /// Events that its filter left out.
    pub(in crate::cli) filtered: u64,
    /// Events within the cool-down of one like them.
    pub(in crate::cli) suppressed: u64,
    /// Events that went as part of a digest.
    pub(in crate::cli) digested: u64,
    /// Events that were given up.
    pub(in crate::cli) dead: u64,
    /// Events that an operator dropped.
    pub(in crate::cli) dropped: u64,
    /// Events that wait.
    pub(in crate::cli) waiting: u64,
    /// Since when the oldest of them waits.
    pub(in crate::cli) oldest_waiting_seconds: Option<u64>,
    /// The delivery that fails at present.
    pub(in crate::cli) failing: Option<Failing>,
}

/// A delivery that fails.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct Failing {
    /// How often it was tried.
    pub(in crate::cli) attempts: u32,
    /// When it was first tried.
    pub(in crate::cli) since: String,
    /// Why it failed the last time.
    pub(in crate::cli) error: String,
}
