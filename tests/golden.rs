//! Files of earlier versions stay readable.

#![allow(clippy::unwrap_used, reason = "a test program: its helpers fail by panicking")]

use correlator::batch::Sequenced;
use correlator::capture::Reader;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Appends a line for each input of a batch.
fn describe(batch: &Sequenced, out: &mut String) {
    let mut runs = batch.arrivals.runs().peekable();
    let mut arrival = batch.arrivals.last();
    if batch.is_tick() {
        writeln!(out, "{} {arrival} tick", batch.first).unwrap();
    }
    for (index, frame) in (0..).zip(&batch.batch.frames) {
        while let Some(run) = runs.next_if(|run| run.0 <= index) {
            arrival = run.1;
        }
        let message = frame.span.of(&batch.batch.bytes);
        // So that no line ends in a blank, nothing at all is written as a full stop.
        let message = if message.is_empty() { b"." } else { message }.escape_ascii();
        let origin = &batch.batch.origin;
        let whole = if frame.truncated { "truncated" } else { "whole" };
        let number = batch.first + u64::from(index);
        writeln!(out, "{number} {arrival} {} {} {whole} {message}", origin.listener, origin.peer).unwrap();
    }
}

#[test]
fn captures_of_format_1_are_read() {
    let reader = Reader::open(Path::new("tests/golden/capture-1")).unwrap();
    let (identity, program, end) = (reader.identity(), reader.program(), reader.end());
    let mut found = String::new();
    writeln!(
        found,
        "stream {} run {} begun {} by {program} {end:?}",
        identity.stream, identity.run, identity.created
    )
    .unwrap();
    for batch in reader {
        describe(&batch.unwrap(), &mut found);
    }
    assert_eq!(found, fs::read_to_string("tests/golden/capture-1.txt").unwrap());
}
