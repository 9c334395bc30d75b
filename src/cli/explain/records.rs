//! Floor 8: what is explained: each line, or each record of a log in a format that the configuration describes or in
//! journald's export format.
//!
//! Invariant: records are found and converted as `replay` does it, by the same code.

use super::Explainer;
use crate::ingest::file::{self, Cutter};
use crate::limits;
use crate::wire::journald;
use crate::wire::lines::LineFormat;
use bytes::Bytes;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::Arc;

/// What entries of journald are called.
const JOURNALD: &str = "journald";

/// How an input is written.
pub(super) enum Form {
    /// On lines, each in any form of syslog, or an entry of journald as JSON.
    Lines,
    /// In a format that the configuration describes, which has a name.
    Described(String, Arc<LineFormat>),
    /// In journald's export format.
    Exported,
}

impl Form {
    /// The form of an input that begins with these bytes.
    pub(super) fn of(described: Option<(String, Arc<LineFormat>)>, start: &[u8]) -> Self {
        match described {
            Some((name, format)) => Self::Described(name, format),
            None if journald::is_export(start) => Self::Exported,
            None => Self::Lines,
        }
    }
}

/// What takes explanations.
pub(super) struct Answers<'a, W> {
    pub(super) out: W,
    /// Appends the explanation of a record.
    pub(super) write: &'a dyn Fn(&mut Vec<u8>, &super::Understood<'_>),
    pub(super) text: Vec<u8>,
}

impl<W: Write> Answers<'_, W> {
    fn answer(
        &mut self,
        explainer: &mut Explainer,
        written: Option<&str>,
        (bytes, truncated): (&[u8], bool),
    ) -> io::Result<()> {
        self.text.clear();
        explainer.record(written, (bytes, truncated), |understood| (self.write)(&mut self.text, understood));
        self.out.write_all(&self.text)
    }
}

/// Explains everything of an input.
///
/// # Errors
/// When it cannot be read, or the answers cannot be written.
pub(super) fn explain(
    explainer: &mut Explainer,
    input: &mut BufReader<impl Read>,
    form: Form,
    answers: &mut Answers<'_, impl Write>,
) -> io::Result<()> {
    let options = file::Options { zone: explainer.zone.zone.clone(), ..file::Options::default() };
    match form {
        Form::Lines => lines(explainer, input, answers)?,
        Form::Described(name, format) => {
            let options = file::Options { lines: Some(format), ..options };
            records(explainer, input, (&name, &options), answers)?;
        }
        Form::Exported => records(explainer, input, (JOURNALD, &options), answers)?,
    }
    answers.out.flush()
}

fn lines(
    explainer: &mut Explainer,
    input: &mut BufReader<impl Read>,
    answers: &mut Answers<'_, impl Write>,
) -> io::Result<()> {
    let mut line = Vec::new();
    while let Some(truncated) = read_line(input, &mut line)? {
        match journald::entry(&line, limits::MAX_MESSAGE_SIZE) {
            Some((record, is_cut)) => {
                answers.answer(explainer, Some(JOURNALD), (&record, truncated || is_cut))?;
            }
            None => answers.answer(explainer, None, (&line, truncated))?,
        }
        // Whoever feeds line by line wants to read line by line.
        if input.buffer().is_empty() {
            answers.out.flush()?;
        }
    }
    Ok(())
}

fn records(
    explainer: &mut Explainer,
    input: &mut impl BufRead,
    (name, options): (&str, &file::Options),
    answers: &mut Answers<'_, impl Write>,
) -> io::Result<()> {
    let reference = explainer.reference;
    let mut cutter = Cutter::new(None, options);
    let (mut rest, mut frames) = (Bytes::new(), Vec::new());
    loop {
        frames.clear();
        let (done, mut bytes) = cutter.advance(&rest, &mut frames, &|_| reference);
        let done = done.map_err(io::Error::other)?;
        rest = rest.slice(done.min(rest.len())..);
        let is_end = frames.is_empty() && !fill(input, &mut rest)?;
        if is_end {
            bytes = cutter.finish(std::mem::take(&mut rest), &mut frames, &|_| reference);
        }
        for frame in &frames {
            answers.answer(explainer, Some(name), (frame.span.of(&bytes), frame.truncated))?;
        }
        if is_end {
            return Ok(());
        }
        answers.out.flush()?;
    }
}

/// Reads on, behind what there is. Tells whether there was anything.
fn fill(input: &mut impl BufRead, rest: &mut Bytes) -> io::Result<bool> {
    let more = input.fill_buf()?;
    let count = more.len();
    if count > 0 {
        *rest = [&**rest, more].concat().into();
        input.consume(count);
    }
    Ok(count > 0)
}

/// Reads the next line without its LF or CRLF, up to the largest size of a message; whether more of it was left out, or nothing
/// at the end.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    line.clear();
    let most = limits::MAX_MESSAGE_SIZE;
    let read = input.by_ref().take(most as u64 + 1).read_until(b'\n', line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
        // As the framing of a log file has it.
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        return Ok(Some(false));
    }
    if read <= most {
        return Ok((read > 0).then_some(false));
    }
    line.truncate(most);
    input.skip_until(b'\n')?;
    Ok(Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(mut input: &[u8]) -> Vec<(usize, bool)> {
        let mut line = Vec::new();
        let mut lines = Vec::new();
        while let Some(truncated) = read_line(&mut input, &mut line).unwrap() {
            lines.push((line.len(), truncated));
        }
        lines
    }

    #[test]
    fn every_line_is_one_however_long() {
        assert_eq!(lines(b""), []);
        assert_eq!(lines(b"a\n\nbc"), [(1, false), (0, false), (2, false)]);
        assert_eq!(lines(b"\n"), [(0, false)]);
        assert_eq!(lines(b"ab\r\n\r\nc\rd\n"), [(2, false), (0, false), (3, false)]);
        let most = limits::MAX_MESSAGE_SIZE;
        let long = [vec![b'x'; most], vec![b'\n'], vec![b'y'; most + 5], b"\nz".to_vec()].concat();
        assert_eq!(lines(&long), [(most, false), (most, true), (1, false)]);
        assert_eq!(lines(&vec![b'x'; most + 1]), [(most, true)]);
    }
}
