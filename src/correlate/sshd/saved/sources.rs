//! Floor 3: what a saved state remembers of sources, of users and of hosts that drop connections, each in the order in
//! which it would be given up.
//!
//! Invariant: sources are saved by address, so that another `ipv6_prefix` finds them; of two that it makes one, the
//! first stays.

use crate::correlate::names::NameId;
use crate::correlate::saved::columns::{Column, Damaged};
use crate::correlate::saved::texts::{TextsIn, TextsOut};
use crate::correlate::saved::windows::{RecentRow, Windows, WindowsIn};
use crate::correlate::sshd::Module;
use crate::correlate::sshd::network::SourceKey;
use crate::correlate::sshd::sources::{Source, Standing, Target, Throttle};
use crate::correlate::sshd::thresholds::{SOURCES, USERS, clear_source, clear_target};
use crate::correlate::window::Crossing;
use crate::time::Timestamp;
use rkyv::{Archive, Deserialize, Serialize};
use std::net::IpAddr;

/// All that is remembered.
#[derive(Debug, Archive, Serialize, Deserialize)]
pub(super) struct SavedSources {
    sources: Vec<SourceRow>,
    targets: Vec<TargetRow>,
    throttles: Vec<ThrottleRow>,
    windows: Windows,
    /// The users of all sources: references to texts.
    users: Vec<u32>,
    /// The sources of all users.
    addrs: Vec<IpAddr>,
}

/// When an entry last spoke, and when it is looked at.
#[derive(Clone, Copy, Debug, Archive, Serialize, Deserialize)]
struct StandingRow {
    last: Timestamp,
    due: Timestamp,
}

/// One source.
#[derive(Debug, Archive, Serialize, Deserialize)]
struct SourceRow {
    standing: StandingRow,
    attempts: u64,
    enumeration: u64,
    users: RecentRow,
    addr: IpAddr,
    failures: u32,
    timeouts: u32,
}

/// One user.
#[derive(Debug, Archive, Serialize, Deserialize)]
struct TargetRow {
    standing: StandingRow,
    told: Option<Timestamp>,
    sources: RecentRow,
    user: u32,
}

/// One host.
#[derive(Debug, Archive, Serialize, Deserialize)]
struct ThrottleRow {
    standing: StandingRow,
    told: Option<Timestamp>,
    dropped: u64,
    last: Timestamp,
    number: u64,
    host: u32,
    trusted: bool,
}

impl From<Standing> for StandingRow {
    fn from(Standing { last, due }: Standing) -> Self {
        Self { last, due }
    }
}

impl From<StandingRow> for Standing {
    fn from(StandingRow { last, due }: StandingRow) -> Self {
        Self { last, due }
    }
}

impl SavedSources {
    pub(super) fn of(module: &Module, texts: &mut TextsOut<'_>) -> Self {
        // Room for all at once: what grows by doubling touches twice as much memory.
        let tallies = |(_, _, source): (_, _, &Source)| {
            let timeouts = source.timeouts.as_ref().map_or(0, |timeouts| timeouts.tallies().len());
            source.failures.tallies().len() + timeouts
        };
        let tallies = module.sources.queued().map(tallies).sum();
        let tried = module.sources.queued().map(|(_, _, source)| source.users.len()).sum();
        let failed = module.targets.queued().map(|(_, _, target)| target.sources.len()).sum();
        let mut windows = Windows::with_room(tallies, tried + failed);
        let (mut users, mut addrs) = (Vec::with_capacity(tried), Vec::with_capacity(failed));
        let mut sources = Vec::with_capacity(module.sources.len());
        sources.extend(module.sources.queued().map(|(key, standing, source)| SourceRow {
            standing: standing.into(),
            attempts: source.attempts.next(),
            enumeration: source.enumeration.next(),
            users: windows.put_recent(&source.users, |user| users.push(texts.put(user))),
            addr: key.addr(),
            failures: windows.put_window(&source.failures),
            timeouts: source.timeouts.as_ref().map_or(0, |timeouts| windows.put_window(timeouts)),
        }));
        let mut targets = Vec::with_capacity(module.targets.len());
        targets.extend(module.targets.queued().map(|(user, standing, target)| TargetRow {
            standing: standing.into(),
            told: target.told,
            sources: windows.put_recent(&target.sources, |key| addrs.push(key.addr())),
            user: texts.put(user),
        }));
        let throttles = module.throttles.queued().map(|(host, standing, throttle)| ThrottleRow {
            standing: standing.into(),
            told: throttle.told,
            dropped: throttle.dropped,
            last: throttle.last,
            number: throttle.number,
            host: texts.put(host),
            trusted: throttle.trusted,
        });
        let throttles = throttles.collect();
        Self { sources, targets, throttles, windows, users, addrs }
    }

