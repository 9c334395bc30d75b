//! Floor 6: room on the disk: before it is gone, while it is, and what is set aside for then.
//!
//! Invariant: a full disk is tried again after a pause, by each thing that was to be written, and stops nothing that has
//! room.

use super::Work;
use crate::event::{Field, Kind};
use crate::journal::JournalError;
use crate::limits;
use tokio::time::Instant;

impl Work {
    /// When a full disk is tried again.
    pub(super) fn next_try(&self) -> Instant {
        self.last_commit + limits::FULL_DISK_PAUSE
    }

    /// Waits for room, or ends everything.
    pub(super) fn fail(&mut self, error: &JournalError) {
        if !error.is_full() {
            (self.desk.on_loss)(error);
            return;
        }
        if !std::mem::replace(&mut self.is_full, true) {
            tracing::error!(%error, "the disk is full: no input is taken until there is room");
        }
        self.tell_of_disk("full", &error.to_string());
    }

    /// Tells of the disk before it is full.
    pub(super) fn look_at_room(&mut self) {
        if Instant::now() < self.look {
            return;
        }
        self.look = Instant::now() + limits::DISK_LOOK_INTERVAL;
        let Some((free, wanted)) = self.desk.journal.room() else { return };
        if !std::mem::replace(&mut self.is_low, free < wanted) && self.is_low {
            let mib = |bytes| bytes / (1024 * 1024);
            let directory = self.desk.journal.directory().display();
            let reason = format!("{} MiB are free for {directory}, less than {} MiB", mib(free), mib(wanted));
            tracing::warn!("{reason}: once there are none, no input is taken");
            self.tell_of_disk("low", &reason);
        }
    }

    fn tell_of_disk(&mut self, what: &str, reason: &str) {
        let now = self.desk.clock.now();
        if self.health.is_news(Kind::ServerDiskLow, what, now) {
            let block = self.health.raise(Kind::ServerDiskLow, now, |event| {
                event.text(Field::Reason, reason.as_bytes());
            });
            self.own.push(block);
        }
    }

    /// Sets room aside for when the disk is full. That there is none is no reason to take no input.
    pub(super) fn set_aside(&mut self) -> Result<(), JournalError> {
        if !self.desk.journal.lacks_reserve() || Instant::now() < self.restock {
            return Ok(());
        }
        match self.desk.journal.replenish() {
            Err(error) if error.is_full() => {
                self.restock = Instant::now() + limits::FULL_DISK_PAUSE;
                Ok(())
            }
            replenished => replenished,
        }
    }
}
