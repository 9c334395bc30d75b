//! Frames of RELP: what is decided of the beginning of a stream holds for all of it.
#![no_main]

use correlator::wire::relp::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    while let Ok(Some(frame)) = parse(rest) {
        assert!(frame.len <= rest.len() && rest[frame.len - 1] == b'\n');
        assert_eq!(frame.data.of(rest).len(), frame.data.len as usize);
        for end in 0..frame.len.min(512) {
            assert_eq!(parse(&rest[..end]), Ok(None));
        }
        rest = &rest[frame.len..];
    }
    let last = parse(rest);
    for end in 0..rest.len().min(512) {
        match parse(&rest[..end]) {
            Ok(None) => {}
            decided => assert_eq!(decided, last),
        }
    }
});
