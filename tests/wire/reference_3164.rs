//! A slow, literal parser of RFC 3164 as senders write it, to test the fast one against: one function for each rule, in
//! the order in which `ARCHITECTURE.md` and `wire/rfc3164.txt` have them.
//!
//! RFC 3164 has no grammar of its own, so this one is written down here, rule by rule, in the notation of RFC 5234.

use super::reference::{self, Bytes, Input, days};
use correlator::time::{Timestamp, Zone};
use correlator::wire::{Format, Record};
use std::sync::LazyLock;

const MICROS_PER_MINUTE: i64 = 60_000_000;
const MICROS_PER_DAY: i64 = 24 * 60 * MICROS_PER_MINUTE;
const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
const LEVELS: [&[u8]; 9] =
    [b"emerg", b"alert", b"crit", b"err", b"error", b"warning", b"notice", b"info", b"debug"];

/// When frames arrive: on a day like any other, at the end of a year, a day before a 29 February, and in the year
/// from which the last 29 February was eight years ago.
const ARRIVALS: [(i64, u32, u32, i64); 4] =
    [(2026, 11, 23, 43_200), (2000, 12, 31, 86_399), (2028, 2, 28, 3600), (1904, 2, 1, 0)];

/// What the grammar says of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) format: Format,
    pub(crate) priority: Option<u8>,
    pub(crate) micros: Option<i64>,
    pub(crate) hostname: Option<Bytes>,
    pub(crate) app_name: Option<Bytes>,
    pub(crate) procid: Option<Bytes>,
    pub(crate) msg: Bytes,
}

/// When a frame arrives, and by how much its sender's clock is ahead of UTC where the frame does not tell.
#[derive(Clone, Copy)]
struct Setting {
    year: i64,
    arrival: i64,
    ahead: i64,
}

/// Parses the frame with the fast parser and with this one, as of several arrivals, in UTC and in another zone.
///
/// # Panics
/// Panics if they disagree.
pub(crate) fn assert_agreement(frame: &[u8]) {
    // POSIX counts to the west: this is three hours ahead of UTC, always.
    static AHEAD: LazyLock<Zone> = LazyLock::new(|| Zone::named("Etc/GMT-3").unwrap());
    for (year, month, day, second) in ARRIVALS {
        let arrival = Timestamp::from_civil(year, month, day, second, 0);
        for (zone, hours) in [(&Zone::UTC, 0), (&*AHEAD, 3)] {
            let setting =
                Setting { year, arrival: arrival.as_micros(), ahead: hours * 60 * MICROS_PER_MINUTE };
            let record = Record::parse(frame, arrival, zone);
            let found = record.as_ref().ok().filter(|record| record.format != Format::Rfc5424).map(of_record);
            assert_eq!(found, parse(frame, setting), "{} at {arrival}", frame.escape_ascii());
        }
    }
}

fn of_record(record: &Record<'_>) -> Message {
    assert!(record.msgid.is_none() && record.structured_data.is_empty(), "RFC 3164 has no such things");
    let [hostname, app_name, procid] =
        [record.hostname, record.app_name, record.procid].map(|field| field.map(<[u8]>::to_vec));
    Message {
        format: record.format,
        priority: record.priority.map(|priority| priority.0),
        micros: record.timestamp.map(Timestamp::as_micros),
        hostname,
        app_name,
        procid,
        msg: record.msg.to_vec(),
    }
}

/// `FRAME = PRI (PREFIX HEADER / CONTENT) / HEADER`, but nothing that begins as any version of RFC 5424 does.
fn parse(frame: &[u8], setting: Setting) -> Option<Message> {
    let frame = reference::without_ending(frame);
    let mut input = Input { bytes: frame, at: 0 };
    if input.peek() != Some(b'<') {
        return header(input, None, setting);
    }
    let priority = input.pri()?;
    if begins_rfc5424(input) {
        return None;
    }
    let mut after = input;
    let origin = prefix(&mut after);
    if let Some(message) = header(after, Some(priority), setting) {
        return Some(Message { hostname: message.hostname.or(origin), ..message });
    }
    // CONTENT = [SP] *OCTET
    input.take(b' ');
    let format = Format::Rfc3164;
    let msg = input.rest().to_vec();
    let priority = Some(priority);
    Some(Message { format, priority, micros: None, hostname: None, app_name: None, procid: None, msg })
}

/// `"1" SP / 1*3DIGIT SP ("-" SP / TIMESTAMP)`, with the TIMESTAMP of RFC 5424.
fn begins_rfc5424(mut input: Input<'_>) -> bool {
    let version = input.many(|byte| byte.is_ascii_digit());
    if !(1..=3).contains(&version.len()) || input.take(b' ').is_none() {
        return false;
    }
    version == b"1" || input.rest().starts_with(b"- ") || input.timestamp().flatten().is_some()
}

