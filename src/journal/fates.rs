//! Floor 3: what became of the events of one segment, in all handlers.
//!
//! Invariant: what was settled stays as it was settled, except what is dead, as in [`super::Standing`]; where the two
//! can differ, because deliveries cannot be read, nothing is made up.

use super::standing::{Settled, Standing, Standings, State};
use crate::limits;
use std::collections::HashMap;
use std::ops::Range;

/// What became of an event in a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate<'a> {
    /// What happened last; nothing where that cannot be read any more.
    pub state: Option<State>,
    /// How often delivery was tried.
    pub attempts: u32,
    /// Why the last attempt that failed did.
    pub error: Option<&'a str>,
    /// Why it is in its state, where there was something to say.
    pub note: Option<&'a str>,
    /// Whether the handler is not configured any more.
    pub orphan: bool,
}

/// What became of some events.
#[derive(Debug, Default)]
pub(super) struct Fates {
    columns: Vec<Column>,
    notes: Notes,
    /// Of how many events and handlers something is still to be read.
    open: usize,
}

/// What became of the events in one handler.
#[derive(Debug)]
struct Column {
    handler: String,
    standing: Standing,
    rows: Vec<Row>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    state: Option<State>,
    attempts: u32,
    error: u32,
    note: u32,
}

/// What a handler's standing says of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// It was raised before the handler was there.
    NotIts,
    /// It is settled, and not dead.
    Settled,
    Dead,
    Waiting,
    /// It waits, and may have been tried: what happened last may stand anywhere.
    Failing,
}

impl Fates {
    /// Begins with where the handlers stand.
    pub(super) fn new(standings: &Standings, events: impl Iterator<Item = u64> + Clone) -> Self {
        let column = |(handler, standing): (&String, &Standing)| Column {
            handler: handler.clone(),
            standing: standing.clone(),
            rows: events.clone().map(|_| Row::default()).collect(),
        };
        let columns: Vec<Column> = standings.iter().map(column).collect();
        let open_of = |column: &Column| {
            let rows = column.rows.iter().zip(events.clone());
            rows.filter(|(row, seq)| row.is_open(due(&column.standing, *seq))).count()
        };
        let open = columns.iter().map(open_of).sum();
        Self { columns, notes: Notes::default(), open }
    }

    /// Whether something is still to be read.
    pub(super) fn is_open(&self) -> bool {
        self.open > 0
    }

    /// Takes note of what happened to the events at some places, the first of which has a sequence number.
    pub(super) fn take(&mut self, settled: &Settled, places: Range<usize>, first: u64) {
        let note = settled.note.as_deref().map_or(0, |note| self.notes.place(note));
        let Some(column) = self.columns.iter_mut().find(|column| *column.handler == *settled.handler) else {
            return;
        };
        let rows = column.rows.get_mut(places).unwrap_or_default();
        for (row, seq) in rows.iter_mut().zip(first..) {
            let due = due(&column.standing, seq);
            let was_open = row.is_open(due);
            row.take(settled, note);
            if was_open && !row.is_open(due) {
                self.open -= 1;
            }
        }
    }

    /// What became of the event at a place, which has a sequence number, in every handler that it was to go to.
    pub(super) fn of(&self, place: Option<usize>, seq: u64) -> impl Iterator<Item = (&str, Fate<'_>)> {
        self.columns.iter().filter_map(move |column| {
            let row = column.rows.get(place?)?;
            let due = due(&column.standing, seq);
            let state = match (row.state, due) {
                (None, Due::NotIts) => return None,
                (None, Due::Waiting | Due::Failing) => Some(State::Gathered),
                (None, Due::Dead) => Some(State::Dead),
                (None, Due::Settled) => None,
                (Some(state), _) => Some(state),
            };
            let (error, note) = (self.notes.text(row.error), self.notes.text(row.note));
            Some((
                column.handler.as_str(),
                Fate { state, attempts: row.attempts, error, note, orphan: column.standing.end.is_some() },
            ))
        })
    }
}

impl Row {
    fn is_open(&self, due: Due) -> bool {
        match due {
            Due::NotIts | Due::Waiting => false,
            Due::Settled => !self.is_final(),
            Due::Dead => self.state != Some(State::Dead),
            Due::Failing => true,
        }
    }

    fn is_final(&self) -> bool {
        self.state.is_some_and(|state| state.is_settled() && state != State::Dead)
    }

    fn take(&mut self, settled: &Settled, note: u32) {
        if self.is_final() {
            return;
        }
        self.state = Some(settled.state);
        self.note = note;
        if settled.is_failure() || settled.state == State::Dead {
            self.error = note;
        }
        // What an operator does is no attempt.
        if settled.attempts > 0 {
            self.attempts = settled.attempts;
        }
    }
}

fn due(standing: &Standing, seq: u64) -> Due {
    let tried = standing.retry.as_ref().is_some_and(|retry| {
        // What is tried together was committed together.
        (retry.first..retry.first.saturating_add(limits::MAX_TRIED_TOGETHER)).contains(&seq)
    });
    let is_waiting = standing.is_waiting(seq);
    match () {
        () if seq < standing.start || seq >= standing.upto(u64::MAX) => Due::NotIts,
        () if is_waiting && tried => Due::Failing,
        () if is_waiting => Due::Waiting,
        () if standing.dead.contains(seq) => Due::Dead,
        () => Due::Settled,
    }
}

/// Texts, each once. The first place is for none.
#[derive(Debug, Default)]
struct Notes {
    places: HashMap<String, u32>,
    texts: Vec<String>,
}

impl Notes {
    fn place(&mut self, text: &str) -> u32 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let text = if self.texts.len() < limits::MAX_AUDIT_NOTES { text } else { "…" };
        let next = u32::try_from(self.texts.len() + 1).unwrap_or(u32::MAX);
        *self.places.entry(text.to_owned()).or_insert_with(|| {
            self.texts.push(text.to_owned());
            next
        })
    }

    fn text(&self, place: u32) -> Option<&str> {
        self.texts.get(usize::try_from(place).ok()?.checked_sub(1)?).map(String::as_str)
    }
}
