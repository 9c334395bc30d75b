//! Floor 7: `[sources.NAME]` and `[hosts]`: who may speak for which hosts, and what hosts are watched for.

use super::codec::{Lasting, NamePatterns, Names, Networks, Raises, Switches};
use super::option::{Opt, near_or_all, options};
use super::problem::Problem;
use super::section::{Reader, Section};
use super::tree::{Content, Node, Table};
use crate::correlate::hosts;
use crate::correlate::sshd::Switch;
use crate::detect::senders::{Rules, Source};
use crate::event::Kind;
use crate::limits;
use std::sync::Arc;
use std::time::Duration;

/// A day's seconds.
const DAY: u64 = 86_400;

impl Section for Source {
    const OPTIONS: &'static [Opt<Self>] = options! { Self:
        (required) hosts = hosts as NamePatterns,
            "The hosts that these senders may speak for; records of others are rejected. `[]` is none.";
        peers = peers as Networks,
            "The networks of the senders' addresses; empty for any.";
        names = names as NamePatterns,
            "The names that senders' certificates prove; empty for any, and for senders without one.";
        listeners = listeners as Names,
            "The listeners that their records come in by; empty for any.";
    };

    fn defaults() -> Self {
        Self::default()
    }
}

/// What `[hosts]` says.
#[derive(Clone, Debug)]
pub(super) struct HostOptions {
    silent_after: Option<Duration>,
    watched: Vec<String>,
    clock_ahead: Option<Duration>,
    clock_behind: Option<Duration>,
    events: Vec<(Kind, Switch)>,
}

impl Raises for HostOptions {
    const PREFIX: &'static str = "Host";
}

impl Section for HostOptions {
    const OPTIONS: &'static [Opt<Self>] = options! { Self:
        silent_after = silent_after as Lasting<0, { 7 * DAY }>,
            "Time without a record after which `HostSilent` is raised for a host that has spoken for as long before. Zero is \
             off.";
        watched = watched as NamePatterns,
            "The hosts for which it is raised.";
        clock_ahead = clock_ahead as Lasting<0, { 3650 * DAY }>,
            "How far ahead of its arrival the time of a record may lie before `HostClockWrong` is raised. Zero is any.";
        clock_behind = clock_behind as Lasting<0, { 3650 * DAY }>,
            "How far behind its arrival the time of a record may lie. Zero is any: what waited for its sender is old, and \
             right.";
        events = events as Switches<Self>,
            "Which kinds of events are raised, and how severe they are.";
    };

    fn defaults() -> Self {
        let hosts::Options { rules, silent_after, watched, events } = hosts::Options::default();
        Self { silent_after, watched, clock_ahead: rules.most_ahead, clock_behind: rules.most_behind, events }
    }
}

impl HostOptions {
    /// What the correlator goes by; `hosts` are those of records that name none, by where they come in.
    pub(super) fn complete(self, sources: Vec<Source>, hosts: Vec<(String, String)>) -> hosts::Options {
        let Self { silent_after, watched, clock_ahead, clock_behind, events } = self;
        let rules = Rules { sources, hosts, most_ahead: clock_ahead, most_behind: clock_behind };
        hosts::Options { rules: Arc::new(rules), silent_after, watched, events }
    }
}

/// Reads the sources; `listeners` are the names of where records come in.
pub(super) fn sources(tree: &Table, listeners: &[&str], reader: &mut Reader) -> Vec<Source> {
    let mut sources = Vec::new();
    let Some(node) = tree.get("sources") else { return sources };
    for (path, name, node, table) in reader.named("sources", node) {
        let given = super::section::Given { path: &path, at: &node.at, table };
        sources.push(Source { name: name.to_owned(), ..reader.section(given, &[]) });
        if let Some(named) = table.get("listeners") {
            known_listeners(&path, named, listeners, reader);
        }
    }
    if sources.len() > limits::MAX_SOURCE_ENTRIES {
        let message = format!("more than {} sources are too many", limits::MAX_SOURCE_ENTRIES);
        reader.problems.push(Problem::new(&node.at, message));
    }
    sources
}

/// Checks that the listeners that a source names exist.
fn known_listeners(path: &str, named: &Node, listeners: &[&str], reader: &mut Reader) {
    for node in named.items() {
        let Content::Text(name) = &node.content else { continue };
        if !listeners.contains(&name.as_str()) {
            let message = format!("`{path}` names a listener `{}` that does not exist", name.escape_debug());
            let hint = near_or_all(name, listeners);
            reader.problems.push(Problem::new(&node.at, message).hint(hint).absence());
        }
    }
}
