//! Floor 8: asks a running server.

use super::protocol::{Answer, Ask, Request, VERSION};
use super::socket::{NAME, connect};
use crate::cli::{Exit, Failure};
use crate::journal;
use crate::limits;
use anyhow::{Context, anyhow, bail};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

/// Asks the server that runs on a data directory.
///
/// # Errors
/// When none runs there, or it does not answer, or says that it cannot do what is asked.
pub(in crate::cli) fn ask(data: &Path, ask: Ask) -> Result<Answer, Failure> {
    let answer = exchange(data, &Request { version: VERSION, ask })?;
    match answer.error {
        Some(error) => Err(Failure::new(Exit::Failed, anyhow!(error))),
        None => Ok(answer),
    }
}

/// Why nobody answers.
fn nobody(data: &Path) -> anyhow::Error {
    let directory = data.display();
    match journal::is_claimed(data) {
        Ok(true) => anyhow!(
            "a server runs on {directory}, as the lock there tells, but cannot be asked: {} is gone, or not there yet; a \
             restart of the server makes it anew",
            data.join(NAME).display()
        ),
        _ => anyhow!("no server runs on {directory}"),
    }
}

fn exchange(data: &Path, request: &Request) -> anyhow::Result<Answer> {
    let stream =
        connect(data).with_context(|| format!("cannot ask the server that runs on {}", data.display()))?;
    let Some(mut stream) = stream else { return Err(nobody(data)) };
    let said_nothing = || "the server does not answer";
    stream.set_read_timeout(Some(limits::CONTROL_PATIENCE)).with_context(said_nothing)?;
    stream.set_write_timeout(Some(limits::CONTROL_PATIENCE)).with_context(said_nothing)?;
    let mut line = serde_json::to_vec(request).context("the question cannot be written down")?;
    line.push(b'\n');
    stream.write_all(&line).with_context(said_nothing)?;
    let mut answer = Vec::new();
    let mut reader = BufReader::new(stream.take(limits::CONTROL_ANSWER_SIZE));
    reader.read_until(b'\n', &mut answer).with_context(said_nothing)?;
    if answer.is_empty() {
        bail!("the server ended before it answered");
    }
    serde_json::from_slice(&answer).context("the server's answer cannot be understood")
}
