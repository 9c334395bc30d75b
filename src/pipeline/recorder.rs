//! Floor 6: the thread that writes a capture beside a running server.
//!
//! Invariant: a disk that is slow slows the senders; one that fails ends the capture, loudly, and nothing else.

use super::folder::Recorder;
use crate::batch::Sequenced;
use crate::capture::{AppendError, CreateError, Writer};
use crate::causes::in_full;
use crate::limits;
use crate::time::Timestamp;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use rkyv::util::AlignedVec;
use std::io;
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// Writes the batches that it is given on a thread of its own.
#[derive(Debug)]
pub struct CaptureThread {
    batches: Sender<Message>,
    thread: JoinHandle<()>,
    /// Whether it was said that the thread has gone.
    gone: bool,
    fate: Arc<CaptureFate>,
}

/// What became of a capture while the server runs.
#[derive(Debug, Default)]
pub struct CaptureFate(OnceLock<String>);

impl CaptureFate {
    /// Why there is no capture any more; nothing while it goes on.
    pub fn trouble(&self) -> Option<String> {
        self.0.get().cloned()
    }

    /// Notes why a capture has ended. The first reason stays.
    fn ended(&self, why: String) {
        self.0.get_or_init(|| why);
    }
}

enum Message {
    Batch(Sequenced),
    Close(Option<Timestamp>),
}

impl CaptureThread {
    /// Starts the thread. The capture begins with what the correlator had saved before the first input; one that could not be
    /// begun is like one that has ended.
    ///
    /// # Errors
    /// When the system refuses it.
    pub fn start(writer: Result<Writer, CreateError>, beginning: Option<AlignedVec>) -> io::Result<Self> {
        let (batches, queue) = bounded(limits::RECORDER_QUEUE_BATCHES);
        let fate = Arc::<CaptureFate>::default();
        let noted = Arc::clone(&fate);
        let thread = thread::Builder::new()
            .name("capture".to_owned())
            .spawn(move || write(writer, beginning, &queue, &noted))?;
        Ok(Self { batches, thread, gone: false, fate })
    }

    /// What tells whether the capture goes on.
    pub fn fate(&self) -> Arc<CaptureFate> {
        Arc::clone(&self.fate)
    }

    fn send(&mut self, message: Message) {
        if self.batches.send(message).is_err() && !std::mem::replace(&mut self.gone, true) {
            let said = "the capture thread has gone; the server goes on without a capture";
            self.fate.ended(said.to_owned());
            tracing::error!("{said}");
        }
    }
}

impl Recorder for CaptureThread {
    fn record(&mut self, sequenced: Sequenced) {
        self.send(Message::Batch(sequenced));
    }

    fn close(mut self: Box<Self>, at: Option<Timestamp>) {
        self.send(Message::Close(at));
        drop(self.batches);
        if self.thread.join().is_err() {
            tracing::error!("the capture thread ended by a panic");
        }
    }
}

fn write(
    writer: Result<Writer, CreateError>,
    beginning: Option<AlignedVec>,
    queue: &Receiver<Message>,
    fate: &CaptureFate,
) {
    let mut writer = match writer {
        Ok(writer) => writer,
        Err(error) => {
            tell(Err(AppendError::Begin(error)), fate);
            return queue.iter().take_while(|message| matches!(message, Message::Batch(_))).for_each(drop);
        }
    };
    if let Some(beginning) = beginning {
        tell(writer.begin_with(&beginning), fate);
    }
    // When what the writer holds back is to be written, however much more comes.
    let mut due = Instant::now() + limits::CAPTURE_FLUSH_INTERVAL;
    loop {
        match queue.recv_deadline(due) {
            Ok(Message::Batch(sequenced)) => tell(writer.append(&sequenced), fate),
            Ok(Message::Close(at)) => return tell(writer.finish(at), fate),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return tell(writer.finish(None), fate),
        }
        let now = Instant::now();
        if now >= due {
            tell(writer.flush(), fate);
            due = now + limits::CAPTURE_FLUSH_INTERVAL;
        }
    }
}

/// Says that the capture has ended; the writer says it once.
fn tell(written: Result<(), AppendError>, fate: &CaptureFate) {
    if let Err(error) = written {
        fate.ended(format!("the server goes on without a capture: {}", in_full(&error)));
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        tracing::error!(cause, "{error}; the server goes on without it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Arrivals, Batch, FrameSpan, Origin};
    use crate::capture::{Identity, Options, Reader};
    use crate::event::StreamId;
    use crate::span::Span;
    use bytes::Bytes;
    use crossbeam_channel::never;
    use std::sync::Arc;
    use std::time::Duration;

    fn record(slot: u64) -> Sequenced {
        let origin = Arc::new(Origin { listener: "lan".into(), peer: "192.0.2.1".into() });
        let frame = FrameSpan { span: Span::new(0, 5), truncated: false };
        let batch = Batch { origin, bytes: Bytes::from_static(b"<14>x"), frames: vec![frame] };
        Sequenced { slot, first: slot + 1, arrivals: Arrivals::One(Timestamp::EPOCH), batch }
    }

    #[test]
    fn a_trickle_reaches_the_file_while_it_goes_on() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("trickle.capture");
        let identity = Identity { stream: StreamId(1), run: 1, created: Timestamp::EPOCH };
        let mut recorder =
            CaptureThread::start(Writer::create(&path, identity, Options::default()), None).unwrap();
        // Far fewer records than fill a block, and never a pause as long as the interval.
        let pause = limits::CAPTURE_FLUSH_INTERVAL / 20;
        let reached = (0..200).any(|slot| {
            recorder.record(record(slot));
            assert!(never::<()>().recv_timeout(pause).is_err());
            Reader::open(&path).unwrap().any(|batch| batch.is_ok())
        });
        assert!(reached, "nothing was written within {:?}", Duration::from_secs(10));
        assert_eq!(recorder.fate().trouble(), None);
        Box::new(recorder).close(None);
    }

    #[test]
    fn what_ended_a_capture_early_is_known() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("full.capture");
        let identity = Identity { stream: StreamId(1), run: 1, created: Timestamp::EPOCH };
        let options = Options { total_size: 1, ..Options::default() };
        let mut recorder = CaptureThread::start(Writer::create(&path, identity, options), None).unwrap();
        let fate = recorder.fate();
        recorder.record(record(0));
        Box::new(recorder).close(None);
        let trouble = fate.trouble().unwrap();
        let expected = format!(
            "the server goes on without a capture: {} has reached its greatest length at ",
            path.display()
        );
        assert!(trouble.starts_with(&expected), "{trouble}");
    }
}
