//! Floor 4: one connection: bytes → frames → batches.
//!
//! Invariant: an idle connection owns no buffer. What it keeps of an incomplete frame is as large as that frame, and
//! a frame that arrives in small pieces costs time linear in its length.

use super::intake::{Durable, Intake, Permit};
use super::listener::Options;
use super::notices::{Notices, Refusal};
use super::pool::Buffer;
use super::rate::Rates;
use super::relp::Relp;
use super::repeats::Tails;
use super::speech::Speech;
use super::stream::Stream;
use crate::batch::{FrameSpan, Origin};
use crate::limits;
use crate::wire::framing::{Framer, FramingError};
use bytes::{Buf, Bytes};
use std::io;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

/// What all connections of a listener share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) intake: Intake,
    pub(super) notices: Arc<Notices>,
    /// Turns true when the server stops.
    pub(super) stop: watch::Receiver<bool>,
    /// The last records of all peers, where records are answered.
    pub(super) tails: Tails,
    /// What senders may send.
    pub(super) rates: Rates,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    shared: Arc<Shared>,
    stop: watch::Receiver<bool>,
    origin: Arc<Origin>,
    speech: Speech,
    durable: Durable,
    /// The beginning of a frame whose end has not come yet.
    tail: Tail,
    /// Bytes that the tail counts for in the memory of all connections.
    reserved: usize,
    /// When the awaited frame must be complete; none once a frame was and no other is begun.
    deadline: Option<Instant>,
    /// Until when nothing is read, because the sender has sent too much.
    rest: Option<Instant>,
    parting: Parting,
}

/// How far a connection is on its way to the end that a stop of the server makes. What a sender writes to a socket that is
/// closed is lost, and it may not even hear of it: so it is told first, and read until it has seen that.
#[derive(Clone, Copy, Debug)]
enum Parting {
    /// The server does not stop.
    None,
    /// The sender has been told; what has come by now is read, until then at most. The wait for more ends then, too.
    Told(Instant),
    /// What still comes is read, until then at most, or until nothing has come for a while.
    Last { until: Instant, quiet: Instant },
    /// What has come by now is read, and that is all: no more bytes than this, as there may always be more.
    Over(usize),
}

/// What is kept of an incomplete frame between two reads.
#[derive(Debug)]
enum Tail {
    /// Little enough to be copied in front of the next read.
    Short(Vec<u8>),
    /// A long frame, read in place.
    Long(Buffer),
}

/// What is left of a stream at its end.
#[derive(Clone, Copy, Debug)]
enum Rest {
    /// All that the peer had to say: text without a delimiter is a frame.
    AsSent,
    /// What had come by then: the peer may have meant to go on, so the end of a frame in it proves nothing.
    CutOff,
}

/// What a connection has to do.
#[derive(Debug)]
enum Wake {
    /// To read.
    Ready,
    /// To read what is left, for the server stops.
    Stop,
    /// To answer, for more inputs are durable.
    Durable,
    /// To go on reading.
    Rested,
}

/// Why a connection is over.
#[derive(Debug)]
pub(super) enum Over {
    /// The peer closed it.
    End,
    /// The peer is gone, and did not say that this was all; what carries the stream has a way to say so.
    Torn,
    /// The server stops, and nothing is left to read.
    Stopped,
    Refused(Refusal, String),
}

impl From<FramingError> for Over {
    fn from(error: FramingError) -> Self {
        Self::Refused(Refusal::Framing, error.to_string())
    }
}

impl From<io::Error> for Over {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Torn,
            _ => Self::Refused(Refusal::Broken, error.to_string()),
        }
    }
}

