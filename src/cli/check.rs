//! Floor 8: `correlator check`: whether the configuration would run, and what would.

mod files;
mod online;
mod plan;

use super::delivery::{environment, target};
use super::probe::try_directory;
use super::serve::heartbeat;
use super::text::{exposure, lacking, lacking_room, readable_lines, secrets_in_plain};
use super::{ConfigArgs, Exit, Failure, credentials};
use crate::config::Settings;
use crate::dispatch::Target;
use crate::handlers::NoEvidence;
use crate::handlers::heartbeat::Heartbeat;
use crate::ingest::Bound;
use crate::pipeline::RejectFile;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;

/// Check the configuration, and whether its files and addresses can be used
///
/// Says what would run. Every error is listed. Directories are written to, and left as they were. The exit code is 2
/// when the configuration is wrong or a credential is missing, and 1 when it is right but a directory cannot be written,
/// an address is none of this machine's, or a file that is to be followed cannot be read, by the user who runs this or, as one that is compressed, at all. An
/// address that is in use is only warned about: this server may be what uses it. So is a directory of followed files that
/// is not there; of a path that names no file yet, a note tells.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Check for this application only (may be given several times) [default: all]
    #[arg(long, value_name = "NAME")]
    app: Vec<String>,

    /// Check these addresses in place of the configured listeners (may be given several times)
    #[arg(long, value_name = "URL")]
    listen: Vec<String>,

    /// Try the servers of handlers and of the heartbeat too: names, connections, certificates, logins
    ///
    /// Mail servers are logged in to, and Twilio is asked for the account; others are connected to. Nothing is sent to a
    /// person. The exit code is 1 when something fails. Starting needs none of this.
    #[arg(long)]
    online: bool,

    #[command(flatten)]
    config: ConfigArgs,
}

/// What was found besides what would run.
#[derive(Debug, Default)]
struct Findings {
    errors: Vec<String>,
    warnings: Vec<String>,
    /// What is no trouble, and may explain some.
    notes: Vec<String>,
    /// Whether credentials are missing.
    is_incomplete: bool,
    /// The heartbeat, to be tried.
    heartbeat: Option<Heartbeat>,
}

/// Checks the configuration.
///
/// # Errors
/// When the configuration is refused, or standard output cannot be written.
pub(super) fn run(args: Args) -> Result<Exit, Failure> {
    let settings = args.config.load(&args.app, &args.listen).map_err(|problems| {
        let further =
            "note: files, directories, credentials and addresses are looked at once this is put right";
        Failure::in_full(Exit::Usage, format!("{problems}\n{further}"))
    })?;
    let mut findings = Findings::default();
    findings.directories(&settings);
    let targets = findings.handlers(&settings);
    findings.addresses(&settings);
    findings.files(&settings);
    findings.loose_ends(&settings);
    let mut out = io::stdout().lock();
    plan::write(&mut out, &settings)?;
    let is_reached = !args.online || online::probe(&mut out, targets, findings.heartbeat.take())?;
    let mut err = io::stderr().lock();
    let Findings { notes, warnings, errors, .. } = &findings;
    for (kind, messages) in [("note", notes), ("warning", warnings), ("error", errors)] {
        for message in messages {
            writeln!(err, "{kind}: {}", readable_lines(message))?;
        }
    }
    Ok(match findings {
        Findings { is_incomplete: true, .. } => Exit::Usage,
        Findings { errors, .. } if errors.is_empty() && is_reached => Exit::Done,
        Findings { .. } => Exit::Failed,
    })
}

impl Findings {
    /// Whether the directories that are written to can be, or can be made.
    fn directories(&mut self, settings: &Settings) {
        let of_handlers = settings.active_handlers().filter_map(|handler| handler.options.directory());
        let mut directories: Vec<&Path> = vec![&settings.server.data_dir];
        directories.extend(of_handlers.map(|path| path.as_path()));
        let mut unwritable: Vec<&Path> = Vec::new();
        for directory in directories {
            // Below one that cannot be written to, nothing can be.
            if !unwritable.iter().any(|above| directory.starts_with(above))
                && let Err(error) = try_directory(directory)
            {
                self.errors.push(format!("{error:#}"));
                unwritable.push(directory);
            }
        }
        if unwritable.is_empty() {
            self.errors.extend(lacking_room(settings));
        }
        let rejected = RejectFile::path(&settings.server.data_dir);
        if !unwritable.iter().any(|above| rejected.starts_with(above))
            && let Err(error) = RejectFile::check(&rejected)
        {
            let rejected = rejected.display();
            self.errors
                .push(format!("cannot write to {rejected}, so that no rejected frame is kept: {error}"));
        }
    }

    /// Whether what handlers and the heartbeat need is as it should be: credentials, templates and certificates, for
    /// instance. Gives the handlers that can be built.
    fn handlers(&mut self, settings: &Settings) -> Vec<Target> {
        let ready = credentials::find(settings).unwrap_or_else(|failure| {
            self.errors.push(failure.message());
            self.is_incomplete = true;
            credentials::Ready::default()
        });
        self.warnings.extend(ready.waiting);
        let environment = environment(settings, &ready.secrets, Arc::new(NoEvidence));
        self.warnings.extend(secrets_in_plain(settings));
        self.errors.extend(lacking(settings));
        if !self.is_incomplete {
            match heartbeat::prepare(settings, &ready.secrets) {
                Ok(heartbeat) => self.heartbeat = heartbeat,
                Err(failure) => self.errors.push(failure.message()),
            }
        }
        let mut targets = Vec::new();
        for handler in settings.active_handlers() {
            match target(handler, settings, &environment) {
                Ok(target) => targets.push(target),
                Err(failure) => self.errors.push(failure.message()),
            }
        }
        targets
    }

    /// Whether the addresses can be listened on. One that is in use is no error: the server may be running.
    fn addresses(&mut self, settings: &Settings) {
        self.warnings.extend(settings.listeners.iter().filter_map(exposure));
        for options in settings.listeners.iter().flat_map(|listener| listener.options()) {
            for error in Bound::check(&options) {
                let in_use = error.reason.kind() == ErrorKind::AddrInUse;
                let messages = if in_use { &mut self.warnings } else { &mut self.errors };
                messages.push(error.to_string());
            }
        }
    }

    /// What is defined and leads nowhere.
    fn loose_ends(&mut self, settings: &Settings) {
        for app in settings.apps.iter().filter(|app| app.handlers.is_empty()) {
            let name = &app.app.name;
            self.warnings.push(format!("application `{name}` has no handlers; its events go nowhere"));
        }
        let active: Vec<_> = settings.active_handlers().map(|handler| &handler.name).collect();
        for handler in settings.handlers.iter().filter(|handler| !active.contains(&&handler.name)) {
            self.warnings.push(format!("no application that runs names the handler `{}`", handler.name));
        }
    }
}
