//! Floor 7: the first step: a tree of text → options that are valid in themselves. Touches nothing outside.

use super::app::{self, App};
use super::handler::{self, Handler};
use super::listener::Listener;
use super::option::list;
use super::problem::{Place, Problem, Problems};
use super::section::{Given, Listed, Reader};
use super::server::ServerOptions;
use super::suggest::suggest;
use super::tree::{Content, Node, Table};
use std::net::{IpAddr, SocketAddr};

/// What a configuration says, before the surroundings of the process are asked.
pub(super) struct Checked {
    pub(super) server: ServerOptions,
    pub(super) listeners: Vec<Listener>,
    pub(super) apps: Vec<App>,
    /// Each with the place that says where it writes, or else where it begins.
    pub(super) handlers: Vec<(Handler, Place)>,
    pub(super) listed: Vec<Listed>,
}

/// The tables of the root.
const ROOT: [&str; 4] = ["server", "listeners", "apps", "handlers"];
/// The same of later versions.
const LATER_ROOT: [&str; 5] = ["filters", "credentials", "templates", "journal", "sources"];

/// Checks a tree whose beginning is `start`.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn check(tree: &Table, start: &Place) -> Result<Checked, Problems> {
    let mut reader = Reader::default();
    root_keys(tree, &mut reader);
    let server = server(tree, start, &mut reader);
    let listeners = listeners(tree, &mut reader);
    let apps = apps(tree, start, &mut reader);
    let handlers = handlers(tree, &mut reader);
    let Reader { problems, listed } = reader;
    problems.unless_any(|| Checked { server, listeners, apps, handlers, listed })
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

fn server(tree: &Table, start: &Place, reader: &mut Reader) -> ServerOptions {
    let empty = Table::default();
    let node = tree.get("server");
    let table = node.and_then(|node| reader.table("server", node)).unwrap_or(&empty);
    reader.section(Given { path: "server", at: node.map_or(start, |node| &node.at), table }, &[])
}

fn listeners(tree: &Table, reader: &mut Reader) -> Vec<Listener> {
    let mut listeners: Vec<Listener> = Vec::new();
    let Some(node) = tree.get("listeners") else { return listeners };
    for (path, name, node, table) in reader.named("listeners", node) {
        let given = Given { path: &path, at: &node.at, table };
        let listener = Listener { name: name.to_owned(), ..reader.section(given, &[]) };
        let at = table.get("address").map_or(&node.at, |node| &node.at);
        for (index, address) in listener.addresses.iter().enumerate() {
            let own = listener.addresses.iter().take(index).map(|other| (name, other));
            let others =
                listeners.iter().flat_map(|l| l.addresses.iter().map(|other| (l.name.as_str(), other)));
            if let Some((owner, other)) = own.chain(others).find(|(_, other)| collide(**other, *address)) {
                let message = format!("`{path}` cannot listen on tcp://{address}");
                let hint = format!("`listeners.{owner}` takes it with tcp://{other}");
                reader.problems.push(Problem::new(at, message).hint(hint));
            }
        }
        listeners.push(listener);
    }
    listeners
}

/// Whether two sockets cannot listen on both addresses. `[::]` takes IPv4 as well; port 0 is any that is free.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let covers = |wide: IpAddr, other: IpAddr| match wide {
        IpAddr::V6(wide) => wide.is_unspecified(),
        IpAddr::V4(wide) => wide.is_unspecified() && other.is_ipv4(),
    };
    let (x, y) = (a.ip().to_canonical(), b.ip().to_canonical());
    a.port() == b.port() && a.port() != 0 && (x == y || covers(x, y) || covers(y, x))
}

fn apps(tree: &Table, start: &Place, reader: &mut Reader) -> Vec<App> {
    let node = tree.get("apps");
    let named = node.map(|node| reader.named("apps", node)).unwrap_or_default();
    if named.is_empty() {
        let problem = Problem::new(node.map_or(start, |node| &node.at), "there is no application");
        reader
            .problems
            .push(problem.hint("expected `[apps.NAME]` with at least one `[apps.NAME.modules.NAME]`"));
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
    let nodes = match &handlers.content {
        Content::List(nodes) => nodes.as_slice(),
        _ => std::slice::from_ref(handlers),
    };
    let mut seen = Vec::new();
    for node in nodes {
        let Content::Text(name) = &node.content else { continue };
        if !defined.contains(&name.as_str()) {
            let message = format!("`{path}` names a handler `{}` that does not exist", name.escape_debug());
            let hint = match suggest(name, defined.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if defined.is_empty() => format!("expected `[handlers.{name}]` with a `type`"),
                None => format!("there are {}", list(&defined)),
            };
            reader.problems.push(Problem::new(&node.at, message).hint(hint));
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
        if let Some(options) = handler::read(reader, given) {
            let place = table.get("directory").map_or(&node.at, |node| &node.at);
            handlers.push((Handler { name: name.to_owned(), options }, place.clone()));
        }
    }
    handlers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_addresses_collide_with_what_they_cover() {
        for (a, b, expected) in [
            ("127.0.0.1:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "127.0.0.1:2", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("0.0.0.0:1", "127.0.0.1:1", true),
            ("[::]:1", "127.0.0.1:1", true),
            ("[::1]:1", "0.0.0.0:1", false),
            ("[::1]:1", "127.0.0.1:1", false),
            ("[::ffff:127.0.0.1]:1", "127.0.0.1:1", true),
        ] {
            assert_eq!(collide(a.parse().unwrap(), b.parse().unwrap()), expected, "{a} {b}");
            assert_eq!(collide(b.parse().unwrap(), a.parse().unwrap()), expected, "{b} {a}");
        }
    }
}
