//! Floor 8: the outgoing heartbeat, so that somebody notices when the server is dead.
//!
//! Invariant: it beats only while the threads get on that the way of a record leads through, and while input is taken.

use super::control::present;
use crate::cli::Failure;
use crate::config::Settings;
use crate::credentials::Secrets;
use crate::handlers::Outcome;
use crate::handlers::heartbeat::Heartbeat;
use crate::pipeline::{Errand, Vitals};
use std::io;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

/// Prepares it, if it is configured.
///
/// # Errors
/// When what is configured, or the credential holds, is no URL.
pub(in crate::cli) fn prepare(settings: &Settings, secrets: &Secrets) -> Result<Option<Heartbeat>, Failure> {
    let Some(url) = &settings.server.heartbeat else { return Ok(None) };
    let url = secrets.resolve(url).map_err(io::Error::other);
    let heartbeat = url.and_then(|url| Heartbeat::new(url.expose()));
    heartbeat.map(Some).map_err(|error| Failure::usage(format!("`server.heartbeat` cannot be used: {error}")))
}

/// Begins to beat, for as long as the runtime runs.
pub(super) fn start(
    heartbeat: Heartbeat,
    every: Duration,
    vitals: Vitals,
    journal: Option<mpsc::Sender<Errand>>,
    runtime: &Runtime,
) {
    runtime.spawn(beat(heartbeat, every, vitals, journal));
}

async fn beat(
    heartbeat: Heartbeat,
    every: Duration,
    mut vitals: Vitals,
    journal: Option<mpsc::Sender<Errand>>,
) {
    let mut interval = interval(every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The server is ready, so the first comes at once; whether threads get on shows from one beat to the next.
    interval.tick().await;
    let mut failing = false;
    loop {
        let outcome = heartbeat.beat().await;
        match (&outcome, std::mem::replace(&mut failing, !outcome.is_delivered())) {
            (Outcome::Temporary(why) | Outcome::Deferred(why, _) | Outcome::Permanent(why), false) => {
                tracing::warn!("nobody is told that the server lives: {why}");
            }
            (outcome, true) if outcome.is_delivered() => tracing::info!("the heartbeat is heard again"),
            _ => {}
        }
        vitals.stuck();
        loop {
            interval.tick().await;
            match trouble(&mut vitals, journal.as_ref()).await {
                None => break,
                Some(trouble) => tracing::error!("{trouble}; the heartbeat pauses"),
            }
        }
    }
}

/// Why the server only seems to live.
async fn trouble(vitals: &mut Vitals, journal: Option<&mpsc::Sender<Errand>>) -> Option<String> {
    if let Some(thread) = vitals.stuck() {
        return Some(format!("the {thread}'s thread does not get on"));
    }
    match present(journal?).await {
        Ok(present) if present.is_full => Some("the disk is full".to_owned()),
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}
