//! Floor 8: a bar that shows how far long work has come, on a terminal and nowhere else.

use super::text::readable;
use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar on standard error; hidden where that is no terminal.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Begins work on so many bytes; nothing is shown where nobody knows how many, as of a pipe.
    pub(super) fn new(what: &str, total_bytes: u64) -> Self {
        if total_bytes == 0 {
            return Self::hidden();
        }
        let bar = ProgressBar::new(total_bytes).with_message(what.to_owned());
        let style = ProgressStyle::with_template(
            "{msg} [{bar:30}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
        );
        Self(match style {
            Ok(style) => bar.with_style(style.progress_chars("=> ")),
            Err(_) => bar,
        })
    }

    /// Work that is too short, or too much in the way, for a bar.
    pub(super) fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    /// So many bytes are done.
    pub(super) fn at(&self, bytes_done: u64) {
        self.0.set_position(bytes_done);
    }

    /// Writes a line to standard error, above the bar.
    pub(super) fn say(&self, line: &str) {
        self.0.suspend(|| {
            use std::io::Write;
            // Where standard error is closed, nobody wants to know.
            writeln!(std::io::stderr(), "{}", readable(line)).ok();
        });
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
