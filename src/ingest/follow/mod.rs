//! Floor 4: log files that are followed while they are written.
//!
//! Each section of the configuration has a task that looks which files its patterns name, and each file a task that reads
//! it. Files are read by threads for what blocks, so that one that hangs, as on a network, delays no other section.
//!
//! Invariant: what is read of a file is submitted in its order, together with how far that is.

mod backlogs;
mod board;
mod bookmarks;
mod held;
mod open_file;
mod pattern;
mod tail;
mod watch;

pub use board::{Board, Row};
pub use bookmarks::Bookmarks;
pub use pattern::Pattern;

use self::held::Held;
use self::open_file::Rules;
use self::pattern::Found;
use self::tail::{Begin, Step, Tail};
use self::watch::Watch;
use super::intake::Intake;
use crate::batch::{Batch, Origin};
use crate::journal::Mark;
use crate::limits;
use crate::time::Zone;
use crate::wire::lines::LineFormat;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch as watching};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, sleep_until};

/// Files that are followed.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The name of the section.
    pub name: String,
    /// Which files.
    pub patterns: Vec<Pattern>,
    /// Whether files that were there before they were followed are read from their start.
    pub from_beginning: bool,
    /// The format of their lines and the zone of their times, where they are in no form of syslog.
    pub lines: Option<(Arc<LineFormat>, Zone)>,
    /// Whether the events of what such files hold at first are delivered.
    pub deliver_backlog: bool,
    /// Bytes of a record that are kept.
    pub max_message_size: usize,
    /// Time between two looks where nothing tells of changes.
    pub poll: Duration,
}

impl Options {
    /// The defaults, for a name and patterns.
    pub fn new(name: impl Into<String>, patterns: Vec<Pattern>) -> Self {
        Self {
            name: name.into(),
            patterns,
            from_beginning: false,
            lines: None,
            deliver_backlog: false,
            max_message_size: limits::MAX_MESSAGE_SIZE,
            poll: limits::FILE_POLL_INTERVAL,
        }
    }
}

/// What all who follow files share.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The door to the pipeline.
    pub intake: Intake,
    /// Where it is noted how far files have been read; nowhere if that does not survive.
    pub bookmarks: Option<Arc<Bookmarks>>,
    /// How far they had been read in the run before.
    pub marks: Arc<Vec<Mark>>,
    /// Where it is told how far they are.
    pub board: Arc<Board>,
    /// Permits of files that are followed at once.
    pub files: Arc<Semaphore>,
    /// Turns true when the server stops.
    pub stop: watching::Receiver<bool>,
}

/// Follows the files of a section until the server stops.
pub async fn run(options: Options, environment: Environment) {
    let rules = Rules {
        lines: options.lines.clone(),
        max_message_size: options.max_message_size,
        quiet: limits::QUIET_LINE_TIME,
        rotated: limits::ROTATED_FILE_TIME,
    };
    let watch = Watch::new(&options.name);
    let shared = Arc::new(Shared { environment, rules, reads: Semaphore::new(limits::FILE_READS), options });
    let section = Section {
        shared,
        held: Held::default(),
        tails: BTreeMap::new(),
        tasks: JoinSet::new(),
        is_first: true,
    };
    section.run(watch).await;
}

#[derive(Debug)]
struct Shared {
    options: Options,
    environment: Environment,
    rules: Rules,
    /// Permits to read, of which each takes one of the pipeline's with it.
    reads: Semaphore,
}

/// The files of a section.
struct Section {
    shared: Arc<Shared>,
    held: Held,
    /// What wakes the task of each path.
    tails: BTreeMap<PathBuf, Arc<Notify>>,
    tasks: JoinSet<PathBuf>,
    /// Whether nobody has looked yet: what is there then was there before.
    is_first: bool,
}

impl Section {
    async fn run(mut self, mut watch: Watch) {
        while self.look(&mut watch).await {}
        while self.tasks.join_next().await.is_some() {}
    }

    /// Looks which files there are, and waits until it is time to look again; false when the server stops.
    async fn look(&mut self, watch: &mut Watch) -> bool {
        let shared = Arc::clone(&self.shared);
        let looked = spawn_blocking(move || {
            let mut found = Found::default();
            shared.options.patterns.iter().for_each(|pattern| pattern.find(&mut found));
            found
        });
        if let Ok(found) = looked.await {
            watch.set(&found.directories);
            self.follow(found);
        }
        let mut stop = self.shared.environment.stop.clone();
        let mut again = std::pin::pin!(sleep(self.shared.options.poll));
        loop {
            tokio::select! {
                () = &mut again => return true,
                changes = watch.changes() => {
                    self.wake(&changes.files, changes.any || changes.names);
                    if changes.names {
                        return true;
                    }
                }
                Some(Ok(path)) = self.tasks.join_next() => drop(self.tails.remove(&path)),
                _ = stop.wait_for(|stop| *stop) => return false,
            }
        }
    }

