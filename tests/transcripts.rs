//! From the text of records to events in JSON: the transcripts in `tests/transcripts`, scenario by scenario.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test program: its helpers fail by panicking"
)]

use bytes::Bytes;
use correlator::batch::{Arrivals, Batch, FrameSpan, Origin, Sequenced};
use correlator::correlate::{App, Correlator, End, ModuleOptions, Totals, sshd};
use correlator::detect::{Detector, Observations, Subject};
use correlator::event::{EventBlock, Stamp, StreamId, render};
use correlator::span::Span;
use correlator::time::{Timestamp, Zone};
use correlator::wire::Record;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::sync::Arc;

const NOON: Timestamp = Timestamp::from_civil(2026, 3, 1, 43_200, 0);

/// One scenario: what is said, and what is to be told.
#[derive(Default)]
struct Scenario {
    title: String,
    records: Vec<(Timestamp, String)>,
    expected: Vec<(String, String, Value)>,
}

fn scenarios(text: &str) -> Vec<Scenario> {
    let (mut all, mut now) = (Vec::<Scenario>::new(), NOON.as_micros());
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if let Some(title) = line.strip_prefix("## ") {
            now = NOON.as_micros();
            all.push(Scenario { title: title.to_owned(), ..Scenario::default() });
        } else if let Some(expected) = line.strip_prefix("=> ") {
            let mut parts = expected.splitn(3, ' ');
            let mut next =
                || parts.next().unwrap_or_else(|| panic!("kind, severity and fields: {line}")).to_owned();
            let (kind, severity, fields) = (next(), next(), next());
            let fields = serde_json::from_str(&fields).unwrap_or_else(|error| panic!("{line}: {error}"));
            all.last_mut().unwrap().expected.push((kind, severity, fields));
        } else if !line.starts_with('#') {
            let after = line.strip_prefix('+').and_then(|rest| rest.split_once(' '));
            let (after, said) = after.map_or((1, line), |(after, said)| (after.parse().unwrap(), said));
            now += after * 1_000_000;
            let (process, message) = said.split_once(": ").unwrap();
            let (name, pid) = process.strip_suffix(']').and_then(|process| process.split_once('[')).unwrap();
            let time = Timestamp::from_micros(now);
            let record = format!("<38>1 {time} web1 {name} {pid} - - {message}");
            all.last_mut().unwrap().records.push((time, record));
        }
    }
    all
}

fn apps() -> [App; 1] {
    let options = ModuleOptions::Sshd(sshd::Options::default());
    [App { name: "test".into(), modules: vec![("openssh".into(), options)] }]
}

/// What is told of some records, statistics left out.
fn tell(detector: &Detector, records: &[(Timestamp, String)]) -> Vec<Value> {
    let apps = apps();
    let mut scratch = detector.scratch();
    let stamp = Stamp { stream: StreamId(1), run: 0, modules: Correlator::modules(&apps) };
    let (mut correlator, mut events) = (Correlator::new(&apps, Zone::UTC), EventBlock::new(Arc::new(stamp)));
    for (number, (arrival, record)) in (1..).zip(records) {
        let bytes = Bytes::from(record.clone());
        let parsed = Record::parse(&bytes, *arrival, &Zone::UTC).unwrap();
        let mut observations = Observations::default();
        let subject = Subject {
            record: &parsed,
            bytes: &bytes,
            frame: 0,
            truncated: false,
            arrival: *arrival,
            host: None,
        };
        detector.observe(&mut scratch, subject, &mut observations);
        let span = Span::new(0, u32::try_from(bytes.len()).unwrap());
        let origin = Arc::new(Origin { listener: String::new(), peer: String::new() });
        let batch = Batch { origin, bytes, frames: vec![FrameSpan { span, truncated: false }] };
        let arrivals = Arrivals::One(*arrival);
        correlator.fold(
            &Sequenced { slot: number, first: number, arrivals, batch },
            &observations,
            &mut events,
        );
    }
    correlator.finish(End::OfInput, Totals::default(), &mut events);
    let json = |event| {
        let mut text = Vec::new();
        render::json(&mut text, event);
        serde_json::from_slice(&text).unwrap()
    };
    let told: Vec<Value> = events.iter().map(json).collect();
    told.into_iter().filter(|event| !event["kind"].as_str().unwrap().ends_with("Stats")).collect()
}

/// What is wrong with the events of a scenario.
fn wrong(detector: &Detector, scenario: &Scenario) -> Vec<String> {
    let told = tell(detector, &scenario.records);
    let name = |event: &Value| {
        format!("{} {}", event["kind"].as_str().unwrap(), event["severity"].as_str().unwrap())
    };
    let named: Vec<_> = told.iter().map(name).collect();
    let expected: Vec<_> =
        scenario.expected.iter().map(|(kind, severity, _)| format!("{kind} {severity}")).collect();
    if named != expected {
        return vec![format!("told {named:?}\n    instead of {expected:?}")];
    }
    let mut wrong = Vec::new();
    for (event, (kind, _, fields)) in told.iter().zip(&scenario.expected) {
        for (field, value) in fields.as_object().unwrap() {
            if event["fields"].get(field) != Some(value) {
                wrong.push(format!("{kind}: {field} is {} instead of {value}", event["fields"][field]));
            }
        }
    }
    wrong
}

#[test]
fn transcripts_give_their_events() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let detector = Detector::new(Correlator::interest(&apps()));
    let mut failed = Vec::new();
    let mut seen = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        for scenario in scenarios(&fs::read_to_string(&path).unwrap()) {
            seen += 1;
            let file = path.file_stem().unwrap().display();
            failed.extend(
                wrong(&detector, &scenario).into_iter().map(|w| format!("{file}, {}: {w}", scenario.title)),
            );
        }
    }
    assert!(seen > 30, "only {seen} scenarios were found");
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}
