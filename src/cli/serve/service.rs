//! Floor 8: what a service manager is told: that the server is ready, what it does, and that it is alive.
//!
//! Without `$NOTIFY_SOCKET` nobody asks, and nothing happens.
//!
//! Invariant: that it is alive is told only while every thread that the way of a record leads through gets on.

use crate::limits;
use crate::pipeline::Vitals;
use anyhow::Context;
use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use sd_notify::NotifyState;
use std::thread;
use std::time::Duration;

/// Says something to the service manager, if there is one.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, state) {
        tracing::warn!(%error, "the service manager cannot be told anything");
    }
}

/// Says what the server is doing before it is ready.
pub(super) fn starting(what: &str) {
    tell(&[NotifyState::Status(what)]);
}

/// A server that is ready; dropped, it is no longer watched.
pub(super) struct Service {
    _watch: Option<Sender<()>>,
}

impl Service {
    /// Says that the server is ready, and from then on that it is alive, as often as the service manager wants.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub(super) fn ready(status: &str, vitals: Vitals) -> anyhow::Result<Self> {
        tell(&[NotifyState::Ready, NotifyState::Status(status)]);
        let mut patience_us = 0;
        if !sd_notify::watchdog_enabled(false, &mut patience_us) {
            return Ok(Self { _watch: None });
        }
        let interval = Duration::from_micros(patience_us) / limits::WATCHDOG_SIGNS;
        let (stop, stopped) = bounded::<()>(0);
        let watch = move || watch(vitals, interval, |wait| stopped.recv_timeout(wait));
        let thread = thread::Builder::new().name("watchdog".to_owned());
        thread.spawn(watch).context("cannot start the watchdog's thread")?;
        Ok(Self { _watch: Some(stop) })
    }

    /// Says that the server stops. Its threads end one after the other now; nobody watches them any more.
    pub(super) fn stopping(self) {
        tell(&[
            NotifyState::Stopping,
            NotifyState::Status("reading what has arrived, delivering what was raised"),
        ]);
    }
}

/// Gives signs of life until somebody stops it.
fn watch(mut vitals: Vitals, interval: Duration, wait: impl Fn(Duration) -> Result<(), RecvTimeoutError>) {
    while wait(interval) == Err(RecvTimeoutError::Timeout) {
        match vitals.stuck() {
            None => tell(&[NotifyState::Watchdog]),
            Some(thread) => {
                tracing::error!(thread, "a thread does not get on; the service manager is not told of life")
            }
        }
    }
}
