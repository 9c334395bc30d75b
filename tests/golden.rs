//! Files of earlier versions stay readable.

#![allow(clippy::unwrap_used, reason = "a test program: its helpers fail by panicking")]

use bytes::Bytes;
use correlator::batch::{Arrivals, Batch, FrameSpan, Origin, Sequenced};
use correlator::capture::Reader;
use correlator::correlate::{App, Correlator, End, ModuleOptions, Totals, report, sshd};
use correlator::detect::{Detector, Observations, Subject};
use correlator::event::render::{self, LocalTime};
use correlator::event::{EventBlock, Head, Kind, Stamp, StreamId, Value};
use correlator::span::Span;
use correlator::time::{Timestamp, Zone};
use correlator::wire::Record;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

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

/// Reads a capture, and compares it with the text beside it.
fn read(capture: &str) {
    let reader = Reader::open(Path::new(capture)).unwrap();
    let (identity, program, end) = (reader.identity(), reader.program(), reader.end());
    let mut found = String::new();
    writeln!(
        found,
        "stream {} run {} begun {} by {program} {end:?}",
        identity.stream, identity.run, identity.created
    )
    .unwrap();
    if let Some(state) = reader.beginning().unwrap() {
        let correlator = Correlator::restore(&apps(), Zone::UTC, &state).unwrap();
        let hosts = correlator.presence().known;
        writeln!(found, "goes on after {} inputs, knows of {hosts} host", correlator.base()).unwrap();
    }
    for batch in reader {
        describe(&batch.unwrap(), &mut found);
    }
    assert_eq!(found, fs::read_to_string(format!("{capture}.txt")).unwrap());
}

#[test]
fn captures_of_format_1_are_read() {
    read("tests/golden/capture-1");
}

#[test]
fn captures_that_begin_with_a_state_are_read() {
    read("tests/golden/capture-2");
}

/// Inputs that bring to light what a state remembers: of sources, of users, of a port that serves another client.
const RECORDS: [&str; 5] = [
    "<86>1 2026-03-01T12:01:00Z web1 sshd 90 - - Accepted password for alice from 192.0.2.1 port 6000 ssh2",
    "<86>1 2026-03-01T12:01:01Z web1 sshd 91 - - message repeated 8 times: [ Failed password for user99 from 2001:db8::2 port 6001 ssh2]",
    "<86>1 2026-03-01T12:01:02Z db sshd 92 - - Connection from 2001:db8::1 port 111 on 192.0.2.99 port 22",
    "<86>1 2026-03-01T12:01:03Z db sshd 1 - - Timeout before authentication for connection from 198.51.100.7 to 192.0.2.99, pid = 71",
    "<86>1 2026-03-01T12:01:04Z web1 sshd 30 - - pam_unix(sshd:session): session closed for user alice",
];

/// The applications of the saved state: all kinds are on.
fn apps() -> [App; 1] {
    let events = Kind::ALL.iter().map(|kind| (*kind, sshd::Switch::On)).collect();
    let openssh = ModuleOptions::Sshd(sshd::Options { events, ..sshd::Options::default() });
    let report = ModuleOptions::Report(report::Options::default());
    [App { name: "fleet".into(), modules: vec![("openssh".into(), openssh), ("report".into(), report)] }]
}

fn take(correlator: &mut Correlator, number: u64, record: &'static str, events: &mut EventBlock) {
    let detector = Detector::new(Correlator::interest(&apps()));
    let (bytes, mut observations) = (Bytes::from_static(record.as_bytes()), Observations::default());
    let parsed = Record::parse(&bytes, Timestamp::EPOCH, &Zone::UTC).unwrap();
    let arrival = parsed.timestamp.unwrap();
    let subject = Subject { record: &parsed, bytes: &bytes, frame: 0, truncated: false, arrival, host: None };
    detector.observe(&mut detector.scratch(), subject, &mut observations);
    let origin = Arc::new(Origin { listener: String::new(), peer: String::new() });
    let batch = Batch { origin, bytes, frames: vec![FrameSpan { span: Span::EMPTY, truncated: false }] };
    let sequenced = Sequenced { slot: number, first: number, arrivals: Arrivals::One(arrival), batch };
    correlator.fold(&sequenced, &observations, events);
}

#[test]
fn states_of_version_1_are_restored() {
    let (apps, bytes) = (apps(), fs::read("tests/golden/state-1").unwrap());
    let mut correlator = Correlator::restore(&apps, Zone::UTC, &bytes).unwrap();
    let modules = Correlator::modules(&apps);
    let mut events = EventBlock::new(Arc::new(Stamp { stream: StreamId(1), run: 2, modules }));
    correlator.begin_run(correlator.base() + 100);
    for (number, record) in (1..).zip(RECORDS) {
        take(&mut correlator, number, record, &mut events);
    }
    correlator.finish(End::OfInput, Totals::default(), &mut events);
    let (mut found, mut times) = (Vec::new(), LocalTime::new(Zone::UTC));
    for event in events.iter() {
        let Head { kind, severity, time, .. } = event.head();
        write!(found, "{} {kind:?} {severity} {time}", event.id()).unwrap();
        for (field, value) in event.fields().filter(|(_, value)| *value != Value::Null) {
            write!(found, " {}=", field.spec().name).unwrap();
            render::value(&mut found, value, &mut times);
        }
        writeln!(found, " {:?}", event.evidence()).unwrap();
    }
    assert_eq!(String::from_utf8(found).unwrap(), fs::read_to_string("tests/golden/state-1.txt").unwrap());
}
