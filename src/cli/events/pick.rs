//! Floor 8: which events are wanted, by what they are.

use crate::cli::value::{self, Moment, unknown};
use crate::event::render::{self, LocalTime};
use crate::event::{Event, Field, FieldType, Kind, Severity, Value};
use crate::time::{Timestamp, Zone};
use std::net::IpAddr;
use std::str::FromStr;

/// Options that pick events by what they are.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Which events")]
pub(super) struct PickArgs {
    /// Only those from then on, as in `2h` (ago), `2026-11-25T14:00:00Z`, or `2026-11-25` by the clocks of `timezone`
    #[arg(long, value_name = "WHEN")]
    pub(super) since: Option<Moment>,

    /// Only those before then; a date is all of its day
    #[arg(long, value_name = "WHEN")]
    until: Option<Moment>,

    /// Only those of this kind (may be given several times)
    #[arg(long, value_name = "KIND", value_parser = value::kind)]
    kind: Vec<Kind>,

    /// Only those that matter at least so much: info, notice, warning, error, critical
    #[arg(long, value_name = "SEVERITY", value_parser = value::severity)]
    severity: Option<Severity>,

    /// Only those of which a field has this value, as in `user=root` (may be given several times; all must match)
    ///
    /// Text and addresses are compared as a whole; in a list, one item must match. Numbers and times are as `events
    /// show` prints them.
    #[arg(long, value_name = "NAME=VALUE")]
    field: Vec<Wanted>,
}

/// Which events are wanted.
#[derive(Debug)]
pub(super) struct Pick {
    since: Timestamp,
    until: Timestamp,
    args: PickArgs,
    times: LocalTime,
}

impl PickArgs {
    /// Goes by a present instant, and by the zone of times.
    pub(super) fn pick(&self, now: Timestamp, zone: Zone) -> Pick {
        Pick {
            since: self.since.map_or(Timestamp::MIN, |moment| moment.first(now, &zone)),
            until: self.until.map_or(Timestamp::MAX, |moment| moment.end(now, &zone)),
            args: self.clone(),
            times: LocalTime::new(zone),
        }
    }
}

impl Pick {
    /// The instant from which on events are wanted. What happened then was committed later.
    pub(super) fn since(&self) -> Timestamp {
        self.since
    }

    /// Whether an event is wanted.
    pub(super) fn takes(&mut self, event: Event<'_>) -> bool {
        let head = event.head();
        let PickArgs { kind, severity, field, .. } = &self.args;
        (self.since..self.until).contains(&head.time)
            && (kind.is_empty() || kind.contains(&head.kind))
            && severity.is_none_or(|least| head.severity >= least)
            && field.iter().all(|wanted| wanted.is(event.get(wanted.field), &mut self.times))
    }
}

/// A value that a field is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    field: Field,
    text: String,
    addr: Option<IpAddr>,
}

impl Wanted {
    fn is(&self, value: Value<'_>, times: &mut LocalTime) -> bool {
        match value {
            Value::Null => false,
            Value::Addr(addr) => Some(addr) == self.addr,
            Value::Text(text) if text == self.text.as_bytes() => true,
            Value::List(list) => list.iter().any(|item| self.is(item, times)),
            shown => {
                let mut text = Vec::new();
                render::value(&mut text, shown, times);
                text == self.text.as_bytes()
            }
        }
    }
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) =
            text.split_once('=').ok_or("expected a field and its value, as in `user=root`")?;
        let names = Field::ALL.iter().map(|field| field.spec().name);
        let field = Field::ALL.iter().copied().find(|field| field.spec().name == name);
        let field = field.ok_or_else(|| unknown("a field", name, names))?;
        let addr: Option<IpAddr> = value.parse().ok();
        if matches!(field.spec().ty, FieldType::Addr | FieldType::Addrs) && addr.is_none() {
            return Err(format!("`{name}` holds addresses, and `{value}` is none"));
        }
        Ok(Self { field, text: value.to_owned(), addr })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventBlock, Head, Stamp};
    use std::sync::Arc;

    fn block() -> EventBlock {
        let stamp = Stamp { stream: crate::event::StreamId(1), run: 1, modules: Vec::new() };
        let mut block = EventBlock::new(Arc::new(stamp));
        let kind = Kind::SSHDUserEnumeration;
        let time = Timestamp::from_civil(2026, 11, 25, 0, 0);
        let head = Head { number: 1, ordinal: 0, module: 0, kind, severity: Severity::Warning, time };
        block
            .push(head)
            .addr(Field::Addr, "192.0.2.1".parse().unwrap())
            .text(Field::Source, b"192.0.2.1")
            .count(Field::Count, 12)
            .flag(Field::Trusted, false)
            .duration(Field::Window, std::time::Duration::from_secs(600))
            .texts(Field::Users, [&b"a"[..], b"b\xff"]);
        block
    }

    fn takes(change: impl Fn(&mut PickArgs)) -> bool {
        let mut args =
            PickArgs { since: None, until: None, kind: Vec::new(), severity: None, field: Vec::new() };
        change(&mut args);
        let block = block();
        let mut pick = args.pick(Timestamp::from_civil(2026, 11, 25, 3_600, 0), Zone::UTC);
        pick.takes(block.get(0).unwrap())
    }

    #[test]
    fn fields_are_compared_by_their_type() {
        let field = |text: &str| takes(|args| args.field = vec![text.parse().unwrap()]);
        let right = [
            "addr=192.0.2.1",
            "source=192.0.2.1",
            "count=12",
            "trusted=no",
            "window=10m",
            "users=a",
            r"users=b\xff",
        ];
        for text in right {
            assert!(field(text), "{text}");
        }
        for text in
            ["addr=192.0.2.2", "source=192.0.2", "count=1", "trusted=yes", "users=c", "user=a", "host="]
        {
            assert!(!field(text), "{text}");
        }
        let error = |text: &str| text.parse::<Wanted>().unwrap_err();
        assert_eq!(error("usr=root"), "`usr` is not a field; did you mean `user`?");
        assert_eq!(error("addr=here"), "`addr` holds addresses, and `here` is none");
        assert!(error("root").starts_with("expected a field"));
    }

    #[test]
    fn times_kinds_and_severities_bound_what_is_wanted() {
        assert!(takes(|args| args.since = Some("1h".parse().unwrap())));
        assert!(!takes(|args| args.since = Some("59m".parse().unwrap())));
        assert!(!takes(|args| args.until = Some("1h".parse().unwrap())));
        assert!(takes(|args| args.kind = vec![Kind::ServerStats, Kind::SSHDUserEnumeration]));
        assert!(!takes(|args| args.kind = vec![Kind::ServerStats]));
        assert!(takes(|args| args.severity = Some(value::severity("warning").unwrap())));
        assert!(!takes(|args| args.severity = Some(value::severity("ERROR").unwrap())));
        assert_eq!(
            value::severity("eror").unwrap_err(),
            "`eror` is not a severity; did you mean `ERROR`?; there are INFO, NOTICE, WARNING, ERROR, CRITICAL"
        );
        assert!(value::kind("SSHDLoginFaild").unwrap_err().contains("`SSHDLoginFailed`"));
    }
}
