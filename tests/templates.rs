//! Templates with what attackers put into events: bounded, and no markup but the template's own.

#![allow(clippy::unwrap_used, reason = "a test program: its helpers fail by panicking")]

#[path = "templates/check.rs"]
mod check;

use check::Checker;
use correlator::event::Kind;
use proptest::prelude::*;
use std::fs;
use std::sync::LazyLock;

static CHECKER: LazyLock<Checker> = LazyLock::new(Checker::new);

#[test]
fn seeds_of_the_fuzz_target_stay_in_their_places_in_every_kind_of_event() {
    let mut count = 0;
    for seed in fs::read_dir("fuzz/seeds/template").unwrap() {
        let seed = fs::read(seed.unwrap().path()).unwrap();
        let (_, text) = seed.split_first().unwrap();
        Kind::ALL.iter().for_each(|kind| CHECKER.check(*kind, text));
        count += 1;
    }
    assert!(count > 3, "only {count} seeds were found");
}

#[test]
fn very_long_values_are_cut_or_refused() {
    for text in [&b"<\"'&"[..], b"\xff", "\u{202e}日".as_bytes()] {
        CHECKER.check(Kind::SSHDUserEnumeration, &text.repeat(100_000));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_value_becomes_markup(
        kind in proptest::sample::select(Kind::ALL),
        text in prop_oneof!["[<>\"'&;/={}%\\\\\n\u{1b}\u{202e}a-c ]{1,60}".prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 1..60)],
    ) {
        CHECKER.check(kind, &text);
    }
}
