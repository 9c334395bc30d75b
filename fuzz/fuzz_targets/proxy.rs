//! PROXY headers: what is decided of the beginning of a connection holds for all of it.
#![no_main]

use correlator::wire::proxy::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let whole = parse(data);
    if let Ok(Some(header)) = whole {
        assert!(header.len <= data.len() && header.len <= correlator::limits::MAX_PROXY_HEADER);
        assert_eq!(parse(&data[..header.len]), whole);
    }
    for end in 0..data.len().min(512) {
        match parse(&data[..end]) {
            Ok(None) => {}
            decided => assert_eq!(decided, whole),
        }
    }
});
