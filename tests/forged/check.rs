//! What must hold of every file that is opened as a capture, whatever is in it; shared with the fuzz target.
//!
//! Each file is read as it is, and once more with its checksums made to match, as only a forger who knows the salt
//! could: what lies behind the checksums must hold by itself.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code: it fails by panicking")]

use super::seal::sealed;
use correlator::capture::Reader;
use correlator::limits;
use std::path::Path;

/// Reads a file as it is, and once more sealed.
pub(crate) fn check(path: &Path, data: &[u8]) {
    read(path, data);
    read(path, &sealed(data, *b"CAPT"));
}

fn read(path: &Path, file: &[u8]) {
    std::fs::write(path, file).unwrap();
    let Ok(mut reader) = Reader::open(path) else { return };
    assert!(reader.beginning().ok().flatten().is_none_or(|state| state.len() < file.len()));
    let mut next = 0;
    for batch in reader.by_ref().flatten() {
        assert!(batch.first >= next, "numbers go back");
        next = batch.first + batch.inputs();
        assert!(batch.batch.frames.len() <= limits::MAX_BATCH_FRAMES);
        for frame in &batch.batch.frames {
            assert_eq!(frame.span.of(&batch.batch.bytes).len(), frame.span.len as usize);
        }
        let runs: Vec<_> = batch.arrivals.runs().collect();
        assert_eq!(runs[0].0, 0);
        assert!(runs.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1));
    }
    assert_eq!(reader.bytes_done(), reader.total_bytes());
    reader.seek(next / 2);
    reader.next();
}
