//! Floor 2: which inputs of a capture are wanted.
//!
//! Invariant: what is picked keeps its number, arrival and origin. Ticks of the clock are no records: they stay
//! wherever the range reaches, whatever is left out around them.

use crate::batch::{Arrivals, Batch, FrameSpan, Sequenced};
use crate::time::{Timestamp, Zone};
use crate::wire::Record;
use std::collections::HashSet;
use std::sync::Arc;

/// What is wanted: the inputs that all of these let through.
#[derive(Clone, Debug, Default)]
pub struct Pick {
    /// From this number on.
    pub from: Option<u64>,
    /// Up to this number.
    pub to: Option<u64>,
    /// From this arrival on.
    pub since: Option<Timestamp>,
    /// Up to this arrival.
    pub until: Option<Timestamp>,
    /// Records of one of these hosts; letters may be of either case.
    pub hosts: Vec<String>,
    /// Records of one of these programs.
    pub apps: Vec<String>,
    /// Records that one of these peers sent.
    pub peers: Vec<String>,
    /// Records that a listing keeps.
    pub listing: Option<Listing>,
}

impl Pick {
    /// Whether this input lies after the range, so that no later one can be in it.
    pub fn is_past(&self, number: u64, arrival: Timestamp) -> bool {
        self.to.is_some_and(|to| number > to) || self.until.is_some_and(|until| arrival > until)
    }

    /// The parts of a batch that are wanted, in order: a batch for each unbroken sequence of inputs.
    pub fn of(&self, batch: &Sequenced) -> Vec<Sequenced> {
        let mut parts = Vec::new();
        let mut begin = None;
        for (index, arrival) in (0_u32..).zip(arrivals(batch)) {
            if self.wants(batch, index, arrival) {
                begin.get_or_insert(index);
            } else if let Some(from) = begin.take() {
                parts.push(part(batch, from, index));
            }
        }
        if let Some(from) = begin {
            parts.push(part(batch, from, u32::try_from(batch.inputs()).unwrap_or(u32::MAX)));
        }
        parts
    }

    fn wants(&self, batch: &Sequenced, index: u32, arrival: Timestamp) -> bool {
        let number = batch.first.saturating_add(u64::from(index));
        if self.is_past(number, arrival)
            || self.from.is_some_and(|from| number < from)
            || self.since.is_some_and(|since| arrival < since)
        {
            return false;
        }
        let Some(frame) = batch.batch.frames.get(index as usize) else { return true };
        self.listing.as_ref().is_none_or(|listing| listing.kept.contains(&number))
            && (self.peers.is_empty() || self.peers.contains(&batch.batch.origin.peer))
            && self.wants_header(frame.span.of(&batch.batch.bytes), arrival)
    }

    fn wants_header(&self, frame: &[u8], arrival: Timestamp) -> bool {
        if self.hosts.is_empty() && self.apps.is_empty() {
            return true;
        }
        let Ok(record) = Record::parse(frame, arrival, &Zone::UTC) else { return false };
        let is_one = |names: &[String], name: Option<&[u8]>, same: fn(&[u8], &[u8]) -> bool| {
            let name = name.unwrap_or_default();
            names.is_empty() || names.iter().any(|wanted| same(wanted.as_bytes(), name))
        };
        is_one(&self.hosts, record.hostname, <[u8]>::eq_ignore_ascii_case)
            && is_one(&self.apps, record.app_name, |a, b| a == b)
    }
}

/// The arrival of each input of a batch.
fn arrivals(batch: &Sequenced) -> impl Iterator<Item = Timestamp> + '_ {
    let mut runs = batch.arrivals.runs().peekable();
    let mut now = Timestamp::MIN;
    (0..batch.inputs()).map(move |index| {
        while let Some((_, arrival)) = runs.next_if(|run| u64::from(run.0) <= index) {
            now = arrival;
        }
        now
    })
}

/// The inputs of a batch from one index up to another, as a batch of their own over the same bytes.
fn part(batch: &Sequenced, from: u32, to: u32) -> Sequenced {
    let frames: Vec<FrameSpan> =
        batch.batch.frames.get(from as usize..to as usize).unwrap_or_default().to_vec();
    let mut runs: Vec<(u32, Timestamp)> = Vec::new();
    for (index, arrival) in batch.arrivals.runs().take_while(|run| run.0 < to) {
        if index <= from {
            runs.clear();
        }
        runs.push((index.saturating_sub(from), arrival));
    }
    let arrivals = match runs.as_slice() {
        [(_, one)] => Arrivals::One(*one),
        _ => Arrivals::Runs(runs),
    };
    let Batch { origin, bytes, .. } = &batch.batch;
    let inner = Batch { origin: Arc::clone(origin), bytes: bytes.clone(), frames };
    Sequenced { slot: batch.slot, first: batch.first.saturating_add(u64::from(from)), arrivals, batch: inner }
}

