//! Structured data: read as the grammar says, and the same again once it has been written.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "only its structured data is wanted here")]
#[path = "../../tests/wire/reference.rs"]
mod reference;
#[path = "../../tests/wire/round_trip.rs"]
mod round_trip;

fuzz_target!(|data: &[u8]| round_trip::assert_round_trip(data));
