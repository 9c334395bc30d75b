//! Floor 4: log files that are followed while they are written.
//!
//! Each section of the configuration has a task that looks which files its patterns name, and each file a task that reads
//! it. Files are read by threads for what blocks, so that one that hangs, as on a network, delays no other section.
//!
//! Invariant: what is read of a file is submitted in its order, together with how far that is.

mod backlogs;
mod board;
mod bookmarks;
mod closed;
mod generations;
mod held;
mod open_file;
mod past;
mod pattern;
mod survey;
mod tail;
mod watch;

pub use board::{Board, Row};
pub use bookmarks::Bookmarks;
pub use past::Past;
pub use pattern::Pattern;
pub use survey::{Absent, Survey};

use self::closed::Closed;
use self::held::Held;
use self::open_file::Rules;
use self::past::PathPast;
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
use std::path::PathBuf;
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
    /// What the run before knew.
    pub past: Arc<Past>,
    /// Where it is told how far they are.
    pub board: Arc<Board>,
    /// Permits of files that are followed at once.
    pub files: Arc<Semaphore>,
    /// Turns true when the server stops.
    pub stop: watching::Receiver<bool>,
}

/// Follows the files of a section until the server stops.
pub async fn run(options: Options, environment: Environment) {
    let watch = Watch::new(&options.name);
    Section::new(options, environment).run(watch).await;
}

/// Notes which patterns the run before followed that are none of these: what such a one names when somebody follows it
/// again was there before.
pub async fn forget(patterns: Vec<Pattern>, environment: Environment) {
    environment.note(environment.past.gone(&patterns)).await;
}

impl Environment {
    /// Has marks kept that go with no lines, unless the server stops before.
    async fn note(&self, marks: Vec<Mark>) {
        let mut stop = self.stop.clone();
        if marks.is_empty() {
            return;
        }
        let permit = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => None,
            permit = self.intake.permit() => permit,
        };
        let Some(permit) = permit else { return };
        let origin = Arc::new(Origin { listener: String::new(), peer: String::new() });
        let batch = Batch { origin, bytes: Bytes::new(), frames: Vec::new() };
        self.intake.submit_read(permit, batch, (marks, self.bookmarks.as_deref()));
    }
}

#[derive(Debug)]
struct Shared {
    options: Options,
    environment: Environment,
    rules: Rules,
    /// Permits to read, of which each takes one of the pipeline's with it.
    reads: Semaphore,
    /// A permit for each file of the first look in which a place is noted, or which is not there.
    begun: Semaphore,
}

/// The files of a section.
struct Section {
    shared: Arc<Shared>,
    held: Held,
    /// What wakes the task of each path.
    tails: BTreeMap<PathBuf, Arc<Notify>>,
    /// What those of the paths name that are links.
    targets: BTreeMap<PathBuf, PathBuf>,
    /// How many files were left out at the last look, for want of room, and whether a directory was too large.
    left_out: (usize, bool),
    /// The paths that the run before knew and that have been followed in this one, and what of that still holds.
    seen: BTreeMap<PathBuf, PathPast>,
    tasks: JoinSet<(PathBuf, PathPast)>,
    /// How many files the first look found: what is there then was there before.
    first: Option<u32>,
    /// The files that are not new and could not be followed when they were found, and whether they were hidden before.
    late: BTreeMap<PathBuf, bool>,
    /// What patterns name and cannot be looked at.
    closed: Closed,
    /// Whether the first look left out files: nobody can tell later which were there before.
    is_short: bool,
    /// Whether the patterns are noted to be followed.
    is_noted: bool,
}

impl Section {
    fn new(options: Options, environment: Environment) -> Self {
        let rules = Rules {
            lines: options.lines.clone(),
            max_message_size: options.max_message_size,
            quiet: limits::QUIET_LINE_TIME,
            rotated: limits::ROTATED_FILE_TIME,
            temporary: std::env::temp_dir(),
            list: |directory| std::fs::read_dir(directory).map(drop),
        };
        let held = Held::new(environment.past.places(&options.patterns));
        let closed = Closed::new(environment.past.doubts(&options.patterns));
        let (reads, begun) = (Semaphore::new(limits::FILE_READS), Semaphore::new(0));
        Self {
            shared: Arc::new(Shared { environment, rules, reads, begun, options }),
            held,
            tails: BTreeMap::new(),
            targets: BTreeMap::new(),
            left_out: (0, false),
            seen: BTreeMap::new(),
            tasks: JoinSet::new(),
            first: None,
            late: BTreeMap::new(),
            closed,
            is_short: false,
            is_noted: false,
        }
    }

