//! Floor 8: how a server is.

use super::{Desk, Handlers, present};
use crate::cli::control::{Delivery, Failing, FollowedFile, HostClock, Peer, Refused, SilentHost, Status};
use crate::correlate::hosts::Presence;
use crate::dispatch::{DurableDispatch, Totals};
use crate::ingest::follow::Board;
use crate::journal::{Retry, Standing, State, committed_with, disk_use};
use crate::limits;
use crate::pipeline::{Hosts, Ledger, PeerCounts, Present};
use crate::time::{Clock, SystemClock, Timestamp};
use anyhow::Context;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

impl Desk {
    /// Says how the server is.
    pub(super) async fn status(&self) -> anyhow::Result<Status> {
        let now = SystemClock.now();
        let mut status = Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            stream: self.stream.clone(),
            run: self.run,
            started: self.started.to_string(),
            uptime_seconds: now.since(self.started).as_secs(),
            listeners: self.listeners.clone(),
            balanced: true,
            ..Status::default()
        };
        self.take_in(&mut status);
        status.files = files(&self.board).await;
        status.problems.extend(self.board.left_out().into_iter().map(|(name, count)| {
            let files = if count == 1 { "file is" } else { "files are" };
            format!("files `{name}`: {count} {files} not followed, because so many others are")
        }));
        status.problems.extend(self.board.closed().into_iter().map(|(name, count)| {
            let more = if count == 1 { "directory" } else { "directories" };
            format!("files `{name}`: {count} further {more} cannot be looked at")
        }));
        status.problems.extend(self.rejects.trouble());
        status.problems.extend(self.capture.as_ref().and_then(|capture| capture.trouble()));
        status.problems.extend((self.damage > 0).then(|| {
            let places = if self.damage == 1 { "place" } else { "places" };
            format!(
                "the journal was found damaged at the start, in {} {places} that the log names",
                self.damage
            )
        }));
        let mut refused: Vec<_> = self.notices.totals();
        refused.sort_by_key(|(.., count)| Reverse(*count));
        refused.truncate(limits::STATUS_PEERS);
        status.refused = refused
            .into_iter()
            .map(|(peer, refusal, count)| Refused { peer, reason: refusal.name().to_owned(), count })
            .collect();
        match &self.handlers {
            Handlers::Volatile(sink) => status.handlers = sink.totals().into_iter().map(volatile).collect(),
            Handlers::Durable { dispatch, errands } => {
                let present = present(errands).await?;
                journal(&mut status, &present, dispatch, now);
                let data = self.data.clone();
                let look = move || (oldest(&data, &present, now), disk_use(&data));
                let (oldest, bytes) =
                    tokio::task::spawn_blocking(look).await.context("the journal cannot be read")?;
                status.journal_bytes = bytes;
                for delivery in &mut status.handlers {
                    delivery.oldest_waiting_seconds = oldest.get(&delivery.handler).copied();
                }
            }
        }
        judge(&mut status);
        Ok(status)
    }

    /// Takes what is told of what came in. The correlator waits for its ledger meanwhile: no more is copied than is told.
    fn take_in(&self, status: &mut Status) {
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        intake(status, &ledger);
        status.clocks = clocks(&ledger.hosts);
        let Presence { known, is_full, silent, longest, unwatched } = ledger.presence.clone();
        drop(ledger);
        (status.known_hosts, status.silent_hosts) = (known as u64, silent as u64);
        (status.hosts_full, status.unwatched) = (is_full, unwatched);
        let row = |(host, last): (Box<[u8]>, Timestamp)| SilentHost {
            host: String::from_utf8_lossy(&host).into_owned(),
            last: last.to_string(),
        };
        status.silent = longest.into_iter().map(row).collect();
    }
}

/// Those of many that come first by a key, in its order, without sorting all of them.
fn first<T, K: Ord>(of: impl Iterator<Item = (K, T)>, most: usize) -> Vec<T> {
    let mut all: Vec<(K, T)> = of.collect();
    if all.len() > most {
        all.select_nth_unstable_by(most, |(a, _), (b, _)| a.cmp(b));
        all.truncate(most);
    }
    all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    all.into_iter().map(|(_, one)| one).collect()
}

