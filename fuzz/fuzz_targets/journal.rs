//! Journals: a server starts on a data directory whatever is in its files, or refuses it, and loses nothing that can be read.
//!
//! The first byte chooses the file of the golden directory in whose place the others stand.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;

#[path = "../../tests/forged/journal.rs"]
mod journal;
#[path = "../../tests/forged/seal.rs"]
mod seal;

fuzz_target!(|data: &[u8]| {
    let Some((which, bytes)) = data.split_first() else { return };
    let part = &journal::PARTS[usize::from(*which) % journal::PARTS.len()];
    let directory = Path::new(if Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "/tmp" });
    journal::check(&directory.join(format!("correlator-fuzz-journal-{}", std::process::id())), part, bytes);
});