/// `PREFIX = [SP] [1*11DIGIT ":" SP [ORIGIN ":" SP]]`, where ORIGIN is a word; it gives the ORIGIN.
fn prefix(input: &mut Input<'_>) -> Option<Bytes> {
    input.take(b' ');
    let mut after = *input;
    let digits = after.many(|byte| byte.is_ascii_digit());
    if !(1..=11).contains(&digits.len()) || after.take(b':').is_none() || after.take(b' ').is_none() {
        return None;
    }
    *input = after;
    let origin = after.word().and_then(|word| without_colon(&word));
    let origin = origin.filter(|origin| !origin.is_empty())?;
    *input = after;
    Some(origin)
}

/// `HEADER = (ISO-TIME / BSD-TIME) [SP [HOST] [LEVEL] [TAG] MSG]`
fn header(mut input: Input<'_>, priority: Option<u8>, setting: Setting) -> Option<Message> {
    let (format, micros) = match input.peek()? {
        b'0'..=b'9' => (Format::Iso, iso_time(&mut input, setting)?),
        _ => (Format::Rfc3164, bsd_time(&mut input, setting)?),
    };
    if input.peek().is_some() {
        input.take(b' ')?;
    }
    let hostname = host(&mut input);
    let whole = input.rest().to_vec();
    level(&mut input);
    let (app_name, procid, msg) = match tag(&mut input) {
        Some((app_name, procid)) => (Some(app_name), procid, input.rest().to_vec()),
        None => (None, None, whole),
    };
    // MSG = [BOM] *OCTET
    let msg = msg.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&msg).to_vec();
    Some(Message { format, priority, micros: Some(micros), hostname, app_name, procid, msg })
}

/// `HOST = "Message forwarded from " NAME ":" SP / NAME SP [":" SP]`, where NAME is a word, and in the second form is
/// no tag.
fn host(input: &mut Input<'_>) -> Option<Bytes> {
    let mut after = *input;
    if after.bytes_are(b"Message forwarded from ") {
        let name = after.word().and_then(|word| without_colon(&word)).filter(|name| !name.is_empty());
        if let Some(name) = name {
            *input = after;
            return Some(name);
        }
    }
    let mut after = *input;
    let name = after.word().filter(|word| !is_tag(word))?;
    after.bytes_are(b": ");
    *input = after;
    Some(name)
}

/// A word ends with a colon or with a process in brackets, and does not begin with a bracket.
fn is_tag(word: &[u8]) -> bool {
    let ends = word.ends_with(b":") || word.ends_with(b"]") && word.contains(&b'[');
    ends && !word.starts_with(b"[")
}

/// `LEVEL = 1*(%x61-7A / "|" / %x30-37) ":" NAME-OF-A-LEVEL SP`, beginning with a letter.
fn level(input: &mut Input<'_>) {
    let mut after = *input;
    let Some(word) = after.word() else { return };
    let Some(colon) = word.iter().position(|byte| *byte == b':') else { return };
    let (facility, name) = (&word[..colon], &word[colon + 1..]);
    let is_facility = facility.first().is_some_and(u8::is_ascii_lowercase)
        && facility.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'|' | b'0'..=b'7'));
    if is_facility && LEVELS.contains(&name) {
        *input = after;
    }
}

/// `TAG = NAME ":" SP / NAME "[" [PROCID] "]" [":"] SP`, as one word.
fn tag(input: &mut Input<'_>) -> Option<(Bytes, Option<Bytes>)> {
    let mut after = *input;
    let word = after.word()?;
    let named = without_colon(&word);
    let inner = named.clone().unwrap_or_else(|| word.clone());
    let (name, procid) = if let Some(bracketed) = inner.strip_suffix(b"]") {
        let open = bracketed.iter().position(|byte| *byte == b'[')?;
        let procid = bracketed[open + 1..].to_vec();
        (bracketed[..open].to_vec(), Some(procid).filter(|procid| !procid.is_empty()))
    } else {
        (named?, None)
    };
    if name.is_empty() {
        return None;
    }
    *input = after;
    Some((name, procid))
}

fn without_colon(word: &[u8]) -> Option<Bytes> {
    word.strip_suffix(b":").map(<[u8]>::to_vec)
}

