//! Floor 7: the first step: a tree of text → options that are valid in themselves. Touches nothing outside.

use super::app::{self, App};
use super::files::Files;
use super::formats::Formats;
use super::handler::{self, Handler};
use super::listener::{self, Listener, Taken};
use super::option::near_or_all;
use super::problem::{Place, Problem, Problems};
use super::section::{Given, Listed, Reader, Section};
use super::sender::{self, HostOptions};
use super::server::ServerOptions;
use super::tree::{Content, Node, Table};
use crate::correlate::hosts;
use crate::credentials;

/// What a configuration says, before the surroundings of the process are asked.
pub(super) struct Checked {
    pub(super) server: ServerOptions,
    pub(super) credentials: credentials::Options,
    pub(super) listeners: Vec<Listener>,
    pub(super) formats: Formats,
    pub(super) files: Vec<Files>,
    pub(super) hosts: hosts::Options,
    pub(super) apps: Vec<App>,
    /// Each with the place that says where it writes, or else where it begins.
    pub(super) handlers: Vec<(Handler, Place)>,
    pub(super) listed: Vec<Listed>,
}

/// The tables of the root.
const ROOT: [&str; 9] =
    ["server", "listeners", "files", "formats", "sources", "hosts", "apps", "handlers", "credentials"];
/// The same of later versions.
const LATER_ROOT: [&str; 3] = ["filters", "templates", "journal"];

/// Checks a tree whose beginning is `start`: what it says, so far as that is right, and everything that is wrong with it.
pub(super) fn check(tree: &Table, start: &Place) -> (Checked, Problems) {
    let mut reader = Reader::default();
    root_keys(tree, &mut reader);
    let server = section("server", tree, start, &mut reader);
    let credentials = section("credentials", tree, start, &mut reader);
    let listeners = listeners(tree, &mut reader);
    let formats = Formats::read(tree, &mut reader);
    let files = files(tree, &listeners, &formats, &mut reader);
    let places: Vec<_> = listeners
        .iter()
        .map(|listener| &*listener.name)
        .chain(files.iter().map(|files| &*files.name))
        .collect();
    let sources = sender::sources(tree, &places, &mut reader);
    let named = listeners.iter().map(|listener| (&listener.name, &listener.host));
    let named = named.chain(files.iter().map(|files| (&files.name, &files.host)));
    let named = named.filter(|(_, host)| !host.is_empty());
    let named = named.map(|(place, host)| (place.clone(), host.clone())).collect();
    let hosts = section::<HostOptions>("hosts", tree, start, &mut reader).complete(sources, named);
    let apps = apps(tree, start, &mut reader);
    let handlers = handlers(tree, &mut reader);
    let Reader { problems, listed } = reader;
    (Checked { server, credentials, listeners, formats, files, hosts, apps, handlers, listed }, problems)
}

fn root_keys(tree: &Table, reader: &mut Reader) {
    for (key, node) in tree.iter() {
        if key == "include" {
            let hint = "it may only stand in the main file";
            reader.problems.push(Problem::new(&node.at, "`include` cannot be set").hint(hint));
        } else if LATER_ROOT.contains(&key) {
            reader.problems.push(super::option::unsupported(&node.at, &format!("`{key}`")));
        } else if !ROOT.contains(&key) {
            let known = ROOT.into_iter().chain(["include"]);
            reader.problems.push(super::option::unknown_key(key, &node.at, known));
        }
    }
}

/// A section that is there even where nothing of it is written.
fn section<S: Section>(name: &str, tree: &Table, start: &Place, reader: &mut Reader) -> S {
    let empty = Table::default();
    let node = tree.get(name);
    let table = node.and_then(|node| reader.table(name, node)).unwrap_or(&empty);
    reader.section(Given { path: name, at: node.map_or(start, |node| &node.at), table }, &[])
}

