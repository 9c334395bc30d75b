//! Floor 5: a load for capacity tests: records over many connections at a given rate, generated with a known truth or
//! out of a capture.
//!
//! Invariant: memory is bounded by the options; what was sent is counted only after the system took it.

mod connection;
mod line;
mod scene;
mod truth;

pub use line::{Destination, Place};
pub use scene::{MAX_SOURCES, Scene, SceneOptions};
pub use truth::{CheckError, Side, Tally, Truth, Verdict};

use crate::capture::{Damage, Reader};
use crate::limits;
use bytes::Bytes;
use connection::{Plan, Records, Sent, Task};
use line::Caller;
use serde::Serialize;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// When a flood ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// After so many records.
    Records(u64),
    /// After so long.
    Time(Duration),
}

/// What a flood consists of.
#[derive(Clone, Debug)]
pub enum Source {
    /// Generated records; each connection has a part of the fleet.
    Scene(SceneOptions),
    /// The records of a capture, over and over, those of one peer over one connection.
    Capture(Arc<Recorded>),
}

/// Records of a capture by connection.
#[derive(Debug)]
pub struct Recorded(Vec<Vec<Bytes>>);

/// Why a capture cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum RecordedError {
    /// It is damaged.
    #[error(transparent)]
    Damage(#[from] Damage),
    /// It is too large to be held in memory.
    #[error(
        "it holds more than {} bytes; `correlator capture cut` takes a part of it",
        limits::MAX_FLOOD_BYTES
    )]
    TooLarge,
    /// There is nothing to send.
    #[error("it holds no records")]
    Empty,
}

impl Recorded {
    /// Reads the records of a capture for so many connections.
    ///
    /// # Errors
    /// When it is damaged, empty or too large.
    pub fn read(reader: Reader, connections: usize) -> Result<Self, RecordedError> {
        let mut peers = Vec::new();
        let mut lanes = vec![Vec::new(); connections.max(1)];
        let mut total = 0_usize;
        for sequenced in reader {
            let batch = match sequenced {
                Ok(sequenced) => sequenced.batch,
                // What was cut off is sent as far as it goes.
                Err(damage) if damage.is_cut_off() => break,
                Err(damage) => return Err(damage.into()),
            };
            let peer = peers.iter().position(|peer| *peer == batch.origin).unwrap_or_else(|| {
                peers.push(Arc::clone(&batch.origin));
                peers.len() - 1
            });
            total = total.saturating_add(batch.bytes.len());
            if total > limits::MAX_FLOOD_BYTES {
                return Err(RecordedError::TooLarge);
            }
            let messages =
                batch.frames.iter().map(|frame| batch.bytes.slice_ref(frame.span.of(&batch.bytes)));
            let lane = peer % lanes.len();
            if let Some(lane) = lanes.get_mut(lane) {
                lane.extend(messages);
            }
        }
        if lanes.iter().all(Vec::is_empty) {
            return Err(RecordedError::Empty);
        }
        Ok(Self(lanes))
    }
}

/// How a flood goes.
pub struct Options {
    /// Where it goes.
    pub to: Destination,
    /// The authorities that vouch for a server over TLS, in place of the system's.
    pub ca: Option<PathBuf>,
    /// The files of the certificate that a server over TLS is shown, and of its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Connections at a time.
    pub connections: usize,
    /// Records a second over all connections; nothing for as many as the server takes.
    pub rate: Option<f64>,
    /// When it ends.
    pub amount: Amount,
    /// What it consists of.
    pub source: Source,
    /// Where is written what has to come of it, as JSON lines.
    pub truths: Option<Box<dyn Write + Send>>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("to", &self.to).finish_non_exhaustive()
    }
}

/// What became of a flood.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Records sent.
    pub records: u64,
    /// Bytes sent, with their counts.
    pub bytes: u64,
    /// From the first connection to the end of the last.
    pub seconds: f64,
    /// Connections.
    pub connections: u64,
    /// Connections that could not be made, or broke.
    pub failed: u64,
    /// The first failures, in words.
    pub failures: Vec<String>,
}

/// Failures that a report tells in words.
const FAILURES: usize = 5;

impl Report {
    /// Records a second.
    pub fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "shown to people")]
        let records = self.records as f64;
        if self.seconds > 0.0 { records / self.seconds } else { 0.0 }
    }

    fn add(&mut self, sent: Sent, outcome: io::Result<()>) {
        self.connections += 1;
        self.records += sent.records;
        self.bytes += sent.bytes;
        let Err(error) = outcome else { return };
        self.failed += 1;
        let failure = error.to_string();
        if self.failures.len() < FAILURES && !self.failures.contains(&failure) {
            self.failures.push(failure);
        }
    }
}

/// Sends a flood.
///
/// # Errors
/// When the system gives no threads, TLS cannot be set up, or the truths cannot be written.
pub fn run(options: Options) -> io::Result<Report> {
    let caller = Caller::new(options.to.clone(), options.ca.as_deref(), options.identity.as_ref())?;
    let runtime = Builder::new_multi_thread().thread_name("flood").enable_all().build()?;
    let truths = options.truths.map(|truths| Arc::new(Mutex::new(truths)));
    let parts = options.connections.max(1) as u64;
    let report = runtime.block_on(async {
        let began = Instant::now();
        let plan = Arc::new(Plan { caller, rate: options.rate, amount: options.amount, parts, began });
        let mut tasks = JoinSet::new();
        for part in 0..parts {
            let records = Records::of(&options.source, part, parts);
            let task = Task { part, plan: Arc::clone(&plan), records, truths: truths.clone() };
            tasks.spawn(task.work());
        }
        let mut report = Report::default();
        while let Some(ended) = tasks.join_next().await {
            let (sent, outcome) = ended.map_err(io::Error::other)?;
            report.add(sent, outcome);
        }
        report.seconds = began.elapsed().as_secs_f64();
        Ok::<_, io::Error>(report)
    })?;
    if let Some(truths) = truths {
        truths.lock().unwrap_or_else(PoisonError::into_inner).flush()?;
    }
    Ok(report)
}