impl Connection {
    pub(super) fn new(stream: Stream, shared: Arc<Shared>, origin: Arc<Origin>) -> Self {
        let framing = &shared.options.framing;
        let speech = if shared.options.address.scheme().is_answered() {
            Speech::Relp(Box::new(Relp::new(framing.max_message_size, shared.tails.begin(&origin))))
        } else {
            Speech::Syslog(Box::new(Framer::new(framing.clone())))
        };
        let now = Instant::now();
        // What its earlier connections have taken counts: a connection for each record is no way around the limit.
        let rest = shared.rates.pace(origin.account(), 0, now.into_std()).map(Instant::from_std);
        Self {
            stream,
            stop: shared.stop.clone(),
            speech,
            durable: shared.intake.durable(),
            tail: Tail::Short(Vec::new()),
            reserved: 0,
            deadline: Some(rest.unwrap_or(now) + shared.options.frame_timeout),
            rest,
            parting: Parting::None,
            shared,
            origin,
        }
    }

    /// Reads until the peer closes, the server stops, or the stream breaks a rule; then submits what the end of the
    /// stream completes.
    pub(super) async fn run(&mut self) {
        let over = loop {
            if let Err(over) = self.turn().await {
                break over;
            }
        };
        let refused = match over {
            Over::Refused(Refusal::Framing, detail) => Some((Refusal::Framing, detail)),
            Over::Refused(refusal, detail) => {
                self.finish(Rest::CutOff).await;
                Some((refusal, detail))
            }
            Over::Stopped => {
                self.finish(Rest::CutOff).await;
                self.conclude().await;
                None
            }
            Over::End if self.finish(Rest::AsSent).await => {
                Some((Refusal::CutShort, "the stream ended within a counted frame".to_owned()))
            }
            Over::Torn if self.finish(Rest::CutOff).await => {
                Some((Refusal::CutShort, "the peer left within a frame".to_owned()))
            }
            Over::End | Over::Torn => None,
        };
        self.stream.close();
        self.shared.intake.release(self.reserved);
        if let Some((refusal, detail)) = refused {
            let Origin { listener, peer } = &*self.origin;
            self.shared.notices.refuse(listener, peer, refusal, &detail);
        }
    }

    /// One read, and what it completes.
    async fn turn(&mut self) -> Result<(), Over> {
        let stopping = match self.wake().await? {
            Wake::Ready => false,
            Wake::Stop => {
                self.part();
                true
            }
            Wake::Durable => return self.answer().await,
            Wake::Rested => {
                self.rest = None;
                return Ok(());
            }
        };
        let Some(permit) = self.shared.intake.permit().await else { return Err(Over::Stopped) };
        let mut buffer = self.buffer();
        let read = self.stream.read(buffer.room(), stopping);
        match read {
            Ok(count) if count > 0 => {
                buffer.advance(count);
                match &mut self.parting {
                    Parting::Last { quiet, .. } => *quiet = Instant::now() + limits::PARTING_QUIET,
                    Parting::Over(left) => *left = left.saturating_sub(count),
                    Parting::None | Parting::Told(_) => {}
                }
                self.frames(permit, buffer).await?;
                return self.answer().await;
            }
            _ => self.put_back(buffer),
        }
        match read {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && !stopping => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.has_read_all(),
            Err(error) => Err(error.into()),
            Ok(_) => Err(Over::End),
        }
    }

    /// Goes on after a stop once everything is read that has come by then.
    fn has_read_all(&mut self) -> Result<(), Over> {
        let Parting::Told(until) = self.parting else { return Err(Over::Stopped) };
        self.parting = Parting::Last { until, quiet: Instant::now() + limits::PARTING_QUIET };
        Ok(())
    }

    /// Begins to part with the peer, once. In RELP a record without an answer is sent again: nothing more has to be read.
    fn part(&mut self) {
        if !matches!(self.parting, Parting::None) {
            return;
        }
        self.parting = match &self.speech {
            Speech::Relp(_) => self.over(),
            Speech::Syslog(_) => {
                self.stream.part();
                Parting::Told(Instant::now() + limits::PARTING_TIME)
            }
        };
    }

    /// The end of the parting. One byte more is asked for than there is, which finds the end of the stream behind it.
    fn over(&mut self) -> Parting {
        Parting::Over(self.stream.held().saturating_add(1))
    }

