//! Floor 3: what a module counts, and the statistics event that tells it.

use super::Module;
use crate::correlate::sink::{Raise, Sink};
use crate::event::{Field, Kind};
use crate::time::Timestamp;

/// Counts since the last statistics; saved as they are.
#[derive(Clone, Copy, Debug, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, PartialEq, Eq)]
pub(super) struct Stats {
    /// When they began.
    pub(super) start: Option<Timestamp>,
    /// Records that the module took.
    pub(super) records: u64,
    /// Logins that ended.
    pub(super) login_sessions: u64,
    /// Connections that ended without a login after an attempt.
    pub(super) denied: u64,
    /// Sources that went over the allowed attempts.
    pub(super) lockouts: u64,
    /// Connections and logins that were given up for age.
    pub(super) expired: u64,
    /// Sessions whose beginning or end was not seen.
    pub(super) partial: u64,
    /// Messages of sshd that no pattern matched.
    pub(super) unparsed: u64,
    /// Messages that were cut.
    pub(super) truncated: u64,
    /// Records too old for the window they belong to.
    pub(super) late: u64,
    /// Entries given up because a table was full.
    pub(super) evicted: u64,
    /// Records from ignored networks.
    pub(super) ignored: u64,
}

impl Stats {
    /// All counts.
    pub(super) fn counts(&self) -> [u64; 11] {
        let Self { records, login_sessions, denied, lockouts, expired, partial, .. } = *self;
        let Self { unparsed, truncated, late, evicted, ignored, .. } = *self;
        [
            records,
            login_sessions,
            denied,
            lockouts,
            expired,
            partial,
            unparsed,
            truncated,
            late,
            evicted,
            ignored,
        ]
    }
}

impl Module {
    /// Tells what was counted since the last time, and begins again.
    pub(in crate::correlate) fn statistics(&mut self, time: Timestamp, even_idle: bool, sink: &mut Sink<'_>) {
        let stats = std::mem::replace(&mut self.stats, Stats { start: Some(time), ..Stats::default() });
        if !even_idle && stats == (Stats { start: stats.start, ..Stats::default() }) {
            return;
        }
        let Some(mut event) = sink.raise(Raise::new(Kind::SSHDStats, time)) else { return };
        event
            .time(Field::Start, stats.start.unwrap_or(time))
            .time(Field::Finish, time)
            .count(Field::Records, stats.records)
            .count(Field::LoginSessions, stats.login_sessions)
            .count(Field::OpenSessions, self.connections.logins())
            .count(Field::Denied, stats.denied)
            .count(Field::Lockouts, stats.lockouts)
            .count(Field::Expired, stats.expired)
            .count(Field::Partial, stats.partial)
            .count(Field::Unparsed, stats.unparsed)
            .count(Field::Truncated, stats.truncated)
            .count(Field::Late, stats.late)
            .count(Field::Evicted, stats.evicted)
            .count(Field::Ignored, stats.ignored);
    }
}
