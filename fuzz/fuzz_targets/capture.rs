//! Captures: no file is too damaged to be read, and what is read keeps its promises.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;

#[path = "../../tests/forged/check.rs"]
mod check;
#[path = "../../tests/forged/seal.rs"]
mod seal;

fuzz_target!(|data: &[u8]| {
    let directory = Path::new(if Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "/tmp" });
    check::check(&directory.join(format!("correlator-fuzz-{}", std::process::id())), data);
});
