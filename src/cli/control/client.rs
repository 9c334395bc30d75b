//! Floor 8: asks a running server.

use super::protocol::{Answer, Ask, Request, VERSION};
use super::socket::{NAME, connect};
use crate::cli::{Exit, Failure};
use crate::journal;
use crate::limits;
use anyhow::{Context, anyhow, bail};
use std::io::{self, BufRead, BufReader, Read, Write};
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

/// What a server tells by saying nothing.
fn silence(data: &Path) -> anyhow::Error {
    anyhow!(
        "a server runs on {}, but has said nothing for {} s: it is halted (as by SIGSTOP), or stuck, or the machine too \
         busy for it; what it was asked to do it may still do",
        data.display(),
        limits::CONTROL_SILENCE.as_secs()
    )
}

fn exchange(data: &Path, request: &Request) -> anyhow::Result<Answer> {
    let mut line = serde_json::to_vec(request).context("the question cannot be written down")?;
    line.push(b'\n');
    match speak(data, &line) {
        Ok(None) => Err(nobody(data)),
        // Blanks alone are signs that it lived.
        Ok(Some(answer)) if answer.trim_ascii().is_empty() => bail!("the server ended before it answered"),
        Ok(Some(answer)) => {
            serde_json::from_slice(&answer).context("the server's answer cannot be understood")
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(silence(data)),
        Err(error) => {
            Err(error).with_context(|| format!("cannot ask the server that runs on {}", data.display()))
        }
    }
}

/// Says a line, and gives the one that is said to that; nothing where no server runs.
fn speak(data: &Path, line: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let Some(mut stream) = connect(data, limits::CONTROL_SILENCE)? else { return Ok(None) };
    stream.write_all(line)?;
    let mut answer = Vec::new();
    BufReader::new(stream.take(limits::CONTROL_ANSWER_SIZE)).read_until(b'\n', &mut answer)?;
    Ok(Some(answer))
}
