//! Floor 8: which credentials the configuration names, and what came of looking for them.

use super::command_to_set;
use crate::config::{Handler, Settings};
use crate::credentials::{Answers, CredentialName, Found, Given, Status, Stores};
use std::collections::BTreeMap;
use std::fmt::Write;

/// A part of the configuration that names a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct User<'a> {
    /// The name of the handler, or the key of the option.
    pub(super) name: &'a str,
    /// Whether nothing starts without the credential.
    pub(super) is_required: bool,
}

/// A credential, and what names it.
pub(super) type Use<'a> = (&'a CredentialName, User<'a>);

/// A credential that the configuration names, and what came of looking for it.
pub(super) struct Need<'a> {
    pub(super) name: &'a CredentialName,
    /// What names it.
    pub(super) by: Vec<User<'a>>,
    pub(super) looked: Result<Found, Answers>,
}

/// All credentials that the configuration names, each with what names it, once or more.
pub(super) fn all(settings: &Settings) -> impl Iterator<Item = Use<'_>> {
    of_handlers(&settings.handlers).chain(of_server(settings))
}

/// The credentials that handlers name.
pub(super) fn of_handlers<'a>(
    handlers: impl IntoIterator<Item = &'a Handler>,
) -> impl Iterator<Item = Use<'a>> {
    handlers.into_iter().flat_map(|handler| {
        let user = User { name: &handler.name, is_required: handler.required };
        handler.options.credentials().into_iter().map(move |name| (name, user))
    })
}

/// The credentials that the server itself names.
pub(super) fn of_server(settings: &Settings) -> impl Iterator<Item = Use<'_>> {
    let name = settings.server.heartbeat.as_ref().and_then(Given::credential);
    name.map(|name| (name, User { name: "server.heartbeat", is_required: true })).into_iter()
}

/// Looks for credentials, by name. No store is asked when there are none.
pub(super) fn look<'a>(settings: &Settings, uses: impl Iterator<Item = Use<'a>>) -> Vec<Need<'a>> {
    let mut named: BTreeMap<&CredentialName, Vec<User<'_>>> = BTreeMap::new();
    for (name, user) in uses {
        let by = named.entry(name).or_default();
        if by.last() != Some(&user) {
            by.push(user);
        }
    }
    let stores = Stores::new(&settings.credentials);
    named.into_iter().map(|(name, by)| Need { name, by, looked: stores.find(name) }).collect()
}

impl Need<'_> {
    /// Whether something names it that has to be ready when the server starts.
    pub(super) fn is_required(&self) -> bool {
        self.by.iter().any(|user| user.is_required)
    }

    /// What came of looking for it, in one word.
    pub(super) fn status(&self) -> &'static str {
        self.looked.as_ref().map_or_else(|answers| answers.status().name(), |_| "found")
    }

    /// Says what stores said that do not give it, and how it is added; nothing when it is there.
    pub(super) fn lack(&self, settings: &Settings) -> Option<String> {
        let answers = self.looked.as_ref().err()?;
        let status = answers.status();
        let users: Vec<_> = self.by.iter().map(|user| format!("`{}`", user.name)).collect();
        let mut text = format!("\n  {}, for {}: {}", self.name, users.join(" and "), status.name());
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
