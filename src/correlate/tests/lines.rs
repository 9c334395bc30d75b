//! Observations by hand, and events to look at: what the tests of this floor are written in.
//!
//! Invariant: a line says what the detector would say of such a message, no more.

use crate::batch::{Arrivals, Batch, FrameSpan, Origin, Sequenced};
use crate::correlate::{App, Correlator, End, ModuleOptions, Totals, sshd};
use crate::detect::{Flags, Kind as Message, Method, Name, NameHasher, Observation, Observations};
use crate::event::{EventBlock, Field, Kind, Severity, Stamp, StreamId, Value};
use crate::span::Span;
use crate::time::{Timestamp, Zone};
use bytes::Bytes;
use std::net::IpAddr;
use std::sync::Arc;

/// A process of sshd on a host.
#[derive(Clone, Copy)]
pub(crate) struct Process {
    host: &'static str,
    pid: u32,
}

/// A process of sshd on a host.
pub(crate) fn sshd(host: &'static str, pid: u32) -> Process {
    Process { host, pid }
}

/// A client: an address and a port; port 0 where messages do not tell it.
pub(crate) type Client = (&'static str, u16);

/// One record, as the detector sees it.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) entry: Observation,
    host: String,
    user: String,
    claimed: String,
    details: [String; 3],
    /// Seconds after the line before.
    pub(crate) after: f64,
    /// Seconds by which its own time lies before its arrival.
    delay: f64,
}

impl Process {
    pub(crate) fn says(self, kind: Message) -> Line {
        let mut entry = Observation::new(kind, 0, Timestamp::EPOCH);
        entry.pid = self.pid;
        let (user, claimed, details) = Default::default();
        Line { entry, host: self.host.to_owned(), user, claimed, details, after: 1.0, delay: 0.0 }
    }

    pub(crate) fn connection_from(self, client: Client) -> Line {
        self.says(Message::ConnectionFrom).from(client)
    }

    pub(crate) fn accepted(self, user: &str, client: Client) -> Line {
        self.says(Message::Accepted).by(Method::Password).user(user).from(client)
    }

    pub(crate) fn failed(self, user: &str, client: Client) -> Line {
        self.says(Message::Failed).by(Method::Password).user(user).from(client)
    }

    pub(crate) fn failed_invalid(self, user: &str, client: Client) -> Line {
        self.failed(user, client).flag(Flags::INVALID_USER)
    }

    pub(crate) fn invalid(self, user: &str, client: Client) -> Line {
        self.says(Message::InvalidUser).user(user).from(client).flag(Flags::INVALID_USER)
    }

    pub(crate) fn pam_error(self, user: &str, client: &'static str) -> Line {
        self.says(Message::PamError).user(user).from((client, 0)).detail(0, "Authentication failure")
    }

    pub(crate) fn pam_opened(self, user: &str) -> Line {
        self.says(Message::PamSessionOpened).user(user).quickly()
    }

    pub(crate) fn pam_closed(self, user: &str) -> Line {
        self.says(Message::PamSessionClosed).user(user).quickly()
    }

    pub(crate) fn received_disconnect(self, client: Client) -> Line {
        self.says(Message::ReceivedDisconnect).from(client).number(11).detail(0, "disconnected by user")
    }

    pub(crate) fn disconnected(self, user: &str, client: Client) -> Line {
        self.says(Message::Disconnected).user(user).from(client).quickly()
    }

    pub(crate) fn closed(self, client: Client) -> Line {
        self.says(Message::ConnectionClosed).from(client)
    }

    /// `Connection closed by authenticating user ... [preauth]`.
    pub(crate) fn closed_authenticating(self, user: &str, client: Client) -> Line {
        self.closed(client).user(user).flag(Flags::AUTHENTICATING).flag(Flags::PREAUTH)
    }

    /// `Connection closed by invalid user ... [preauth]`: its address is only claimed.
    pub(crate) fn closed_invalid(self, user: &str, client: Client) -> Line {
        let line = self.says(Message::ConnectionClosed).user(user).claims(client.0, client.1);
        line.flag(Flags::INVALID_USER).flag(Flags::PREAUTH)
    }
}

