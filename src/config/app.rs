//! Floor 7: `[apps.NAME]`.

use super::codec::{Names, Text};
use super::module;
use super::option::{Opt, options};
use super::problem::Problem;
use super::section::{Given, Reader, Section};
use crate::correlate;

/// An application: its modules, and the handlers of its events.
#[derive(Clone, Debug)]
pub struct App {
    /// Its name and modules.
    pub app: correlate::App,
    /// What it is for, in the operator's words.
    pub description: String,
    /// The names of its handlers.
    pub handlers: Vec<String>,
}

/// What `[apps.NAME]` itself says.
pub(super) struct AppOptions {
    description: String,
    handlers: Vec<String>,
}

impl Section for AppOptions {
    const OPTIONS: &'static [Opt<Self>] = options! { Self:
        description = description as Text,
            "What the application is for.";
        handlers = handlers as Names,
            "The handlers that its events go to, by name.";
    };

    fn defaults() -> Self {
        Self { description: String::new(), handlers: Vec::new() }
    }
}

/// Reads an application and its modules.
pub(super) fn read(reader: &mut Reader, name: &str, given: Given<'_>) -> App {
    let AppOptions { description, handlers } = reader.section(given, &["modules"]);
    let mut modules = Vec::new();
    let path = format!("{}.modules", given.path);
    let node = given.table.get("modules");
    let named = node.map(|node| reader.named(&path, node)).unwrap_or_default();
    if named.is_empty() {
        let message = format!("application `{name}` has no module");
        let hint = format!("expected `[{path}.NAME]` with a `type`");
        reader
            .problems
            .push(Problem::new(node.map_or(given.at, |node| &node.at), message).hint(hint).absence());
    }
    for (path, name, node, table) in named {
        let given = Given { path: &path, at: &node.at, table };
        if let Some(options) = module::read(reader, given) {
            modules.push((name.to_owned(), options));
        }
    }
    App { app: correlate::App { name: name.to_owned(), modules }, description, handlers }
}
