//! Floor 8: the program's own log, on standard error.

use crate::config::{LogFormat, LogOptions};
use crate::event::render::readable;
use std::fmt;
use std::io::{self, IsTerminal, Write as _};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tracing::field::Field;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

/// The variable that selects what is logged, as in `debug` or `correlator::ingest=debug`.
const VARIABLE: &str = "CORRELATOR_LOG";

/// The name that this program's modules begin with.
const MODULE: &str = "correlator";

/// Whether the log was started.
static IS_STARTED: AtomicBool = AtomicBool::new(false);

/// Warns in the log or, before anybody knows what that is to be like, with a line on standard error.
pub(super) fn warn(message: &str) {
    if IS_STARTED.load(Relaxed) {
        tracing::warn!("{message}");
    } else {
        // Where standard error is closed, nobody wants to know.
        writeln!(io::stderr().lock(), "warning: {message}").ok();
    }
}

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
        LogFormat::Text => log.fmt_fields(fields()).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    // A log that was started before goes on, which only tests in one process can bring about.
    started.ok();
    IS_STARTED.store(true, Relaxed);
    if let Some(refused) = refused {
        tracing::warn!("{VARIABLE} selects nothing and is left out: {refused}");
    }
}

/// Writes the fields of a line. Names of files, and what peers and systems say, may hold what forges a line or moves the
/// cursor: all values are made readable here, so that nobody has to think of it where something is logged.
fn fields() -> impl for<'w> FormatFields<'w> + Send + Sync + 'static {
    debug_fn(|writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug| {
        let mut text = Vec::new();
        readable(&mut text, format!("{value:?}").as_bytes());
        let text = String::from_utf8_lossy(&text);
        match field.name() {
            "message" => writer.write_str(&text),
            name if writer.has_ansi_escapes() => write!(writer, "\x1b[3m{name}\x1b[0m\x1b[2m=\x1b[0m{text}"),
            name => write!(writer, "{name}={text}"),
        }
    })
    .delimited(" ")
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
    use std::sync::{Arc, Mutex};

    /// Where a test's log goes.
    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Told {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_name_of_a_file_forges_a_line_of_the_log() {
        let told = Told::default();
        let writer = told.clone();
        let log = tracing_subscriber::fmt().with_ansi(false).without_time().with_target(false);
        let log = log.fmt_fields(fields()).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(log, || {
            let path = std::path::Path::new("/x\x1b[2J\n2026 WARN ü.json");
            tracing::warn!(path = %path.display(), files = "a\nb", count = 3, "cannot follow {}", path.display());
        });
        let told = String::from_utf8(told.0.lock().unwrap().clone()).unwrap();
        let name = r"/x\x1b[2J\n2026 WARN ü.json";
        assert_eq!(told, format!(" WARN cannot follow {name} path={name} files=\"a\\nb\" count=3\n"));
    }

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
