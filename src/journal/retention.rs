//! Floor 3: which segments may go.
//!
//! Invariant: a segment that something still needs stays, whatever it costs: an event that a handler has to deliver, an
//! input after the older snapshot, and the segment that is being written.

use super::files;
use super::tail::first_block;
use super::writer::Options;
use crate::segment::Segment;
use crate::time::Timestamp;
use std::path::{Path, PathBuf};

/// What is still needed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needed {
    /// The sequence number of the first event that some handler may want.
    pub(super) event: u64,
    /// The position from which on inputs are wanted.
    pub(super) input: u64,
}

/// A segment that could go.
struct Candidate {
    path: PathBuf,
    size: u64,
    /// When the one after it was begun: nothing in it is younger.
    until: Timestamp,
    /// Whether nothing needs it.
    free: bool,
}

/// The segments to remove of the streams of inputs and of events, oldest first.
pub(super) fn removable(
    [inputs, events]: [&Path; 2],
    needed: Needed,
    options: &Options,
    now: Timestamp,
) -> Vec<PathBuf> {
    let mut total = 0;
    let mut candidates = candidates(inputs, needed.input, &mut total);
    candidates.extend(self::candidates(events, needed.event, &mut total));
    candidates.sort_by_key(|candidate| candidate.until);
    let mut gone = Vec::new();
    for candidate in candidates {
        let old = candidate.until.plus(options.retention_age) < now;
        if candidate.free && (old || total > options.retention_size) {
            total = total.saturating_sub(candidate.size);
            gone.push(candidate.path);
        }
    }
    gone
}

/// All segments of a stream but the last, and the size of all, which is added to `total`.
fn candidates(directory: &Path, needed: u64, total: &mut u64) -> Vec<Candidate> {
    let segments: Vec<_> = files::segments(directory).unwrap_or_default();
    let opened: Vec<_> = segments.iter().map(|(_, path)| Segment::map(path).ok()).collect();
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    *total += segments.iter().map(|(_, path)| size(path)).sum::<u64>();
    let pairs = segments.iter().zip(opened.iter().skip(1));
    pairs
        .filter_map(|((_, path), next)| {
            let next = next.as_ref()?;
            let begins = first_block(next)?;
            // Whatever this segment holds comes before what the next one begins with.
            let free = begins.first <= needed;
            let until = begins.arrival;
            Some(Candidate { path: path.clone(), size: size(path), until, free })
        })
        .collect()
}

/// The sequence number of the first event that is still there.
pub(super) fn first_event(directory: &Path) -> Option<u64> {
    let segments = files::segments(directory).ok()?;
    let begins = |path: &Path| Some(first_block(&Segment::map(path).ok()?)?.first);
    segments.iter().find_map(|(_, path)| begins(path))
}
