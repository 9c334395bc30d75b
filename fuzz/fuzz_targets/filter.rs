//! Filters: any text is refused with a reason, or gives a filter that answers for every kind of event.
#![no_main]

use correlator::dispatch::Filter;
use correlator::event::{EventBlock, EventWriter, Field, FieldType, Head, Kind, Severity, Stamp, StreamId};
use correlator::time::Timestamp;
use libfuzzer_sys::fuzz_target;
use std::hint::black_box;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// An event of each kind, with a value in each of its fields.
static EVENTS: LazyLock<EventBlock> = LazyLock::new(|| {
    let mut block = EventBlock::new(Arc::new(Stamp { stream: StreamId(1), run: 1, modules: Vec::new() }));
    for kind in Kind::ALL {
        let severity = Severity::Notice;
        let head = Head { number: 1, ordinal: 0, module: 0, kind: *kind, severity, time: Timestamp::EPOCH };
        let mut event = block.push(head);
        for field in kind.spec().fields {
            fill(&mut event, *field);
        }
    }
    block
});

fn fill(event: &mut EventWriter<'_>, field: Field) {
    let addr = [203, 0, 113, 9].into();
    match field.spec().ty {
        FieldType::Text => event.text(field, b"\xffroot"),
        FieldType::Count => event.count(field, 22),
        FieldType::Flag => event.flag(field, true),
        FieldType::Time => event.time(field, Timestamp::EPOCH),
        FieldType::Duration => event.duration(field, Duration::from_secs(90)),
        FieldType::Addr => event.addr(field, addr),
        FieldType::Texts => event.texts(field, [&b"root"[..], b"admin"]),
        FieldType::Addrs => event.addrs(field, [addr]),
    };
}

fuzz_target!(|text: &str| {
    match Filter::compile(text) {
        Ok(filter) => {
            assert_eq!(filter.source(), text);
            for event in EVENTS.iter() {
                black_box(filter.wants(event));
            }
        }
        Err(error) => assert!(!error.message().is_empty()),
    }
});
