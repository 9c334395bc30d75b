//! Lines in a format of an operator's: however a log comes in, its records are the same, and each is taken, or rejected for
//! what is wrong with it.
#![no_main]

use correlator::batch::FrameSpan;
use correlator::time::{Timestamp, Zone};
use correlator::wire::lines::{Description, LineFormat, Reading, Records};
use correlator::wire::{Record, Reject};
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};

static FORMAT: LazyLock<Arc<LineFormat>> = LazyLock::new(|| {
    let description = Description {
        pattern: r"(?<time>\S+ \S+) +(?<level>[A-Z]+) (?<app>[^ \[]+)(\[(?<procid>\d+)\])?: (?<msg>.*)"
            .to_owned(),
        start: r"\d{4}-".to_owned(),
        time: "%Y-%m-%d %H:%M:%S,%f".to_owned(),
        ..Description::default()
    };
    Arc::new(LineFormat::new(description).unwrap())
});

/// The frames of a log that comes in pieces of a size, and whether they were cut.
fn frames(log: &[u8], piece: usize, limit: usize) -> Vec<(Vec<u8>, bool)> {
    let mut records = Records::new(Some(Arc::clone(&FORMAT)), limit);
    let (mut rest, mut found) = (Vec::new(), Vec::new());
    let reading = Reading { zone: &Zone::UTC, reference: &|_| Timestamp::EPOCH, limit };
    let mut note = |bytes: &[u8], mut frames: Vec<FrameSpan>| {
        let out = FORMAT.convert(bytes, &mut frames, &reading);
        found.extend(frames.iter().map(|frame| (frame.span.of(&out).to_vec(), frame.truncated)));
    };
    for piece in log.chunks(piece) {
        rest.extend_from_slice(piece);
        let mut frames = Vec::new();
        let done = records.advance(&rest, &mut frames, usize::MAX);
        note(&rest, frames);
        rest.drain(..done);
    }
    let mut frames = Vec::new();
    records.finish(&rest, &mut frames);
    note(&rest, frames);
    found
}

fuzz_target!(|data: &[u8]| {
    let [piece, log @ ..] = data else { return };
    let limit = 600;
    let whole = frames(log, usize::MAX, limit);
    assert_eq!(frames(log, usize::from(*piece).max(1), limit), whole);
    for (frame, _) in whole {
        assert!(frame.len() <= limit);
        if let Err(reject) = Record::parse(&frame, Timestamp::EPOCH, &Zone::UTC) {
            assert!(matches!(reject, Reject::Pattern | Reject::LineTime | Reject::Start), "{reject}");
        }
    }
});
