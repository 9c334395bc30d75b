//! Floor 5: what operators ask of a handler, obeyed between deliveries and while one waits for its next attempt.

use super::{Courier, Flow, Recall};
use crate::dispatch::marks::{Marks, Upto};
use crate::journal::{Ranges, State};
use std::sync::Arc;
use tokio::sync::mpsc;

/// What an operator asks for.
#[derive(Clone, Debug)]
pub enum Command {
    /// Send these dead letters once more.
    Retry(Ranges),
    /// Try at once what waits for its next attempt.
    Wake,
    /// Give up events that wait, or are dead, for a reason.
    Drop(Ranges, String),
}

/// The commands that wait.
#[derive(Debug)]
pub(in crate::dispatch) struct Orders(pub(in crate::dispatch) mpsc::Receiver<Command>);

impl Orders {
    /// The next command; nothing once there can be no more.
    pub(super) async fn next(&mut self) -> Option<Command> {
        self.0.recv().await
    }
}

impl Courier {
    /// Does what an operator wants. `marks` are the events that wait for their next attempt.
    pub(super) async fn obey(&mut self, command: Command, marks: Option<&mut Marks>) -> Flow {
        match command {
            Command::Wake => Flow::On,
            Command::Retry(again) => self.requeue(&again).await,
            Command::Drop(gone, reason) => self.give_up(&gone, &reason, marks).await,
        }
    }

    async fn requeue(&mut self, again: &Ranges) -> Flow {
        let (again, note) = (self.standing.dead.common(again), "sent again by an operator");
        let runs = again.iter().map(|range| self.run(range, State::Requeued, note)).collect();
        self.send(runs).await
    }

    /// Gives up what of these is open, and nothing else.
    async fn give_up(&mut self, gone: &Ranges, reason: &str, marks: Option<&mut Marks>) -> Flow {
        let mut ahead = self.standing.cursor;
        if let Some(marks) = marks {
            gone.iter().for_each(|range| marks.drop(&range, reason));
            let runs = marks.settled(Upto::Last, self.clock.now());
            ahead = ahead.max(marks.end());
            if self.send(runs).await == Flow::Stop {
                return Flow::Stop;
            }
        }
        let reason: Arc<str> = Arc::from(reason);
        for range in gone.iter().filter(|range| range.end > ahead) {
            if !self.unwanted.add(range.start.max(ahead)..range.end, &reason) {
                tracing::warn!(handler = &*self.name, "too much is to be dropped at once: ask again later");
            }
        }
        let standing = &self.standing;
        let open = [&standing.dead, &standing.gathered, &standing.requeued].map(|open| open.common(gone));
        let was_gathered = standing.gathered.len();
        let runs = open.iter().flat_map(Ranges::iter).map(|range| self.run(range, State::Dropped, &reason));
        let runs = runs.collect();
        let flow = self.send(runs).await;
        if self.standing.gathered.len() < was_gathered {
            self.recall.get_or_insert(Recall::Gathered);
        }
        flow
    }
}
