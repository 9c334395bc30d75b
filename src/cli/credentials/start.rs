//! Floor 8: the credentials that the configuration names, found before anything starts.
//!
//! Invariant: all that cannot be had is told at once.

use super::need::{Need, Use, look, of_handlers, of_server};
use crate::cli::Failure;
use crate::config::{Handler, Settings};
use crate::credentials::{Options, Secrets, Status, Stores, own_user};
use std::sync::Arc;

/// What a start begins with.
#[derive(Debug, Default)]
pub(in crate::cli) struct Ready {
    /// The secrets that were found.
    pub(in crate::cli) secrets: Arc<Secrets>,
    /// What is said of handlers whose events wait for a credential.
    pub(in crate::cli) waiting: Vec<String>,
}

/// Finds the credentials that the server and the handlers of all running applications name.
///
/// # Errors
/// Lists all that cannot be had and are required, each with what was said of it, and the command that adds it.
pub(in crate::cli) fn find(settings: &Settings) -> Result<Ready, Failure> {
    ready(settings, of_handlers(settings.active_handlers()).chain(of_server(settings)))
}

/// The same for the handlers alone, where no server is to run.
///
/// # Errors
/// As [`find`].
pub(in crate::cli) fn find_for_handlers(settings: &Settings) -> Result<Ready, Failure> {
    ready(settings, of_handlers(settings.active_handlers()))
}

fn ready<'a>(settings: &Settings, uses: impl Iterator<Item = Use<'a>>) -> Result<Ready, Failure> {
    let needs = look(settings, uses);
    refuse(settings, needs.iter().filter(|need| need.is_required()))?;
    let waiting = needs.iter().filter_map(|need| {
        let lack = need.lack(settings)?;
        Some(format!("events wait until there is a credential for them:{lack}"))
    });
    Ok(Ready { waiting: waiting.collect(), secrets: secrets(needs) })
}

/// Finds the credentials of these handlers, whether they say that they are required or not.
///
/// # Errors
/// Lists all that cannot be had.
pub(in crate::cli) fn find_all<'a>(
    settings: &Settings,
    handlers: impl IntoIterator<Item = &'a Handler>,
) -> Result<Arc<Secrets>, Failure> {
    let needs = look(settings, of_handlers(handlers));
    refuse(settings, needs.iter())?;
    Ok(secrets(needs))
}

/// Finds all credentials of one handler.
///
/// # Errors
/// Says which one cannot be had, in one line.
pub(in crate::cli) fn all_of(handler: &Handler, stores: &Options) -> Result<Secrets, String> {
    let stores = Stores::new(stores);
    let mut secrets = Secrets::default();
    for name in handler.options.credentials() {
        let found = stores.find(name);
        let found = found.map_err(|answers| {
            format!("waits for the credential `{name}`, which is {}: {answers}", answers.status().name())
        })?;
        secrets.insert(name.clone(), found.secret);
    }
    Ok(secrets)
}

fn refuse<'a>(settings: &Settings, needs: impl Iterator<Item = &'a Need<'a>>) -> Result<(), Failure> {
    let lacking: Vec<_> = needs.filter(|need| need.looked.is_err()).collect();
    if lacking.is_empty() {
        return Ok(());
    }
    let is_missing =
        |need: &&Need<'_>| need.looked.as_ref().is_err_and(|answers| answers.status() == Status::Missing);
    let what = match (lacking.iter().all(is_missing), lacking.len()) {
        (true, 1) => "a credential is missing",
        (true, _) => "credentials are missing",
        (false, 1) => "a credential cannot be had",
        (false, _) => "credentials cannot be had",
    };
    let all: String = lacking.iter().filter_map(|need| need.lack(settings)).collect();
    Err(Failure::usage(format!("{what}; {} has to be able to read each:{all}", own_user())))
}

fn secrets(needs: Vec<Need<'_>>) -> Arc<Secrets> {
    let mut secrets = Secrets::default();
    for need in needs {
        if let Ok(found) = need.looked {
            secrets.insert(need.name.clone(), found.secret);
        }
    }
    Arc::new(secrets)
}
