//! Floor 8: `correlator credentials`, and the credentials that the configuration names, found before anything starts.
//!
//! Invariant: no value is printed.

mod check;
mod list;
mod need;
mod remove;
mod set;
mod start;

pub(super) use start::{Ready, all_of, find, find_all, find_for_handlers};

use super::{Exit, Failure};
use crate::config::{Settings, Source};
use crate::credentials::{CredentialName, StoreKind};
use clap::{Subcommand, ValueEnum};

/// Keep the secrets that the configuration names, and see which are missing
///
/// The configuration names secrets and never holds them. They lie in stores: directories of files, the keyring of a
/// session, the kernel. `[credentials]` says which are asked, and in which order.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    Set(set::Args),
    List(list::Args),
    Remove(remove::Args),
    Check(check::Args),
}

/// Runs one of the commands about credentials.
///
/// # Errors
/// Says what could not be done, and why.
pub(super) fn run(args: Args) -> Result<Exit, Failure> {
    match args.action {
        Action::Set(args) => set::run(&args),
        Action::List(args) => list::run(&args),
        Action::Remove(args) => remove::run(&args),
        Action::Check(args) => check::run(&args),
    }
}

impl ValueEnum for StoreKind {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.name()))
    }
}

/// The command that adds a credential to what this configuration asks.
fn command_to_set(name: &CredentialName, settings: &Settings) -> String {
    match &settings.source {
        Source::BuiltIn => format!("correlator credentials set {name}"),
        Source::File(path) => format!("correlator credentials set {name} --config {}", path.display()),
    }
}