    /// Bytes that they take in an archive.
    pub(super) fn size(&self) -> usize {
        size_of::<ArchivedSourceRow>() * self.sources.len()
            + size_of::<ArchivedTargetRow>() * self.targets.len()
            + size_of::<ArchivedThrottleRow>() * self.throttles.len()
            + size_of::<u32>() * self.users.len()
            + size_of::<rkyv::Archived<IpAddr>>() * self.addrs.len()
            + self.windows.size()
    }

    pub(super) fn restore(self, module: &mut Module, texts: &mut TextsIn<'_>) -> Result<(), Damaged> {
        let prefix = module.options.ipv6_prefix;
        let mut columns = Columns {
            windows: WindowsIn::new(self.windows),
            users: Column::new(self.users),
            addrs: Column::new(self.addrs),
            texts,
            prefix,
        };
        for row in self.sources {
            let mut source = columns.source(&row)?;
            match module.sources.restore(SourceKey::new(row.addr, prefix), row.standing.into()) {
                Some(entry) => *entry = source,
                None => clear_source(&mut source, columns.texts.names),
            }
        }
        for row in self.targets {
            let mut target = columns.target(&row)?;
            match module.targets.restore(target.user, row.standing.into()) {
                Some(entry) => *entry = target,
                None => clear_target(&mut target, columns.texts.names),
            }
        }
        for row in self.throttles {
            let ThrottleRow { told, dropped, last, number, trusted, .. } = row;
            let host = columns.texts.get(row.host)?;
            match module.throttles.restore(host, row.standing.into()) {
                Some(entry) => *entry = Throttle { host, told, dropped, trusted, last, number },
                None => columns.texts.names.release(host),
            }
        }
        columns.finish()
    }
}

/// What rows take their parts of.
struct Columns<'a, 't> {
    windows: WindowsIn,
    users: Column<u32>,
    addrs: Column<IpAddr>,
    texts: &'a mut TextsIn<'t>,
    prefix: u8,
}

impl Columns<'_, '_> {
    fn source(&mut self, row: &SourceRow) -> Result<Source, Damaged> {
        let Self { windows, users, texts, .. } = self;
        let mut spare = Vec::new();
        let key = || users.next().and_then(|user| texts.get(user));
        let users = windows.recent(&row.users, USERS, key, |user| spare.push(user))?;
        spare.into_iter().for_each(|user: NameId| texts.names.release(user));
        let (failures, timeouts) = (windows.window(row.failures)?, windows.window(row.timeouts)?);
        Ok(Source {
            users,
            failures,
            timeouts: (row.timeouts > 0).then(|| Box::new(timeouts)),
            attempts: Crossing::of(row.attempts),
            enumeration: Crossing::of(row.enumeration),
        })
    }

    fn target(&mut self, row: &TargetRow) -> Result<Target, Damaged> {
        let Self { windows, addrs, texts, prefix, .. } = self;
        let key = || addrs.next().map(|addr| SourceKey::new(addr, *prefix));
        let sources = windows.recent(&row.sources, SOURCES, key, drop)?;
        Ok(Target { user: texts.get(row.user)?, sources, told: row.told })
    }

    fn finish(self) -> Result<(), Damaged> {
        self.windows.finish()?;
        self.users.finish()?;
        self.addrs.finish()
    }
}
