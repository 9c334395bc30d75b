//! Children that tests run: what they say is waited for with a deadline, and they end with the test, however that ends.

use std::io::{BufRead, BufReader, Read};
use std::ops::{Deref, DerefMut};
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Time that whatever a test waits for may take: a machine may be busy, but what hangs has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A child that is killed once the test lets go of it.
pub(crate) struct Guard(pub(crate) Child);

impl Guard {
    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        wait_for("its end", || self.0.try_wait().unwrap())
    }

    /// Ends it as a crash does.
    pub(crate) fn crash(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Deref for Guard {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Guard {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // It may have ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The lines of a stream. A thread reads them, so whoever writes them never waits for the test.
pub(crate) struct Lines(Receiver<String>);

impl Lines {
    pub(crate) fn of(stream: impl Read + Send + 'static) -> Self {
        let (sender, lines) = channel();
        // It reads on when nobody wants more: a program may be ended by a pipe that nobody reads.
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                sender.send(line).ok();
            }
        });
        Self(lines)
    }

    /// Waits for a line that has this in it, and passes over those before.
    pub(crate) fn until(&mut self, part: &str) -> String {
        let mut passed = Vec::new();
        for line in self.by_ref() {
            if line.contains(part) {
                return line;
            }
            passed.push(line);
        }
        panic!("it ended without `{part}`: {}", passed.join("\n"))
    }
}

impl Iterator for Lines {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        match self.0.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no further line came within {PATIENCE:?}"),
        }
    }
}

/// Looks again and again until something is there.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::yield_now();
    }
}