fn listeners(tree: &Table, reader: &mut Reader) -> Vec<Listener> {
    let (mut listeners, mut taken) = (Vec::new(), Taken::default());
    let Some(node) = tree.get("listeners") else { return listeners };
    for (path, name, node, table) in reader.named("listeners", node) {
        let given = Given { path: &path, at: &node.at, table };
        let listener = Listener { name: name.to_owned(), ..reader.section(given, &[]) };
        let written = table.get("address").map(Node::items).unwrap_or_default();
        for (address, node) in listener.addresses.iter().zip(written) {
            taken.add(address, &node.at, &mut reader.problems);
        }
        listener.only_what_applies(&path, table, &mut reader.problems);
        listener::check_streams(&listener, given, &mut reader.problems);
        listeners.push(listener);
    }
    listeners
}

fn files(tree: &Table, listeners: &[Listener], formats: &Formats, reader: &mut Reader) -> Vec<Files> {
    let mut files = Vec::new();
    let Some(node) = tree.get("files") else { return files };
    for (path, name, node, table) in reader.named("files", node) {
        if listeners.iter().any(|listener| listener.name == name) {
            let message = format!("`{path}` has the name of a listener");
            let hint = "records are told apart by the name of where they came in";
            reader.problems.push(Problem::new(&node.at, message).hint(hint));
        }
        let section: Files = reader.section(Given { path: &path, at: &node.at, table }, &[]);
        let place = table.get("format").map_or(&node.at, |node| &node.at);
        let lines = formats.named(&section.format, (&path, place), &mut reader.problems);
        files.push(Files { name: name.to_owned(), lines, ..section });
    }
    files
}

fn apps(tree: &Table, start: &Place, reader: &mut Reader) -> Vec<App> {
    let node = tree.get("apps");
    let named = node.map(|node| reader.named("apps", node)).unwrap_or_default();
    if named.is_empty() {
        let problem = Problem::new(node.map_or(start, |node| &node.at), "there is no application");
        reader.problems.push(
            problem.hint("expected `[apps.NAME]` with at least one `[apps.NAME.modules.NAME]`").absence(),
        );
    }
    let mut apps = Vec::new();
    for (path, name, node, table) in named {
        apps.push(app::read(reader, name, Given { path: &path, at: &node.at, table }));
        if let Some(handlers) = table.get("handlers") {
            references(&path, handlers, tree, reader);
        }
    }
    apps
}

/// Checks that the handlers that an application names exist, and are named once.
fn references(path: &str, handlers: &Node, tree: &Table, reader: &mut Reader) {
    let defined: Vec<_> = match tree.get("handlers").map(|node| &node.content) {
        Some(Content::Table(table)) => table.iter().map(|(name, _)| name).collect(),
        _ => Vec::new(),
    };
    let mut seen = Vec::new();
    for node in handlers.items() {
        let Content::Text(name) = &node.content else { continue };
        if !defined.contains(&name.as_str()) {
            let message = format!("`{path}` names a handler `{}` that does not exist", name.escape_debug());
            let hint = if defined.is_empty() {
                format!("expected `[handlers.{name}]` with a `type`")
            } else {
                near_or_all(name, &defined)
            };
            reader.problems.push(Problem::new(&node.at, message).hint(hint).absence());
        } else if seen.contains(&name) {
            let message = format!("`{path}` names the handler `{name}` twice");
            reader.problems.push(Problem::new(&node.at, message));
        }
        seen.push(name);
    }
}

fn handlers(tree: &Table, reader: &mut Reader) -> Vec<(Handler, Place)> {
    let mut handlers = Vec::new();
    let Some(node) = tree.get("handlers") else { return handlers };
    for (path, name, node, table) in reader.named("handlers", node) {
        let given = Given { path: &path, at: &node.at, table };
        if let Some(handler) = handler::read(reader, given, name) {
            let place = table.get("directory").map_or(&node.at, |node| &node.at);
            handlers.push((handler, place.clone()));
        }
    }
    handlers
}
