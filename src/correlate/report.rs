//! Floor 3: the report module: one event for every record.
//!
//! Invariant: a record of our own is counted and never reported, so that a host that sends us our own output makes no
//! loop of us.

use super::saved::columns::{Damaged, count};
use super::sink::{Raise, Sink};
use super::sshd::Switch;
use crate::detect::{Flags, View};
use crate::event::{Event, Field, Kind};
use crate::time::Timestamp;

/// Options of `type = "report"`.
#[derive(Clone, Debug)]
pub struct Options {
    /// Characters of the message that a summary shows at most; it is cut at a word.
    pub max_length: usize,
    /// Kinds that are switched on, off, or have another severity.
    pub events: Vec<(Kind, Switch)>,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_length: 160, events: Vec::new() }
    }
}

/// Names of the facilities (RFC 5424 table 1), as syslog.conf has them.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];

/// Names of the severities (RFC 5424 table 2), as syslog.conf has them.
const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

/// What stands for a record without a priority.
const NO_PRIORITY: u64 = 0xFFFF;

/// The state of a report module, to be kept.
#[derive(Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Saved {
    start: Option<Timestamp>,
    records: u64,
    own: u64,
}

/// The state of one report module.
#[derive(Debug)]
pub(super) struct Module {
    max_length: usize,
    start: Option<Timestamp>,
    records: u64,
    own: u64,
    scratch: Vec<u8>,
}

impl Module {
    pub(super) fn new(options: &Options) -> Self {
        Self { max_length: options.max_length, start: None, records: 0, own: 0, scratch: Vec::new() }
    }

    /// The whole state.
    pub(super) fn save(&self) -> Saved {
        Saved { start: self.start, records: self.records, own: self.own }
    }

    /// Goes on with a saved state.
    pub(super) fn restore(&mut self, saved: &Saved) -> Result<(), Damaged> {
        (self.start, self.records, self.own) = (saved.start, count(saved.records)?, count(saved.own)?);
        Ok(())
    }

    /// Takes statistics that were told after the state was saved.
    pub(super) fn absorb(&mut self, event: Event<'_>) {
        if event.kind() == Kind::ReportStats {
            (self.start, self.records, self.own) = (Some(event.head().time), 0, 0);
        }
    }

    /// Reports one record, whose input stands at this position.
    pub(super) fn take(&mut self, view: View<'_>, position: u64, time: Timestamp, sink: &mut Sink<'_>) {
        self.start.get_or_insert(time);
        if view.entry.flags.has(Flags::OWN) {
            self.own += 1;
            return;
        }
        self.records += 1;
        let Some(mut event) = sink.raise(Raise::new(Kind::ReportRecord, time)) else { return };
        event.evidence([position]);
        let msgid = view.user();
        let texts = [
            (Field::Host, view.host()),
            (Field::AppName, view.detail(0)),
            (Field::ProcId, view.detail(1)),
            (Field::MsgId, msgid),
        ];
        for (field, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
            event.text(field, text);
        }
        if view.entry.number != NO_PRIORITY {
            let (facility, level) = (view.entry.number >> 3, view.entry.number & 7);
            let name = |names: &[&'static str], code: u64| {
                usize::try_from(code).ok().and_then(|code| names.get(code).copied()).unwrap_or_default()
            };
            event
                .text(Field::Facility, name(&FACILITIES, facility).as_bytes())
                .text(Field::Level, name(&LEVELS, level).as_bytes());
        }
        let message = view.detail(2);
        match cut_at_word(message, self.max_length) {
            whole if whole.len() == message.len() => event.text(Field::Message, whole),
            part => {
                self.scratch.clear();
                self.scratch.extend_from_slice(part);
                self.scratch.extend_from_slice("…".as_bytes());
                event.text(Field::Message, &self.scratch)
            }
        };
    }

    /// Whether nothing was counted since the last time.
    fn is_idle(&self) -> bool {
        self.records == 0 && self.own == 0
    }

    /// Tells what was counted since the last time, and begins again; an idle day is not worth it.
    pub(super) fn statistics(&mut self, time: Timestamp, even_idle: bool, sink: &mut Sink<'_>) {
        if !even_idle && self.is_idle() {
            self.start = Some(time);
            return;
        }
        if let Some(mut event) = sink.raise(Raise::new(Kind::ReportStats, time)) {
            event
                .time(Field::Start, self.start.unwrap_or(time))
                .time(Field::Finish, time)
                .count(Field::Records, self.records)
                .count(Field::Own, self.own);
        }
        (self.start, self.records, self.own) = (Some(time), 0, 0);
    }
}

/// As much of a text as `most` characters show, one of which is for the mark that it was cut; cut at the last blank,
/// unless there is none in the second half. A byte that is not of UTF-8 counts as a character.
fn cut_at_word(text: &[u8], most: usize) -> &[u8] {
    if text.len() <= most {
        return text;
    }
    // No character is longer than four bytes, so no more of the text matters.
    let head = text.get(..most.saturating_add(1).saturating_mul(4)).unwrap_or(text);
    let mut starts = head.utf8_chunks().scan(0, |at, chunk| {
        let (valid, start) = (chunk.valid(), *at);
        *at += valid.len() + chunk.invalid().len();
        let broken = start + valid.len()..*at;
        Some(valid.char_indices().map(move |(index, _)| start + index).chain(broken))
    });
    let mut starts = starts.by_ref().flatten();
    let Some(room) = starts.by_ref().nth(most.saturating_sub(1)) else { return text };
    if starts.next().is_none() {
        return text;
    }
    let part = text.get(..room).unwrap_or(text);
    // A word that ends right at the cut is whole.
    let blank = text.get(..=room).and_then(|text| text.iter().rposition(|byte| *byte == b' '));
    let part = blank.filter(|blank| *blank >= room / 2).and_then(|blank| part.get(..blank)).unwrap_or(part);
    part.trim_ascii_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_cut_at_a_word_by_characters() {
        let cut = |text: &'static str, most| {
            String::from_utf8(cut_at_word(text.as_bytes(), most).to_vec()).unwrap()
        };
        assert_eq!(cut("short", 10), "short");
        assert_eq!(cut("exactly ten", 11), "exactly ten");
        assert_eq!(cut("one two three", 10), "one two");
        assert_eq!(cut("one two three", 8), "one two", "a word that ends at the cut is whole");
        assert_eq!(cut("a unbreakableword", 10), "a unbreak", "no blank in the second half");
        assert_eq!(cut("äöü äöü äöü", 8), "äöü äöü");
        assert_eq!(cut("äöüäöü", 6), "äöüäöü", "six characters are six, whatever their bytes");
        assert_eq!(cut("anything", 0), "");
    }

    #[test]
    fn bytes_that_are_not_utf8_do_no_harm() {
        assert_eq!(cut_at_word(&[0xFF; 20], 5), &[0xFF; 4]);
        assert_eq!(cut_at_word(&[0x80; 20], 5), &[0x80; 4]);
    }
}
