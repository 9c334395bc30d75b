//! Floor 4: the handler `log`: one line per event on standard output.
//!
//! Invariant: a delivery is one write and one flush, and nothing but whole lines of events is written.

use super::digest;
use super::sink::{Sink, on_own_thread};
use super::{Environment, Gathered, Handler, Outcome, Selection};
use crate::event::render::{self, LocalTime, Paint};
use rustix::event::{PollFd, PollFlags, poll};
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

/// How an event is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A line for people.
    #[default]
    Text,
    /// A JSON object.
    Json,
}

/// When text is coloured by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless the variable `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Options of `type = "log"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How an event is written.
    pub format: Format,
    /// When text is coloured.
    pub color: Color,
}

/// Builds the handler, which writes to standard output.
///
/// # Errors
/// When standard output is closed, or the system gives no thread.
pub fn build(options: Options, environment: &Environment) -> io::Result<Box<dyn Handler>> {
    // A handle of our own leaves out the line buffer of the standard library, which would split a delivery.
    let output = Output(File::from(io::stdout().as_fd().try_clone_to_owned()?));
    let colored = match options.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => wants_color(&output.0),
    };
    to_writer(options, if colored { Paint::Coloured } else { Paint::Plain }, environment, output)
}

/// Builds the handler over any writer.
///
/// # Errors
/// When the system gives no thread.
pub fn to_writer(
    options: Options,
    paint: Paint,
    environment: &Environment,
    writer: impl Write + Send + 'static,
) -> io::Result<Box<dyn Handler>> {
    let times = LocalTime::new(environment.zone.clone());
    on_own_thread(
        "log",
        Log { options, paint, times, writer, lines: Vec::new(), ends: Vec::new(), torn: false },
    )
}

/// Whether a terminal's user wants colour (no-color.org).
fn wants_color(output: &File) -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    output.is_terminal() && !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Standard output. Whoever shares it may have made it non-blocking; then a write waits all the same.
struct Output(File);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    poll(&mut [PollFd::new(&self.0, PollFlags::OUT)], None)?;
                }
                result => return result,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

struct Log<W> {
    options: Options,
    paint: Paint,
    times: LocalTime,
    writer: W,
    lines: Vec<u8>,
    /// Where each event's line ends.
    ends: Vec<usize>,
    /// Whether the last write broke off within a line.
    torn: bool,
}

impl<W: Write + Send + 'static> Sink for Log<W> {
    fn write(&mut self, events: &Selection) -> Vec<Outcome> {
        self.render(events);
        let (written, failure) = self.put();
        let Some(failure) = failure else { return vec![Outcome::Delivered; events.len()] };
        let outcome = |end: &usize| if *end <= written { Outcome::Delivered } else { failure.clone() };
        self.ends.iter().map(outcome).collect()
    }

    fn digest(&mut self, gathered: &Gathered) -> Outcome {
        self.begin();
        match self.options.format {
            Format::Text => digest::line(&mut self.lines, &gathered.digest, &mut self.times),
            Format::Json => digest::json(&mut self.lines, gathered),
        }
        self.lines.push(b'\n');
        self.put().1.unwrap_or(Outcome::Delivered)
    }
}

impl<W> Log<W> {
    fn begin(&mut self) {
        self.lines.clear();
        self.ends.clear();
        if self.torn {
            self.lines.push(b'\n');
        }
    }

    fn render(&mut self, events: &Selection) {
        self.begin();
        for event in events.events() {
            match self.options.format {
                Format::Text => render::line(&mut self.lines, event, &mut self.times, self.paint),
                Format::Json => render::json(&mut self.lines, event),
            }
            self.lines.push(b'\n');
            self.ends.push(self.lines.len());
        }
    }
}

impl<W: Write> Log<W> {
    /// Writes the lines; gives how many bytes were certainly written, and what failed.
    fn put(&mut self) -> (usize, Option<Outcome>) {
        let (written, error) = write_all(&mut self.writer, &self.lines);
        if written > 0 {
            self.torn = self.lines.get(written - 1) != Some(&b'\n');
        }
        let failure = error.map(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Outcome::Permanent("standard output is closed".to_owned()),
            _ => Outcome::Temporary(format!("cannot write to standard output: {error}")),
        });
        (written, failure)
    }
}

/// Writes all bytes and flushes them; gives how many were certainly written, and what went wrong.
fn write_all(writer: &mut impl Write, bytes: &[u8]) -> (usize, Option<io::Error>) {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match writer.write(rest) {
            Ok(0) => return (written, Some(io::ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Some(error)),
        }
    }
    match writer.flush() {
        Ok(()) => (written, None),
        Err(error) => (0, Some(error)),
    }
}

#[cfg(test)]
mod tests;
