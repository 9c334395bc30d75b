//! Captures and journals that were tampered with by somebody who can make every checksum match.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test program: its helpers fail by panicking"
)]

#[path = "forged/check.rs"]
mod check;
#[path = "forged/journal.rs"]
mod journal;
#[path = "forged/seal.rs"]
mod seal;

use proptest::prelude::*;
use std::fs;
use std::path::Path;

#[test]
fn every_byte_of_a_block_may_be_forged() {
    let directory = tempfile::tempdir().unwrap();
    let seeds: [(_, &[u8]); 2] = [("one-segment", &[0, 0x7f, 0xff]), ("later-run", &[0xff])];
    for (seed, values) in seeds {
        let sound = fs::read(Path::new("fuzz/seeds/capture").join(seed)).unwrap();
        for at in 0..sound.len() {
            for value in values {
                let mut forged = sound.clone();
                forged[at] = *value;
                check::check(&directory.path().join("forged"), &forged);
            }
        }
    }
}

#[test]
fn a_server_starts_on_a_journal_of_which_a_byte_was_forged() {
    let directory = tempfile::tempdir().unwrap();
    for part in &journal::PARTS {
        let used = part.golden.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        // Each start waits for the disk: so some places only, and the fuzz target for all others.
        for at in (0..used).step_by(if used > 256 { 397 } else { 11 }) {
            let mut forged = part.golden[..used].to_vec();
            forged[at] ^= 0xff;
            journal::check(&directory.path().join("data"), part, &forged);
        }
    }
}

#[test]
fn seeds_of_the_fuzz_target_of_journals_are_started_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut count = 0;
    for seed in fs::read_dir("fuzz/seeds/journal").unwrap() {
        let seed = fs::read(seed.unwrap().path()).unwrap();
        let (which, bytes) = seed.split_first().unwrap();
        let part = &journal::PARTS[usize::from(*which) % journal::PARTS.len()];
        journal::check(&directory.path().join("data"), part, bytes);
        count += 1;
    }
    assert!(count >= journal::PARTS.len(), "only {count} seeds were found");
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
