//! Floor 8: what operators ask of handlers: to deliver dead letters again, and to give events up.

use super::{Desk, Handlers, present};
use crate::cli::control::{Done, Which};
use crate::dispatch::{Command, DurableDispatch};
use crate::journal::{Ranges, Settled, Standing, State, committed_with};
use crate::limits;
use crate::pipeline::{Errand, Present};
use crate::time::{Clock, SystemClock};
use anyhow::{Context, bail, ensure};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use tokio::time::timeout;

impl Desk {
    /// Has dead letters delivered again.
    pub(super) async fn retry(&self, which: &Which) -> anyhow::Result<Vec<Done>> {
        let (dispatch, present) = self.handlers_of(which).await?;
        if let Some(handler) = which.handler.as_ref().filter(|handler| !dispatch.has(handler)) {
            bail!("handler `{handler}` is not configured any more: its events can only be dropped");
        }
        let mut done = Vec::new();
        for (name, standing) in concerned(&present, which).filter(|(name, _)| dispatch.has(name)) {
            let again: Ranges = dead(standing, which).collect();
            // What fails at present is tried at once, unless a limit or the receiver puts it off.
            let fails = standing.retry.as_ref().filter(|_| which.event.is_none() && !which.dead);
            let wake = fails.map(|_| Command::Wake);
            let events = again.len();
            let retry = (events > 0).then_some(Command::Retry(again));
            if retry.is_none() && wake.is_none() {
                continue;
            }
            let hastened = if wake.is_some() { standing.waiting(present.next) } else { 0 };
            order(&dispatch, name, retry.into_iter().chain(wake)).await?;
            let error = fails.map(|retry| retry.note.clone());
            done.push(Done { handler: name.clone(), events, hastened, error });
        }
        if let (Some(event), true) = (which.event, done.is_empty()) {
            let mut running = concerned(&present, which).filter(|(name, _)| dispatch.has(name));
            match running.find(|(_, standing)| event < present.next && standing.is_waiting(event)) {
                Some((name, _)) => bail!(
                    "the event is no dead letter: it waits for handler `{name}`, which will try it by itself; `events retry \
                     --handler {name}` has what fails there tried as soon as it may be"
                ),
                None => bail!("the event is no dead letter: `events show` tells what became of it"),
            }
        }
        Ok(done)
    }

    /// Gives events up.
    pub(super) async fn give_up(&self, which: &Which, reason: &str) -> anyhow::Result<Vec<Done>> {
        ensure!(!reason.trim().is_empty(), "a reason must be given");
        ensure!(reason.len() <= limits::MAX_REASON, "the reason is longer than {} bytes", limits::MAX_REASON);
        let (dispatch, present) = self.handlers_of(which).await?;
        let (mut done, mut behind) = (Vec::new(), None);
        for (name, standing) in concerned(&present, which) {
            let ranges: Ranges = match which.event {
                None => dead(standing, which).chain(waiting(standing, which, present.next)).collect(),
                Some(event) => {
                    let front = match standing.end {
                        Some(_) => standing.cursor..standing.cursor.saturating_add(1),
                        None => front(&self.data, standing).await?,
                    };
                    match one(standing, event, &front) {
                        One::Open => std::iter::once(event..event + 1).collect(),
                        One::Behind => {
                            behind = Some(name);
                            continue;
                        }
                        One::Settled => continue,
                    }
                }
            };
            if ranges.is_empty() {
                continue;
            }
            let events = ranges.len();
            if dispatch.has(name) {
                order(&dispatch, name, [Command::Drop(ranges, reason.to_owned())]).await?;
            } else {
                self.drop_of_orphan(name, &ranges, reason).await?;
            }
            done.push(Done { handler: name.clone(), events, hastened: 0, error: None });
        }
        if let (Some(name), true) = (behind, done.is_empty()) {
            bail!(
                "the event waits behind others for handler `{name}`; what waits there can be dropped together, with \
                 --handler {name}"
            );
        }
        ensure!(which.event.is_none() || !done.is_empty(), "the event neither waits nor is it a dead letter");
        Ok(done)
    }

