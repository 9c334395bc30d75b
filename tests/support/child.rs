//! Children that tests run: what they say is waited for with a deadline, and they end with the test, however that ends.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Time that whatever a test waits for may take: a machine may be busy, but what hangs has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A child that is killed once the test lets go of it.
pub(crate) struct Guard(pub(crate) Child);

impl Guard {
    /// Starts a program.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// The lines that it writes to standard output, which is a pipe.
    pub(crate) fn told(&mut self) -> Lines {
        Lines::of(self.0.stdout.take().unwrap())
    }

    /// The lines that it writes to standard error, which is a pipe.
    pub(crate) fn said(&mut self) -> Lines {
        Lines::of(self.0.stderr.take().unwrap())
    }

    /// Asks it to stop, as a service manager does.
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
    }

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

impl Lines {
    /// Waits until a server says where it listens by this protocol.
    pub(crate) fn listening(&mut self, protocol: &str) -> SocketAddr {
        address(&self.until(&format!(" {protocol}://")), protocol)
    }

    /// All lines until its end, as one text.
    pub(crate) fn rest(&mut self) -> String {
        self.by_ref().flat_map(|line| [line, "\n".to_owned()]).collect()
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

/// The address behind `PROTOCOL://` in a line.
pub(crate) fn address(line: &str, protocol: &str) -> SocketAddr {
    let (_, rest) = line.split_once(&format!("{protocol}://")).unwrap();
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

/// A program that runs, and has to come to its end; what it writes is read meanwhile.
pub(crate) struct Running {
    child: Guard,
    written: [Receiver<Vec<u8>>; 2],
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = Guard::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
        let written = [whole(child.stdout.take().unwrap()), whole(child.stderr.take().unwrap())];
        Self { child, written }
    }

    /// Waits for its end.
    pub(crate) fn wait(self) -> Output {
        self.wait_within(PATIENCE)
    }

    /// Waits for its end, which takes longer than most things.
    pub(crate) fn wait_within(mut self, patience: Duration) -> Output {
        let [stdout, stderr] = self.written.map(|written| {
            written.recv_timeout(patience).unwrap_or_else(|error| panic!("a program does not end: {error}"))
        });
        Output { status: self.child.ended(), stdout, stderr }
    }
}

/// Reads a stream to its end.
fn whole(mut stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, written) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).ok();
        sender.send(bytes).ok();
    });
    written
}

/// Runs a program that gets nothing on standard input to its end.
pub(crate) fn output(command: &mut Command) -> Output {
    Running::start(command.stdin(Stdio::null())).wait()
}

/// Runs a program that gets this on standard input to its end.
pub(crate) fn fed(command: &mut Command, input: impl Into<Vec<u8>>) -> Output {
    let mut running = Running::start(command.stdin(Stdio::piped()));
    let (mut pipe, input) = (running.child.stdin.take().unwrap(), input.into());
    // A program that does not read it has its reasons, and says them.
    thread::spawn(move || pipe.write_all(&input).ok());
    running.wait()
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
