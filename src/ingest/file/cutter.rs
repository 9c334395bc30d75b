//! Floor 4: the records of a plain file, whatever they are written in.
//!
//! Invariant: what is not a record as those of syslog is converted here, so that everything behind sees one kind only.

use super::Options;
use crate::batch::FrameSpan;
use crate::limits;
use crate::time::{Timestamp, Zone};
use crate::wire::framing::{self, Framer, FramingError, Mode};
use crate::wire::journald::{self, Exported};
use crate::wire::lines::{LineFormat, Reading, Records};
use bytes::Bytes;
use std::sync::Arc;

/// Finds records.
#[derive(Debug)]
pub struct Cutter {
    form: Form,
    /// Bytes of a record that are kept.
    limit: usize,
}

#[derive(Debug)]
enum Form {
    /// Frames, among which lines may be entries of a journal in JSON.
    Frames(Framer),
    /// Entries of a journal in its export format.
    Exported(Box<Exported>),
    /// Records of lines in a format that an operator describes, and the zone of their times.
    Described(Records, Arc<LineFormat>, Zone),
}

/// What a time without a year is read with, by the time of the record before it in the same bytes.
pub type Reference<'a> = &'a dyn Fn(Option<Timestamp>) -> Timestamp;

impl Cutter {
    /// Begins at the start of a file: of frames told apart like this, or of a journal's export.
    pub fn new(mode: Option<Mode>, options: &Options) -> Self {
        let limit = options.max_message_size;
        let framing =
            |mode| framing::Options { mode, max_message_size: limit, ..framing::Options::default() };
        let form = match (&options.lines, mode) {
            (Some(format), _) => {
                let records = Records::new(Some(Arc::clone(format)), limit);
                Form::Described(records, Arc::clone(format), options.zone.clone())
            }
            (None, Some(mode)) => Form::Frames(Framer::new(framing(mode))),
            (None, None) => Form::Exported(Box::new(Exported::new(limit))),
        };
        Self { form, limit }
    }

    /// Appends the records that are complete in `bytes`; gives how many of these are done with, and the bytes that the
    /// records stand in.
    pub fn advance(
        &mut self,
        bytes: &Bytes,
        frames: &mut Vec<FrameSpan>,
        reference: Reference<'_>,
    ) -> (Result<usize, FramingError>, Bytes) {
        match &mut self.form {
            Form::Frames(framer) => {
                let done = framer.advance(bytes, frames, limits::MAX_BATCH_FRAMES);
                (done, converted(bytes.clone(), frames, self.limit))
            }
            Form::Exported(exported) => {
                let mut out = Vec::new();
                let done = exported.advance(bytes, &mut out, frames, limits::MAX_BATCH_FRAMES);
                (Ok(done), out.into())
            }
            Form::Described(records, format, zone) => {
                let done = records.advance(bytes, frames, limits::MAX_BATCH_FRAMES);
                let reading = Reading { zone, reference, limit: self.limit };
                (Ok(done), format.convert(bytes, frames, &reading).into())
            }
        }
    }

    /// Whether a record may be over where these bytes end, which only what follows them can tell.
    pub fn may_end_at(&self, rest: &[u8]) -> bool {
        matches!(self.form, Form::Described(..)) && rest.ends_with(b"\n")
    }

    /// Appends what the end of the file completes of `rest`; gives the bytes that it stands in.
    pub fn finish(&mut self, rest: Bytes, frames: &mut Vec<FrameSpan>, reference: Reference<'_>) -> Bytes {
        match &mut self.form {
            Form::Frames(framer) => {
                framer.finish(&rest, frames);
                converted(rest, frames, self.limit)
            }
            Form::Exported(exported) => {
                let mut out = Vec::new();
                exported.finish(&mut out, frames);
                out.into()
            }
            Form::Described(records, format, zone) => {
                records.finish(&rest, frames);
                format.convert(&rest, frames, &Reading { zone, reference, limit: self.limit }).into()
            }
        }
    }
}

/// The bytes that frames stand in once those are converted that have to be.
fn converted(bytes: Bytes, frames: &mut [FrameSpan], limit: usize) -> Bytes {
    journald::convert(&bytes, frames, limit).map_or(bytes, Bytes::from)
}
