//! Floor 8: the signals that a server heeds.
//!
//! Invariant: they are waited for on a runtime of their own, which outlives all others: also a server that does not get to its
//! end hears the next one.

use crate::cli::Failure;
use anyhow::Context;
use crossbeam_channel::{Sender, TrySendError};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

/// The signals that stop the server.
///
/// A hang-up, which a lost terminal or a log rotation sends, is caught as well, and passed on to whoever has something to
/// read again.
pub(super) struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches the signals from here on.
    ///
    /// # Errors
    /// When the system does not let us.
    pub(super) fn new(hang_up: Sender<()>) -> Result<Self, Failure> {
        let cannot = "cannot wait for signals";
        let runtime = Builder::new_current_thread().enable_all().build().context(cannot)?;
        let guard = runtime.enter();
        let of = |kind| signal(kind).context(cannot);
        let mut hang_ups = of(SignalKind::hangup())?;
        let (terminate, interrupt) = (of(SignalKind::terminate())?, of(SignalKind::interrupt())?);
        runtime.spawn(async move {
            while hang_ups.recv().await.is_some() {
                // One that waits already is as good as two.
                if let Err(TrySendError::Disconnected(())) = hang_up.try_send(()) {
                    tracing::info!("a hang-up changes nothing: there is nothing to read again or to reopen");
                }
            }
        });
        drop(guard);
        Ok(Self { runtime, terminate, interrupt })
    }

    /// The runtime.
    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Waits for a signal to stop.
    pub(super) fn first(&mut self) {
        self.runtime.block_on(next(&mut self.terminate, &mut self.interrupt));
    }

    /// Waits so long for another; whether one came.
    pub(super) fn another_within(&mut self, time: Duration) -> bool {
        let next = next(&mut self.terminate, &mut self.interrupt);
        self.runtime.block_on(async { timeout(time, next).await.is_ok() })
    }
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
