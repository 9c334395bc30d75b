//! Floor 8: tells of records that were shed, so that whoever reads the events knows which counts may be too low.

use super::control::present;
use crate::ingest::Notices;
use crate::limits;
use crate::pipeline::Errand;
use crate::time::{Clock, SystemClock};
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

/// Tells of it now and then for as long as the runtime runs.
pub(super) fn watch(notices: Arc<Notices>, journal: Option<mpsc::Sender<Errand>>, runtime: &Runtime) {
    runtime.spawn(async move {
        let mut looks = interval(limits::SHED_PAUSE);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            tell(&notices, journal.as_ref(), false).await;
        }
    });
}

/// Tells of everything that was not told of, and waits until the journal has heard of it.
pub(super) async fn tell_rest(notices: &Notices, journal: Option<&mpsc::Sender<Errand>>) {
    if tell(notices, journal, true).await
        && let Some(journal) = journal
    {
        // An error is that the journal's thread has gone, and then nobody hears.
        drop(present(journal).await);
    }
}

/// Tells of what is worth telling by now; whether there was anything.
async fn tell(notices: &Notices, journal: Option<&mpsc::Sender<Errand>>, at_end: bool) -> bool {
    let all = notices.take_shed(SystemClock.now(), at_end);
    let is_something = !all.is_empty();
    for shed in all {
        let (listener, reason, count) = (&shed.listener, shed.reason.name(), shed.count);
        let (start, finish) = (shed.start, shed.finish);
        tracing::warn!(listener, reason, count, %start, %finish, "records were shed: counts may be too low");
        if let Some(journal) = journal
            && journal.send(Errand::Shed(Box::new(shed))).await.is_err()
        {
            tracing::warn!("the journal's thread has gone");
        }
    }
    is_something
}