    /// What delivers events, and where it stands.
    async fn handlers_of(&self, which: &Which) -> anyhow::Result<(Arc<DurableDispatch>, Present)> {
        let Handlers::Durable { dispatch, errands } = &self.handlers else {
            bail!(
                "without a journal (`durability = \"none\"`) there is nothing to deliver again or to give up"
            );
        };
        let present = present(errands).await?;
        if let Some(handler) = &which.handler
            && !present.standings.contains_key(handler)
        {
            let running = present.standings.keys().filter(|name| dispatch.has(name));
            let running: Vec<&str> = running.map(String::as_str).collect();
            bail!("no handler `{handler}` runs; there are {}", running.join(", "));
        }
        Ok((Arc::clone(dispatch), present))
    }

    /// Has the journal's thread give up events of a handler that does not run: nobody else settles any of them.
    async fn drop_of_orphan(&self, name: &str, gone: &Ranges, reason: &str) -> anyhow::Result<()> {
        let Handlers::Durable { errands, .. } = &self.handlers else { return Ok(()) };
        let (handler, time): (Arc<str>, _) = (Arc::from(name), SystemClock.now());
        let dropped = |events| Settled {
            handler: Arc::clone(&handler),
            events,
            state: State::Dropped,
            attempts: 0,
            time,
            note: Some(reason.to_owned()),
        };
        let errand = Errand::Settle(gone.iter().map(dropped).collect());
        let passed = timeout(limits::CONTROL_TIMEOUT, errands.send(errand)).await;
        let sent = passed.context("the journal's thread does not answer; the disk may be at a standstill")?;
        sent.context("the server ends")
    }
}

/// The handlers that are meant, orphans among them.
fn concerned<'a>(present: &'a Present, which: &'a Which) -> impl Iterator<Item = (&'a String, &'a Standing)> {
    let is_meant = |name: &str| which.handler.as_deref().is_none_or(|wanted| wanted == name);
    present.standings.iter().filter(move |(name, _)| is_meant(name))
}

/// The dead letters that are meant.
fn dead(standing: &Standing, which: &Which) -> impl Iterator<Item = Range<u64>> {
    let within = which.event.map_or(0..u64::MAX, |event| event..event.saturating_add(1));
    let cut = move |range: Range<u64>| range.start.max(within.start)..range.end.min(within.end);
    standing.dead.iter().map(cut).filter(|range| !range.is_empty())
}

/// What waits, where not only dead letters are meant.
fn waiting(standing: &Standing, which: &Which, next: u64) -> impl Iterator<Item = Range<u64>> {
    let rest = std::iter::once(standing.cursor..standing.upto(next)).filter(|range| !range.is_empty());
    let is_meant = !which.dead;
    standing.gathered.iter().chain(standing.requeued.iter()).chain(rest).filter(move |_| is_meant)
}

/// Whether one event can be given up.
enum One {
    Open,
    /// It waits, and others before it.
    Behind,
    Settled,
}

fn one(standing: &Standing, event: u64, front: &Range<u64>) -> One {
    let apart = [&standing.dead, &standing.gathered, &standing.requeued];
    match () {
        () if apart.iter().any(|ranges| ranges.contains(event)) => One::Open,
        () if event < standing.cursor => One::Settled,
        () if front.contains(&event) => One::Open,
        () => One::Behind,
    }
}

/// The events that a handler works on: those that were committed with the one at its cursor.
async fn front(data: &Path, standing: &Standing) -> anyhow::Result<Range<u64>> {
    let (data, cursor) = (data.to_owned(), standing.cursor);
    let read = tokio::task::spawn_blocking(move || committed_with(&data, cursor)).await;
    Ok(read.context("the journal cannot be read")??.map_or(cursor..cursor, |(events, _)| events))
}

/// Passes orders on, each once the handler has room for it.
async fn order(
    dispatch: &DurableDispatch,
    handler: &str,
    orders: impl IntoIterator<Item = Command>,
) -> anyhow::Result<()> {
    let pass = async {
        for command in orders {
            ensure!(dispatch.order(handler, command).await, "the server ends");
        }
        Ok(())
    };
    let passed = timeout(limits::CONTROL_TIMEOUT, pass).await;
    passed.with_context(|| format!("handler `{handler}` has not taken all of it so far: ask again"))?
}
