//! Floor 3: which segments may go.
//!
//! Invariant: a segment that something still needs stays, whatever it costs: an event that a handler has to deliver, an
//! input after the older snapshot, and the segment that is being written.

use super::files;
use super::tail::first_block;
use super::writer::Options;
use crate::segment::Segment;
use crate::time::Timestamp;
use std::iter::Peekable;
use std::path::{Path, PathBuf};

/// What is still needed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needed {
    /// The sequence number of the first event that some handler may want.
    pub(super) event: u64,
    /// The position from which on inputs are wanted.
    pub(super) input: u64,
}

/// A segment that nothing needs.
struct Candidate {
    path: PathBuf,
    size: u64,
    /// When the one after it was begun: nothing in it is younger.
    until: Timestamp,
}

/// The segments to remove of the streams of inputs and of events, oldest first.
pub(super) fn removable(
    [inputs, events]: [&Path; 2],
    needed: Needed,
    options: &Options,
    now: Timestamp,
) -> Vec<PathBuf> {
    let mut total = 0;
    let mut streams = [(inputs, needed.input), (events, needed.event)]
        .map(|(directory, needed)| candidates(directory, needed, &mut total).into_iter().peekable());
    let mut gone = Vec::new();
    // From the oldest on in each stream, up to the first that has to stay: a series has no holes.
    loop {
        let next = |stream: &mut Peekable<_>| stream.peek().map(|candidate: &Candidate| candidate.until);
        let Some((_, oldest)) = streams
            .iter_mut()
            .filter_map(|stream| Some((next(stream)?, stream)))
            .min_by_key(|(until, _)| *until)
        else {
            return gone;
        };
        let Some(candidate) = oldest.next() else { return gone };
        let old = candidate.until.plus(options.retention_age) < now;
        if old || total > options.retention_size {
            total = total.saturating_sub(candidate.size);
            gone.push(candidate.path);
        } else {
            return gone;
        }
    }
}

/// The segments of a stream that nothing needs, up to the first that something does, and the size of all, which is
/// added to `total`. The last one stays in any case.
fn candidates(directory: &Path, needed: u64, total: &mut u64) -> Vec<Candidate> {
    let segments: Vec<_> = files::segments(directory).unwrap_or_default();
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    *total += segments.iter().map(|(_, path)| size(path)).sum::<u64>();
    let begins: Vec<_> = segments.iter().map(|(_, path)| first_block(&Segment::map(path).ok()?)).collect();
    let mut free = Vec::new();
    let mut until = Timestamp::MIN;
    for ((_, path), later) in segments.iter().zip((1..).map_while(|index| begins.get(index..))) {
        // Whatever this segment holds comes before what the next one begins with that has anything in it.
        let Some(next) = later.iter().flatten().next().filter(|next| next.first <= needed) else { break };
        // The clock may have gone back.
        until = until.max(next.arrival);
        free.push(Candidate { path: path.clone(), size: size(path), until });
    }
    free
}

/// The sequence number of the first event that is still there.
pub(super) fn first_event(directory: &Path) -> Option<u64> {
    let segments = files::segments(directory).ok()?;
    let begins = |path: &Path| Some(first_block(&Segment::map(path).ok()?)?.first);
    segments.iter().find_map(|(_, path)| begins(path))
}
