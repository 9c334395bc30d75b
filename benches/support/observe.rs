//! What the records of a batch mean, for benches of what comes behind detection.

#![allow(clippy::unwrap_used, reason = "the records are generated")]

use correlator::batch::FrameSpan;
use correlator::detect::{Detector, Observations, Scratch, Subject};
use correlator::time::{Timestamp, Zone};
use correlator::wire::Record;

/// The observations of the frames of a batch that arrived at once.
pub(crate) fn observed(
    detector: &Detector,
    scratch: &mut Scratch,
    (bytes, frames): (&[u8], &[FrameSpan]),
    arrival: Timestamp,
) -> Observations {
    let mut observations = Observations::default();
    for (frame, FrameSpan { span, .. }) in (0..).zip(frames) {
        let record = Record::parse(span.of(bytes), arrival, &Zone::UTC).unwrap();
        let subject = Subject { record: &record, bytes, frame, truncated: false, arrival, host: None };
        detector.observe(scratch, subject, &mut observations);
    }
    observations
}