/// How far the followed files are. A file system that does not answer holds up one look, and further ones go without the
/// word of what is left.
async fn files(board: &Arc<Board>) -> Vec<FollowedFile> {
    let rows = board.rows();
    let (looked, board) = (rows.clone(), Arc::clone(board));
    let look = tokio::task::spawn_blocking(move || board.lags(&looked));
    let lags = timeout(limits::CONTROL_TIMEOUT, look).await;
    let lags = lags.ok().and_then(Result::ok).unwrap_or_default().into_iter();
    rows.into_iter()
        .zip(lags.chain(std::iter::repeat(None)))
        .map(|((path, row), lag)| FollowedFile {
            name: row.section,
            path: path.to_string_lossy().into_owned(),
            position: row.position.map(|(_, offset)| offset),
            lag,
            last_record: row.last_record.map(|time| time.to_string()),
            trouble: row.trouble,
        })
        .collect()
}

/// What came in.
fn intake(status: &mut Status, ledger: &Ledger) {
    let PeerCounts { received, parsed, failed, .. } = ledger.total;
    (status.received, status.parsed, status.failed) = (received, parsed, failed);
    status.rejected = ledger.total.rejected();
    status.reasons = reasons(&ledger.total);
    (status.observations, status.events) = (ledger.observations, ledger.raised());
    (status.ahead, status.behind) = (ledger.total.ahead, ledger.total.behind);
    status.hosts = ledger.hosts.len() as u64;
    let most = |key: fn(&PeerCounts) -> u64| {
        let peers = ledger.peers.iter().filter(|(_, counts)| key(counts) > 0);
        first(peers.map(|(peer, counts)| ((Reverse(key(counts)), peer), peer)), limits::STATUS_PEERS)
    };
    let sent = most(|counts| counts.received);
    let spoilt = most(|counts| counts.rejected() + counts.failed);
    let named: BTreeSet<&String> = sent.into_iter().chain(spoilt).collect();
    let mut peers: Vec<_> =
        named.into_iter().filter_map(|peer| Some((peer, ledger.peers.get(peer)?))).collect();
    peers.sort_by_key(|(_, counts)| Reverse(counts.received));
    status.other_peers = (ledger.peers.len() - peers.len()) as u64;
    status.peers = peers
        .into_iter()
        .map(|(peer, counts)| Peer {
            peer: peer.clone(),
            received: counts.received,
            parsed: counts.parsed,
            rejected: counts.rejected(),
            failed: counts.failed,
            reasons: reasons(counts),
        })
        .collect();
    if let Some(wrong) = ledger.contradiction() {
        status.balanced = false;
        status.problems.push(format!("what came in does not add up: {wrong}"));
    }
}

/// The clocks that are most off.
fn clocks(hosts: &Hosts) -> Vec<HostClock> {
    let clocks = hosts.iter().filter_map(|(host, figures)| {
        let ahead = figures.clock_ahead()?;
        Some(((Reverse(ahead.unsigned_abs()), host), (ahead, host, figures)))
    });
    let clocks = first(clocks, limits::STATUS_CLOCKS);
    let seconds = |micros: i64| {
        let length = Duration::from_micros(micros.unsigned_abs()).as_secs_f64();
        if micros < 0 { -length } else { length }
    };
    clocks
        .into_iter()
        .map(|(ahead, host, figures)| HostClock {
            host: String::from_utf8_lossy(host).into_owned(),
            ahead_seconds: seconds(ahead),
            records: figures.records,
            last: figures.last.to_string(),
        })
        .collect()
}

fn reasons(counts: &PeerCounts) -> BTreeMap<String, u64> {
    counts.rejected.iter().map(|(reject, count)| (reject.name().to_owned(), *count)).collect()
}

/// What became of events, as the journal has it.
fn journal(status: &mut Status, present: &Present, dispatch: &DurableDispatch, now: Timestamp) {
    status.last_commit = present.last_commit.map(|time| time.to_string());
    status.disk_full = present.is_full;
    for (name, standing) in &present.standings {
        if !standing.is_balanced(present.next) {
            status.balanced = false;
            status.problems.push(format!("the books of handler `{name}` do not add up"));
        }
        let runs = dispatch.has(name);
        status.problems.extend(trouble(name, standing, present.next, now).filter(|_| runs));
        status.handlers.push(durable(name, standing, present.next, runs));
    }
}

/// What keeps a handler's events waiting, where that is a problem.
fn trouble(name: &str, standing: &Standing, next: u64, now: Timestamp) -> Option<String> {
    let Retry { attempts, since, note, .. } =
        standing.retry.as_ref().filter(|retry| retry.is_trouble(now))?;
    let waiting = standing.waiting(next);
    let wait = if waiting == 1 { "event waits" } else { "events wait" };
    let tried = match attempts {
        1 => format!("nothing could be delivered since {since}"),
        _ => format!("after {attempts} attempts"),
    };
    Some(format!("handler `{name}` fails, {waiting} {wait}: {tried}: {note}"))
}

