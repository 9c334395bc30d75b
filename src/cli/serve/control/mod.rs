//! Floor 8: what a running server answers to commands, over the socket in its data directory.
//!
//! Invariant: nobody who asks can hold anything up: connections, lines and times are bounded, and what is asked of the
//! journal's thread and of handlers waits in bounded queues.

mod orders;
mod status;

use crate::cli::control::{self, Answer, Ask, Listening, Request, VERSION};
use crate::cli::delivery::Sink;
use crate::dispatch::DurableDispatch;
use crate::ingest::Notices;
use crate::ingest::follow::Board;
use crate::limits;
use crate::pipeline::{CaptureFate, Errand, Ledger, Present, RejectFile};
use crate::time::Timestamp;
use anyhow::{Context, bail};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// What the answers are made of.
pub(in crate::cli) struct Desk {
    pub(in crate::cli) data: PathBuf,
    pub(in crate::cli) stream: String,
    pub(in crate::cli) run: u32,
    pub(in crate::cli) started: Timestamp,
    pub(in crate::cli) listeners: Vec<Listening>,
    pub(in crate::cli) ledger: Arc<Mutex<Ledger>>,
    pub(in crate::cli) notices: Arc<Notices>,
    pub(in crate::cli) board: Arc<Board>,
    pub(in crate::cli) rejects: Arc<RejectFile>,
    pub(in crate::cli) capture: Option<Arc<CaptureFate>>,
    pub(in crate::cli) handlers: Handlers,
    /// How much of the journal was found damaged or missing at the start.
    pub(in crate::cli) damage: usize,
}

/// What tells of handlers.
#[derive(Clone)]
pub(in crate::cli) enum Handlers {
    /// Without a journal.
    Volatile(Sink),
    /// With one.
    Durable { dispatch: Arc<DurableDispatch>, errands: mpsc::Sender<Errand> },
}

/// The socket, while it is open.
pub(in crate::cli) struct Control {
    task: JoinHandle<()>,
    path: PathBuf,
}

impl Control {
    /// Begins to answer.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub(in crate::cli) fn start(desk: Desk, runtime: &Runtime) -> anyhow::Result<Self> {
        let _guard = runtime.enter();
        let failed = || format!("cannot listen to commands in {}", desk.data.display());
        let (listener, path) = control::bind(&desk.data).with_context(failed)?;
        let listener = UnixListener::from_std(listener).with_context(failed)?;
        if let Handlers::Durable { errands, .. } = &desk.handlers {
            // The queue is empty at the start, and its end is the journal's thread, which is there.
            drop(errands.try_send(Errand::Watch(Arc::clone(&desk.ledger))));
        }
        Ok(Self { task: runtime.spawn(listen(listener, Arc::new(desk))), path })
    }
}

/// Takes the socket away.
impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "the socket for commands is left behind");
        }
    }
}

