//! Floor 1: frames of RELP, rsyslog's reliable protocol, and answers to them.
//!
//! A frame is `TXNR SP COMMAND SP DATALEN [SP DATA] LF`, as librelp's `doc/relp.html` has it.
//!
//! Invariant: of a frame that is incomplete only its header, a few dozen bytes, is read again when there is more of it.

use crate::limits;
use crate::span::Span;
use std::io::Write;

/// A whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its transaction, which the answer has to name.
    pub transaction: u32,
    /// What it asks for.
    pub command: Command,
    /// Where its data stand.
    pub data: Span,
    /// How many bytes the frame has.
    pub len: usize,
}

/// What a frame asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// To begin a session; the data are offers.
    Open,
    /// To take a record.
    Syslog,
    /// To end the session.
    Close,
    /// Something that is not understood.
    Other,
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A frame does not begin with a transaction number.
    #[error("expected the number of a transaction")]
    Transaction,
    /// No command follows.
    #[error("expected a command")]
    Command,
    /// No length of data follows.
    #[error("expected the length of data")]
    Length,
    /// There are more data than any frame may have.
    #[error("{0} bytes of data are more than {max}", max = limits::MAX_RELP_DATA)]
    TooLong(usize),
    /// The data do not end where they should.
    #[error("expected a line feed after the data")]
    Trailer,
}

/// Reads the frame that bytes begin with; nothing if more of it has to come.
///
/// # Errors
/// When no frame begins so.
pub fn parse(bytes: &[u8]) -> Result<Option<Frame>, FrameError> {
    let Some((transaction, at)) = number(bytes, 0, FrameError::Transaction)? else { return Ok(None) };
    let Some(at) = expect(bytes, at, b' ', FrameError::Transaction)? else { return Ok(None) };
    let rest = bytes.get(at..).unwrap_or_default();
    let letters =
        rest.iter().take(limits::MAX_RELP_COMMAND + 1).take_while(|byte| byte.is_ascii_alphabetic());
    let name = rest.get(..letters.count()).unwrap_or_default();
    if name.len() > limits::MAX_RELP_COMMAND || name.is_empty() && !rest.is_empty() {
        return Err(FrameError::Command);
    }
    let Some(at) = expect(bytes, at + name.len(), b' ', FrameError::Command)? else { return Ok(None) };
    let Some((len, at)) = number(bytes, at, FrameError::Length)? else { return Ok(None) };
    if len > limits::MAX_RELP_DATA {
        return Err(FrameError::TooLong(len));
    }
    // Without data there may be no blank either.
    let blank = match bytes.get(at) {
        None => return Ok(None),
        Some(b' ') => 1,
        Some(b'\n') if len == 0 => 0,
        Some(_) => return Err(FrameError::Length),
    };
    let start = at + blank;
    let Some(end) = expect(bytes, start + len, b'\n', FrameError::Trailer)? else { return Ok(None) };
    let command = match name {
        b"open" => Command::Open,
        b"syslog" => Command::Syslog,
        b"close" => Command::Close,
        _ => Command::Other,
    };
    let transaction = u32::try_from(transaction).map_err(|_| FrameError::Transaction)?;
    let short = |number: usize| u32::try_from(number).map_err(|_| FrameError::Length);
    Ok(Some(Frame { transaction, command, data: Span::new(short(start)?, short(len)?), len: end }))
}

/// Reads digits, 1 to 9 of them, and where they end; nothing if more of them may come.
fn number(bytes: &[u8], at: usize, error: FrameError) -> Result<Option<(usize, usize)>, FrameError> {
    let digits = bytes.get(at..).unwrap_or_default();
    let mut value = 0;
    for (place, byte) in digits.iter().take(limits::MAX_COUNT_DIGITS + 1).enumerate() {
        match byte {
            b'0'..=b'9' if place < limits::MAX_COUNT_DIGITS => value = value * 10 + usize::from(byte - b'0'),
            _ if place == 0 || byte.is_ascii_digit() => return Err(error),
            _ => return Ok(Some((value, at + place))),
        }
    }
    Ok(None)
}

