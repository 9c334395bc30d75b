//! Entries of systemd's journal: however an export comes in, its records are the same, within the limit and readable; what
//! is an entry as JSON becomes such a record, too, and what is none stays as it is.
#![no_main]

use correlator::batch::FrameSpan;
use correlator::limits;
use correlator::span::Span;
use correlator::time::{Timestamp, Zone};
use correlator::wire::Record;
use correlator::wire::journald::{Exported, convert, entry};
use libfuzzer_sys::fuzz_target;

/// The smallest that may be configured.
const LIMIT: usize = limits::MIN_MESSAGE_SIZE;

type Frames = Vec<(Vec<u8>, bool)>;

fuzz_target!(|data: &[u8]| {
    let [piece, most, stream @ ..] = data else { return };
    let whole = records(stream, usize::MAX, usize::MAX);
    assert_eq!(records(stream, usize::from(*piece).max(1), usize::from(*most).max(1)), whole);
    assert_eq!(records(stream, 1, 1), whole);
    whole.iter().for_each(|(record, _)| check(record));
    lines(stream);
});

/// The records of an export that comes in pieces of a size, at most so many at a time, and whether they were cut.
fn records(stream: &[u8], piece: usize, most: usize) -> Frames {
    let (mut exported, mut pending, mut found) = (Exported::new(LIMIT), Vec::new(), Frames::new());
    let mut note = |out: &[u8], frames: &[FrameSpan]| {
        found.extend(frames.iter().map(|frame| (frame.span.of(out).to_vec(), frame.truncated)));
    };
    for piece in stream.chunks(piece) {
        pending.extend_from_slice(piece);
        loop {
            let (mut out, mut frames) = (Vec::new(), Vec::new());
            let done = exported.advance(&pending, &mut out, &mut frames, most);
            pending.drain(..done);
            note(&out, &frames);
            if frames.len() < most {
                break;
            }
        }
        // What waits for more is a line, and the length behind it.
        assert!(pending.len() <= LIMIT + 9);
    }
    let (mut out, mut frames) = (Vec::new(), Vec::new());
    exported.finish(&mut out, &mut frames);
    note(&out, &frames);
    found
}

/// A record that is within the limit, and that everything behind can read.
fn check(record: &[u8]) {
    assert!(record.len() <= LIMIT);
    Record::parse(record, Timestamp::EPOCH, &Zone::UTC).unwrap();
}

/// Takes the stream for lines, of which each may be an entry as JSON.
fn lines(stream: &[u8]) {
    let mut frames = Vec::new();
    let mut start = 0;
    for line in stream.split(|byte| *byte == b'\n') {
        let span = Span::new(u32::try_from(start).unwrap(), u32::try_from(line.len()).unwrap());
        frames.push(FrameSpan { span, truncated: false });
        start += line.len() + 1;
    }
    let before = frames.clone();
    let Some(out) = convert(stream, &mut frames, LIMIT) else {
        assert_eq!(frames, before);
        assert!(before.iter().all(|frame| entry(frame.span.of(stream), LIMIT).is_none()));
        return;
    };
    for (before, frame) in before.iter().zip(&frames) {
        let (line, found) = (before.span.of(stream), frame.span.of(&out));
        match entry(line, LIMIT) {
            Some((record, is_cut)) => {
                assert_eq!((found, frame.truncated), (&record[..], is_cut));
                check(&record);
            }
            None => assert_eq!(found, line),
        }
    }
}
