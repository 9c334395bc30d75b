//! Floor 8: the file of rejected frames, while it cannot be written: it is tried again now and then.

use crate::limits;
use crate::pipeline::RejectFile;
use crate::time::{Clock, SystemClock};
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// Tries it for as long as the runtime runs. A disk that does not answer holds up one attempt, and nobody else.
pub(super) fn try_again(rejects: Arc<RejectFile>, runtime: &Runtime) {
    runtime.spawn(async move {
        loop {
            sleep(limits::REJECTED_RETRY).await;
            let rejects = Arc::clone(&rejects);
            let tried = spawn_blocking(move || rejects.try_again(SystemClock.now()));
            if tried.await.is_err() {
                return;
            }
        }
    });
}
