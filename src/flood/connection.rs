//! Floor 5: one connection of a flood: what it sends, and when.
//!
//! Invariant: at no instant has more been sent than the rate allows by then.

use super::line::{Caller, Line, Parcel};
use super::{Amount, Recorded, Scene, SceneOptions, Source, Truth};
use crate::time::{Clock, SystemClock};
use bytes::Bytes;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Messages that go out together at most.
const PARCEL_MESSAGES: u64 = 512;

/// Time between two parcels of a connection at least, so that a high rate does not become a call for each record.
const PARCEL_TIME: Duration = Duration::from_millis(5);

/// What all connections of a flood have in common.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) caller: Caller,
    /// Records a second, of all together.
    pub(super) rate: Option<f64>,
    pub(super) amount: Amount,
    /// How many there are.
    pub(super) parts: u64,
    pub(super) began: Instant,
}

/// What one connection sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    pub(super) records: u64,
    pub(super) bytes: u64,
}

/// Where one connection's records come from.
#[derive(Debug)]
pub(super) enum Records {
    Scene(Scene),
    Recorded { all: Arc<Recorded>, part: usize, at: usize },
}

impl Records {
    /// The records of one connection of so many.
    pub(super) fn of(source: &Source, part: u64, parts: u64) -> Self {
        match source {
            Source::Scene(options) => {
                let stories = options.stories / usize::try_from(parts).unwrap_or(usize::MAX);
                Self::Scene(Scene::new(SceneOptions {
                    stories: stories.max(1),
                    part: (part, parts),
                    ..options.clone()
                }))
            }
            Source::Capture(all) => {
                let part = usize::try_from(part).unwrap_or(usize::MAX);
                Self::Recorded { all: Arc::clone(all), part, at: 0 }
            }
        }
    }

    /// Appends the next record's message; what it makes true. Nothing where there is no record at all.
    fn next(&mut self, out: &mut Vec<u8>) -> Option<Option<Truth>> {
        match self {
            Self::Scene(scene) => Some(scene.next(out, SystemClock.now())),
            Self::Recorded { all, part, at } => {
                let messages: &[Bytes] = all.0.get(*part)?;
                out.extend_from_slice(messages.get(*at)?);
                *at = (*at + 1) % messages.len();
                Some(None)
            }
        }
    }

    /// Appends the next record of what has begun and is not over.
    fn finish(&mut self, out: &mut Vec<u8>) -> Option<Option<Truth>> {
        match self {
            Self::Scene(scene) => scene.finish(out, SystemClock.now()),
            Self::Recorded { .. } => None,
        }
    }
}

/// One connection at work.
pub(super) struct Task {
    pub(super) part: u64,
    pub(super) plan: Arc<Plan>,
    pub(super) records: Records,
    pub(super) truths: Option<Arc<Mutex<Box<dyn Write + Send>>>>,
}

impl Task {
    /// Connects, sends its part, and finishes the stories that it has begun.
    pub(super) async fn work(mut self) -> (Sent, io::Result<()>) {
        let mut sent = Sent::default();
        let outcome = self.send_all(&mut sent).await;
        (sent, outcome)
    }

    async fn send_all(&mut self, sent: &mut Sent) -> io::Result<()> {
        let mut line = self.plan.caller.call().await?;
        let mut parcel = Parcel::default();
        while let Some(left) = self.left(sent.records) {
            let due = self.due(sent.records).min(PARCEL_MESSAGES).min(left);
            if due == 0 {
                sleep(PARCEL_TIME).await;
                continue;
            }
            if !self.pack(&mut parcel, due, Records::next)? {
                break;
            }
            deliver(&mut line, &parcel, sent).await?;
        }
        while self.pack(&mut parcel, PARCEL_MESSAGES, Records::finish)? {
            deliver(&mut line, &parcel, sent).await?;
        }
        line.end().await
    }

    /// How many records it may still send; nothing once it is done.
    fn left(&self, sent: u64) -> Option<u64> {
        let Plan { amount, parts, began, .. } = *self.plan;
        match amount {
            Amount::Records(all) => {
                let own = all / parts + u64::from(self.part < all % parts);
                own.checked_sub(sent).filter(|left| *left > 0)
            }
            Amount::Time(time) => (began.elapsed() < time).then_some(u64::MAX),
        }
    }

    /// How many more records the rate allows by now. Connections begin evenly spread over the time of one record.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is a real number; a float past the range of an integer becomes its end"
    )]
    fn due(&self, sent: u64) -> u64 {
        let Plan { rate, parts, began, .. } = *self.plan;
        let Some(rate) = rate else { return u64::MAX };
        let share = (self.part + 1) as f64 / parts as f64;
        let allowed = (began.elapsed().as_secs_f64() * rate / parts as f64 + share) as u64;
        allowed.saturating_sub(sent)
    }

    /// Fills a parcel with so many records at most; whether there is any. What they make true is written first.
    fn pack(
        &mut self,
        parcel: &mut Parcel,
        most: u64,
        mut take: impl FnMut(&mut Records, &mut Vec<u8>) -> Option<Option<Truth>>,
    ) -> io::Result<bool> {
        parcel.clear();
        let is_counted = self.plan.caller.is_counted();
        let (mut message, mut lines) = (Vec::new(), Vec::new());
        while parcel.messages() < most {
            message.clear();
            let Some(truth) = take(&mut self.records, &mut message) else { break };
            parcel.push(&message, is_counted);
            if let Some(truth) = truth.filter(|_| self.truths.is_some()) {
                serde_json::to_writer(&mut lines, &truth)?;
                lines.push(b'\n');
            }
        }
        if let Some(truths) = &self.truths {
            truths.lock().unwrap_or_else(PoisonError::into_inner).write_all(&lines)?;
        }
        Ok(parcel.messages() > 0)
    }
}

async fn deliver(line: &mut Line, parcel: &Parcel, sent: &mut Sent) -> io::Result<()> {
    line.send(parcel).await?;
    sent.records += parcel.messages();
    sent.bytes += parcel.bytes();
    Ok(())
}
