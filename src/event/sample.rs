//! Floor 1: one event of each kind to try handlers and templates with: all of its fields known, none of them real.
//!
//! Invariant: nothing in a sample is somebody's: addresses are those that RFC 5737 and RFC 3849 keep for documentation.

use super::{EventBlock, Field, FieldType, Head, Kind, ModuleName, Severity, Stamp, StreamId};
use crate::time::Timestamp;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

/// The client of all samples.
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));

/// An event of a kind as it might happen at an instant, in a block of its own.
pub fn sample(kind: Kind, time: Timestamp) -> EventBlock {
    sample_of("sample", kind, kind.spec().severity, time)
}

/// The same as if an application's own, and so severe.
pub fn sample_of(app: &str, kind: Kind, severity: Severity, time: Timestamp) -> EventBlock {
    let module = ModuleName { app: app.to_owned(), module: "test".to_owned() };
    let stamp = Stamp { stream: StreamId(0), run: 0, modules: vec![module] };
    let mut block = EventBlock::new(Arc::new(stamp));
    // The instant makes the ids of samples differ, so that no mail system takes a second one for the first.
    let number = u64::try_from(time.as_micros()).unwrap_or(0);
    let mut writer = block.push(Head { number, ordinal: 0, module: 0, kind, severity, time });
    for field in kind.spec().fields {
        match field.spec().ty {
            FieldType::Text => writer.text(*field, text(*field).as_bytes()),
            FieldType::Count => writer.count(*field, count(*field)),
            FieldType::Flag => writer.flag(*field, false),
            FieldType::Time if *field == Field::Start => {
                writer.time(*field, time.minus(duration(Field::Duration)))
            }
            FieldType::Time => writer.time(*field, time),
            FieldType::Duration => writer.duration(*field, duration(*field)),
            FieldType::Addr => writer.addr(*field, CLIENT),
            FieldType::Texts if *field == Field::Methods => {
                writer.texts(*field, [&b"publickey"[..], b"password"])
            }
            FieldType::Texts => writer.texts(*field, [&b"alice"[..], b"bob", b"root"]),
            FieldType::Addrs => writer.addrs(*field, [CLIENT, IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7))]),
        };
    }
    block
}

fn text(field: Field) -> &'static str {
    match field {
        Field::Host => "web1",
        Field::User => "alice",
        Field::Source => "203.0.113.9",
        Field::ClaimedAddr => "198.51.100.7",
        Field::ClientName | Field::PtrName => "client.example.com",
        Field::Auth => "password",
        Field::Key => "ED25519 SHA256:0000000000000000000000000000000000000000000",
        Field::CaKey => "ED25519 SHA256:1111111111111111111111111111111111111111111",
        Field::KeyType => "ED25519",
        Field::Fingerprint => "SHA256:0000000000000000000000000000000000000000000",
        Field::CertId => "alice@example.com",
        Field::EndReason => "disconnected",
        Field::Network => "203.0.113.0/24",
        Field::Subsystem => "sftp",
        Field::State => "started",
        Field::Facility => "auth",
        Field::Level => "info",
        Field::AppName => "sshd",
        Field::ProcId => "4711",
        Field::MsgId => "-",
        Field::Message => "this is a message to try things with",
        Field::Handler => "oncall",
        Field::Version => env!("CARGO_PKG_VERSION"),
        _ => "this is a sample",
    }
}

fn count(field: Field) -> u64 {
    match field {
        Field::Port => 40_022,
        Field::Pid | Field::SessionPid => 4711,
        Field::Signal => 11,
        Field::Limit => 5,
        Field::Count => 6,
        _ => 3,
    }
}

fn duration(field: Field) -> Duration {
    Duration::from_secs(if field == Field::Window { 300 } else { 252 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Value, render};

    #[test]
    fn every_kind_has_a_sample_whose_fields_are_all_known() {
        let time = Timestamp::from_civil(2026, 11, 25, 36_000, 0);
        for kind in Kind::ALL {
            let block = sample(*kind, time);
            let event = block.get(0).unwrap();
            assert!(block.len() == 1 && event.kind() == *kind && event.head().time == time);
            let unknown = event.fields().filter(|(_, value)| *value == Value::Null);
            assert_eq!(unknown.map(|(field, _)| field).collect::<Vec<_>>(), [], "{kind:?}");
            let mut summary = Vec::new();
            render::summary(&mut summary, event);
            assert!(summary.is_ascii() && !summary.is_empty());
        }
        let ids = [time, time.plus(Duration::from_micros(1))].map(|time| sample(Kind::ServerStats, time));
        assert_ne!(ids[0].get(0).unwrap().id(), ids[1].get(0).unwrap().id());
    }
}
