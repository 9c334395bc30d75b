//! Captures that were tampered with by somebody who can make every checksum match.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test program: its helpers fail by panicking"
)]

#[path = "forged/check.rs"]
mod check;

use proptest::prelude::*;
use std::fs;

#[test]
fn every_byte_of_a_block_may_be_forged() {
    let directory = tempfile::tempdir().unwrap();
    let sound = fs::read("fuzz/seeds/capture/one-segment").unwrap();
    for at in 0..sound.len() {
        for value in [0, 0x7f, 0xff] {
            let mut forged = sound.clone();
            forged[at] = value;
            check::check(&directory.path().join("forged"), &forged);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn forgeries_are_read_without_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        length in any::<prop::sample::Index>(),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut forged = fs::read("fuzz/seeds/capture/one-segment").unwrap();
        for (at, value) in changes {
            let at = at.index(forged.len());
            forged[at] = value;
        }
        check::check(&directory.path().join("whole"), &forged);
        forged.truncate(length.index(forged.len()));
        check::check(&directory.path().join("cut"), &forged);
    }
}
