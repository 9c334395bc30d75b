//! Floor 5: the events of a journal in their order, for one handler: from a channel while it keeps up, else from the
//! journal itself.
//!
//! Invariant: nothing is handed out before it is durable, and nothing is left out but what is damaged or missing, which
//! is told.

use crate::causes::in_full;
use crate::event::EventBlock;
use crate::journal::{EventReader, Page};
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Some committed events.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    /// Sequence number of the first.
    pub(super) first: u64,
    /// The events.
    pub(super) block: Arc<EventBlock>,
}

impl Chunk {
    /// The sequence number after the last.
    pub(super) fn end(&self) -> u64 {
        self.first + self.block.len() as u64
    }
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Next {
    /// Events, the one at the cursor among them.
    Chunk(Chunk),
    /// The events before this one cannot be read any more.
    Gap(u64, String),
    /// The journal cannot be read at present, which says nothing of what it holds.
    Trouble(String),
    /// The server stops, and there is nothing more.
    End,
}

/// The events of a journal, for one handler.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) data: PathBuf,
    pub(super) channel: mpsc::Receiver<Chunk>,
    /// The sequence number after the last event that is durable.
    pub(super) committed: watch::Receiver<u64>,
    pub(super) stop: watch::Receiver<bool>,
    /// Reads what the channel had no room for, from this event on.
    pub(super) behind: Option<(u64, EventReader)>,
    /// What came out of turn: it waits for what is before it.
    pub(super) held: Option<Chunk>,
}

impl Feed {
    /// What comes next for a handler whose cursor is here. May be dropped and asked again.
    pub(super) async fn next(&mut self, cursor: u64) -> Next {
        loop {
            while let Some(chunk) = self.at_hand() {
                if chunk.end() <= cursor {
                    continue;
                }
                if chunk.first <= cursor {
                    self.behind = None;
                    return Next::Chunk(chunk);
                }
                self.held = Some(chunk);
                break;
            }
            if *self.committed.borrow() > cursor {
                return self.reread(cursor);
            }
            if *self.stop.borrow() {
                return Next::End;
            }
            tokio::select! {
                chunk = self.channel.recv() => match chunk {
                    Some(chunk) => self.held = Some(chunk),
                    None => return Next::End,
                },
                changed = self.committed.changed() => if changed.is_err() { return Next::End },
                changed = self.stop.changed() => if changed.is_err() { return Next::End },
            }
        }
    }

    fn at_hand(&mut self) -> Option<Chunk> {
        self.held.take().or_else(|| self.channel.try_recv().ok())
    }

    /// Reads on in the journal. A page is in memory as a rule, and at most a block; it is not worth another thread. After
    /// an error it begins anew with the segment of the cursor: only what stands in the journal says that events are lost.
    pub(super) fn reread(&mut self, cursor: u64) -> Next {
        self.try_reread(cursor).unwrap_or_else(|error| Next::Trouble(in_full(&*error)))
    }

    fn try_reread(&mut self, cursor: u64) -> Result<Next, Box<dyn Error>> {
        let mut reader = match self.behind.take() {
            Some((at, reader)) if at <= cursor => reader,
            _ => EventReader::open(&self.data, cursor)?,
        };
        let mut flaw = None;
        while let Some(page) = reader.next_page()? {
            match page {
                Page::Events { first, block, .. } => {
                    let chunk = Chunk { first, block: Arc::new(block) };
                    if chunk.end() <= cursor {
                        continue;
                    }
                    self.behind = Some((chunk.end(), reader));
                    if chunk.first <= cursor {
                        return Ok(Next::Chunk(chunk));
                    }
                    self.held = Some(chunk);
                    return Ok(self.gap(cursor, flaw.as_deref().unwrap_or("they are no longer there")));
                }
                Page::Settled(_) => {}
                Page::Flaw(found) if found.may_pass() => return Err(found.into()),
                Page::Flaw(found) => flaw = Some(found.to_string()),
            }
        }
        Ok(self.gap(cursor, flaw.as_deref().unwrap_or("they are not there")))
    }

    /// What is durable, and cannot be read, ends where the next readable event begins.
    fn gap(&self, cursor: u64, why: &str) -> Next {
        let held = self.held.as_ref().map(|chunk| chunk.first).filter(|first| *first > cursor);
        Next::Gap(held.unwrap_or(*self.committed.borrow()), why.to_owned())
    }
}
