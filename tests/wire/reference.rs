//! A slow, literal parser of RFC 5424, one function for each rule of its section 6, to test the fast one against.
//!
//! It knows the deliberate departures and no others: names and header fields may have 255 bytes; text need not be
//! UTF-8; an instant whose year has not four digits in UTC is none; one LF, CRLF or NUL at the end of the frame, and one blank and one BOM around the start of the message, are
//! not part of it.

use correlator::time::{Timestamp, Zone};
use correlator::wire::{Format, Record};

pub(crate) type Bytes = Vec<u8>;
pub(crate) type Params = Vec<(Bytes, Bytes)>;
pub(crate) type Elements = Vec<(Bytes, Params)>;

/// What the grammar says of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) priority: u8,
    pub(crate) micros: Option<i64>,
    pub(crate) fields: [Option<Bytes>; 4],
    pub(crate) elements: Elements,
    pub(crate) msg: Bytes,
}

/// Parses the frame with the fast parser and with this one.
///
/// # Panics
/// Panics if they disagree.
pub(crate) fn assert_agreement(frame: &[u8]) {
    let expected = parse(frame);
    let record = Record::parse(frame, Timestamp::EPOCH, &Zone::UTC);
    let found = match &record {
        Ok(record) if record.format == Format::Rfc5424 => Some(of_record(record)),
        _ => None,
    };
    assert_eq!(found, expected, "{} read as {record:?}", frame.escape_ascii());
    if frame.starts_with(b"<1>1 ") && expected.is_none() {
        assert!(record.is_err(), "{} is malformed but read as {record:?}", frame.escape_ascii());
    }
}

fn of_record(record: &Record<'_>) -> Message {
    let elements = record.structured_data.elements().map(|element| {
        let params = element.params().map(|param| (param.name.to_vec(), param.value().into_owned()));
        (element.id.to_vec(), params.collect())
    });
    Message {
        priority: record.priority.map_or(u8::MAX, |priority| priority.0),
        micros: record.timestamp.map(Timestamp::as_micros),
        fields: [record.hostname, record.app_name, record.procid, record.msgid]
            .map(|field| field.map(<[u8]>::to_vec)),
        elements: elements.collect(),
        msg: record.msg.to_vec(),
    }
}

/// `SYSLOG-MSG = HEADER SP STRUCTURED-DATA [SP MSG]`
pub(crate) fn parse(frame: &[u8]) -> Option<Message> {
    let frame = without_ending(frame);
    let mut input = Input { bytes: frame, at: 0 };
    let priority = input.pri()?;
    input.take(b'1')?;
    input.take(b' ')?;
    let micros = input.timestamp()?;
    let mut fields = [None, None, None, None];
    for field in &mut fields {
        input.take(b' ')?;
        *field = input.field()?;
    }
    input.take(b' ')?;
    let elements = input.structured_data()?;
    let msg = if input.peek().is_some() {
        input.take(b' ')?;
        message(&frame[input.at..])
    } else {
        Vec::new()
    };
    Some(Message { priority, micros, fields, elements, msg })
}

/// The frame without one LF, CRLF or NUL at its end.
pub(crate) fn without_ending(frame: &[u8]) -> &[u8] {
    [&b"\r\n"[..], b"\n", b"\0"].iter().find_map(|end| frame.strip_suffix(*end)).unwrap_or(frame)
}

fn message(bytes: &[u8]) -> Bytes {
    let bom = b"\xEF\xBB\xBF";
    let unblanked = bytes.strip_prefix(b" ").unwrap_or(bytes);
    let Some(unmarked) = unblanked.strip_prefix(bom) else { return unblanked.to_vec() };
    if unblanked.len() < bytes.len() {
        unmarked.to_vec()
    } else {
        unmarked.strip_prefix(b" ").unwrap_or(unmarked).to_vec()
    }
}

/// What is left of a frame.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) at: usize,
}

