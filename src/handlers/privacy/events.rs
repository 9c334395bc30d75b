//! Floor 4: copies of events in which the names of unknown users are masked.
//!
//! Invariant: a copy has nothing of the original's text but what its fields show.

use super::mask::mask;
use super::records::mask_message;
use crate::event::{Event, EventBlock, Field, Kind, Value};
use crate::handlers::Selection;
use std::borrow::Cow;
use std::sync::Arc;

/// The one user that every host has.
const ROOT: &[u8] = b"root";

/// Digits of an exit code, a signal or a status.
const MOST_DIGITS: usize = 3;

/// The selected events, masked.
pub(super) fn masked(events: &Selection) -> Selection {
    let mut block = EventBlock::new(Arc::clone(events.block.stamp()));
    for event in events.events() {
        copy(event, &mut block);
    }
    Selection::all(Arc::new(block))
}

fn copy(event: Event<'_>, block: &mut EventBlock) {
    let known = known_user(event);
    let mut to = block.push(*event.head());
    for (field, value) in event.fields() {
        match (field, value) {
            (Field::User, Value::Text(name)) => to.text(field, &masked_name(name, known)),
            (Field::Users, Value::List(names)) => {
                let names: Vec<_> =
                    names.iter().filter_map(text).map(|name| masked_name(name, known)).collect();
                to.texts(field, names.iter().map(|name| &**name))
            }
            (Field::Reason, Value::Text(note)) if tells_of_deliveries(event.kind()) => {
                to.text(field, class(note).as_bytes())
            }
            (Field::Message, Value::Text(message)) => to.text(field, &masked_report(event, message)),
            _ => to.value(field, value),
        };
    }
    to.evidence(event.evidence().iter().copied());
}

fn text(value: Value<'_>) -> Option<&[u8]> {
    if let Value::Text(text) = value { Some(text) } else { None }
}

/// Whether a name may be shown: that of a user known by the event, or one that every host has.
pub(super) fn may_be_shown(name: &[u8], known: Option<&[u8]>) -> bool {
    name == ROOT || Some(name) == known
}

fn masked_name<'n>(name: &'n [u8], known: Option<&[u8]>) -> Cow<'n, [u8]> {
    if may_be_shown(name, known) { Cow::Borrowed(name) } else { Cow::Owned(mask(name).into_bytes()) }
}

/// The user of an event, where the event says, or is raised only where that is so, that the host knows this user.
pub(super) fn known_user(event: Event<'_>) -> Option<&[u8]> {
    let known = match event.get(Field::InvalidUser) {
        Value::Bool(invalid) => !invalid,
        _ => tells_of_existing_users(event.kind()),
    };
    text(event.get(Field::User)).filter(|_| known)
}

/// Whether events of a kind have a user only where a host knows it: one who has logged in or shown what it takes, and one
/// whom a rule of sshd's configuration names or whose account was looked at.
fn tells_of_existing_users(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::SSHDSessionStarted
            | Kind::SSHDLoginSucceeded
            | Kind::SSHDSuccessAfterFailures
            | Kind::SSHDDistributedBruteForce
            | Kind::SSHDKeyMisuse
            | Kind::SSHDAccountDenied
            | Kind::SSHDAccountLocked
            | Kind::SSHDUserDenied
            | Kind::SSHDMfaPartial
            | Kind::SSHDSubsystem
    )
}

/// Whether events of a kind repeat what a program or a server has said to a handler, who may show names that this one
/// may not.
fn tells_of_deliveries(kind: Kind) -> bool {
    matches!(kind, Kind::ServerHandlerFailing | Kind::ServerDeadLetters)
}

/// What may be told of a note about a delivery: what class of failure it tells of, and nothing that others said.
fn class(note: &[u8]) -> String {
    let classes = ["exit code ", "ended by signal ", "it answered "];
    let number = |class: &str| {
        let rest = note.strip_prefix(class.as_bytes())?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = str::from_utf8(rest.get(..digits)?).ok()?;
        (1..=MOST_DIGITS).contains(&digits).then(|| format!("{class}{number}"))
    };
    classes.into_iter().find_map(number).unwrap_or_else(|| "see `events show`".to_owned())
}

/// The message of a record that is reported as such.
fn masked_report<'m>(event: Event<'_>, message: &'m [u8]) -> Cow<'m, [u8]> {
    let program = text(event.get(Field::AppName)).unwrap_or_default();
    mask_message(program, message, message.ends_with("…".as_bytes()), None)
}
