//! Floor 8: what would run, as `check` tells it: a line for each part of the configuration, in its order.

use crate::cli::apps::{handlers, modules};
use crate::cli::text::{lasting, readable, shown};
use crate::config::{Files, FirstLine, Listener, Settings};
use crate::correlate::hosts;
use crate::detect::senders::Source;
use crate::pipeline::{BUSY_BESIDE, worker_threads};
use std::io::{self, Write};

/// Writes what would run.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write(out: &mut impl Write, settings: &Settings) -> io::Result<()> {
    writeln!(out, "configuration  {}", readable(&settings.source.to_string()))?;
    writeln!(out, "data           {}", shown(&settings.server.data_dir))?;
    writeln!(out, "timezone       {}", settings.server.timezone.name)?;
    writeln!(out, "workers        {}", worker_threads(settings.server.workers, BUSY_BESIDE))?;
    for listener in &settings.listeners {
        for address in &listener.addresses {
            writeln!(out, "listener       {}  {}", listener.name, readable(&address.to_string()))?;
        }
        if let Some(limit) = limit(listener) {
            writeln!(out, "rate limit     {}  {limit}", listener.name)?;
        }
    }
    for format in settings.formats.names() {
        let users = settings.files.iter().filter(|files| files.format == format);
        let users = or(join(users.map(|files| files.name.as_str())), "no files");
        writeln!(out, "format         {format}  for {users}")?;
    }
    for files in &settings.files {
        writeln!(out, "following      {}  {}", files.name, followed(files))?;
    }
    for source in &settings.hosts.rules.sources {
        writeln!(out, "source         {}  {}", source.name, senders(source))?;
    }
    writeln!(out, "hosts          {}", watched(&settings.hosts))?;
    for app in &settings.apps {
        let (name, modules, handlers) = (&app.app.name, modules(app), handlers(app, settings));
        writeln!(out, "application    {name}  {modules} → {handlers}")?;
    }
    Ok(())
}

fn limit(listener: &Listener) -> Option<String> {
    let limits =
        [(listener.rate.of_sender, "records of a sender"), (listener.rate.of_host, "datagrams of a host")];
    let set = limits.into_iter().filter(|(most, _)| *most > 0);
    let set: Vec<_> = set.map(|(most, what)| format!("{most} {what}")).collect();
    (!set.is_empty()).then(|| format!("{} a second", set.join(", ")))
}

fn followed(files: &Files) -> String {
    let paths = join(files.patterns.iter().map(|pattern| readable(&pattern.to_string())));
    let format = if files.format.is_empty() { String::new() } else { format!(", format {}", files.format) };
    let from = match (files.from, files.deliver_backlog) {
        (FirstLine::End, _) => "from the end",
        (FirstLine::Beginning, false) => "from the beginning, whose events are held back",
        (FirstLine::Beginning, true) => "from the beginning",
    };
    format!("{paths}{format}, {from}")
}

fn senders(source: &Source) -> String {
    let Source { peers, names, listeners, hosts, .. } = source;
    let peers = join(peers.iter().map(ToString::to_string));
    let parts =
        [(String::new(), peers), ("names ".into(), join(names)), ("listeners ".into(), join(listeners))];
    let said = parts.into_iter().filter(|(_, values)| !values.is_empty());
    let said = said.map(|(what, values)| what + &values).collect::<Vec<_>>().join("; ");
    format!("{} → {}", or(said, "all senders"), or(join(hosts), "no hosts"))
}

fn watched(options: &hosts::Options) -> String {
    let silent = match options.silent_after {
        Some(time) if !options.watched.is_empty() => {
            format!("told when silent for {}: {}", lasting(time), join(&options.watched))
        }
        _ => "never told when silent".to_owned(),
    };
    let clocks = [(options.rules.most_ahead, "ahead"), (options.rules.most_behind, "behind")];
    let clocks = clocks.into_iter().filter_map(|(most, way)| Some(format!("{} {way}", lasting(most?))));
    format!("{silent}; clocks may be {}", or(clocks.collect::<Vec<_>>().join(" and "), "off by any time"))
}

fn join(parts: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    parts.into_iter().map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join(", ")
}

fn or(text: String, otherwise: &str) -> String {
    if text.is_empty() { otherwise.to_owned() } else { text }
}
