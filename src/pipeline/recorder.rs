//! Floor 6: the thread that writes a capture beside a running server.
//!
//! Invariant: a disk that is slow slows the senders; one that fails ends the capture, loudly, and nothing else.

use super::folder::Recorder;
use crate::batch::Sequenced;
use crate::capture::{AppendError, Writer};
use crate::limits;
use crate::time::Timestamp;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::io;
use std::thread::{self, JoinHandle};

/// Writes the batches that it is given on a thread of its own.
#[derive(Debug)]
pub struct CaptureThread {
    batches: Sender<Message>,
    thread: JoinHandle<()>,
}

enum Message {
    Batch(Sequenced),
    Close(Option<Timestamp>),
}

impl CaptureThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system refuses it.
    pub fn start(writer: Writer) -> io::Result<Self> {
        let (batches, queue) = bounded(limits::RECORDER_QUEUE_BATCHES);
        let thread =
            thread::Builder::new().name("capture".to_owned()).spawn(move || write(writer, &queue))?;
        Ok(Self { batches, thread })
    }

    fn send(&self, message: Message) {
        if self.batches.send(message).is_err() {
            tracing::error!("the capture thread has gone");
        }
    }
}

impl Recorder for CaptureThread {
    fn record(&mut self, sequenced: Sequenced) {
        self.send(Message::Batch(sequenced));
    }

    fn close(self: Box<Self>, at: Option<Timestamp>) {
        self.send(Message::Close(at));
        drop(self.batches);
        if self.thread.join().is_err() {
            tracing::error!("the capture thread ended by a panic");
        }
    }
}

fn write(mut writer: Writer, queue: &Receiver<Message>) {
    loop {
        let written = match queue.recv_timeout(limits::CAPTURE_FLUSH_INTERVAL) {
            Ok(Message::Batch(sequenced)) => writer.append(&sequenced),
            Ok(Message::Close(at)) => return told(writer.finish(at)),
            Err(RecvTimeoutError::Timeout) => writer.flush(),
            Err(RecvTimeoutError::Disconnected) => return told(writer.finish(None)),
        };
        told(written);
    }
}

/// Says that the capture has ended; the writer says it once.
fn told(written: Result<(), AppendError>) {
    if let Err(error) = written {
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        tracing::error!(cause, "{error}; the server goes on without it");
    }
}
