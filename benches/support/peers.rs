//! Servers that are measured beside each other: each is given the same load, and has to show that it did its work.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "a measurement that fails should fail loudly"
)]

use crate::load;
use crate::process::end;
use std::fs;
use std::io::Read;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Time that a server has to listen.
const START: Duration = Duration::from_secs(20);

/// One that is measured.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// The command that starts it, given a directory of its own and the port that it is to listen on.
    pub(crate) command: fn(&Path, u16) -> Command,
    /// Whether it has written down what there is to be found.
    pub(crate) is_done: fn(&Path, Expected) -> bool,
}

/// What there is to be found.
#[derive(Clone, Copy)]
pub(crate) struct Expected {
    accepted: usize,
    failed: usize,
}

impl Expected {
    /// What there is in a stream of the load.
    pub(crate) fn of(stream: &[u8]) -> Self {
        let count = |text: &[u8]| memchr::memmem::find_iter(stream, text).count();
        Self { accepted: count(b" - - Accepted "), failed: count(b" - - Failed ") }
    }
}

/// What one round came to.
#[derive(Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) cpu_seconds: f64,
    pub(crate) seconds: f64,
    pub(crate) memory_mib: f64,
}

impl Figures {
    /// The better of two rounds, by CPU time.
    pub(crate) fn better(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        [one, other].into_iter().flatten().min_by(|a, b| a.cpu_seconds.total_cmp(&b.cpu_seconds))
    }
}

/// Starts a server, has the load written to it, and waits until it has read and done everything; nothing if it is not
/// installed. Its directory may be prepared.
pub(crate) fn measure(
    peer: &Peer,
    expected: Expected,
    prepare: impl FnOnce(&Path),
    write: impl FnOnce(&mut TcpStream),
) -> Option<Figures> {
    let home = tempfile::tempdir().unwrap();
    prepare(home.path());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = (peer.command)(home.path(), port);
    let log = fs::File::create(home.path().join("log")).unwrap();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let mut child = command.spawn().ok()?;
    let mut socket = connect(port, home.path());
    let begun = Instant::now();
    write(&mut socket);
    let memory = peak_memory(&child);
    // Whoever has read everything closes its end, too.
    socket.shutdown(Shutdown::Write).unwrap();
    socket.read_to_end(&mut Vec::new()).unwrap_or_default();
    let memory_mib = memory.max(peak_memory(&child));
    let cpu_seconds = end(&mut child);
    let seconds = begun.elapsed().as_secs_f64();
    let log = fs::read_to_string(home.path().join("log")).unwrap_or_default();
    assert!((peer.is_done)(home.path(), expected), "{} did not do its work: {log}", peer.name);
    Some(Figures { cpu_seconds, seconds, memory_mib })
}

/// Connects as soon as somebody listens.
fn connect(port: u16, home: &Path) -> TcpStream {
    let begun = Instant::now();
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(socket) => return socket,
            Err(_) if begun.elapsed() < START => std::thread::sleep(Duration::from_millis(5)),
            Err(error) => {
                let log = fs::read_to_string(home.join("log")).unwrap_or_default();
                panic!("nobody listens: {error}\n{log}")
            }
        }
    }
}

/// The most memory that a process has occupied, in MiB; 0 once it has ended.
pub(crate) fn peak_memory(child: &Child) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or_default() / 1024.0
}

/// Writes a configuration of the benches into a directory, with that directory and a port put in.
pub(crate) fn configuration(home: &Path, port: u16, template: &str) -> PathBuf {
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches").join(template);
    let text = fs::read_to_string(&template).unwrap();
    let text = text.replace("@PORT@", &port.to_string()).replace("@DIRECTORY@", home.to_str().unwrap());
    let path = home.join(template.file_name().unwrap());
    fs::write(&path, text).unwrap();
    path
}

/// Whether there is a line for each record that matches.
pub(crate) fn lines(home: &Path, expected: Expected) -> bool {
    let text = fs::read(home.join("matches")).unwrap_or_default();
    memchr::memchr_iter(b'\n', &text).count() == expected.accepted + expected.failed
}

/// Whether there is a row for each login that began; what failed has a row for each connection that has ended, of two
/// failures at most.
pub(crate) fn rows(home: &Path, expected: Expected) -> bool {
    let count = |kind: &str| {
        let reader = csv::Reader::from_path(home.join(format!("openssh-{kind}.csv")));
        reader.map_or(0, |reader| reader.into_records().map(Result::unwrap).count())
    };
    let failed = (count("SSHDLoginFailed") + load::OPEN) * 2;
    count("SSHDSessionStarted") == expected.accepted && failed >= expected.failed
}

/// The numbers on the command line, or what stands for them: less where the bench is only run as a test.
pub(crate) fn numbers<const N: usize>(measured: [usize; N], tested: [usize; N]) -> [usize; N] {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut numbers = if words.iter().any(|word| word == "--bench") { measured } else { tested };
    let given = words.iter().filter_map(|word| word.parse::<usize>().ok());
    numbers.iter_mut().zip(given).for_each(|(number, given)| *number = given);
    numbers
}
