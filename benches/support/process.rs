//! What a child process took of the machine.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement that fails should fail loudly"
)]

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use std::process::{Child, Command};

/// Ticks of a second by which the system counts CPU time.
const TICKS_PER_SECOND: f64 = 100.0;

/// The program that is measured: the one that `CORRELATOR` names, or else the one that was built with the bench.
pub(crate) fn correlator() -> Command {
    Command::new(std::env::var_os("CORRELATOR").unwrap_or_else(|| env!("CARGO_BIN_EXE_correlator").into()))
}

/// Ends a server as a service manager does, and waits until it has; its CPU time in seconds.
pub(crate) fn end(child: &mut Child) -> f64 {
    let pid = Pid::from_child(child);
    kill_process(pid, Signal::TERM).unwrap();
    ended(child)
}

/// Waits for the end of a process; its CPU time in seconds.
pub(crate) fn ended(child: &mut Child) -> f64 {
    let pid = Pid::from_child(child);
    // The process stays as it ended, with its books, until it is waited for below.
    waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    child.wait().unwrap();
    [11, 12].map(|field| fields[field].parse::<f64>().unwrap()).iter().sum::<f64>() / TICKS_PER_SECOND
}
