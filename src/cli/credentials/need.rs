//! Floor 8: which credentials the configuration names, and what came of looking for them.

use super::command_to_set;
use crate::config::{Handler, Settings};
use crate::credentials::{Answers, CredentialName, Found, Status, Stores};
use std::collections::BTreeMap;
use std::fmt::Write;

/// A credential that handlers name, and what came of looking for it.
pub(super) struct Need<'a> {
    pub(super) name: &'a CredentialName,
    /// The handlers that name it.
    pub(super) by: Vec<&'a Handler>,
    pub(super) looked: Result<Found, Answers>,
}

/// Looks for all credentials that handlers name, by name. No store is asked when none is named.
pub(super) fn look<'a>(
    settings: &Settings,
    handlers: impl IntoIterator<Item = &'a Handler>,
) -> Vec<Need<'a>> {
    let mut named: BTreeMap<&CredentialName, Vec<&Handler>> = BTreeMap::new();
    for handler in handlers {
        for name in handler.options.credentials() {
            let by = named.entry(name).or_default();
            if by.last().is_none_or(|last| last.name != handler.name) {
                by.push(handler);
            }
        }
    }
    let stores = Stores::new(&settings.credentials);
    named.into_iter().map(|(name, by)| Need { name, by, looked: stores.find(name) }).collect()
}

impl Need<'_> {
    /// Whether a handler names it that has to be ready when the server starts.
    pub(super) fn is_required(&self) -> bool {
        self.by.iter().any(|handler| handler.required)
    }

    /// What came of looking for it, in one word.
    pub(super) fn status(&self) -> &'static str {
        self.looked.as_ref().map_or_else(|answers| answers.status().name(), |_| "found")
    }

    /// Says what stores said that do not give it, and how it is added; nothing when it is there.
    pub(super) fn lack(&self, settings: &Settings) -> Option<String> {
        let answers = self.looked.as_ref().err()?;
        let status = answers.status();
        let handlers: Vec<_> = self.by.iter().map(|handler| format!("`{}`", handler.name)).collect();
        let mut text = format!("\n  {}, for {}: {}", self.name, handlers.join(" and "), status.name());
        let mut line = |line: &str| write!(text, "\n    {line}").ok();
        for (place, lack) in &answers.0 {
            line(&format!("{place}: {lack}"));
        }
        // A keyring that is locked takes nothing.
        if status != Status::Locked {
            line(&format!("add it with `{}`", command_to_set(self.name, settings)));
        }
        Some(text)
    }
}
