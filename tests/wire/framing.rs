//! Reads the table of streams, which come whole and byte by byte.

use super::records::{cases, unescape, value};
use correlator::wire::framing::{Framer, Mode, Options};

/// The options that a case names.
fn options(by: &str) -> Options {
    let mut options = Options::default();
    let mut words = by.split(' ');
    options.mode = match words.next() {
        Some("auto" | "") => Mode::Auto,
        Some("octet-counted") => Mode::OctetCounted,
        Some("delimited") => Mode::Delimited,
        other => panic!("no mode: {other:?}"),
    };
    match words.next() {
        None | Some("LF") => {}
        Some("NUL") => options.delimiter = vec![0],
        Some("CRLF") => options.delimiter = b"\r\n".to_vec(),
        other => panic!("no delimiter: {other:?}"),
    }
    if let Some(limit) = words.next() {
        options.max_message_size = limit.parse().unwrap();
    }
    options
}

/// The frames of a stream that comes in pieces, in the notation of the table.
fn read(options: &Options, stream: &[u8], piece: usize) -> Vec<String> {
    let mut framer = Framer::new(options.clone());
    let (mut told, mut pending) = (Vec::new(), Vec::new());
    let mut tell = |pending: &[u8], frames: Vec<correlator::batch::FrameSpan>| {
        for frame in frames {
            let word = if frame.truncated { "cut" } else { "is" };
            told.push(format!("{word} {}", frame.span.of(pending).escape_ascii()));
        }
    };
    for bytes in stream.chunks(piece) {
        pending.extend_from_slice(bytes);
        let mut frames = Vec::new();
        let result = framer.advance(&pending, &mut frames, usize::MAX);
        tell(&pending, frames);
        match result {
            Ok(consumed) => drop(pending.drain(..consumed)),
            Err(error) => {
                told.push(format!("no {error}"));
                return told;
            }
        }
    }
    let mut frames = Vec::new();
    framer.finish(&pending, &mut frames);
    tell(&pending, frames);
    told
}

#[test]
fn framing_table() {
    for case in cases(include_str!("framing.txt")) {
        let options = options(value(&case, "by").unwrap_or_default());
        let stream = unescape(value(&case, "in").unwrap());
        let expected = case.iter().filter_map(|line| {
            let (word, text) = line.split_once(' ')?;
            let text = || unescape(text).escape_ascii().to_string();
            match word {
                "is" | "cut" => Some(format!("{word} {}", text())),
                "no" => Some(format!("no {}", String::from_utf8(unescape(&line[3..])).unwrap())),
                _ => None,
            }
        });
        let expected: Vec<_> = expected.collect();
        for piece in [stream.len(), 1, 3] {
            assert_eq!(read(&options, &stream, piece), expected, "{case:?} in pieces of {piece}");
        }
    }
}
