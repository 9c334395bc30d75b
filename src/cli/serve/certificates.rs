//! Floor 8: the certificates of listeners while the server runs: they are read again when their files change, or at a
//! hang-up, and it is told before they expire.

use crate::ingest::tls::{Expiring, Papers, Renewal};
use crate::limits;
use crate::pipeline::Errand;
use crate::time::{Clock, SystemClock};
use anyhow::Context;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::sync::Arc;
use std::thread;
use tokio::sync::mpsc;

/// Watches over certificates until no hang-up can come any more. Without any there is nothing to watch.
///
/// # Errors
/// When the system refuses a thread.
pub(super) fn watch(
    papers: Vec<Arc<Papers>>,
    hang_ups: Receiver<()>,
    journal: Option<mpsc::Sender<Errand>>,
) -> anyhow::Result<()> {
    if papers.is_empty() {
        return Ok(());
    }
    let watch = move || {
        tell_of_expiry(&papers, journal.as_ref());
        loop {
            let hung_up = match hang_ups.recv_timeout(limits::CERTIFICATE_LOOK_INTERVAL) {
                Ok(()) => true,
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            for papers in &papers {
                renew(papers, hung_up);
            }
            tell_of_expiry(&papers, journal.as_ref());
        }
    };
    thread::Builder::new()
        .name("certificates".to_owned())
        .spawn(watch)
        .context("cannot start the thread that watches over certificates")?;
    Ok(())
}

fn renew(papers: &Papers, anyway: bool) {
    let listener = papers.listener();
    match papers.renew(anyway) {
        Renewal::Unchanged => {}
        Renewal::Renewed => {
            tracing::info!(listener, "certificates are read again; new connections go by them")
        }
        Renewal::Refused(error) => {
            tracing::error!(listener, %error, "changed certificates cannot be used; those in use stay")
        }
    }
}

fn tell_of_expiry(papers: &[Arc<Papers>], journal: Option<&mpsc::Sender<Errand>>) {
    let now = SystemClock.now();
    for expiring in papers.iter().flat_map(|papers| papers.expiring(now)) {
        let Expiring { listener, file, subject, expires } = &expiring;
        tracing::warn!(listener, file = %file.display(), subject, %expires, "a certificate expires soon, or has expired");
        if let Some(journal) = journal
            && journal.blocking_send(Errand::Expiring(Box::new(expiring))).is_err()
        {
            tracing::warn!("the journal's thread has gone");
        }
    }
}
