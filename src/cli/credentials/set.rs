//! Floor 8: `correlator credentials set`: keeps a secret.

use super::need::all;
use crate::cli::text::readable;
use crate::cli::{ConfigArgs, Exit, Failure};
use crate::config::Settings;
use crate::credentials::{CredentialName, Secret, StoreKind, Stores};
use crate::suggest::did_you_mean;
use anyhow::Context;
use std::io::{self, IsTerminal, Write};
use zeroize::Zeroizing;

/// Keep a secret under a name
///
/// Asks for the value, without showing it, on a terminal; else it is what standard input gives, without the line break
/// at its end. It goes to the first store that is there. What is printed tells which one that was, and which user can read
/// it there.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// The credential's name, as in `smtp/oncall`
    #[arg(value_name = "NAME", value_parser = CredentialName::new)]
    name: CredentialName,

    /// Keep it in a store of this type [default: the first that is there]
    #[arg(long, value_name = "STORE")]
    store: Option<StoreKind>,

    #[command(flatten)]
    config: ConfigArgs,
}

/// Keeps a secret.
///
/// # Errors
/// When there is no value, or no store takes it.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let settings = args.config.load(&[], &[])?;
    let name = &args.name;
    if let Some(store) = args.store.filter(|store| !settings.credentials.stores.contains(store)) {
        let store = store.name();
        return Err(Failure::usage(format!(
            "nothing would look for it there: `stores` in `[credentials]` does not name \"{store}\""
        )));
    }
    let secret = ask(name)?;
    let stores = Stores::new(&settings.credentials);
    let kept = stores.put(name, &secret, args.store);
    let kept = kept.with_context(|| format!("no store takes `{name}`"))?;
    writeln!(io::stdout(), "{name}: kept in {}; {} can read it", kept.place, kept.readers)?;
    let mut err = io::stderr().lock();
    match stores.find(name) {
        Ok(found) if found.place == kept.place => {}
        Ok(found) => {
            let place = found.place;
            writeln!(
                err,
                "warning: {place} is asked first, and has a value of this name, which is the one that counts"
            )?;
        }
        Err(answers) => {
            writeln!(err, "warning: it is not found again: {}", readable(&answers.to_string()))?;
        }
    }
    if let Some(note) = unused(name, &settings) {
        writeln!(err, "warning: {note}")?;
    }
    Ok(Exit::Done)
}

/// Asks for the value.
fn ask(name: &CredentialName) -> Result<Secret, Failure> {
    let bytes = if io::stdin().is_terminal() {
        let typed = rpassword::prompt_password(format!("value of {name} (is not shown): "));
        Zeroizing::new(typed.context("cannot read the value")?.into_bytes())
    } else {
        Secret::read_line(io::stdin()).context("cannot read the value")?
    };
    Ok(Secret::from_line(bytes).context("the value cannot be kept")?)
}

/// Says that nothing names a credential.
fn unused(name: &CredentialName, settings: &Settings) -> Option<String> {
    let named: Vec<_> = all(settings).map(|(name, _)| name).collect();
    if named.contains(&name) {
        return None;
    }
    let near = did_you_mean(name.as_str(), named.iter().map(|name| name.as_str()));
    let near = near.map(|near| format!("; {near}")).unwrap_or_default();
    Some(format!("nothing in the configuration names `{name}`{near}"))
}