    async fn run(mut self, mut watch: Watch) {
        while self.look(&mut watch).await {}
        while self.tasks.join_next().await.is_some() {}
    }

    /// Looks which files there are, and waits until it is time to look again; false when the server stops.
    async fn look(&mut self, watch: &mut Watch) -> bool {
        let shared = Arc::clone(&self.shared);
        let mut found = Found { doubtful: self.closed.doubtful(), ..Found::default() };
        let looked = spawn_blocking(move || {
            shared.options.patterns.iter().for_each(|pattern| pattern.find(&mut found));
            found
        });
        if let Ok(found) = looked.await {
            watch.set(&found.directories);
            self.follow(found);
        }
        let shared = Arc::clone(&self.shared);
        let mut stop = shared.environment.stop.clone();
        let mut again = std::pin::pin!(sleep(self.shared.options.poll));
        loop {
            let was_noted = self.is_noted;
            let begun = shared.begun.acquire_many(self.first.unwrap_or_default());
            tokio::select! {
                () = &mut again => return true,
                changes = watch.changes() => {
                    self.wake(&changes.files, changes.any || changes.names);
                    if changes.names {
                        return true;
                    }
                }
                Some(Ok((path, past))) = self.tasks.join_next() => {
                    self.tails.remove(&path);
                    self.seen.entry(path).and_modify(|seen| *seen = past);
                }
                Ok(_) = begun, if self.first.is_some() && !self.is_noted && !self.is_short => self.is_noted = true,
                _ = stop.wait_for(|stop| *stop) => return false,
            }
            if self.is_noted && !was_noted {
                let news = shared.environment.past.news(&shared.options.patterns, self.closed.first());
                shared.environment.note(news).await;
            }
        }
    }

    fn wake(&self, files: &BTreeSet<PathBuf>, all: bool) {
        let is_changed = |path: &PathBuf| {
            files.contains(path) || self.targets.get(path).is_some_and(|target| files.contains(target))
        };
        let concerned = self.tails.iter().filter(|(path, _)| all || is_changed(path));
        concerned.for_each(|(_, wake)| wake.notify_one());
    }

    /// Starts to follow what is not followed yet.
    fn follow(&mut self, mut found: Found) {
        let (name, environment) = (&self.shared.options.name, &self.shared.environment);
        self.targets = std::mem::take(&mut found.targets);
        if found.cut && !self.left_out.1 {
            tracing::warn!(files = name, "a directory has more entries than are looked at");
        }
        let is_first = self.first.is_none();
        let keeps_backlog = self.shared.options.from_beginning && !self.shared.options.deliver_backlog;
        let (mut count, mut left_out) = (0, 0);
        // What is read tells of its trouble itself.
        found.closed.retain(|path, _| !self.tails.contains_key(path));
        self.is_short |= is_first && (found.cut || found.closes_more);
        self.closed.set(&found, is_first, name, &environment.board);
        self.late.retain(|path, _| found.paths.contains(path) || self.closed.hides(path));
        for path in found.paths.into_iter().filter(|path| !self.tails.contains_key(path)).collect::<Vec<_>>()
        {
            let late = self.late.remove(&path);
            let was_hidden = late.unwrap_or_else(|| self.closed.has_hidden(&path, is_first));
            let was_there = is_first || late.is_some() || was_hidden;
            let Ok(permit) = Arc::clone(&environment.files).try_acquire_owned() else {
                left_out += 1;
                self.is_short |= is_first;
                if was_there {
                    self.late.insert(path, was_hidden);
                }
                continue;
            };
            let begin = match &self.shared.options {
                _ if !was_there || environment.past.covers(&path) => Begin::Start,
                _ if keeps_backlog => Begin::Backlog,
                Options { from_beginning: true, .. } => Begin::Start,
                Options { .. } => Begin::End,
            };
            let past = match self.seen.get_mut(&path) {
                Some(rest) => std::mem::take(rest),
                None => environment.past.of(&path),
            };
            if !past.marks.is_empty() {
                self.seen.insert(path.clone(), PathPast::default());
            }
            let rules = self.shared.rules.clone();
            let tail = Tail::new(path.clone(), rules, self.held.clone(), (begin, keeps_backlog), past);
            let tail = if was_hidden { tail.unseen() } else { tail };
            let wake = Arc::<Notify>::default();
            let held = (Arc::clone(&wake), permit);
            self.tasks.spawn(read(tail, path.clone(), held, is_first, Arc::clone(&self.shared)));
            self.tails.insert(path, wake);
            count += 1;
        }
        if left_out > self.left_out.0 {
            tracing::warn!(files = name, left_out, "too many files are followed; so many are not, for now");
        }
        environment.board.leave_out(name, left_out);
        self.left_out = (left_out, found.cut);
        self.first.get_or_insert(count);
    }
}

