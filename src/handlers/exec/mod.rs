//! Floor 4: the handler `exec`: runs a program for each event, and one for a digest.
//!
//! The program gets the event as one line of JSON on standard input, and its parts in the environment. There is no
//! shell, so nothing that an attacker chooses is ever a part of a command line. A program that overruns its deadline is
//! killed with all that it has started.
//!
//! Invariant: at most so many programs run at once as the options say, and none outlives its deadline.

mod output;
mod process;
mod variables;

#[cfg(test)]
mod tests;

use self::process::{Ended, Program};
use self::variables::Variables;
use super::{Delivery, DigestDelivery, Environment, Gathered, Handler, Occasion, Outcome, Selection, digest};
use crate::event::render;
use crate::limits;
use rustix::fs::{Access, access};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::task::JoinSet;

/// Options of `type = "exec"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The directory in which it runs; a relative one is under the data directory.
    pub directory: PathBuf,
    /// Time that it may take.
    pub timeout: Duration,
    /// Programs that run at once.
    pub max_running: usize,
    /// Exit codes that say that trying again may help.
    pub temporary_exit_codes: Vec<u8>,
}

/// `EX_TEMPFAIL` of sysexits.h.
const TEMPORARY_FAILURE: u8 = 75;

impl Default for Options {
    fn default() -> Self {
        Self {
            command: Vec::new(),
            directory: PathBuf::from("."),
            timeout: limits::EXEC_TIME,
            max_running: limits::EXEC_RUNNING,
            temporary_exit_codes: vec![TEMPORARY_FAILURE],
        }
    }
}

impl Options {
    /// All that the command needs and is not there now. It may be there once an event comes, so this keeps nobody from
    /// starting.
    pub fn lacks(&self, data: &Path) -> Option<String> {
        let directory = data.join(&self.directory);
        let is_there = directory.is_dir() || directory == data;
        let directory = (!is_there).then(|| format!("its directory {} does not exist", directory.display()));
        let all: Vec<String> = directory.into_iter().chain(self.lacks_program()).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    fn lacks_program(&self) -> Option<String> {
        let name = self.command.first()?;
        let can_run = |path: &Path| path.is_file() && access(path, Access::EXEC_OK).is_ok();
        let path = variables::path();
        match name.contains('/') {
            true if can_run(Path::new(name)) => None,
            true => Some(format!("its program {name} is no file that may be run")),
            false if std::env::split_paths(&path).any(|directory| can_run(&directory.join(name))) => None,
            false => Some(format!("its program `{name}` is not in PATH, {}", path.display())),
        }
    }
}

/// Builds the handler. Whether the program is there shows when the first event comes.
///
/// # Errors
/// When the command is empty.
pub fn build(options: &Options, environment: &Environment) -> io::Result<Box<dyn Handler>> {
    let (program, arguments) =
        options.command.split_first().ok_or_else(|| io::Error::other("the command is empty"))?;
    let data = &environment.directory;
    // Without the `.` behind it, by which nothing can be made.
    let directory = Some(data.join(&options.directory)).filter(|directory| directory != data);
    let program = Program {
        path: program.clone(),
        arguments: arguments.to_vec(),
        makes_directory: directory.is_none(),
        directory: directory.unwrap_or_else(|| data.clone()),
        time: options.timeout,
    };
    Ok(Box::new(Exec {
        program,
        max_running: options.max_running.max(1),
        temporary: options.temporary_exit_codes.clone(),
        occasion: environment.occasion,
    }))
}

struct Exec {
    program: Program,
    max_running: usize,
    temporary: Vec<u8>,
    occasion: Occasion,
}

/// What a program is given.
struct Job {
    line: Vec<u8>,
    variables: Variables,
}

impl Exec {
    /// Runs the program for each job, so many at once as may be; gives the outcomes in the order of the jobs.
    async fn run_all(&self, jobs: Vec<Job>) -> Vec<Outcome> {
        let count = jobs.len();
        let mut waiting = jobs.into_iter().enumerate();
        let mut outcomes = vec![Outcome::Temporary("it was not run".to_owned()); count];
        // Dropped with the delivery, it ends what still runs.
        let mut running = JoinSet::new();
        loop {
            while running.len() < self.max_running
                && let Some((place, job)) = waiting.next()
            {
                let program = self.program.clone();
                running.spawn(async move { (place, program.run(job.line, job.variables).await) });
            }
            let Some(ended) = running.join_next().await else { break };
            if let Ok((place, ended)) = ended
                && let Some(outcome) = outcomes.get_mut(place)
            {
                *outcome = self.class(ended);
            }
        }
        outcomes
    }

    fn class(&self, ended: io::Result<Ended>) -> Outcome {
        match ended {
            // What is not there, or may not be run, is put right by somebody: until then events wait.
            Err(error) => Outcome::Temporary(self.program.why(&error)),
            Ok(Ended::Exit(0, said)) if said.is_empty() => Outcome::Delivered,
            Ok(Ended::Exit(0, said)) => Outcome::Accepted(said),
            Ok(Ended::Exit(code, said)) => {
                let why = with(format!("exit code {code}"), &said);
                let is_temporary = u8::try_from(code).is_ok_and(|code| self.temporary.contains(&code));
                if is_temporary { Outcome::Temporary(why) } else { Outcome::Permanent(why) }
            }
            Ok(Ended::Signal(signal, said)) => {
                Outcome::Temporary(with(format!("ended by signal {signal}"), &said))
            }
            Ok(Ended::Overrun(said)) => {
                let time = self.program.time.as_secs_f32();
                Outcome::Temporary(with(format!("killed after {time} s"), &said))
            }
        }
    }
}

fn with(why: String, said: &str) -> String {
    if said.is_empty() { why } else { format!("{why}: {said}") }
}

impl Handler for Exec {
    fn deliver<'a>(&'a mut self, events: &'a Selection) -> Delivery<'a> {
        Box::pin(async move {
            let jobs = events.events().map(|event| {
                let mut line = Vec::new();
                render::json(&mut line, event);
                line.push(b'\n');
                Job { line, variables: Variables::of_event(self.occasion, event) }
            });
            self.run_all(jobs.collect()).await
        })
    }

    fn most(&self) -> usize {
        self.max_running
    }

    fn digest<'a>(&'a mut self, gathered: &'a Gathered) -> DigestDelivery<'a> {
        Box::pin(async move {
            let mut line = Vec::new();
            digest::json(&mut line, gathered);
            line.push(b'\n');
            let job = Job { line, variables: Variables::of_digest(self.occasion, gathered) };
            let outcome = self.run_all(vec![job]).await.pop();
            outcome.unwrap_or_else(|| Outcome::Temporary("it was not run".to_owned()))
        })
    }
}