/// The numbers that an edited listing keeps.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    kept: HashSet<u64>,
}

/// A line of a listing that is neither marked nor begins with a number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} does not begin with the number of a record")]
pub struct ListingError {
    /// Which line, from 1.
    pub line: usize,
}

impl Listing {
    /// Reads a listing: lines that begin with a number are kept; lines that begin with `#`, or are not there any
    /// more, are left out.
    ///
    /// # Errors
    /// When a line begins with something else.
    pub fn parse(text: &[u8]) -> Result<Self, ListingError> {
        let mut kept = HashSet::new();
        for (line, content) in (1..).zip(text.split(|&byte| byte == b'\n')) {
            let content = content.trim_ascii();
            if content.is_empty() || content.starts_with(b"#") {
                continue;
            }
            let word = content.split(u8::is_ascii_whitespace).next().unwrap_or_default();
            let number = str::from_utf8(word).ok().and_then(|word| word.parse().ok());
            kept.insert(number.ok_or(ListingError { line })?);
        }
        Ok(Self { kept })
    }

    /// How many records it keeps.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether it keeps none.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Origin;
    use crate::span::Span;

    const LINES: &str = "<38>Feb  1 00:00:00 web sshd[1]: a\0<38>Feb  1 00:00:01 DB sshd[2]: b\0<38>Feb  1 00:00:02 web cron[3]: c\0garbage";

    fn batch() -> Sequenced {
        let mut at = 0;
        let frame = |line: &str| {
            let len = u32::try_from(line.len()).unwrap();
            let span = Span::new(at, len);
            at += len + 1;
            FrameSpan { span, truncated: false }
        };
        let frames = LINES.split('\0').map(frame).collect();
        let origin = Arc::new(Origin { listener: "lan".into(), peer: "192.0.2.1".into() });
        let runs = vec![(0, Timestamp::from_micros(100)), (2, Timestamp::from_micros(200))];
        Sequenced {
            slot: 0,
            first: 10,
            arrivals: Arrivals::Runs(runs),
            batch: Batch { origin, bytes: LINES.into(), frames },
        }
    }

    fn numbers(pick: &Pick, batch: &Sequenced) -> Vec<(u64, i64)> {
        let parts = pick.of(batch);
        let each = |part: &Sequenced| {
            let first = part.first;
            (0..)
                .zip(arrivals(part))
                .map(move |(index, arrival)| (first + index, arrival.as_micros()))
                .collect::<Vec<_>>()
        };
        parts.iter().flat_map(each).collect()
    }

    #[test]
    fn each_condition_lets_through_what_it_names() {
        let time = |micros| Some(Timestamp::from_micros(micros));
        let names = |name: &str| vec![name.to_owned()];
        let cases = [
            (Pick::default(), vec![(10, 100), (11, 100), (12, 200), (13, 200)]),
            (Pick { from: Some(11), to: Some(12), ..Pick::default() }, vec![(11, 100), (12, 200)]),
            (Pick { since: time(101), ..Pick::default() }, vec![(12, 200), (13, 200)]),
            (Pick { until: time(199), ..Pick::default() }, vec![(10, 100), (11, 100)]),
            (Pick { hosts: names("WEB"), ..Pick::default() }, vec![(10, 100), (12, 200)]),
            (Pick { hosts: names("web"), apps: names("sshd"), ..Pick::default() }, vec![(10, 100)]),
            (Pick { peers: names("192.0.2.1"), from: Some(13), ..Pick::default() }, vec![(13, 200)]),
            (Pick { peers: names("192.0.2.2"), ..Pick::default() }, vec![]),
            (
                Pick { listing: Some(Listing::parse(b" 11 x\n#12\n\n13").unwrap()), ..Pick::default() },
                vec![(11, 100), (13, 200)],
            ),
        ];
        for (pick, expected) in cases {
            assert_eq!(numbers(&pick, &batch()), expected, "{pick:?}");
        }
    }

    #[test]
    fn ticks_stay_within_the_range() {
        let mut tick = batch();
        tick.batch.frames.clear();
        tick.arrivals = Arrivals::One(Timestamp::from_micros(100));
        let elsewhere =
            Pick { hosts: vec!["other".into()], listing: Some(Listing::default()), ..Pick::default() };
        assert_eq!(numbers(&elsewhere, &tick), [(10, 100)]);
        assert_eq!(numbers(&Pick { from: Some(11), ..Pick::default() }, &tick), []);
    }

    #[test]
    fn a_listing_that_is_not_one_is_refused_by_line() {
        assert_eq!(Listing::parse(b"1 a\n\nx 2\n").unwrap_err(), ListingError { line: 3 });
        assert_eq!(Listing::parse(b"1\n1\n# 2").unwrap().len(), 1);
    }
}
