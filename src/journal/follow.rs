//! Floor 3: reads events as they come, for somebody who looks on.
//!
//! What a server writes shows before it is durable. So what was read is made durable once more before it is handed out,
//! which costs nothing where it is already; and the system says when there is more, so that nobody has to ask.
//!
//! Invariant: nothing is handed out that a crash could take back.

use super::error::ReadError;
use super::events::{EventReader, Page};
use super::{Audit, layout};
use crate::limits;
use crate::time::Timestamp;
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io;
use std::path::Path;

/// Reads events as they come.
#[derive(Debug)]
pub struct Follower {
    changes: OwnedFd,
    reader: EventReader,
    /// The first event that is wanted.
    first: u64,
    durable: VecDeque<Page>,
}

/// Why events cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The journal cannot be read.
    #[error("the journal cannot be read")]
    Read(#[from] ReadError),
    /// The system does not say when there is more, or not whether it is durable.
    #[error("cannot {action} the journal")]
    System {
        /// What was tried.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

impl FollowError {
    fn system<E: Into<io::Error>>(action: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System { action, source: source.into() }
    }
}

impl Follower {
    /// Begins with the next event, or with those that were committed at an instant or after it.
    ///
    /// # Errors
    /// When the journal cannot be read or watched.
    pub fn open(data: &Path, since: Option<Timestamp>) -> Result<Self, FollowError> {
        let [_, events, _] = layout::rooms(data);
        let changes = inotify::init(CreateFlags::CLOEXEC).map_err(FollowError::system("watch"))?;
        // From here on nothing that is written can be missed.
        let flags = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO;
        inotify::add_watch(&changes, &events, flags).map_err(FollowError::system("watch"))?;
        let audit = Audit::open(data)?;
        let (reader, first) = match since {
            None => (EventReader::open(data, audit.next())?, audit.next()),
            Some(since) => {
                let first = audit.segments(since)?.0.first().copied();
                (EventReader::from_part(data, first.unwrap_or_default()), 0)
            }
        };
        Ok(Self { changes, reader, first, durable: VecDeque::new() })
    }

    /// The sequence number of the first event that is wanted: pages may begin before it.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The next page, or nothing where there is none so far.
    ///
    /// # Errors
    /// When the journal cannot be read, or not be made durable.
    pub fn next_page(&mut self) -> Result<Option<Page>, FollowError> {
        if self.durable.is_empty() {
            while self.durable.len() < limits::FOLLOWED_PAGES
                && let Some(page) = self.reader.next_page()?
            {
                self.durable.push_back(page);
            }
            if !self.durable.is_empty() {
                self.reader.sync().map_err(FollowError::system("sync"))?;
            }
        }
        Ok(self.durable.pop_front())
    }

    /// Waits until something was written.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn wait(&self) -> Result<(), FollowError> {
        // What happened is of no interest: all of it is read, and then the stream.
        let mut happened = [0; 4096];
        loop {
            match rustix::io::read(&self.changes, &mut happened) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(FollowError::system("watch")(error)),
            }
        }
    }
}
