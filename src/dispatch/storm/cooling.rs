//! Floor 5: the cool-downs that events have begun.
//!
//! Invariant: keys are compared exactly, and hashed with a seed that nobody outside can guess; the oldest cool-down is
//! forgotten when there is no room for another.

use crate::event::{Event, Field, Value};
use crate::limits;
use crate::time::Timestamp;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

/// The bits of an IPv6 address that one source has in common.
const SOURCE_MASK: u128 = !0 << 64;

/// What events are about that have none of the fields by which they are told apart.
const SUBJECT: &[Field] = &[
    Field::Source,
    Field::User,
    Field::Host,
    Field::Network,
    Field::AppName,
    Field::Handler,
    Field::Listener,
    Field::Subject,
    Field::File,
    Field::Peer,
    Field::OtherPeer,
];

/// The cool-downs of one handler.
#[derive(Debug)]
pub(super) struct Cooling {
    time: Duration,
    by: Vec<Field>,
    begun: HashMap<Arc<[u8]>, Timestamp>,
    /// What has begun, in that order, with what has been ended since.
    order: VecDeque<(Timestamp, Arc<[u8]>)>,
    /// Bytes of the keys in the order.
    bytes: usize,
    /// The key that is being looked for.
    key: Vec<u8>,
}

impl Cooling {
    pub(super) fn new(time: Duration, by: Vec<Field>) -> Self {
        Self { time, by, begun: HashMap::new(), order: VecDeque::new(), bytes: 0, key: Vec::new() }
    }

    /// Whether an event like this one has begun a cool-down that still lasts. One that would begin in the future, because
    /// the clock was put back, does not.
    pub(super) fn holds(&mut self, event: Event<'_>, now: Timestamp) -> bool {
        while self.order.front().is_some_and(|(begun, _)| begun.plus(self.time) <= now) {
            self.forget_oldest();
        }
        write_key(&mut self.key, &self.by, event);
        let begun = self.begun.get(self.key.as_slice());
        begun.is_some_and(|begun| (*begun..begun.plus(self.time)).contains(&now))
    }

    /// Begins the cool-down of events like this one.
    pub(super) fn begin(&mut self, event: Event<'_>, now: Timestamp) {
        write_key(&mut self.key, &self.by, event);
        let key: Arc<[u8]> = Arc::from(self.key.as_slice());
        self.bytes += key.len();
        self.order.push_back((now, Arc::clone(&key)));
        self.begun.insert(key, now);
        while self.order.len() > limits::MAX_COOLDOWNS || self.bytes > limits::MAX_COOLDOWN_BYTES {
            self.forget_oldest();
        }
    }

    /// Ends the cool-down of events like this one.
    pub(super) fn end(&mut self, event: Event<'_>) {
        write_key(&mut self.key, &self.by, event);
        self.begun.remove(self.key.as_slice());
    }

    fn forget_oldest(&mut self) {
        let Some((begun, key)) = self.order.pop_front() else { return };
        self.bytes -= key.len();
        if self.begun.get(&key) == Some(&begun) {
            self.begun.remove(&key);
        }
    }

    /// How many cool-downs are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.begun.len().max(self.order.len())
    }
}

/// Writes what alike events have in common, so that no two keys are the same for different values. Two events that have
/// none of the fields do not agree in them: these are alike when they are about the same, or, where even that is open,
/// give the same reason.
fn write_key(out: &mut Vec<u8>, by: &[Field], event: Event<'_>) {
    out.clear();
    out.push(event.kind() as u8);
    let has_any = |fields: &[Field]| fields.iter().any(|field| value(event, *field) != Value::Null);
    let choices = [by, SUBJECT, &[Field::Reason]];
    let Some((choice, fields)) =
        (0_u8..).zip(choices).find(|(_, fields)| fields.is_empty() || has_any(fields))
    else {
        return;
    };
    out.push(choice);
    fields.iter().for_each(|field| write_value(out, value(event, *field)));
}

/// What an event holds in a field. A kind that does not tell its source is known by its address.
fn value(event: Event<'_>, field: Field) -> Value<'_> {
    match event.get(field) {
        Value::Null if field == Field::Source => source(event),
        value => value,
    }
}

/// Where an event comes from whose kind does not tell its source.
fn source(event: Event<'_>) -> Value<'_> {
    match event.get(Field::Addr) {
        Value::Addr(addr) => Value::Addr(match addr.to_canonical() {
            IpAddr::V6(addr) => Ipv6Addr::from_bits(addr.to_bits() & SOURCE_MASK).into(),
            addr => addr,
        }),
        value => value,
    }
}

fn write_value(out: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::Null => out.push(0),
        Value::Bool(value) => out.extend([1, u8::from(value)]),
        Value::Count(count) => write(out, 2, &count.to_le_bytes()),
        Value::Time(time) => write(out, 3, &time.as_micros().to_le_bytes()),
        Value::Duration(duration) => write(out, 4, &duration.as_micros().to_le_bytes()),
        Value::Addr(addr) => match addr.to_canonical() {
            IpAddr::V4(addr) => write(out, 5, &addr.octets()),
            IpAddr::V6(addr) => write(out, 6, &addr.octets()),
        },
        Value::Text(text) => {
            write(out, 7, &text.len().to_le_bytes());
            out.extend_from_slice(text);
        }
        Value::List(list) => {
            write(out, 8, &list.iter().len().to_le_bytes());
            list.iter().for_each(|item| write_value(out, item));
        }
    }
}

fn write(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    out.extend_from_slice(bytes);
}
