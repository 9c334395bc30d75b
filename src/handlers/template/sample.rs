//! Floor 4: events to try templates with.

use crate::event::{
    Event, EventBlock, EventWriter, Field, FieldType, Head, Kind, ModuleName, Stamp, StreamId,
};
use crate::handlers::{Digest, Gathered, Selection};
use crate::time::Timestamp;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

/// Text that breaks what does not escape it.
const HOSTILE: &[u8] = b"\"quoted\" \\ <b> & {{ x }}\r\n\xff";

/// An event of a kind with all of its fields, and one without any.
pub(super) fn events(kind: Kind) -> EventBlock {
    let modules = vec![ModuleName { app: "fleet".into(), module: "openssh".into() }];
    let mut block = EventBlock::new(Arc::new(Stamp { stream: StreamId(1), run: 1, modules }));
    for ordinal in 0..2 {
        let (severity, time) = (kind.spec().severity, Timestamp::from_civil(2026, 7, 1, 43_200, 0));
        let mut writer = block.push(Head { number: 1, ordinal, module: 0, kind, severity, time });
        if ordinal == 0 {
            kind.spec().fields.iter().for_each(|field| fill(&mut writer, *field, time));
        }
    }
    block
}

fn fill(event: &mut EventWriter<'_>, field: Field, time: Timestamp) {
    let addr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
    match field.spec().ty {
        FieldType::Text => event.text(field, HOSTILE),
        FieldType::Count => event.count(field, 5),
        FieldType::Flag => event.flag(field, true),
        FieldType::Time => event.time(field, time),
        FieldType::Duration => event.duration(field, Duration::from_secs(300)),
        FieldType::Addr => event.addr(field, addr),
        FieldType::Texts => event.texts(field, [HOSTILE, b"root"]),
        FieldType::Addrs => event.addrs(field, [addr]),
    };
}

/// A digest of several kinds.
pub(super) fn gathered() -> Gathered {
    let mut digest = Digest::default();
    let shown: Vec<_> = [Kind::SSHDAttemptsExceeded, Kind::SSHDChildCrash, Kind::ReportRecord]
        .map(|kind| Selection::all(Arc::new(events(kind))))
        .into();
    let events = shown.iter().flat_map(Selection::events);
    (1..).zip(events).for_each(|(seq, event): (u64, Event<'_>)| digest.add(seq, event, seq == 1));
    Gathered { digest, shown }
}
