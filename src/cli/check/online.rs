//! Floor 8: `check --online`: whether the servers of handlers, and that of the heartbeat, can be reached.
//!
//! Invariant: nothing reaches a person, no event is delivered, and nobody is told that a server lives.

use crate::cli::Failure;
use crate::cli::delivery::on_runtime;
use crate::dispatch::Target;
use crate::handlers::Trial;
use crate::handlers::heartbeat::Heartbeat;
use crate::limits;
use std::io::{self, Write};
use tokio::runtime::Runtime;
use tokio::task::JoinError;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

/// Lets all handlers, and the heartbeat, try their servers, at the same time, and says what came of it; whether all went
/// well.
///
/// # Errors
/// When the system gives no threads, or standard output cannot be written.
pub(super) fn probe(
    out: &mut impl Write,
    targets: Vec<Target>,
    heartbeat: Option<Heartbeat>,
) -> Result<bool, Failure> {
    let all = on_runtime(|runtime| all(runtime, targets, heartbeat))?;
    if all.iter().all(|(_, trials)| trials.is_empty()) {
        writeln!(out, "online         nothing needs a server")?;
    }
    let is_well = all.iter().flat_map(|(_, trials)| trials).all(|trial| trial.result.is_ok());
    for (handler, trials) in all {
        trials.iter().try_for_each(|trial| write_trial(out, &handler, trial))?;
    }
    Ok(is_well)
}

fn all(runtime: &Runtime, targets: Vec<Target>, heartbeat: Option<Heartbeat>) -> Vec<(String, Vec<Trial>)> {
    let heartbeat = heartbeat.map(|heartbeat| {
        let probe = async move { timeout(limits::PROBE_TIME, heartbeat.probe()).await };
        ("server.heartbeat".to_owned(), runtime.spawn(probe))
    });
    let probes = targets.into_iter().map(|mut target| {
        let probe = async move { timeout(limits::PROBE_TIME, target.handler.probe()).await };
        (target.name, runtime.spawn(probe))
    });
    // All are begun before the first is waited for.
    let probes: Vec<_> = probes.chain(heartbeat).collect();
    probes.into_iter().map(|(name, probe)| (name, ended(runtime.block_on(probe)))).collect()
}

/// What came of the trials of a handler that may have got stuck, or panicked.
fn ended(probe: Result<Result<Vec<Trial>, Elapsed>, JoinError>) -> Vec<Trial> {
    let why = match probe {
        Ok(Ok(trials)) => return trials,
        Ok(Err(_)) => format!("no end within {} s", limits::PROBE_TIME.as_secs()),
        Err(failed) => failed.to_string(),
    };
    vec![Trial { what: "trials".to_owned(), result: Err(why) }]
}

fn write_trial(out: &mut impl Write, handler: &str, trial: &Trial) -> io::Result<()> {
    let what = &trial.what;
    match &trial.result {
        Ok(said) => writeln!(out, "online         {handler}  {what}: ok, {said}"),
        Err(why) => writeln!(out, "online         {handler}  {what}: failed, {why}"),
    }
}
