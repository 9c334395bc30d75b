//! Framing: however a stream is cut into reads, its frames are the same.
//!
//! The first six bytes choose the options and the cuts; the others are the stream.
#![no_main]

use correlator::wire::framing::{Framer, FramingError, Mode, Options};
use libfuzzer_sys::fuzz_target;

type Frames = Vec<(Vec<u8>, bool)>;

fuzz_target!(|data: &[u8]| {
    let [mode, delimiter, limit, most, first, second, stream @ ..] = data else { return };
    let options = Options {
        mode: [Mode::Auto, Mode::OctetCounted, Mode::Delimited][usize::from(mode % 3)],
        delimiter: [&b"\n"[..], b"\r\n", b"\0", b"--=--", b"\n\n"][usize::from(delimiter % 5)].to_vec(),
        max_message_size: usize::from(*limit).max(1),
    };
    let whole = run(&options, &[stream], usize::MAX);
    let bytes: Vec<_> = stream.chunks(1).collect();
    assert_eq!(run(&options, &bytes, 1), whole);
    let sizes = [usize::from(*first).max(1), usize::from(*second).max(1)];
    let (mut chunks, mut rest) = (Vec::new(), stream);
    for size in sizes.iter().cycle() {
        let (chunk, others) = rest.split_at(rest.len().min(*size));
        chunks.push(chunk);
        rest = others;
        if rest.is_empty() {
            break;
        }
    }
    assert_eq!(run(&options, &chunks, usize::from(*most).max(1)), whole);
    assert!(whole.0.iter().all(|(frame, _)| !frame.is_empty() && frame.len() <= options.max_message_size));
});

fn run(options: &Options, chunks: &[&[u8]], most: usize) -> (Frames, Option<FramingError>) {
    let mut framer = Framer::new(options.clone());
    let (mut pending, mut frames, mut error) = (Vec::new(), Frames::new(), None);
    for chunk in chunks {
        pending.extend_from_slice(chunk);
        loop {
            let mut spans = Vec::new();
            let result = framer.advance(&pending, &mut spans, most);
            frames.extend(spans.iter().map(|frame| (frame.span.of(&pending).to_vec(), frame.truncated)));
            match result {
                Ok(consumed) => drop(pending.drain(..consumed)),
                Err(found) => error = Some(found),
            }
            if spans.len() < most || error.is_some() {
                break;
            }
        }
    }
    let mut spans = Vec::new();
    framer.finish(&pending, &mut spans);
    frames.extend(spans.iter().map(|frame| (frame.span.of(&pending).to_vec(), frame.truncated)));
    (frames, error)
}
