//! Floor 7: the second step: what the command line and the surroundings of the process add, and what results.

use super::app::App;
use super::check::{Checked, check};
use super::codec::parse_address;
use super::environment::Environment;
use super::files::Files;
use super::formats::Formats;
use super::handler::Handler;
use super::listener::{Listener, Taken};
use super::option::near_or_all;
use super::problem::{Place, Problem, Problems};
use super::section::Listed;
use super::server::{JournalOptions, LogOptions};
use super::source::{self, Source};
use super::tree::{Table, parse_set};
use super::zone::NamedZone;
use crate::capture;
use crate::correlate;
use crate::credentials::{self, Given};
use crate::ingest::follow::Pattern;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the command line says of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `--config`: the file.
    pub config: Option<PathBuf>,
    /// `--set`, in order: `KEY=VALUE`.
    pub set: Vec<String>,
    /// `--data-dir`; a relative one is under the working directory.
    pub data_dir: Option<PathBuf>,
    /// `--app`: the applications that run; empty for all.
    pub apps: Vec<String>,
    /// `--listen`: URLs in place of the configured listeners; empty for those.
    pub listen: Vec<String>,
    /// `--follow`: paths of files in place of the configured ones; empty for those.
    pub follow: Vec<String>,
}

/// The configuration of one run, complete and valid.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it comes from.
    pub source: Source,
    /// The server's own options.
    pub server: Server,
    /// Where secrets are looked for.
    pub credentials: credentials::Options,
    /// The listeners.
    pub listeners: Vec<Listener>,
    /// The formats of logs that are described.
    pub formats: Formats,
    /// The files that are followed.
    pub files: Vec<Files>,
    /// What is known of hosts and their senders.
    pub hosts: correlate::hosts::Options,
    /// The applications that run.
    pub apps: Vec<App>,
    /// All handlers, with the paths that they write to; also those that no application names.
    pub handlers: Vec<Handler>,
    /// All options, as they are listed.
    pub listed: Vec<Listed>,
}

/// The server's own options.
#[derive(Clone, Debug)]
pub struct Server {
    /// The directory for data. Whoever writes to it creates it.
    pub data_dir: PathBuf,
    /// The zone of what people read.
    pub timezone: NamedZone,
    /// Worker threads; nothing for what suits the machine.
    pub workers: Option<NonZeroUsize>,
    /// Connections over all listeners; nothing for what the limit of open files allows.
    pub max_connections: Option<usize>,
    /// The URL that is told that the server lives.
    pub heartbeat: Option<Given>,
    /// Time between two such words.
    pub heartbeat_interval: Duration,
    /// How long the correlator waits for a handler.
    pub handler_patience: Duration,
    /// How the program logs of itself.
    pub log: LogOptions,
    /// How long a capture of what is received may become.
    pub capture: capture::Options,
    /// How the journal is kept.
    pub journal: JournalOptions,
}

impl Settings {
    /// Finds, reads, checks and completes the configuration.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(request: &Request, environment: &Environment) -> Result<Self, Problems> {
        let source = source::find(request.config.as_deref(), environment);
        let mut problems = Problems::default();
        let tree = read_tree(&source, &request.set, &mut problems)?;
        let (checked, mut found) = check(&tree, &start(&source));
        let settings = complete(source, checked, request, environment, &mut found);
        if problems.is_empty() {
            return found.unless_any(|| settings);
        }
        problems.extend_without_absences(found);
        problems.unless_any(|| settings)
    }

    /// The applications with their modules.
    pub fn modules(&self) -> Vec<correlate::App> {
        self.apps.iter().map(|app| app.app.clone()).collect()
    }

    /// The handlers that an application names.
    pub fn active_handlers(&self) -> impl Iterator<Item = &Handler> {
        self.handlers
            .iter()
            .filter(|handler| self.apps.iter().any(|app| app.handlers.contains(&handler.name)))
    }
}

/// Where a configuration begins.
fn start(source: &Source) -> Place {
    Place::File { file: source.to_string().into(), line: 1 }
}

/// The file's tree, or what is built in, with what `--set` says over it.
///
/// # Errors
/// When the file itself cannot be read; what else is wrong goes to `problems`.
fn read_tree(source: &Source, set: &[String], problems: &mut Problems) -> Result<Table, Problems> {
    let built_in = source::built_in()?;
    let mut tree = match source {
        Source::BuiltIn => built_in,
        Source::File(path) => {
            let mut tree = source::read(path, problems)?;
            if tree.get("listeners").is_none() {
                tree.add_missing(built_in, "listeners");
            }
            tree
        }
    };
    let mut over = Table::default();
    for argument in set {
        match parse_set(argument) {
            Ok(table) => over.override_with(table),
            Err(problem) => problems.push(problem),
        }
    }
    tree.override_with(over);
    Ok(tree)
}

fn complete(
    source: Source,
    checked: Checked,
    request: &Request,
    environment: &Environment,
    problems: &mut Problems,
) -> Settings {
    let Checked {
        server,
        mut credentials,
        mut listeners,
        formats,
        mut files,
        hosts,
        mut apps,
        mut handlers,
        mut listed,
    } = checked;
    select_apps(&mut apps, &request.apps, problems);
    replaced(request, problems);
    if !request.listen.is_empty() {
        listeners = listen(&request.listen, problems);
    }
    if !request.follow.is_empty() {
        files = follow(&request.follow, problems);
    }
    let data_dir = data_dir(server.data_dir.as_deref(), request, environment, problems);
    list_data_dir(&mut listed, &data_dir, request);
    separate(&mut handlers, &data_dir, problems);
    let server = Server {
        data_dir,
        timezone: server.timezone,
        workers: NonZeroUsize::new(server.workers),
        max_connections: (server.max_connections > 0).then_some(server.max_connections),
        handler_patience: server.handler_patience,
        heartbeat: server.heartbeat,
        heartbeat_interval: server.heartbeat_interval,
        log: server.log,
        capture: server.capture,
        journal: server.journal,
    };
    let given = environment.credentials_directory.as_ref().map(PathBuf::from);
    credentials.directories.splice(0..0, given);
    let handlers = handlers.into_iter().map(|(handler, _)| handler).collect();
    Settings { source, server, credentials, listeners, formats, files, hosts, apps, handlers, listed }
}

