//! Floor 8: how a command ends: exit codes, and failures on their way to standard error.

use super::text::readable_lines;
use crate::causes::in_full;
use crate::config::Problems;
use std::io::{self, Write};
use std::process::ExitCode;

/// How a command ended, as its exit code tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// It ran, and what was checked failed.
    Failed = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// Trouble with input or the environment.
    Environment = 3,
    /// Durability was lost.
    DurabilityLost = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command could not do its work.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    error: anyhow::Error,
    /// Whether the error's text is complete as it is.
    is_report: bool,
}

impl Failure {
    /// A failure that ends with `exit`.
    pub(super) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into(), is_report: false }
    }

    /// Wrong usage or configuration.
    pub(super) fn usage(message: impl std::fmt::Display) -> Self {
        Self::new(Exit::Usage, anyhow::anyhow!("{message}"))
    }

    /// A text that is complete as it is, and safe for a terminal.
    pub(super) fn in_full(exit: Exit, text: String) -> Self {
        Self { is_report: true, ..Self::new(exit, anyhow::anyhow!(text)) }
    }

    /// The error with its causes.
    pub(super) fn message(&self) -> String {
        in_full(&*self.error)
    }

    /// Writes `error: ` and the error with its causes, and returns the exit code.
    ///
    /// A reader of standard output that has seen enough (`correlator ... | head`) is no error.
    pub(super) fn report(&self, to: &mut impl Write) -> Exit {
        if self.is_broken_pipe() {
            return Exit::Done;
        }
        // Where standard error is closed, the exit code must do.
        if self.is_report {
            writeln!(to, "{}", self.error)
        } else {
            // Names of files, and what systems say, may hold what forges a line or moves the cursor.
            writeln!(to, "error: {}", readable_lines(&self.message()))
        }
        .ok();
        self.exit
    }

    fn is_broken_pipe(&self) -> bool {
        self.error
            .chain()
            .filter_map(|cause| cause.downcast_ref::<io::Error>())
            .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// Trouble with input or the environment, which is what most errors are.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Exit::Environment, error)
    }
}

/// A configuration that is refused; it tells itself what is wrong, at length.
impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self { is_report: true, ..Self::new(Exit::Usage, problems) }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(Exit::Environment, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    fn report(failure: Failure) -> (Exit, String) {
        let mut text = Vec::new();
        let exit = failure.report(&mut text);
        (exit, String::from_utf8(text).unwrap())
    }

    #[test]
    fn failures_are_told_with_their_causes() {
        let error = Err::<(), _>(io::Error::other("disk gone")).context("reading a.log").unwrap_err();
        assert_eq!(report(error.into()), (Exit::Environment, "error: reading a.log: disk gone\n".to_owned()));
        let error = Err::<(), _>(io::Error::other("disk gone")).context("a.log: disk gone").unwrap_err();
        assert_eq!(report(error.into()).1, "error: a.log: disk gone\n", "each cause is told once");
        assert_eq!(
            report(Failure::usage("no such thing")),
            (Exit::Usage, "error: no such thing\n".to_owned())
        );
    }

    #[test]
    fn no_name_of_a_file_forges_a_line() {
        let error = anyhow::anyhow!("cannot read {}", std::path::Path::new("x\x1b[2J\nerror: ü").display());
        assert_eq!(report(error.into()).1, "error: cannot read x\\x1b[2J\\nerror: ü\n");
        let listed =
            Failure::usage("credentials are missing:\n  hookurl, for `hook`: missing\n    add it\nerror: ü");
        let expected =
            "error: credentials are missing:\n  hookurl, for `hook`: missing\n    add it\\nerror: ü\n";
        assert_eq!(report(listed).1, expected, "what goes on in further lines stays readable");
    }

    #[test]
    fn a_reader_that_has_seen_enough_is_no_error() {
        let pipe = io::Error::from(io::ErrorKind::BrokenPipe);
        let error = Err::<(), _>(pipe).context("writing").unwrap_err();
        assert_eq!(report(error.into()), (Exit::Done, String::new()));
    }
}
