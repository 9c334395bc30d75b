//! Floor 2: what is to be observed, and the compiled means to do it.
//!
//! Invariant: a record appends at most one observation of its message and one of itself, in this order.

use super::reader::{App, Caches, Message, Reader};
use super::reading::{Client, Reading};
use super::senders::Roll;
use super::{Flags, Kind, Name, NameHasher, Observation, Observations, fast, vis};
use crate::limits::{MAX_DETECTED_MESSAGE, SSHD_MESSAGE_CUT};
use crate::span::Span;
use crate::time::Timestamp;
use crate::wire::Record;

/// What the modules that are switched on want to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Messages of OpenSSH's daemons and what belongs to them.
    pub sshd: bool,
    /// A [`Kind::Record`] observation for every record, after any other of the same record.
    pub records: bool,
}

/// One record and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The record, borrowed from `bytes`.
    pub record: &'a Record<'a>,
    /// The bytes of its batch.
    pub bytes: &'a [u8],
    /// Index of its frame in the batch.
    pub frame: u32,
    /// Whether the frame was truncated.
    pub truncated: bool,
    /// When it arrived.
    pub arrival: Timestamp,
    /// Its host as [`Detector::hear`] knows it; where it was not heard, it is hashed anew.
    pub host: Option<Name>,
}

/// Compiled detection, shared by all workers.
#[derive(Debug)]
pub struct Detector {
    interest: Interest,
    reader: Option<Reader>,
    names: NameHasher,
}

/// What one worker needs to run a [`Detector`]: caches that would be contended if they were shared.
#[derive(Debug)]
pub struct Scratch {
    pub(super) caches: Option<Caches>,
    pub(super) roll: Roll,
}

impl Detector {
    /// Compiles what `interest` asks for.
    pub fn new(interest: Interest) -> Self {
        #[expect(clippy::expect_used, reason = "the patterns are constants, and every test compiles them")]
        let reader = interest.sshd.then(|| Reader::compile().expect("the patterns compile"));
        Self { interest, reader, names: NameHasher::of_process() }
    }

    /// Makes the scratch space of one worker.
    pub fn scratch(&self) -> Scratch {
        Scratch { caches: self.reader.as_ref().map(Reader::caches), roll: Roll::default() }
    }

    /// The automata, when messages of sshd are of interest.
    pub(super) fn reader(&self) -> Option<&Reader> {
        self.reader.as_ref()
    }

    /// Appends what a record means.
    #[inline]
    pub fn observe(&self, scratch: &mut Scratch, subject: Subject<'_>, out: &mut Observations) {
        if let Some(reader) = &self.reader
            && let Some(app) = subject.record.app_name.and_then(App::of)
        {
            let text = subject.record.msg;
            let cut = subject.truncated || text.len() >= SSHD_MESSAGE_CUT;
            let message = Message { app, whole: subject.bytes, text, cut };
            let mut cutter = fast::Cutter::new(message.whole);
            let of_sshd = matches!(app, App::Sshd | App::Session) && text.len() <= MAX_DETECTED_MESSAGE;
            if of_sshd && let Some(reading) = cutter.read(text) {
                self.weigh(scratch, subject, message, reading, out);
            } else if let Some(caches) = &mut scratch.caches
                && let Some(read) = reader.read(caches, message)
            {
                self.weigh(scratch, subject, message, &read.reading, out);
            }
        }
        if self.interest.records {
            self.record(scratch, subject, out);
        }
    }

    /// Makes an observation of a reading: decides what is proved, unescapes and hashes the names.
    #[inline]
    fn weigh(
        &self,
        scratch: &mut Scratch,
        subject: Subject<'_>,
        message: Message<'_>,
        reading: &Reading,
        out: &mut Observations,
    ) {
        let texts = (&mut out.entries, &mut out.derived);
        let Some(entry) = self.begin(scratch, subject, reading.kind, texts) else { return };
        entry.method = reading.method;
        entry.flags = entry.flags.with(reading.flags);
        entry.flags.set(Flags::CUT, message.cut);
        entry.repeat = reading.repeat;
        entry.other_pid = reading.other_pid;
        entry.number = reading.number.unwrap_or(0);
        entry.detail = reading.detail;
        match reading.client {
            Client::Address(addr) if reading.proves(message.cut) => {
                entry.addr = Some(addr);
                entry.port = reading.port;
            }
            Client::Address(_) | Client::Name => {
                entry.claimed = reading.client_text;
                entry.number = reading.number.unwrap_or(u64::from(reading.port));
            }
            Client::Unnamed => {}
        }
        if let Some(span) = reading.user {
            let relayed = reading.flags.has(Flags::PREAUTH);
            let (name, suspicious) = self.user(span, message, reading.escaped, relayed, &mut out.derived);
            entry.user = name;
            entry.flags.set(Flags::SUSPICIOUS, suspicious);
        }
    }