/// Keeps the applications that are asked for.
fn select_apps(apps: &mut Vec<App>, wanted: &[String], problems: &mut Problems) {
    let names: Vec<_> = apps.iter().map(|app| app.app.name.clone()).collect();
    for name in wanted.iter().filter(|name| !names.contains(name)) {
        let place = Place::Argument(format!("--app {name}").into());
        let hint = near_or_all(name, &names);
        let message = format!("there is no application `{}`", name.escape_debug());
        problems.push(Problem::new(&place, message).hint(hint).absence());
    }
    if !wanted.is_empty() {
        apps.retain(|app| wanted.contains(&app.app.name));
    }
}

/// Refuses to set options of listeners or files in whose place the command line puts others: nothing would come of it.
fn replaced(request: &Request, problems: &mut Problems) {
    let replaced = [
        ("listeners", "--listen", "address", &request.listen),
        ("files", "--follow", "path", &request.follow),
    ];
    for (section, option, instead, _) in replaced.into_iter().filter(|(.., given)| !given.is_empty()) {
        for argument in &request.set {
            if parse_set(argument).is_ok_and(|table| table.get(section).is_some()) {
                let place = Place::Argument(format!("--set {argument}").into());
                let message =
                    format!("`{section}` cannot be set beside `{option}`, which replaces all of them");
                let hint = format!("in place of `{option}`, `--set {section}.NAME.{instead}=...` sets one");
                problems.push(Problem::new(&place, message).hint(hint));
            }
        }
    }
}

/// The listener that stands for the addresses of the command line.
fn listen(urls: &[String], problems: &mut Problems) -> Vec<Listener> {
    let (mut addresses, mut taken) = (Vec::new(), Taken::default());
    for url in urls {
        let place = Place::Argument(format!("--listen {url}").into());
        match parse_address(url) {
            Ok(address) => {
                taken.add(&address, &place, problems);
                addresses.push(address);
            }
            Err(wrong) => {
                problems.push(Problem::new(&place, wrong.message).hint_if(wrong.hint));
            }
        }
    }
    vec![Listener::new("command-line", addresses)]
}

/// What stands for the files of the command line; a relative path is under the working directory.
fn follow(paths: &[String], problems: &mut Problems) -> Vec<Files> {
    let mut patterns = Vec::new();
    for path in paths {
        let absolute = std::path::absolute(path).ok().and_then(|path| path.to_str().map(str::to_owned));
        match Pattern::parse(absolute.as_ref().unwrap_or(path)) {
            Ok(pattern) => patterns.push(pattern),
            Err(wrong) => {
                let place = Place::Argument(format!("--follow {path}").into());
                problems.push(Problem::new(&place, wrong));
            }
        }
    }
    vec![Files::new("command-line-files", patterns)]
}

fn data_dir(
    configured: Option<&Path>,
    request: &Request,
    environment: &Environment,
    problems: &mut Problems,
) -> PathBuf {
    let found = match &request.data_dir {
        Some(path) => std::path::absolute(path).ok(),
        None => configured.map(Path::to_owned).or_else(|| environment.data_dir()),
    };
    found.unwrap_or_else(|| {
        let problem =
            Problem::general("there is no data directory: neither `$HOME` nor `$XDG_STATE_HOME` is set");
        problems.push(problem.hint("give `--data-dir DIR`, or `data_dir` in `[server]`"));
        PathBuf::new()
    })
}

/// Lists the data directory as it was found.
fn list_data_dir(listed: &mut [Listed], data_dir: &Path, request: &Request) {
    let rows =
        listed.iter_mut().filter(|section| section.path == "server").flat_map(|section| &mut section.rows);
    for row in rows.filter(|row| row.name == "data_dir") {
        row.value = Some(data_dir.to_string_lossy().into_owned().into());
        if let Some(given) = &request.data_dir {
            row.place = Some(Place::Argument(format!("--data-dir {}", given.display()).into()));
        }
    }
}

/// Resolves the paths of handlers, and refuses two that write to one.
fn separate(handlers: &mut [(Handler, Place)], data_dir: &Path, problems: &mut Problems) {
    let mut taken: Vec<(PathBuf, String, Place)> = Vec::new();
    for (handler, place) in handlers {
        let name = &handler.name;
        let Some(directory) = handler.options.directory_mut() else { continue };
        // Going through the components leaves out `.` and doubled slashes.
        *directory = data_dir.join(&*directory).components().collect();
        match taken.iter().find(|(path, ..)| path == directory) {
            Some((path, owner, first)) => {
                let message = format!("handlers `{owner}` and `{name}` both write to {}", path.display());
                let hint = format!("give each its own `directory`; the first is at {first}");
                problems.push(Problem::new(place, message).hint(hint));
            }
            None => taken.push((directory.clone(), name.clone(), place.clone())),
        }
    }
}
