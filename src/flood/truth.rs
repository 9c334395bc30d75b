//! Floor 5: what a flood makes true, and whether events say so.
//!
//! Invariant: each truth takes one event; what is missing, told again, or never happened is counted apart.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead};

/// An event that has to come of a flood.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Truth {
    /// Its kind.
    pub kind: String,
    /// The user.
    pub user: String,
    /// The host that it happened on.
    pub host: String,
    /// The client's address.
    pub addr: String,
    /// The client's port.
    pub port: u16,
}

/// How many events of a kind there are, against how many there should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Have to be there.
    pub expected: u64,
    /// Are there, and have to be.
    pub found: u64,
    /// Have to be there, and are not.
    pub missing: u64,
    /// Are there once more than they have to be.
    pub repeated: u64,
    /// Are there, and never happened.
    pub unexpected: u64,
}

/// What the comparison came to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verdict {
    /// By kind.
    pub kinds: BTreeMap<String, Tally>,
    /// The first few that are missing.
    pub missing: Vec<Truth>,
    /// The first few that are there too often.
    pub surplus: Vec<Truth>,
}

/// Why there is no comparison.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A line is not what it should be.
    #[error("line {line} is not {what}: {reason}")]
    Line {
        /// The number of the line, from 1.
        line: u64,
        /// What it should be.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// Examples of each sort that a verdict names.
const EXAMPLES: usize = 5;

impl Verdict {
    /// Whether every truth was told once, and nothing else.
    pub fn is_well(&self) -> bool {
        self.kinds.values().all(|tally| tally.missing + tally.repeated + tally.unexpected == 0)
    }

    /// Compares truths with events, both as JSON lines; events of other kinds than the truths' are left out.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn of(truths: impl BufRead, events: impl BufRead) -> Result<Self, (Side, CheckError)> {
        let mut verdict = Self::default();
        let mut open: HashMap<Truth, Count> = HashMap::new();
        for truth in rows(truths, "a truth of a flood", |text| serde_json::from_str::<Truth>(text)) {
            let truth = truth.map_err(|error| (Side::Truths, error))?;
            verdict.tally(&truth.kind).expected += 1;
            open.entry(truth).or_default().expected += 1;
        }
        for event in rows(events, "an event", |text| serde_json::from_str::<Value>(text)) {
            let event = event.map_err(|error| (Side::Events, error))?;
            let Some(truth) = said(&event).filter(|truth| verdict.kinds.contains_key(&truth.kind)) else {
                continue;
            };
            let Some(count) = open.get_mut(&truth) else {
                verdict.tally(&truth.kind).unexpected += 1;
                verdict.surplus(truth);
                continue;
            };
            count.found += 1;
            if count.found > count.expected {
                verdict.tally(&truth.kind).repeated += 1;
                verdict.surplus(truth);
            } else {
                verdict.tally(&truth.kind).found += 1;
            }
        }
        let mut missing: Vec<_> =
            open.into_iter().filter(|(_, count)| count.found < count.expected).collect();
        missing.sort_unstable();
        for (truth, count) in missing {
            verdict.tally(&truth.kind).missing += count.expected - count.found;
            if verdict.missing.len() < EXAMPLES {
                verdict.missing.push(truth);
            }
        }
        Ok(verdict)
    }

    fn tally(&mut self, kind: &str) -> &mut Tally {
        self.kinds.entry(kind.to_owned()).or_default()
    }

    fn surplus(&mut self, truth: Truth) {
        if self.surplus.len() < EXAMPLES {
            self.surplus.push(truth);
        }
    }
}

/// Which of the two inputs of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What has to be told.
    Truths,
    /// What was told.
    Events,
}

/// How often one truth has to be told, and was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Count {
    expected: u64,
    found: u64,
}

fn rows<T>(
    lines: impl BufRead,
    what: &'static str,
    read: impl Fn(&str) -> serde_json::Result<T>,
) -> impl Iterator<Item = Result<T, CheckError>> {
    (1..).zip(lines.lines()).map(move |(line, text)| {
        read(&text?).map_err(|reason| CheckError::Line { line, what, reason: reason.to_string() })
    })
}

/// What an event says, as a truth; nothing of one that names no client.
fn said(event: &Value) -> Option<Truth> {
    let fields = event.get("fields")?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(Truth {
        kind: event.get("kind")?.as_str()?.to_owned(),
        user: text("user").unwrap_or_default(),
        host: text("host").unwrap_or_default(),
        addr: text("addr").unwrap_or_default(),
        port: fields.get("port").and_then(Value::as_u64).and_then(|port| port.try_into().ok()).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(kind: &str, port: u16) -> String {
        format!(r#"{{"kind":"{kind}","user":"u","host":"h","addr":"192.0.2.1","port":{port}}}"#)
    }

    fn event(kind: &str, port: u16) -> String {
        let fields = format!(r#"{{"user":"u","host":"h","addr":"192.0.2.1","port":{port},"pid":7}}"#);
        format!(r#"{{"id":"x","kind":"{kind}","fields":{fields}}}"#)
    }

    fn verdict(truths: &[String], events: &[String]) -> Verdict {
        Verdict::of(truths.join("\n").as_bytes(), events.join("\n").as_bytes()).unwrap()
    }

    #[test]
    fn each_truth_takes_one_event() {
        let truths = [truth("A", 1), truth("A", 2), truth("B", 1)];
        let well = verdict(&truths, &[event("B", 1), event("A", 2), event("Other", 9), event("A", 1)]);
        assert!(well.is_well(), "{well:?}");
        assert_eq!(well.kinds["A"], Tally { expected: 2, found: 2, ..Tally::default() });

        let ill = verdict(&truths, &[event("A", 1), event("A", 1), event("A", 3)]);
        assert!(!ill.is_well());
        let expected = Tally { expected: 2, found: 1, missing: 1, repeated: 1, unexpected: 1 };
        assert_eq!((ill.kinds["A"], ill.kinds["B"].missing), (expected, 1));
        assert_eq!((ill.missing[0].port, ill.surplus[1].port), (2, 3));
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        let error = Verdict::of(&b"{\"kind\":1}"[..], &b""[..]).unwrap_err();
        assert_eq!(error.0, Side::Truths);
        assert!(error.1.to_string().starts_with("line 1 is not a truth of a flood: "), "{}", error.1);
    }
}
