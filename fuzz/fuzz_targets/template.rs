//! Templates: whatever attackers put into an event, a text is bounded and has no markup but the template's own.
//!
//! The first byte chooses the kind of the event; the others are each of its texts.
#![no_main]

use correlator::event::Kind;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

#[path = "../../tests/templates/check.rs"]
mod check;

static CHECKER: LazyLock<check::Checker> = LazyLock::new(check::Checker::new);

fuzz_target!(|data: &[u8]| {
    let Some((kind, text)) = data.split_first() else { return };
    CHECKER.check(Kind::ALL[usize::from(*kind) % Kind::ALL.len()], text);
});
