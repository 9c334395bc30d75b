//! Floor 4: one run of a program, in a process group of its own.
//!
//! Invariant: when a run ends, by itself, by its deadline or because nobody waits for it any more, the whole of its
//! process group is killed, and that before the program's end is taken from the system: from then on the system may give
//! the number of the group to others.

use super::output::Output;
use super::variables::Variables;
use crate::limits;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

/// What is run.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) path: String,
    pub(super) arguments: Vec<String>,
    pub(super) directory: PathBuf,
    /// Whether the directory is that of the data, which the first server makes: a trial or a replay may come before.
    pub(super) makes_directory: bool,
    pub(super) time: Duration,
}

/// How a run ended, and what the program printed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// With an exit code.
    Exit(i32, String),
    /// By a signal that was not ours.
    Signal(i32, String),
    /// By the deadline.
    Overrun(String),
}

impl Program {
    /// Why it could not be started: the system says the same of a program and of a directory that is not there.
    pub(super) fn why(&self, error: &io::Error) -> String {
        let (path, directory) = (&self.path, self.directory.display());
        match fs::metadata(&self.directory) {
            Ok(found) if found.is_dir() => format!("cannot run the program {path}: {error}"),
            Ok(_) => format!("cannot run {path}: its directory {directory} is none"),
            Err(error) => format!("cannot run {path}: its directory {directory}: {error}"),
        }
    }

    /// Runs it with this line on standard input.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) async fn run(&self, line: Vec<u8>, variables: Variables) -> io::Result<Ended> {
        if self.makes_directory {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        }
        // The standard library opens every file so that no program inherits it.
        let mut child = Command::new(&self.path)
            .args(&self.arguments)
            .env_clear()
            .envs(variables.iter())
            .current_dir(&self.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let id = id.ok_or_else(|| io::Error::other("the system gave it no number"))?;
        let mut group = Group(Some(id));
        let (mut out, mut err) = (Output::default(), Output::default());
        let attended = attend(&mut child, id, &mut group, line, (&mut out, &mut err));
        let status = timeout(self.time, attended).await;
        drop(group);
        let said = [out.line(), err.line()].into_iter().filter(|said| !said.is_empty());
        let said = said.collect::<Vec<_>>().join(" | ");
        let Ok(status) = status else {
            // It has been killed: this only takes its end from the system.
            child.wait().await?;
            return Ok(Ended::Overrun(said));
        };
        let status = status?;
        Ok(match status.code() {
            Some(code) => Ended::Exit(code, said),
            None => Ended::Signal(status.signal().unwrap_or(0), said),
        })
    }
}

/// Writes the line, reads what is printed, and waits for the end. What the program then leaves running would hold the
/// pipes for as long as it likes: it is ended too.
async fn attend(
    child: &mut Child,
    id: Pid,
    group: &mut Group,
    line: Vec<u8>,
    (out, err): (&mut Output, &mut Output),
) -> io::Result<ExitStatus> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // A program need not read what it is told.
            stdin.write_all(&line).await.ok();
        }
    };
    let read_out = async {
        if let Some(stdout) = stdout {
            out.read(stdout).await;
        }
    };
    let read_err = async {
        if let Some(stderr) = stderr {
            err.read(stderr).await;
        }
    };
    let mut pipes = pin!(async { tokio::join!(write, read_out, read_err) });
    let mut end = pin!(ended(id));
    let is_read = tokio::select! {
        ended = &mut end => ended.map(|()| false)?,
        _ = &mut pipes => end.await.map(|()| true)?,
    };
    group.end();
    if !is_read {
        timeout(limits::EXEC_DRAIN, pipes).await.ok();
    }
    child.wait().await
}

/// How a child is asked after: without waiting, and without taking its end.
const LOOK: WaitIdOptions = WaitIdOptions::EXITED.union(WaitIdOptions::NOWAIT).union(WaitIdOptions::NOHANG);

/// Waits for the end of a child, which is left for others to take.
async fn ended(id: Pid) -> io::Result<()> {
    // Before the first look, so that no end is missed.
    let mut ends = signal(SignalKind::child())?;
    while waitid(WaitId::Pid(id), LOOK)?.is_none() {
        ends.recv().await;
    }
    Ok(())
}

/// A process group that ends with this.
struct Group(Option<Pid>);

impl Group {
    fn end(&mut self) {
        if let Some(group) = self.0.take() {
            debug_assert!(is_child(group), "the end of the program has been taken already");
            // Nothing is left of it as a rule.
            kill_process_group(group, Signal::KILL).ok();
        }
    }
}

/// Whether a child has this number, dead or alive.
fn is_child(id: Pid) -> bool {
    waitid(WaitId::Pid(id), LOOK).is_ok()
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}
