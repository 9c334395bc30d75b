//! Floor 8: the command line: one file per subcommand.
//!
//! Invariant: standard output carries what was asked for and nothing else; everything said about it goes to standard
//! error, and how it ended is an [`Exit`].

use crate::config::{Environment, Problems, Request, Settings};
use clap::{Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

mod apps;
mod capture;
mod check;
mod completions;
mod config;
mod control;
mod credentials;
mod delivery;
mod events;
mod exit;
mod explain;
mod flood;
mod journal;
mod logging;
mod probe;
mod progress;
mod replay;
mod serve;
mod status;
mod text;
mod trial;
mod value;

#[cfg(test)]
mod reference_tests;

pub use exit::Exit;
use exit::Failure;

/// Receives syslog, understands OpenSSH, and acts on what it says.
///
/// Correlator turns the syslog records of many hosts into typed events (a session ended, a login failed, a source
/// reached the limit of failed attempts) and hands each event to handlers. Without a configuration it runs the built-in
/// application `ssh-report`.
#[derive(Debug, Parser)]
#[command(name = "correlator", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_long_help = "\
Exit codes:
  0  done
  1  ran, and what was checked failed
  2  wrong usage or configuration
  3  trouble with input or the environment: files, addresses, permissions, handlers that fail
  4  durability lost: the journal could not be written")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    Replay(replay::Args),
    Status(status::Args),
    Events(events::Args),
    Journal(journal::Args),
    Handlers(trial::HandlersArgs),
    TestAlert(trial::AlertArgs),
    Capture(capture::Args),
    Explain(explain::Args),
    Check(check::Args),
    Flood(flood::Args),
    Credentials(credentials::Args),
    Config(config::Args),
    Apps(apps::Args),
    Completions(completions::Args),
}

/// Options of every subcommand that reads the configuration.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Configuration")]
struct ConfigArgs {
    /// Configuration file [default: $CORRELATOR_CONFIG, /etc/correlator/correlator.toml, or the built-in one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Set one option over what the file says, as in `--set server.workers=4`
    ///
    /// KEY is the option's full name, with dots, as `correlator config` prints it. VALUE is TOML; where an option
    /// takes text, the quotes may be left out. May be given several times; the last one of a key counts.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Directory for data, over what the file says
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl ConfigArgs {
    /// Loads the configuration, with the applications and listeners that the command line names.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    fn load(&self, apps: &[String], listen: &[String]) -> Result<Settings, Problems> {
        self.load_following(apps, listen, &[])
    }

    /// Loads the configuration, also with the files that the command line names.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    fn load_following(
        &self,
        apps: &[String],
        listen: &[String],
        follow: &[String],
    ) -> Result<Settings, Problems> {
        let request = Request {
            config: self.config.clone(),
            set: self.set.clone(),
            data_dir: self.data_dir.clone(),
            apps: apps.to_vec(),
            listen: listen.to_vec(),
            follow: follow.to_vec(),
        };
        Settings::load(&request, &Environment::of_process())
    }
}

/// How something is listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// Parses the command line, runs the subcommand, and reports to standard error what went wrong.
pub fn main(args: impl IntoIterator<Item = OsString>) -> Exit {
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return explain_usage(&with_readable(&args).unwrap_or(error)),
    };
    let ended = match cli.command {
        Command::Serve(args) => serve::run(args),
        Command::Replay(args) => replay::run(args),
        Command::Status(args) => status::run(&args),
        Command::Events(args) => events::run(args),
        Command::Journal(args) => journal::run(args),
        Command::Handlers(args) => trial::handlers(args),
        Command::TestAlert(args) => trial::alert(&args),
        Command::Capture(args) => capture::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Check(args) => check::run(args),
        Command::Flood(args) => flood::run(args),
        Command::Credentials(args) => credentials::run(args),
        Command::Config(args) => config::run(args),
        Command::Apps(args) => apps::run(args),
        Command::Completions(args) => completions::run(args),
    };
    match ended {
        Ok(exit) => exit,
        Err(failure) => failure.report(&mut io::stderr().lock()),
    }
}

/// What is wrong with arguments, in words of which none forges a line or moves the cursor: a name of a file may be one.
fn with_readable(args: &[OsString]) -> Option<clap::Error> {
    let shown = args.iter().map(|arg| if arg.is_empty() { String::new() } else { text::shown(arg.as_ref()) });
    Cli::try_parse_from(shown).err()
}

/// Prints what clap has to say: help and version to standard output, errors to standard error.
fn explain_usage(error: &clap::Error) -> Exit {
    // When nobody reads the help or the error any more, there is nobody to tell.
    error.print().ok();
    if error.use_stderr() { Exit::Usage } else { Exit::Done }
}
