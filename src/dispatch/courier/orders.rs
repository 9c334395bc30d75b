//! Floor 5: what operators ask of a handler, obeyed between deliveries and while one waits for its next attempt.

use super::{Courier, Flow};
use crate::dispatch::marks::Marks;
use crate::journal::State;
use std::ops::Range;
use tokio::sync::mpsc;

/// What an operator asks for.
#[derive(Clone, Debug)]
pub enum Command {
    /// Send these once more: dead letters, or what waits for its next attempt.
    Retry(Range<u64>),
    /// Give up events that wait, or are dead, for a reason.
    Drop(Range<u64>, String),
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
    /// Does what an operator wants. `marks` are the events that wait for their next attempt, which is made at once.
    pub(super) async fn obey(&mut self, command: Command, marks: Option<&mut Marks>) -> Flow {
        match command {
            Command::Retry(range) => {
                let mut dead = self.standing.dead.clone();
                let again: Vec<_> = dead.take(&range).iter().collect();
                for range in again {
                    let note = "sent again by an operator".to_owned();
                    if self.settle(range, State::Requeued, note).await == Flow::Stop {
                        return Flow::Stop;
                    }
                }
                Flow::On
            }
            Command::Drop(range, reason) => {
                if let Some(marks) = marks {
                    marks.drop(&range, &reason);
                }
                if range.start > self.standing.cursor {
                    self.unwanted.insert(range.clone());
                }
                let was_gathered = self.standing.gathered.len();
                let flow = self.settle(range, State::Dropped, reason).await;
                if self.standing.gathered.len() < was_gathered {
                    self.sieve.forget_gathered();
                    self.gather_anew();
                }
                flow
            }
        }
    }
}