fn durable(name: &str, standing: &Standing, next: u64, runs: bool) -> Delivery {
    let count = |state| standing.count(state);
    let skipped = standing.start.saturating_add(count(State::Skipped));
    Delivery {
        handler: name.to_owned(),
        runs,
        all: standing.upto(next).saturating_sub(skipped),
        delivered: count(State::Delivered),
        filtered: count(State::Filtered),
        suppressed: count(State::Suppressed),
        digested: count(State::Digested),
        dead: count(State::Dead),
        dropped: count(State::Dropped),
        waiting: standing.waiting(next),
        oldest_waiting_seconds: None,
        failing: standing.retry.as_ref().map(|retry| Failing {
            attempts: retry.attempts,
            since: retry.since.to_string(),
            error: retry.note.clone(),
        }),
    }
}

/// Without a journal, what could not be delivered is lost.
fn volatile(totals: Totals) -> Delivery {
    Delivery {
        handler: totals.handler,
        runs: true,
        all: totals.offered,
        delivered: totals.delivered,
        filtered: totals.filtered,
        suppressed: totals.suppressed,
        digested: totals.digested,
        dead: totals.temporary + totals.permanent + totals.lost,
        waiting: totals.waiting,
        ..Delivery::default()
    }
}

/// Since how many seconds the oldest event of each handler waits.
fn oldest(data: &Path, present: &Present, now: Timestamp) -> BTreeMap<String, u64> {
    let waiting = present.standings.iter().filter(|(_, standing)| standing.waiting(present.next) > 0);
    let age = |standing: &Standing| {
        let (_, committed) = committed_with(data, standing.oldest_needed()).ok()??;
        Some(now.since(committed).as_secs())
    };
    waiting.filter_map(|(name, standing)| Some((name.clone(), age(standing)?))).collect()
}

/// Whether the server is healthy, and why not.
fn judge(status: &mut Status) {
    for delivery in status.handlers.iter().filter(|delivery| delivery.runs) {
        let Delivery { handler, dead, .. } = delivery;
        if *dead > 0 {
            let events = if *dead == 1 { "event" } else { "events" };
            status.problems.push(format!("handler `{handler}` has given up {dead} {events}"));
        }
    }
    for file in &status.files {
        if let Some(trouble) = &file.trouble {
            status.problems.push(format!("{} cannot be followed: {trouble}", file.path));
        }
    }
    if status.disk_full {
        status.problems.push("the disk is full: no input is taken until there is room".to_owned());
    }
    status.healthy = status.problems.is_empty();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Settled;

    #[test]
    fn a_handler_that_is_put_off_for_long_is_a_problem_after_one_attempt() {
        let (time, mut standing) = (Timestamp::EPOCH, Standing::new(0));
        let note = Some("the limit of 10 messages an hour is reached".to_owned());
        let handler = "pager".into();
        standing.apply(&Settled { handler, events: 0..1, state: State::Failed, attempts: 1, time, note });
        let after = |seconds| trouble("pager", &standing, 118, time.plus(Duration::from_secs(seconds)));
        assert_eq!(after(899), None);
        let expected = "handler `pager` fails, 118 events wait: nothing could be delivered since \
                        1970-01-01T00:00:00.000000Z: the limit of 10 messages an hour is reached";
        assert_eq!(after(900).as_deref(), Some(expected));
    }

    #[test]
    fn the_first_of_many_are_those_that_sorting_would_put_first() {
        let all = || (0_u32..1000).map(|n| (n.wrapping_mul(7919) % 499, n)).map(|key| (key, key));
        let mut sorted: Vec<_> = all().map(|(key, _)| key).collect();
        sorted.sort_unstable();
        for most in [0, 1, 10, 999, 1000, 1001] {
            assert_eq!(first(all(), most), sorted[..most.min(1000)], "the first {most}");
        }
    }

    #[test]
    fn without_a_journal_what_was_held_back_is_told_by_its_reason() {
        let totals = Totals {
            offered: 15,
            delivered: 1,
            filtered: 2,
            suppressed: 4,
            digested: 8,
            ..Totals::default()
        };
        let Delivery { all, delivered, filtered, suppressed, digested, .. } = volatile(totals);
        assert_eq!((all, delivered, filtered, suppressed, digested), (15, 1, 2, 4, 8));
    }
}