    /// A user's name, unescaped, and whether it looks as if it meant to mislead.
    #[inline]
    pub(super) fn user(
        &self,
        span: Span,
        message: Message<'_>,
        escaped: bool,
        relayed: bool,
        derived: &mut Vec<u8>,
    ) -> (Name, bool) {
        let text = span.of(message.whole);
        if is_plain(text) {
            return (Name { span, derived: false, hash: self.hash(text) }, false);
        }
        let misleads = |name: &[u8]| {
            memchr::memmem::find(name, b" from ").is_some()
                || memchr::memmem::find(name, b" port ").is_some()
                || name.iter().any(u8::is_ascii_control)
        };
        if !escaped || !text.contains(&b'\\') {
            return (Name { span, derived: false, hash: self.hash(text) }, misleads(text));
        }
        let start = derived.len();
        derived.extend_from_slice(text);
        vis::unescape(derived, start);
        if relayed && vis::is_escaped_twice(text, message.app == App::Sshd) {
            vis::unescape(derived, start);
        }
        let name = derived.get(start..).unwrap_or_default();
        let span = Span::locate(derived, name);
        (Name { span, derived: true, hash: self.hash(name) }, misleads(name))
    }

    /// Appends a record itself.
    fn record(&self, scratch: &mut Scratch, subject: Subject<'_>, out: &mut Observations) {
        let Record { priority, app_name, procid, msgid, msg, .. } = *subject.record;
        let place = |part: Option<&[u8]>| part.map_or(Span::EMPTY, |part| Span::locate(subject.bytes, part));
        let texts = (&mut out.entries, &mut out.derived);
        let Some(entry) = self.begin(scratch, subject, Kind::Record, texts) else { return };
        entry.flags.set(Flags::CUT, subject.truncated);
        entry.flags.set(Flags::OWN, app_name == Some(b"correlator"));
        entry.number = priority.map_or(0xFFFF, |priority| u64::from(priority.0));
        entry.user.span = place(msgid);
        entry.detail = [place(app_name), place(procid), place(Some(msg))];
    }

    /// Appends an observation with what every one has, and gives it to be filled where it stands.
    #[inline]
    fn begin<'o>(
        &self,
        scratch: &mut Scratch,
        subject: Subject<'_>,
        kind: Kind,
        (entries, derived): (&'o mut Vec<Observation>, &mut Vec<u8>),
    ) -> Option<&'o mut Observation> {
        let record = subject.record;
        entries.push(Observation::new(kind, subject.frame, record.timestamp.unwrap_or(subject.arrival)));
        let entry = entries.last_mut()?;
        entry.flags.set(Flags::OWN_TIME, record.timestamp.is_some());
        entry.pid = record.procid.map_or(0, pid);
        entry.host = match (subject.host, record.hostname) {
            (Some(heard), _) => heard,
            (None, Some(host)) => self.name_in(subject.bytes, host),
            (None, None) => self.nameless(&mut scratch.roll, derived),
        };
        Some(entry)
    }

    /// A name that stands in the bytes of a batch.
    #[inline]
    pub(super) fn name_in(&self, bytes: &[u8], name: &[u8]) -> Name {
        Name { span: Span::locate(bytes, name), derived: false, hash: self.hash(name) }
    }

    #[inline]
    pub(super) fn hash(&self, name: &[u8]) -> u64 {
        self.names.hash(name)
    }
}

/// Whether a name has nothing below `!`, which are blanks and control characters, and no backslash: nearly all have none.
#[inline]
pub(super) fn is_plain(name: &[u8]) -> bool {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = LOW << 7;
    // The high bit of a byte is set if that is less than the limit, and perhaps of bytes after such a one.
    let less = |word: u64, limit: u64| word.wrapping_sub(LOW * limit) & !word & HIGH;
    let is_plain = |word| less(word, u64::from(b'!')) | less(word ^ (LOW * u64::from(b'\\')), 1) == 0;
    let (words, rest) = name.as_chunks::<8>();
    let last = rest.iter().rev().fold(LOW * u64::from(b'a'), |word, byte| word << 8 | u64::from(*byte));
    is_plain(last) && words.iter().all(|word| is_plain(u64::from_le_bytes(*word)))
}

/// A process from PROCID, 0 when that is no number.
#[inline]
fn pid(procid: &[u8]) -> u32 {
    // Ten digits may overflow; Linux gives seven at most.
    if procid.len() > 9 {
        return super::address::decimal(procid).and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0);
    }
    let mut pid = 0;
    for byte in procid {
        let digit = u32::from(byte.wrapping_sub(b'0'));
        if digit > 9 {
            return 0;
        }
        pid = pid * 10 + digit;
    }
    pid
}
