//! Records: no frame is too strange, and RFC 5424 and RFC 3164 are read as their grammars say.
#![no_main]

use correlator::time::{Timestamp, Zone};
use correlator::wire::Record;
use libfuzzer_sys::fuzz_target;

#[path = "../../tests/wire/reference.rs"]
mod reference;
#[path = "../../tests/wire/reference_3164.rs"]
mod reference_3164;

fuzz_target!(|frame: &[u8]| {
    reference::assert_agreement(frame);
    reference_3164::assert_agreement(frame);
    for micros in [i64::MIN, 1_795_392_000_000_000, i64::MAX] {
        let Ok(record) = Record::parse(frame, Timestamp::from_micros(micros), &Zone::UTC) else { continue };
        let fields = [record.hostname, record.app_name, record.procid, record.msgid, Some(record.msg)];
        for field in fields.into_iter().flatten() {
            let within = frame.as_ptr_range();
            assert!(within.start <= field.as_ptr() && field.as_ptr_range().end <= within.end);
        }
    }
});
