//! Floor 8: the program's own log, on standard error.

use crate::config::{LogFormat, LogOptions};
use std::io::{self, IsTerminal};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

/// The variable that selects what is logged, as in `debug` or `correlator::ingest=debug`.
const VARIABLE: &str = "CORRELATOR_LOG";

/// The name that this program's modules begin with.
const MODULE: &str = "correlator";

/// Starts the log as the options say, unless the variable says otherwise.
pub(super) fn start(options: LogOptions) {
    let given = std::env::var_os(VARIABLE).map(|value| value.to_string_lossy().into_owned());
    let (filter, refused) = filter(options.level, given.as_deref().unwrap_or_default());
    // A log that cannot be written is lost; complaining about that on the same standard error would panic.
    let log = tracing_subscriber::fmt()
        .log_internal_errors(false)
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal());
    let started = match options.format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    // A log that was started before goes on, which only tests in one process can bring about.
    started.ok();
    if let Some(refused) = refused {
        tracing::warn!("{VARIABLE} selects nothing and is left out: {refused}");
    }
}

/// What is logged by default with what the variable adds to it, or the default alone, and what is wrong with the variable.
fn filter(level: LevelFilter, given: &str) -> (EnvFilter, Option<String>) {
    let base = || EnvFilter::default().add_directive(level.into());
    if let Some(word) = given.split(',').map(str::trim).find(|word| selects_nothing(word)) {
        let expected = "expected a level (error, warn, info, debug, trace, off), or that of a module, as in \
                        `correlator::ingest=debug`";
        return (base(), Some(format!("`{}` is no level; {expected}", word.escape_debug())));
    }
    match EnvFilter::builder().parse(format!("{level},{given}")) {
        Ok(filter) => (filter, None),
        Err(error) => (base(), Some(error.to_string())),
    }
}

/// Whether a word would be taken for the name of a module, of which there is none with it: then nothing would be logged.
fn selects_nothing(word: &str) -> bool {
    let is_module = word == MODULE || word.strip_prefix(MODULE).is_some_and(|rest| rest.starts_with("::"));
    !word.is_empty() && !word.contains(['=', '[']) && !is_module && word.parse::<LevelFilter>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_selects_nothing_silences_nothing() {
        let of = |given| {
            let (filter, refused) = filter(LevelFilter::INFO, given);
            (filter.to_string(), refused)
        };
        for given in ["loud", "warning", "debug,laut", "correlator_ingest", "correlator=loud"] {
            let (filter, refused) = of(given);
            assert_eq!(filter, "info", "{given}");
            assert!(refused.is_some(), "{given}");
        }
        assert!(of("loud").1.unwrap().starts_with("`loud` is no level; expected a level (error, warn,"));
        for (given, selected) in [
            ("", "info"),
            ("WARN", "warn"),
            ("off", "off"),
            ("correlator::ingest=debug", "correlator::ingest=debug,info"),
            ("correlator::ingest", "correlator::ingest=trace,info"),
            ("hyper=trace", "hyper=trace,info"),
        ] {
            assert_eq!(of(given), (selected.to_owned(), None), "{given}");
        }
    }
}