    /// Waits for what a peer still says that was told of the end.
    async fn last_words(&mut self, until: Instant, quiet: Instant) -> Result<Wake, Over> {
        // A peer that writes all the time never lets the time run out by itself.
        if Instant::now() < until
            && let Ok(ready) = timeout_at(until.min(quiet), self.stream.readable()).await
        {
            return ready.map(|()| Wake::Ready).map_err(Over::from);
        }
        self.parting = self.over();
        Ok(Wake::Stop)
    }

    /// Waits until there is something to do.
    async fn wake(&mut self) -> Result<Wake, Over> {
        match self.parting {
            Parting::None => {}
            // Where there is always something to read, nothing else looks at the clock.
            Parting::Told(until) if Instant::now() >= until => {
                self.parting = self.over();
                return Ok(Wake::Stop);
            }
            Parting::Over(0) => return Err(Over::Stopped),
            Parting::Told(_) | Parting::Over(_) => return Ok(Wake::Stop),
            Parting::Last { until, quiet } => return self.last_words(until, quiet).await,
        }
        let (deadline, rest) = (self.deadline, self.rest);
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => Ok(Wake::Stop),
            () = self.durable.further(), if !self.speech.is_settled() => Ok(Wake::Durable),
            () = until(rest) => Ok(Wake::Rested),
            ready = self.stream.readable(), if rest.is_none() && !self.speech.is_full() => {
                ready.map(|()| Wake::Ready).map_err(Over::from)
            }
            () = until(deadline) => Err(Over::Refused(
                Refusal::FrameTimeout,
                format!("no complete frame within {} s", self.shared.options.frame_timeout.as_secs()),
            )),
        }
    }

    /// A buffer to read into that begins with the tail.
    fn buffer(&mut self) -> Buffer {
        match &mut self.tail {
            Tail::Short(tail) => {
                let mut buffer = self.shared.intake.pool().take();
                buffer.fill(tail);
                buffer
            }
            Tail::Long(_) => {
                let Tail::Long(mut buffer) = std::mem::replace(&mut self.tail, Tail::Short(Vec::new()))
                else {
                    return self.shared.intake.pool().take();
                };
                buffer.grow(limits::SHORT_TAIL);
                buffer
            }
        }
    }

    /// Undoes [`Self::buffer`] when nothing was read.
    fn put_back(&mut self, buffer: Buffer) {
        if buffer.is_unpooled() {
            self.tail = Tail::Long(buffer);
        }
    }

    /// Submits the frames that a read completes, and keeps the rest.
    async fn frames(&mut self, permit: Permit, buffer: Buffer) -> Result<(), Over> {
        // The buffer begins with it; kept beside it, it could be framed a second time.
        self.tail = Tail::Short(Vec::new());
        let mut frames = Vec::new();
        let done = self.speech.advance(buffer.as_ref(), &mut frames, limits::MAX_BATCH_FRAMES);
        if frames.is_empty() {
            let done = done?;
            let awaited = self.speech.is_mid_frame(buffer.as_ref().len() - done);
            let was_whole = done > 0 && self.speech.has_other_frames();
            self.keep(buffer, done)?;
            if was_whole || awaited && self.deadline.is_none() {
                self.deadline = awaited.then(|| Instant::now() + self.shared.options.frame_timeout);
            }
            return Ok(());
        }
        let rest = self.submit(permit, buffer.freeze(), frames, done).await?;
        let awaited = self.speech.is_mid_frame(rest.len());
        let from = self.rest.unwrap_or_else(Instant::now);
        self.deadline = awaited.then(|| from + self.shared.options.frame_timeout);
        self.keep_copy(&rest)
    }

    /// Submits frames, and those that had no place in the first batch; gives the bytes of the incomplete frame.
    async fn submit(
        &mut self,
        mut permit: Permit,
        mut bytes: Bytes,
        mut frames: Vec<FrameSpan>,
        mut done: Result<usize, Over>,
    ) -> Result<Bytes, Over> {
        loop {
            let full = frames.len() >= limits::MAX_BATCH_FRAMES;
            let now = Instant::now();
            let rest = self.shared.rates.pace(self.origin.account(), frames.len(), now.into_std());
            self.rest = rest.map(Instant::from_std).or(self.rest);
            let last = self.shared.intake.submit(permit, &self.origin, bytes.clone(), frames);
            last.into_iter().for_each(|last| self.speech.numbered(last));
            bytes.advance(done?.min(bytes.len()));
            if !full {
                return Ok(bytes);
            }
            permit = self.shared.intake.permit().await.ok_or(Over::Stopped)?;
            frames = Vec::new();
            done = self.speech.advance(&bytes, &mut frames, limits::MAX_BATCH_FRAMES);
        }
    }

    /// Keeps what a read without a complete frame leaves.
    fn keep(&mut self, buffer: Buffer, done: usize) -> Result<(), Over> {
        if done == 0 && buffer.is_unpooled() {
            self.reserve(buffer.capacity())?;
            self.tail = Tail::Long(buffer);
            return Ok(());
        }
        self.keep_copy(buffer.as_ref().get(done..).unwrap_or_default())
    }

    /// Keeps a copy of the beginning of a frame.
    fn keep_copy(&mut self, rest: &[u8]) -> Result<(), Over> {
        let long = rest.len() > limits::SHORT_TAIL;
        let mut copy = Vec::with_capacity(if long { rest.len() * 2 } else { rest.len() });
        copy.extend_from_slice(rest);
        self.reserve(copy.capacity())?;
        self.tail = if long {
            let len = copy.len();
            copy.resize(len * 2, 0);
            Tail::Long(Buffer::unpooled(copy, len))
        } else {
            Tail::Short(copy)
        };
        Ok(())
    }

    /// Counts what the tail occupies from now on.
    fn reserve(&mut self, bytes: usize) -> Result<(), Over> {
        if bytes > self.reserved && !self.shared.intake.reserve(bytes - self.reserved) {
            let detail = format!("incomplete frames occupy over {} bytes", limits::MAX_PARTIAL_BYTES);
            return Err(Over::Refused(Refusal::BufferMemory, detail));
        }
        self.shared.intake.release(self.reserved.saturating_sub(bytes));
        self.reserved = bytes;
        Ok(())
    }

    /// Answers what can be answered now.
    async fn answer(&mut self) -> Result<(), Over> {
        let answers = self.speech.settle(&mut self.durable);
        self.say(&answers).await?;
        if self.speech.is_over() { Err(Over::End) } else { Ok(()) }
    }

    async fn say(&mut self, bytes: &[u8]) -> Result<(), Over> {
        if bytes.is_empty() {
            return Ok(());
        }
        let said = timeout(self.shared.options.frame_timeout, self.stream.write_all(bytes)).await;
        Ok(said.unwrap_or_else(|_| Err(io::Error::other("the peer does not read what it is answered")))?)
    }

    /// Answers everything, waiting for it to be durable, and says that the server ends the connection.
    async fn conclude(&mut self) {
        while self.answer().await.is_ok() {
            if self.speech.is_settled() {
                // A peer that has gone will find out by itself.
                drop(self.say(&self.speech.farewell()).await);
                return;
            }
            self.durable.further().await;
        }
    }

    /// Submits what the end of the stream completes; tells whether it cut a frame short.
    async fn finish(&mut self, end: Rest) -> bool {
        let rest = match std::mem::replace(&mut self.tail, Tail::Short(Vec::new())) {
            Tail::Short(tail) => Bytes::from(tail),
            Tail::Long(buffer) => buffer.freeze(),
        };
        let mut frames = Vec::new();
        self.speech.finish(&rest, &mut frames);
        if let (Rest::CutOff, Some(frame)) = (end, frames.last_mut()) {
            frame.truncated = true;
        }
        let cut_short = frames.iter().any(|frame| frame.truncated);
        if !frames.is_empty()
            && let Some(permit) = self.shared.intake.permit().await
        {
            self.shared.intake.submit(permit, &self.origin, rest, frames);
        }
        cut_short
    }
}

/// Waits until then; for ever where there is no such time.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
