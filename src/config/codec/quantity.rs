//! Floor 7: numbers, lengths of time, sizes.

use super::{Codec, Takes};
use crate::config::option::Sink;
use crate::config::tree::{Content, Node};
use std::time::Duration;
use toml_edit::Value;

/// A whole number within bounds.
pub(in crate::config) struct Count<const LEAST: u64, const MOST: u64>;

impl<const LEAST: u64, const MOST: u64> Takes for Count<LEAST, MOST> {
    fn takes() -> String {
        format!("a whole number from {LEAST} to {MOST}")
    }
}

impl<T, const LEAST: u64, const MOST: u64> Codec<T> for Count<LEAST, MOST>
where
    T: Copy + TryFrom<u64> + TryInto<i64>,
{
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<T> {
        let number = match node.content {
            Content::Integer(number) => u64::try_from(number).ok(),
            _ => None,
        };
        let value = number.filter(|n| (LEAST..=MOST).contains(n)).and_then(|number| T::try_from(number).ok());
        if value.is_none() {
            sink.expected(&Self::takes(), node);
        }
        value
    }

    fn show(value: &T) -> Option<Value> {
        (*value).try_into().ok().map(Value::from)
    }
}

/// Units of time and their milliseconds, the longest first.
const TIME_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A length of time, within bounds in seconds.
pub(in crate::config) struct Lasting<const LEAST: u64, const MOST: u64>;

impl<const LEAST: u64, const MOST: u64> Takes for Lasting<LEAST, MOST> {
    fn takes() -> String {
        let [least, most] =
            [LEAST, MOST].map(|seconds| with_unit(seconds.saturating_mul(1_000), &TIME_UNITS));
        format!("a length of time from \"{least}\" to \"{most}\"")
    }
}

impl<const LEAST: u64, const MOST: u64> Codec<Duration> for Lasting<LEAST, MOST> {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Duration> {
        let millis = match &node.content {
            Content::Text(text) => parse_with_unit(text, &TIME_UNITS),
            _ => None,
        };
        let bounds = Duration::from_secs(LEAST)..=Duration::from_secs(MOST);
        let value = millis.map(Duration::from_millis).filter(|value| bounds.contains(value));
        if value.is_none() {
            sink.expected_as_in(&Self::takes(), node, Some("as in \"5m\"; the units are ms, s, m, h, d"));
        }
        value
    }

    fn show(value: &Duration) -> Option<Value> {
        let millis = u64::try_from(value.as_millis()).unwrap_or(u64::MAX);
        Some(with_unit(millis, &TIME_UNITS).into())
    }
}

/// A length of time that zero turns off.
impl<const MOST: u64> Codec<Option<Duration>> for Lasting<0, MOST> {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Option<Duration>> {
        let time = <Self as Codec<Duration>>::read(node, sink)?;
        Some((!time.is_zero()).then_some(time))
    }

    fn show(value: &Option<Duration>) -> Option<Value> {
        value.as_ref().and_then(<Self as Codec<Duration>>::show)
    }
}

/// Units of size and their bytes, the largest first.
const SIZE_UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A number of bytes, within bounds.
pub(in crate::config) struct Size<const LEAST: u64, const MOST: u64>;

impl<const LEAST: u64, const MOST: u64> Takes for Size<LEAST, MOST> {
    fn takes() -> String {
        let [least, most] = [LEAST, MOST].map(show_size);
        format!("a size from \"{least}\" to \"{most}\"")
    }
}

impl<T, const LEAST: u64, const MOST: u64> Codec<T> for Size<LEAST, MOST>
where
    T: Copy + TryFrom<u64> + TryInto<u64>,
{
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<T> {
        let bytes = match &node.content {
            Content::Text(text) => parse_size(text),
            Content::Integer(number) => u64::try_from(*number).ok(),
            _ => None,
        };
        let value = bytes.filter(|n| (LEAST..=MOST).contains(n)).and_then(|bytes| T::try_from(bytes).ok());
        if value.is_none() {
            sink.expected_as_in(
                &Self::takes(),
                node,
                Some("as in \"64KiB\"; the units are B, KiB, MiB, GiB"),
            );
        }
        value
    }

    fn show(value: &T) -> Option<Value> {
        (*value).try_into().ok().map(|bytes| show_size(bytes).into())
    }
}

/// Reads a size such as `64KiB`.
pub(in crate::config) fn parse_size(text: &str) -> Option<u64> {
    parse_with_unit(text, &SIZE_UNITS)
}

/// Shows a size in the largest unit that it is a multiple of.
pub(in crate::config) fn show_size(bytes: u64) -> String {
    with_unit(bytes, &SIZE_UNITS)
}

fn parse_with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let factor = units.iter().find(|(name, _)| *name == unit.trim_start())?.1;
    number.parse::<u64>().ok()?.checked_mul(factor)
}

fn with_unit(number: u64, units: &[(&str, u64)]) -> String {
    let fits = |(_, factor): &&(&str, u64)| number >= *factor && number.is_multiple_of(*factor);
    match units.iter().find(fits).or(units.last()) {
        Some((unit, factor)) => format!("{}{unit}", number / factor),
        None => number.to_string(),
    }
}
