//! Floor 5: what operators ask of a handler, obeyed between deliveries and while one waits for its next attempt.

use super::{Courier, Flow, Recall};
use crate::dispatch::marks::Marks;
use crate::journal::{Ranges, State};
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
        let mut dead = self.standing.dead.clone();
        let again = again.iter().flat_map(|range| dead.take(&range).iter().collect::<Vec<_>>());
        let note = "sent again by an operator";
        let runs = again.map(|range| self.run(range, State::Requeued, note)).collect();
        self.send(runs).await
    }

    async fn give_up(&mut self, gone: &Ranges, reason: &str, mut marks: Option<&mut Marks>) -> Flow {
        for range in gone.iter() {
            if let Some(marks) = &mut marks {
                marks.drop(&range, reason);
            }
            if range.start > self.standing.cursor {
                self.unwanted.insert(range);
            }
        }
        let was_gathered = self.standing.gathered.len();
        let runs = gone.iter().map(|range| self.run(range, State::Dropped, reason)).collect();
        let flow = self.send(runs).await;
        if self.standing.gathered.len() < was_gathered {
            self.recall.get_or_insert(Recall::Gathered);
        }
        flow
    }
}