    fn wake(&self, files: &BTreeSet<PathBuf>, all: bool) {
        let concerned = self.tails.iter().filter(|(path, _)| all || files.contains(*path));
        concerned.for_each(|(_, wake)| wake.notify_one());
    }

    /// Starts to follow what is not followed yet.
    fn follow(&mut self, found: Found) {
        let (name, environment) = (&self.shared.options.name, &self.shared.environment);
        if found.cut {
            tracing::warn!(files = name, "a directory has more entries than are looked at");
        }
        let begin = match &self.shared.options {
            _ if !self.is_first => Begin::Start,
            Options { from_beginning: false, .. } => Begin::End,
            Options { deliver_backlog: true, .. } => Begin::Start,
            Options { .. } => Begin::Backlog,
        };
        for path in found.paths.into_iter().filter(|path| !self.tails.contains_key(path)).collect::<Vec<_>>()
        {
            let Ok(permit) = Arc::clone(&environment.files).try_acquire_owned() else {
                tracing::warn!(files = name, path = %path.display(), "too many files are followed; this one is not, for now");
                break;
            };
            let tail = Tail::new(
                path.clone(),
                self.shared.rules.clone(),
                self.held.clone(),
                (begin, self.marks(&path)),
            );
            let wake = Arc::<Notify>::default();
            self.tasks.spawn(read(tail, path.clone(), (Arc::clone(&wake), permit), Arc::clone(&self.shared)));
            self.tails.insert(path, wake);
        }
        self.is_first = false;
    }

    /// What was noted of a path in the run before; only those who come first go on there.
    fn marks(&self, path: &Path) -> Vec<Mark> {
        let all = self.shared.environment.marks.iter().filter(|_| self.is_first);
        let backlog = backlogs::noted_by(path);
        all.filter(|mark| mark.path == path || mark.path == backlog).cloned().collect()
    }
}

/// Reads what a path names until it names nothing any more, or the server stops; gives the path back.
async fn read(
    mut tail: Tail,
    path: PathBuf,
    held: (Arc<Notify>, OwnedSemaphorePermit),
    shared: Arc<Shared>,
) -> PathBuf {
    let Environment { intake, bookmarks, board, .. } = &shared.environment;
    board.write(&path, |row| row.section.clone_from(&shared.options.name));
    let mut stop = shared.environment.stop.clone();
    let origin = Origin { listener: shared.options.name.clone(), peer: path.to_string_lossy().into_owned() };
    let [backlog, origin] = [origin.backlog(), origin].map(Arc::new);
    loop {
        let permits = async { (shared.reads.acquire().await.ok(), intake.permit().await) };
        let permit = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return path,
            (read, permit) = permits => read.zip(permit),
        };
        let Some((reading, permit)) = permit else { return path };
        let stepped = spawn_blocking(move || {
            let step = tail.step(Instant::now());
            (tail, step)
        });
        // A thread that panicked has said so, and its file cannot be read on.
        let Ok((same, step)) = stepped.await else { return path };
        tail = same;
        drop(reading);
        board.write(&path, |row| tail.tell(row, &step));
        match step {
            Step::Lines(lines, mark) => {
                let origin =
                    if lines.as_ref().is_some_and(|lines| lines.is_backlog) { &backlog } else { &origin };
                let (bytes, frames) =
                    lines.map_or((Bytes::new(), Vec::new()), |lines| (lines.bytes, lines.frames));
                let batch = Batch { origin: Arc::clone(origin), bytes, frames };
                intake.submit_read(permit, batch, (mark, bookmarks.as_deref()));
            }
            Step::Over => {
                board.remove(&path);
                return path;
            }
            Step::Idle(until) => {
                drop(permit);
                let poll = Instant::now() + shared.options.poll;
                let until = until.map_or(poll, |until| until.min(poll));
                tokio::select! {
                    () = held.0.notified() => {}
                    () = sleep_until(until.into()) => {}
                    _ = stop.wait_for(|stop| *stop) => return path,
                }
            }
        }
    }
}