impl Input<'_> {
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(crate) fn next_if(&mut self, wanted: impl Fn(u8) -> bool) -> Option<u8> {
        let byte = self.peek().filter(|byte| wanted(*byte))?;
        self.at += 1;
        Some(byte)
    }

    pub(crate) fn take(&mut self, byte: u8) -> Option<u8> {
        self.next_if(|next| next == byte)
    }

    pub(crate) fn many(&mut self, wanted: impl Fn(u8) -> bool) -> Bytes {
        std::iter::from_fn(|| self.next_if(&wanted)).collect()
    }

    /// Passes over these bytes, if they come next.
    pub(crate) fn bytes_are(&mut self, bytes: &[u8]) -> bool {
        let is_next = self.rest().starts_with(bytes);
        self.at += if is_next { bytes.len() } else { 0 };
        is_next
    }

    /// A word of 1 to 255 PRINTUSASCII, and the blank after it, or the end.
    pub(crate) fn word(&mut self) -> Option<Bytes> {
        let mut after = *self;
        let word = after.many(|byte| (33..=126).contains(&byte));
        let is_ended = after.peek().is_none() || after.take(b' ').is_some();
        ((1..=255).contains(&word.len()) && is_ended).then(|| {
            self.at = after.at;
            word
        })
    }

    /// As many digits as `count` names, as a number.
    pub(crate) fn number(&mut self, count: usize) -> Option<i64> {
        (0..count).try_fold(0, |number, _| {
            Some(number * 10 + i64::from(self.next_if(|byte| byte.is_ascii_digit())? - b'0'))
        })
    }

    /// `PRI = "<" PRIVAL ">"`, `PRIVAL = 1*3DIGIT ; range 0 .. 191`, without leading zeros.
    pub(crate) fn pri(&mut self) -> Option<u8> {
        self.take(b'<')?;
        let digits = String::from_utf8(self.many(|byte| byte.is_ascii_digit())).ok()?;
        self.take(b'>')?;
        let value: u8 = digits.parse().ok()?;
        (value <= 191 && value.to_string() == digits).then_some(value)
    }

    /// `TIMESTAMP = NILVALUE / FULL-DATE "T" FULL-TIME`
    pub(crate) fn timestamp(&mut self) -> Option<Option<i64>> {
        if self.take(b'-').is_some() {
            return Some(None);
        }
        let year = self.number(4)?;
        self.take(b'-')?;
        let month = self.number(2)?;
        self.take(b'-')?;
        let day = self.number(2)?;
        self.take(b'T')?;
        let hour = self.number(2)?;
        self.take(b':')?;
        let minute = self.number(2)?;
        self.take(b':')?;
        let second = self.number(2)?;
        let micros = if self.take(b'.').is_some() {
            let digits = self.many(|byte| byte.is_ascii_digit());
            let text = String::from_utf8(digits).ok().filter(|text| (1..=6).contains(&text.len()))?;
            format!("{text:0<6}").parse::<i64>().ok()?
        } else {
            0
        };
        let offset = self.time_offset()?;
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let minutes = (days(year, month, day)? * 24 + hour) * 60 + minute - offset;
        in_four_digits((minutes * 60 + second) * 1_000_000 + micros).map(Some)
    }

    /// `TIME-OFFSET = "Z" / TIME-NUMOFFSET`, in minutes.
    fn time_offset(&mut self) -> Option<i64> {
        if self.take(b'Z').is_some() {
            return Some(0);
        }
        let sign = if self.next_if(|byte| matches!(byte, b'+' | b'-'))? == b'-' { -1 } else { 1 };
        let hours = self.number(2)?;
        self.take(b':')?;
        let minutes = self.number(2)?;
        (hours <= 23 && minutes <= 59).then_some(sign * (hours * 60 + minutes))
    }

    /// `HOSTNAME = NILVALUE / 1*255PRINTUSASCII`, and likewise the other fields.
    fn field(&mut self) -> Option<Option<Bytes>> {
        let field = self.many(|byte| (33..=126).contains(&byte));
        match field.as_slice() {
            b"-" => Some(None),
            _ => (1..=255).contains(&field.len()).then_some(Some(field)),
        }
    }

    /// `STRUCTURED-DATA = NILVALUE / 1*SD-ELEMENT`
    pub(crate) fn structured_data(&mut self) -> Option<Elements> {
        if self.take(b'-').is_some() {
            return Some(Vec::new());
        }
        let mut elements = vec![self.sd_element()?];
        while self.peek() == Some(b'[') {
            elements.push(self.sd_element()?);
        }
        Some(elements)
    }

    /// `SD-ELEMENT = "[" SD-ID *(SP SD-PARAM) "]"`
    fn sd_element(&mut self) -> Option<(Bytes, Params)> {
        self.take(b'[')?;
        let id = self.sd_name()?;
        let mut params = Vec::new();
        while self.take(b' ').is_some() {
            let name = self.sd_name()?;
            self.take(b'=')?;
            self.take(b'"')?;
            params.push((name, self.param_value()?));
        }
        self.take(b']')?;
        Some((id, params))
    }

    /// `SD-NAME = 1*32PRINTUSASCII ; except '=', SP, ']', %d34 (")`
    fn sd_name(&mut self) -> Option<Bytes> {
        let name = self.many(|byte| (33..=126).contains(&byte) && !b"=]\"".contains(&byte));
        (1..=255).contains(&name.len()).then_some(name)
    }

    /// `PARAM-VALUE`, unescaped, and the quote after it.
    fn param_value(&mut self) -> Option<Bytes> {
        let mut value = Vec::new();
        loop {
            match self.next_if(|_| true)? {
                b'"' => return Some(value),
                b']' => return None,
                b'\\' => value.push(self.next_if(|byte| b"\"\\]".contains(&byte)).unwrap_or(b'\\')),
                byte => value.push(byte),
            }
        }
    }
}

/// The instant, if its year has four digits in UTC too.
pub(crate) fn in_four_digits(micros: i64) -> Option<i64> {
    let start = |year| days(year, 1, 1).map(|days| days * 86_400_000_000);
    (micros >= start(0)? && micros < start(10_000)?).then_some(micros)
}

/// Days from the Unix epoch, counted year by year and month by month.
pub(crate) fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = |month: i64| match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if !(1..=12).contains(&month) || !(1..=length(month)).contains(&day) {
        return None;
    }
    let years: i64 = (year.min(1970)..year.max(1970)).map(|year| 365 + i64::from(is_leap(year))).sum();
    let months: i64 = (1..month).map(length).sum();
    Some(if year < 1970 { -years } else { years } + months + day - 1)
}
