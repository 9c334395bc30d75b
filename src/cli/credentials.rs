//! Floor 8: the credentials that handlers name, found before anything starts.
//!
//! Invariant: no store is asked when nothing is named, and all that is missing is told at once.

use super::Failure;
use crate::config::Handler;
use crate::credentials::{CredentialName, Directories, Secrets};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The directory of secrets that is asked after the service manager's own.
const RUN_SECRETS: &str = "/run/secrets";

/// Finds the credentials that handlers name.
///
/// # Errors
/// Lists all that are missing, each with the handlers that name it, and what was said of it.
pub(super) fn find<'a>(handlers: impl IntoIterator<Item = &'a Handler>) -> Result<Arc<Secrets>, Failure> {
    let mut named: BTreeMap<&CredentialName, Vec<&str>> = BTreeMap::new();
    for handler in handlers {
        for name in handler.options.credentials() {
            let by = named.entry(name).or_default();
            if !by.contains(&handler.name.as_str()) {
                by.push(&handler.name);
            }
        }
    }
    let directories = directories();
    let mut secrets = Secrets::default();
    let mut missing = Vec::new();
    for (name, by) in named {
        match directories.find(name) {
            Ok(secret) => secrets.insert(name.clone(), secret),
            Err(error) => {
                let said = error.0.iter().map(|line| format!("\n    {line}"));
                missing.push(format!("\n  {name}, for {}{}", quoted(&by), said.collect::<String>()));
            }
        }
    }
    if missing.is_empty() {
        return Ok(Arc::new(secrets));
    }
    let what = if missing.len() == 1 { "a credential is missing" } else { "credentials are missing" };
    Err(Failure::usage(format!(
        "{what}: put each into a file of its name that its user alone may read, in {RUN_SECRETS} or the \
         directory that $CREDENTIALS_DIRECTORY names{}",
        missing.concat()
    )))
}

fn directories() -> Directories {
    let given = std::env::var_os("CREDENTIALS_DIRECTORY").filter(|value| !value.is_empty());
    let given = given.map(PathBuf::from);
    Directories::new(given.into_iter().chain([PathBuf::from(RUN_SECRETS)]).collect())
}

fn quoted(handlers: &[&str]) -> String {
    let quoted: Vec<_> = handlers.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(" and ")
}
