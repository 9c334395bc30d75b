//! Floor 3: which hosts are known and which of them are silent, for people to look at.
//!
//! Invariant: it decides nothing and is not saved; all of it follows from what is known of hosts, but the count of records
//! for which there was no room.

use super::Hosts;
use crate::correlate::names::NameId;
use crate::limits;
use crate::time::Timestamp;

/// How the hosts are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// How many are known.
    pub known: usize,
    /// Whether there is no room for another one.
    pub is_full: bool,
    /// How many of those that are watched are silent.
    pub silent: usize,
    /// Those of them that have been so for longest, with when each was last heard; at most [`limits::STATUS_SILENT`].
    pub longest: Vec<(Box<[u8]>, Timestamp)>,
    /// Records of hosts for which there was no room, in this run.
    pub unwatched: u64,
}

impl Hosts {
    /// A number that is another one when [`Self::presence`] is.
    pub(in crate::correlate) fn changes(&self) -> u64 {
        self.changes
    }

    /// How the hosts are now.
    pub(in crate::correlate) fn presence(&self) -> Presence {
        let longest = self.silent.iter().take(limits::STATUS_SILENT);
        Presence {
            known: self.count,
            is_full: !self.may_learn(),
            silent: self.silent.len(),
            longest: longest.map(|(heard, name)| (name.clone(), *heard)).collect(),
            unwatched: self.unwatched,
        }
    }

    /// Whether one more host can be known.
    pub(super) fn may_learn(&self) -> bool {
        self.count < self.most && !self.names.is_full()
    }

    /// Takes note that a host is silent from now on, or no longer is. It must have been heard at the same time before as
    /// after.
    pub(super) fn mark(&mut self, id: NameId, is_silent: bool) {
        let Some(host) = self.host_mut(id) else { return };
        host.is_silent = is_silent;
        let heard = host.heard;
        let key: (Timestamp, Box<[u8]>) = (heard, self.names.text(id).into());
        self.changes += 1;
        if is_silent && self.is_watched(&key.1) {
            self.silent.insert(key);
        } else {
            self.silent.remove(&key);
        }
    }

    /// Finds the silent hosts anew.
    pub(super) fn find_silent(&mut self) {
        self.silent.clear();
        let ids: Vec<NameId> = self.due.iter().map(|(_, id)| *id).collect();
        for id in ids {
            if self.host(id).is_some_and(|host| host.is_silent) {
                self.mark(id, true);
            }
        }
    }
}