impl Line {
    pub(crate) fn by(mut self, method: Method) -> Self {
        self.entry.method = method;
        self
    }

    pub(crate) fn user(mut self, user: &str) -> Self {
        user.clone_into(&mut self.user);
        self
    }

    pub(crate) fn from(mut self, (addr, port): Client) -> Self {
        (self.entry.addr, self.entry.port) = (Some(addr.parse::<IpAddr>().unwrap()), port);
        self
    }

    pub(crate) fn claims(mut self, claimed: &str, port: u16) -> Self {
        claimed.clone_into(&mut self.claimed);
        self.number(u64::from(port))
    }

    pub(crate) fn flag(mut self, flag: Flags) -> Self {
        self.entry.flags.set(flag, true);
        self
    }

    pub(crate) fn preauth(self) -> Self {
        self.flag(Flags::PREAUTH)
    }

    pub(crate) fn number(mut self, number: u64) -> Self {
        self.entry.number = number;
        self
    }

    pub(crate) fn quoting(mut self, pid: u32) -> Self {
        self.entry.other_pid = pid;
        self
    }

    pub(crate) fn times(mut self, repeat: u32) -> Self {
        self.entry.repeat = repeat;
        self
    }

    pub(crate) fn detail(mut self, index: usize, text: &str) -> Self {
        text.clone_into(&mut self.details[index]);
        self
    }

    /// So many seconds after the line before; one is usual.
    pub(crate) fn after(mut self, seconds: f64) -> Self {
        self.after = seconds;
        self
    }

    pub(crate) fn quickly(self) -> Self {
        self.after(0.01)
    }

    /// Its own time is so many seconds before its arrival.
    pub(crate) fn delayed(mut self, seconds: f64) -> Self {
        self.delay = seconds;
        self
    }

    pub(crate) fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }
}

/// Noon of a day, from which the lines of a test count.
pub(crate) const NOON: Timestamp = Timestamp::from_civil(2026, 3, 1, 43_200, 0);

fn micros(seconds: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "tests use few seconds")]
    let micros = (seconds * 1e6).round() as i64;
    micros
}

/// `seconds` after noon.
pub(crate) fn noon_plus(seconds: f64) -> Timestamp {
    Timestamp::from_micros(NOON.as_micros() + micros(seconds))
}

/// What the detector would give for some lines: their bytes, the observations, and the runs of equal arrival.
pub(crate) fn observed(lines: &[Line], now: &mut i64) -> (Vec<u8>, Observations, Vec<(u32, Timestamp)>) {
    let (mut bytes, mut observations, mut runs) = (Vec::new(), Observations::default(), Vec::new());
    for (index, line) in (0..).zip(lines) {
        *now += micros(line.after);
        let arrival = Timestamp::from_micros(*now);
        if runs.last().is_none_or(|(_, at)| *at != arrival) {
            runs.push((index, arrival));
        }
        observations.entries.push(observe(line, index, arrival, &mut bytes));
    }
    (bytes, observations, runs)
}

/// How far a stream of inputs has come.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    next: u64,
    now: i64,
}

impl Place {
    pub(crate) const START: Self = Self { next: 1, now: NOON.as_micros() };
}

/// Puts lines into batches, of as many frames as `sizes` says in turn, and folds them.
pub(crate) fn fold(correlator: &mut Correlator, lines: &[Line], sizes: &[usize], events: &mut EventBlock) {
    fold_on(correlator, &mut { Place::START }, (lines, sizes), events);
}

/// The same from a place on.
pub(crate) fn fold_on(
    correlator: &mut Correlator,
    place: &mut Place,
    (lines, sizes): (&[Line], &[usize]),
    events: &mut EventBlock,
) {
    let (Place { next: first, now }, mut rest) = (place, lines);
    let mut sizes = sizes.iter().copied().cycle();
    while !rest.is_empty() {
        let (lines, after) = rest.split_at(sizes.next().unwrap().clamp(1, rest.len()));
        rest = after;
        let (bytes, observations, runs) = observed(lines, now);
        let origin = Arc::new(Origin { listener: String::new(), peer: String::new() });
        let frames = vec![FrameSpan { span: Span::EMPTY, truncated: false }; lines.len()];
        let batch = Batch { origin, bytes: Bytes::from(bytes), frames };
        let sequenced = Sequenced { slot: *first, first: *first, arrivals: Arrivals::Runs(runs), batch };
        correlator.fold(&sequenced, &observations, events);
        *first += lines.len() as u64;
    }
}