/// Reads what a path names until it names nothing any more, or the server stops; gives the path back, and what of the run
/// before was of no use yet.
async fn read(
    mut tail: Tail,
    path: PathBuf,
    held: (Arc<Notify>, OwnedSemaphorePermit),
    mut is_first: bool,
    shared: Arc<Shared>,
) -> (PathBuf, PathPast) {
    let Environment { intake, bookmarks, board, .. } = &shared.environment;
    board.write(&path, |row| row.section.clone_from(&shared.options.name));
    let mut stop = shared.environment.stop.clone();
    let origin = Origin { listener: shared.options.name.clone(), peer: path.to_string_lossy().into_owned() };
    let [backlog, origin] = [origin.backlog(), origin].map(Arc::new);
    loop {
        if tail.has_to_unpack(Instant::now()) {
            // That takes time, so nothing of the pipeline's is held meanwhile.
            let reading = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return (path, PathPast::default()),
                reading = shared.reads.acquire() => reading,
            };
            let unpacked = spawn_blocking(move || {
                tail.unpack(Instant::now());
                tail
            });
            let Ok(same) = unpacked.await else { return (path, PathPast::default()) };
            tail = same;
            drop(reading);
        }
        let permits = async { (shared.reads.acquire().await.ok(), intake.permit().await) };
        let permit = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return (path, PathPast::default()),
            (read, permit) = permits => read.zip(permit),
        };
        let Some((reading, permit)) = permit else { return (path, PathPast::default()) };
        let stepped = spawn_blocking(move || {
            let step = tail.step(Instant::now());
            (tail, step)
        });
        // A thread that panicked has said so, and its file cannot be read on.
        let Ok((same, step)) = stepped.await else { return (path, PathPast::default()) };
        tail = same;
        drop(reading);
        board.write(&path, |row| tail.tell(row, &step));
        // What has to be told of a file comes before its lines.
        if is_first && tail.has_begun() && !matches!(step, Step::Lines(None, _)) {
            is_first = false;
            shared.begun.add_permits(1);
        }
        match step {
            Step::Lines(lines, marks) => {
                let origin =
                    if lines.as_ref().is_some_and(|lines| lines.is_backlog) { &backlog } else { &origin };
                let (bytes, frames) =
                    lines.map_or((Bytes::new(), Vec::new()), |lines| (lines.bytes, lines.frames));
                let batch = Batch { origin: Arc::clone(origin), bytes, frames };
                intake.submit_read(permit, batch, (marks, bookmarks.as_deref()));
            }
            Step::Over => {
                board.remove(&path);
                return (path, tail.into_past());
            }
            Step::Idle(until) => {
                drop(permit);
                let poll = Instant::now() + shared.options.poll;
                let until = until.map_or(poll, |until| until.min(poll));
                tokio::select! {
                    () = held.0.notified() => {}
                    () = sleep_until(until.into()) => {}
                    _ = stop.wait_for(|stop| *stop) => return (path, PathPast::default()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
