//! Floor 2: the segments of one capture, opened in order.
//!
//! Invariant: a segment belongs to the capture when it carries the first one's salt and its own place; what is
//! missing, foreign or unreadable stands in the series as damage, where it would have been.

use super::schema::{ArchivedHow, EndMark};
use super::{Damage, End, KIND, OpenError, parts};
use crate::segment::{FileHeader, Schema, Segment, Step};
use crate::time::Timestamp;
use std::path::{Path, PathBuf};

/// One place of the series.
#[derive(Debug)]
pub(super) enum Part {
    /// A segment that can be read.
    Segment(Segment),
    /// What stands, or fails to stand, in the place of one; taken when it has been reported.
    Damage(Option<Damage>),
}

/// All segments of a capture, and how it ends.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) header: FileHeader,
    pub(super) parts: Vec<Part>,
    pub(super) end: End,
}

/// How a segment ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// The next one follows.
    Rotated,
    /// Here the capture ends.
    End(End),
}

impl Series {
    /// Opens a capture by the path of its first segment.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let first = Segment::open(path)?;
        let header = *first.header();
        if header.kind != KIND {
            return Err(OpenError::OtherKind(path.to_owned()));
        }
        if header.part != 0 {
            return Err(OpenError::LaterPart { path: path.to_owned(), part: header.part });
        }
        let later =
            parts::later(path).map_err(|source| OpenError::Directory { path: path.to_owned(), source })?;
        let mut chain = Chain { capture: path, expected: 0, mark: None, parts: Vec::new() };
        chain.push(first);
        for (part, path) in later {
            match Segment::open(&path) {
                Ok(segment) if is_of(&segment, &header, part) => {
                    chain.expect(part);
                    chain.push(segment);
                }
                Ok(_) => chain.report(Damage::Foreign(path)),
                Err(error) => {
                    chain.expect(part);
                    chain.report(Damage::Segment(error));
                    chain.expected = part.saturating_add(1);
                    chain.mark = Some(Mark::Rotated);
                }
            }
        }
        let end = chain.finish();
        Ok(Self { header, parts: chain.parts, end })
    }
}

fn is_of(segment: &Segment, first: &FileHeader, part: u32) -> bool {
    let header = segment.header();
    header.kind == KIND && header.salt == first.salt && header.part == part
}

/// A series while its segments are being put in order.
struct Chain<'a> {
    capture: &'a Path,
    /// The part that should come next.
    expected: u32,
    /// How the segment before it ended.
    mark: Option<Mark>,
    parts: Vec<Part>,
}

impl Chain<'_> {
    fn report(&mut self, damage: Damage) {
        self.parts.push(Part::Damage(Some(damage)));
    }

    fn push(&mut self, segment: Segment) {
        self.expected = segment.header().part.saturating_add(1);
        self.mark = mark_of(&segment);
        self.parts.push(Part::Segment(segment));
    }

    /// Reports what is missing before the segment that was found.
    fn expect(&mut self, found: u32) {
        if self.mark.is_none() {
            self.report(Damage::NoEnd(self.before()));
        }
        for part in self.expected..found {
            self.report(Damage::Missing(parts::path_of(self.capture, part)));
        }
    }

    fn finish(&mut self) -> End {
        match self.mark {
            Some(Mark::End(end)) => return end,
            Some(Mark::Rotated) => {
                self.report(Damage::Missing(parts::path_of(self.capture, self.expected)));
            }
            None => self.report(Damage::NoEnd(self.before())),
        }
        End::Torn
    }

    fn before(&self) -> PathBuf {
        parts::path_of(self.capture, self.expected.saturating_sub(1))
    }
}

/// Finds the mark that closes a segment.
fn mark_of(segment: &Segment) -> Option<Mark> {
    let entry = segment.steps().iter().rev().find_map(|step| match step {
        Step::Block(entry) if entry.tag == EndMark::TAG => Some(entry),
        _ => None,
    })?;
    Some(match segment.read::<EndMark>(entry).ok()?.how {
        ArchivedHow::Rotated => Mark::Rotated,
        ArchivedHow::OfInput => Mark::End(End::OfInput),
        ArchivedHow::Closed(at) => Mark::End(End::Closed(Timestamp::from_micros(at.to_native()))),
        ArchivedHow::Full(_) => Mark::End(End::Full),
    })
}