fn observe(line: &Line, frame: u32, arrival: Timestamp, bytes: &mut Vec<u8>) -> Observation {
    let mut put = |text: &str| {
        let span = Span::new(u32::try_from(bytes.len()).unwrap(), u32::try_from(text.len()).unwrap());
        bytes.extend_from_slice(text.as_bytes());
        span
    };
    let hasher = NameHasher::of_process();
    let hash = |text: &str| if text.is_empty() { 0 } else { hasher.hash(text.as_bytes()) };
    let time = Timestamp::from_micros(arrival.as_micros() - micros(line.delay));
    let mut entry = Observation { frame, time, ..line.entry };
    entry.host = Name { span: put(&line.host), derived: false, hash: hash(&line.host) };
    entry.user = Name { span: put(&line.user), derived: false, hash: hash(&line.user) };
    entry.claimed = put(&line.claimed);
    for (detail, text) in entry.detail.iter_mut().zip(&line.details) {
        *detail = put(text);
    }
    entry
}

/// An event, to look at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) severity: Severity,
    pub(crate) time: Timestamp,
    pub(crate) evidence: Vec<u64>,
    fields: Vec<(Field, String)>,
}

impl Told {
    /// A field's value as text; empty for null.
    pub(crate) fn get(&self, field: Field) -> &str {
        self.fields.iter().find(|(name, _)| *name == field).map_or("", |(_, value)| value)
    }

    /// A field's value as a number; 0 for null.
    pub(crate) fn count(&self, field: Field) -> u64 {
        self.get(field).parse().unwrap_or(0)
    }
}

fn text(value: Value<'_>) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(flag) => flag.to_string(),
        Value::Count(count) => count.to_string(),
        Value::Time(time) => time.to_string(),
        Value::Duration(duration) => duration.as_secs_f64().to_string(),
        Value::Addr(addr) => addr.to_string(),
        Value::Text(text) => String::from_utf8_lossy(text).into_owned(),
        Value::List(list) => list.iter().map(text).collect::<Vec<_>>().join(","),
    }
}

/// A block for the events of these applications.
pub(crate) fn block(apps: &[App]) -> EventBlock {
    let modules = Correlator::modules(apps);
    EventBlock::new(Arc::new(Stamp { stream: StreamId(1), run: 0, modules }))
}

/// The events of a block.
pub(crate) fn told(events: &EventBlock) -> Vec<Told> {
    let told = |event: crate::event::Event<'_>| Told {
        id: event.id().to_string(),
        kind: event.kind(),
        severity: event.head().severity,
        time: event.head().time,
        evidence: event.evidence().to_vec(),
        fields: event.fields().map(|(field, value)| (field, text(value))).collect(),
    };
    events.iter().map(told).collect()
}

/// One application with one sshd module.
pub(crate) fn app(options: sshd::Options) -> Vec<App> {
    vec![App { name: "fleet".into(), modules: vec![("openssh".into(), ModuleOptions::Sshd(options))] }]
}

/// What an sshd module tells of some lines and of the end of the input.
pub(crate) fn tell_with(options: sshd::Options, lines: &[Line], end: End) -> Vec<Told> {
    let apps = app(options);
    let (mut correlator, mut events) = (Correlator::new(&apps, Zone::UTC), block(&apps));
    fold(&mut correlator, lines, &[7], &mut events);
    correlator.finish(end, Totals::default(), &mut events);
    told(&events)
}

/// The same with default options, without the statistics at the end.
pub(crate) fn tell(lines: &[Line]) -> Vec<Told> {
    let mut told = tell_with(sshd::Options::default(), lines, End::OfInput);
    told.truncate(told.len() - 2);
    told
}

/// The kinds of events, in order.
pub(crate) fn kinds(told: &[Told]) -> Vec<Kind> {
    told.iter().map(|event| event.kind).collect()
}