async fn listen(listener: UnixListener, desk: Arc<Desk>) {
    let permits = Arc::new(Semaphore::new(limits::CONTROL_CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let desk = Arc::clone(&desk);
                tokio::spawn(async move {
                    converse(stream, &desk).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a command could not connect");
                sleep(limits::ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers line by line, until there are no more or something is wrong.
async fn converse(stream: UnixStream, desk: &Desk) {
    let (reading, mut writing) = stream.into_split();
    let mut reading = BufReader::new(reading);
    loop {
        let mut line = Vec::new();
        let mut bounded = (&mut reading).take(limits::CONTROL_REQUEST_SIZE);
        let read = timeout(limits::CONTROL_LINE_TIME, bounded.read_until(b'\n', &mut line)).await;
        if !matches!(read, Ok(Ok(1..))) {
            return;
        }
        // A line that is too long cannot be told from its rest.
        let is_whole = line.ends_with(b"\n");
        let result = if is_whole {
            with_signs(&writing, desk.answer(&line)).await
        } else {
            Err(anyhow::anyhow!("the line is too long"))
        };
        let answer = result.unwrap_or_else(|error| Answer { error: Some(format!("{error:#}")), ..nothing() });
        let Ok(mut text) = serde_json::to_vec(&answer) else { return };
        text.push(b'\n');
        let written = timeout(limits::CONTROL_PATIENCE, writing.write_all(&text)).await;
        if !is_whole || !matches!(written, Ok(Ok(()))) {
            return;
        }
    }
}

/// Waits for an answer, and meanwhile gives signs that the server lives: else a command could not tell one that waits for its
/// disk from one that hangs.
async fn with_signs<T>(writing: &OwnedWriteHalf, answer: impl Future<Output = T>) -> T {
    let mut answer = std::pin::pin!(answer);
    let end = Instant::now() + limits::CONTROL_PATIENCE;
    loop {
        match timeout(limits::CONTROL_SIGN_INTERVAL, &mut answer).await {
            Ok(answer) => return answer,
            // Whether anybody listens is found out with the answer.
            Err(_) if Instant::now() < end => drop(writing.try_write(b" ")),
            Err(_) => {}
        }
    }
}

/// An answer that says nothing.
fn nothing() -> Answer {
    Answer { version: VERSION, error: None, status: None, done: Vec::new() }
}

impl Desk {
    async fn answer(&self, line: &[u8]) -> anyhow::Result<Answer> {
        let version = |value: &serde_json::Value| value.get("version").and_then(serde_json::Value::as_u64);
        let value: serde_json::Value = serde_json::from_slice(line).context("the line is not JSON")?;
        if version(&value) != Some(VERSION.into()) {
            bail!(
                "this server understands version {VERSION} of the protocol: the command is of another release"
            );
        }
        let request: Request = serde_json::from_value(value).context("the question cannot be understood")?;
        match request.ask {
            Ask::Status => Ok(Answer { status: Some(self.status().await?), ..nothing() }),
            Ask::Retry { which } => Ok(Answer { done: self.retry(&which).await?, ..nothing() }),
            Ask::Drop { which, reason } => {
                Ok(Answer { done: self.give_up(&which, &reason).await?, ..nothing() })
            }
        }
    }
}

/// Asks the journal's thread where things stand.
pub(super) async fn present(errands: &mpsc::Sender<Errand>) -> anyhow::Result<Present> {
    ask(errands, Errand::Tell, limits::CONTROL_TIMEOUT).await
}

/// The same at the end of the process: from then on nothing becomes durable any more.
pub(super) async fn last_word(errands: &mpsc::Sender<Errand>) -> anyhow::Result<Present> {
    ask(errands, Errand::End, limits::LAST_WORD_TIME).await
}

async fn ask(
    errands: &mpsc::Sender<Errand>,
    errand: impl FnOnce(oneshot::Sender<Present>) -> Errand,
    within: Duration,
) -> anyhow::Result<Present> {
    let (tell, told) = oneshot::channel();
    let asked = async {
        errands.send(errand(tell)).await.ok()?;
        told.await.ok()
    };
    let answer = timeout(within, asked).await;
    answer
        .context("the journal's thread does not answer; the disk may be at a standstill")?
        .context("the server ends")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_an_answer_is_given_signs_and_not_for_ever() {
        let (mut asks, answers) = UnixStream::pair().unwrap();
        let (_reading, writing) = answers.into_split();
        let within = async |time| with_signs(&writing, async { sleep(time).await }).await;
        within(Duration::from_millis(900)).await;
        within(Duration::from_millis(2500)).await;
        let mut signs = [0; 64];
        // The clock is paused: where none came, it is over at once.
        let mut told =
            async || timeout(limits::CONTROL_PATIENCE, asks.read(&mut signs)).await.unwrap().unwrap() as u64;
        assert_eq!(told().await, 2);
        within(limits::CONTROL_PATIENCE * 10).await;
        let most = limits::CONTROL_PATIENCE.as_secs() / limits::CONTROL_SIGN_INTERVAL.as_secs();
        let count = told().await;
        assert!((most - 1..=most).contains(&count), "{count}");
        assert!(signs.starts_with(b"  "), "blanks, which may stand before JSON");
    }
}