/// The place after a certain byte; nothing if it has to come yet.
fn expect(bytes: &[u8], at: usize, wanted: u8, error: FrameError) -> Result<Option<usize>, FrameError> {
    match bytes.get(at) {
        None => Ok(None),
        Some(byte) if *byte == wanted => Ok(Some(at + 1)),
        Some(_) => Err(error),
    }
}

/// Appends the answer to a transaction.
pub fn answer(out: &mut Vec<u8>, transaction: u32, text: &str) {
    append(out, transaction, "rsp", text);
}

/// Appends the hint that the session ends.
pub fn server_close(out: &mut Vec<u8>) {
    append(out, 0, "serverclose", "");
}

fn append(out: &mut Vec<u8>, transaction: u32, command: &str, data: &str) {
    let blank = if data.is_empty() { "" } else { " " };
    // A vector takes whatever is written.
    drop(writeln!(out, "{transaction} {command} {}{blank}{data}", data.len()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(transaction: u32, command: Command, start: u32, data: u32, len: usize) -> Frame {
        Frame { transaction, command, data: Span::new(start, data), len }
    }

    #[test]
    fn frames_are_read_whole_and_their_beginnings_are_incomplete() {
        for (bytes, expected) in [
            (&b"1 open 14 relp_version=0\n"[..], frame(1, Command::Open, 10, 14, 25)),
            (b"2 syslog 5 <14>x\n", frame(2, Command::Syslog, 11, 5, 17)),
            (b"3 syslog 3 a\nb\n", frame(3, Command::Syslog, 11, 3, 15)),
            (b"999999999 close 0\n", frame(999_999_999, Command::Close, 17, 0, 18)),
            (b"4 close 0 \n", frame(4, Command::Close, 10, 0, 11)),
            (b"5 starttls 0\n", frame(5, Command::Other, 12, 0, 13)),
        ] {
            assert_eq!(parse(bytes), Ok(Some(expected)));
            assert_eq!(parse(&[bytes, b"6 syslog"].concat()), Ok(Some(expected)));
            for end in 0..bytes.len() {
                assert_eq!(parse(&bytes[..end]), Ok(None), "{:?}", &bytes[..end]);
            }
        }
    }

    #[test]
    fn anything_else_is_an_error() {
        for (bytes, error) in [
            (&b"<14>x\n"[..], FrameError::Transaction),
            (b"1234567890 open 0\n", FrameError::Transaction),
            (b"1  open 0\n", FrameError::Command),
            (b"1 op3n 0\n", FrameError::Command),
            (b"1 abcdefghijklmnopqrstuvwxyzabcdefg 0\n", FrameError::Command),
            (b"1 open x\n", FrameError::Length),
            (b"1 open 1\n", FrameError::Length),
            (b"1 open 1234567890 ", FrameError::Length),
            (b"1 syslog 999999999 ", FrameError::TooLong(999_999_999)),
            (b"1 syslog 2 abc\n", FrameError::Trailer),
        ] {
            assert_eq!(parse(bytes), Err(error), "{bytes:?}");
        }
    }

    #[test]
    fn answers_are_frames() {
        let mut out = Vec::new();
        answer(&mut out, 7, "200 OK");
        answer(&mut out, 8, "");
        server_close(&mut out);
        assert_eq!(out, b"7 rsp 6 200 OK\n8 rsp 0\n0 serverclose 0\n");
    }

    proptest! {
        #[test]
        fn what_is_decided_of_a_beginning_holds_for_the_whole(
            bytes in "[0-9]{1,10} {1,2}[a-z]{0,33} [0-9]{0,2} ?[a-z\n]{0,20}",
        ) {
            let bytes = bytes.as_bytes();
            let whole = parse(bytes);
            for end in 0..bytes.len() {
                match parse(&bytes[..end]) {
                    Ok(None) => {}
                    decided => prop_assert_eq!(decided, whole),
                }
            }
        }
    }
}
