//! Floor 7: the options that handlers of all types have: which events they get, and how these are brought to them.

use crate::config::codec::{Choice, Fields, FilterText, Lasting, OneOf};
use crate::config::option::{Opt, options};
use crate::config::problem::Problem;
use crate::config::section::{Given, Reader, Section};
use crate::dispatch::{Filter, RetryOptions, Start, StormOptions, TargetOptions};
use crate::event::{Field, render};
use crate::limits;
use std::sync::Arc;
use std::time::Duration;

/// A year, in seconds.
const YEAR: u64 = 365 * 86_400;

impl Choice for Start {
    const NAMES: &'static [(&'static str, Self)] = &[("now", Self::Now), ("beginning", Self::Beginning)];
}

impl Section for TargetOptions {
    const OPTIONS: &'static [Opt<Self>] = options! { Self:
        filter = filter as FilterText,
            "Which events the handler gets: an expression in CEL, as in \"severity >= WARNING\" (docs/filters.md).";
        cooldown = storm.cooldown as Lasting<0, { 7 * 86_400 }>,
            "For how long events like one that was delivered are held back: they go with the next digest, or, where \
             there is none, not at all. Zero is off.";
        cooldown_by = storm.cooldown_by as Fields,
            "The fields in which events must agree, beside their kind, to be alike. `source` is the address where a \
             kind has no source, of IPv6 its /64 network. Events that have none of the fields are alike when they are \
             about the same user, host, handler, listener or sender.";
        start = start as OneOf<Start>,
            "Where a handler begins that is new: with the next event, or with the first that the journal still has.";
        retry_first = retry.first as Lasting<1, 3600>,
            "The shortest pause before a delivery that failed is tried again; pauses double from there.";
        retry_most = retry.most as Lasting<1, 86_400>,
            "The longest pause.";
        retry_for = retry.give_up as Lasting<0, YEAR>,
            "The time after which an event is given up and becomes a dead letter, which `events retry` can send again.";
        deadline = retry.deadline as Lasting<1, 3600>,
            "The time within which the handler has to answer before the delivery counts as failed. It must be longer than \
             the handler's `timeout`, where it has one.";
    };

    fn defaults() -> Self {
        Self::default()
    }
}

/// How a handler gathers events into digests; only types that can send one have these options.
impl Section for StormOptions {
    const OPTIONS: &'static [Opt<Self>] = options! { Self:
        digest = digest as Lasting<0, 86_400>,
            "For how long events are gathered to go as one message, after a first one that went at once where there is a \
             cooldown. CRITICAL events are not gathered. Zero is off.";
        late_after = late_after as Lasting<0, YEAR>,
            "The age from which on events go with a digest, as after an outage. Zero is off.";
    };

    fn defaults() -> Self {
        Self::default()
    }
}

/// Says what does not go together. `timeout` is the handler's own time for one attempt, where it has one.
pub(super) fn contradictions(
    delivery: &TargetOptions,
    timeout: Option<Duration>,
    given: Given<'_>,
    reader: &mut Reader,
) {
    // What was written is named: of two options the one that was, and of both the first.
    let mut wrong = |keys: [&str; 2], message: String, hint: &str| {
        let written = keys.iter().find_map(|key| given.table.get(key));
        let place = written.map_or(given.at, |node| &node.at);
        reader.problems.push(Problem::new(place, message).hint(hint));
    };
    let path = given.path;
    let RetryOptions { first, most, deadline, .. } = delivery.retry;
    if let Some(timeout) = timeout.filter(|timeout| *timeout >= deadline) {
        let message = format!(
            "`{path}.deadline` is {}, and `timeout` {}: a delivery would be cut off before its own \
             time is over",
            shown(deadline),
            shown(timeout)
        );
        wrong(["timeout", "deadline"], message, "`deadline` must be longer than `timeout`");
    }
    if first > most {
        let message =
            format!("`{path}.retry_first` is {}, longer than `retry_most`, {}", shown(first), shown(most));
        wrong(["retry_first", "retry_most"], message, "pauses grow from `retry_first` to `retry_most`");
    }
    let has_cooldown = delivery.storm.cooldown.is_some_and(|time| !time.is_zero());
    if given.table.get("cooldown_by").is_some() && !has_cooldown && !delivery.storm.cooldown_by.is_empty() {
        let message = format!("`{path}.cooldown_by` is of no use without `cooldown`");
        wrong(["cooldown_by", "cooldown"], message, "add one, as in cooldown = \"10m\"");
    }
}

fn shown(time: Duration) -> String {
    let mut text = Vec::new();
    render::human_duration(&mut text, time);
    String::from_utf8_lossy(&text).into_owned()
}

/// How events are brought to people by default: those that a filter lets through, of alike ones from one source the
/// first at once, and the others with a digest, if there is one.
pub(super) fn sparing(filter: &str, digest: Option<Duration>) -> TargetOptions {
    let storm = StormOptions {
        cooldown: Some(limits::PEOPLE_COOLDOWN),
        cooldown_by: vec![Field::Source],
        digest,
        ..StormOptions::default()
    };
    TargetOptions { filter: Filter::compile(filter).ok().map(Arc::new), storm, ..TargetOptions::default() }
}