/// `ISO-TIME = 4DIGIT "-" 2DIGIT "-" 2DIGIT ("T" / SP) CLOCK ["Z" / ("+" / "-") 2DIGIT [":"] 2DIGIT]`
fn iso_time(input: &mut Input<'_>, setting: Setting) -> Option<i64> {
    let year = input.number(4)?;
    input.take(b'-')?;
    let month = input.number(2)?;
    input.take(b'-')?;
    let day = input.number(2)?;
    input.next_if(|byte| matches!(byte, b'T' | b' '))?;
    let local = days(year, month, day)? * MICROS_PER_DAY + clock(input)?;
    let ahead = match zone_offset(input) {
        Some(minutes) => minutes * MICROS_PER_MINUTE,
        None => setting.ahead,
    };
    reference::in_four_digits(local - ahead)
}

fn zone_offset(input: &mut Input<'_>) -> Option<i64> {
    let mut after = *input;
    let minutes = if after.take(b'Z').is_some() {
        0
    } else {
        let sign = if after.next_if(|byte| matches!(byte, b'+' | b'-'))? == b'-' { -1 } else { 1 };
        let hours = after.number(2)?;
        after.take(b':');
        let minutes = after.number(2)?;
        if hours > 23 || minutes > 59 {
            return None;
        }
        sign * (hours * 60 + minutes)
    };
    *input = after;
    Some(minutes)
}

/// `BSD-TIME = ["*" / "."] MONTH SP DAY SP [4DIGIT SP] CLOCK [":" / SP 2*5UPPER ":"]`, the last only before ` %`; `DAY =
/// (SP / "0" / "1" / "2" / "3") DIGIT / DIGIT`
fn bsd_time(input: &mut Input<'_>, setting: Setting) -> Option<i64> {
    input.next_if(|byte| matches!(byte, b'*' | b'.'));
    let name = [input.next_if(|_| true)?, input.next_if(|_| true)?, input.next_if(|_| true)?];
    let month = 1 + i64::try_from(MONTHS.iter().position(|month| **month == name)?).ok()?;
    input.take(b' ')?;
    let day = padded_day(input)?;
    let mut after = *input;
    let year = after.number(4).filter(|_| after.take(b' ').is_some());
    if year.is_some() {
        *input = after;
    }
    let time_of_day = clock(input)?;
    let ahead = if ends_in_utc(input) { 0 } else { setting.ahead };
    let instant = |year| days(year, month, day).map(|days| days * MICROS_PER_DAY + time_of_day - ahead);
    let instant = match year {
        Some(year) => instant(year)?,
        // The latest that is at most a day after the arrival.
        None => (setting.year - 12..=setting.year + 1)
            .rev()
            .filter_map(instant)
            .find(|instant| *instant <= setting.arrival + MICROS_PER_DAY)?,
    };
    reference::in_four_digits(instant)
}

fn padded_day(input: &mut Input<'_>) -> Option<i64> {
    let mut after = *input;
    let padding = after.next_if(|byte| matches!(byte, b' ' | b'0'..=b'3'));
    if let (Some(padding), Some(ones)) = (padding, after.number(1))
        && after.take(b' ').is_some()
    {
        *input = after;
        return Some(if padding == b' ' { ones } else { i64::from(padding - b'0') * 10 + ones });
    }
    let day = input.number(1)?;
    input.take(b' ')?;
    Some(day)
}

/// `CLOCK = 2DIGIT ":" 2DIGIT ":" 2DIGIT ["." 1*9DIGIT]`, in microseconds; further digits of the fraction are dropped.
fn clock(input: &mut Input<'_>) -> Option<i64> {
    let hour = input.number(2)?;
    input.take(b':')?;
    let minute = input.number(2)?;
    input.take(b':')?;
    let second = input.number(2)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut micros = 0;
    if input.take(b'.').is_some() {
        let digits = String::from_utf8(input.many(|byte| byte.is_ascii_digit())).ok()?;
        if !(1..=9).contains(&digits.len()) {
            return None;
        }
        micros = format!("{digits:0<9}")[..6].parse().ok()?;
    }
    Some(((hour * 60 + minute) * 60 + second) * 1_000_000 + micros)
}

/// Passes over what network equipment writes after a time; whether it says that the time is UTC.
fn ends_in_utc(input: &mut Input<'_>) -> bool {
    if input.take(b':').is_some() {
        return false;
    }
    let mut after = *input;
    if after.take(b' ').is_none() {
        return false;
    }
    let name = after.many(|byte| byte.is_ascii_uppercase());
    let is_zone = (2..=5).contains(&name.len()) && after.take(b':').is_some();
    if !is_zone || !after.rest().starts_with(b" %") {
        return false;
    }
    *input = after;
    name == b"UTC" || name == b"GMT"
}
