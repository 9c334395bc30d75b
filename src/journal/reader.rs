//! Floor 3: reads a stream block by block, also while it is being written.
//!
//! Invariant: what is damaged is told once, where it stands, and everything else is handed out, in order.

use super::error::{Flaw, ReadError};
use super::files;
use super::stream::is_end;
use super::tail::{first_block, tail};
use crate::segment::{Entry, Segment, Step};
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What stands next in a stream.
#[derive(Debug)]
pub(super) enum Item {
    /// A block.
    Block(Arc<Segment>, Entry),
    /// Something that cannot be read.
    Flaw(Flaw),
}

/// Reads one stream.
#[derive(Debug)]
pub(super) struct StreamReader {
    directory: PathBuf,
    segment: Option<Arc<Segment>>,
    /// The segment's place in the series, or that of the first one to read.
    part: u32,
    /// Where the next block of the segment stands.
    at: u64,
}

impl StreamReader {
    /// Begins with a segment, or the first after it that is there.
    pub(super) fn from_part(directory: &Path, part: u32) -> Self {
        Self { directory: directory.to_owned(), segment: None, part, at: Segment::START }
    }

    /// Begins with the last segment that begins at `first` or before: no earlier one holds it.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub(super) fn from_first(directory: &Path, first: u64) -> Result<Self, ReadError> {
        let segments = files::segments(directory)?;
        let begins = |path: &Path| {
            let segment = Segment::map(path).ok()?;
            first_block(&segment).map(|entry| entry.first)
        };
        let found =
            segments.iter().rev().find(|(_, path)| begins(path).is_some_and(|begins| begins <= first));
        let part = found.or(segments.first()).map_or(0, |(part, _)| *part);
        Ok(Self::from_part(directory, part))
    }

    /// What stands next; nothing where the stream ends so far. More may come later.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub(super) fn next(&mut self) -> Result<Option<Item>, ReadError> {
        loop {
            let Some(segment) = &self.segment else {
                match self.open()? {
                    Opened::Segment => continue,
                    Opened::Nothing => return Ok(None),
                    Opened::Flaw(flaw) => return Ok(Some(Item::Flaw(flaw))),
                }
            };
            let segment = Arc::clone(segment);
            let seen = segment.step(self.at);
            if let ControlFlow::Break(item) = self.follow_up(&segment, seen)? {
                return Ok(item);
            }
        }
    }

    /// What comes of a look at where the next block stands; one has to look again where nothing does. Whatever is not a
    /// sound block, the writer may have written since, and gone on to the next segment: so it is looked at once more
    /// before anything is made of it.
    fn follow_up(
        &mut self,
        segment: &Arc<Segment>,
        seen: Option<Step>,
    ) -> Result<ControlFlow<Option<Item>>, ReadError> {
        match seen {
            Some(Step::Block(entry)) if !is_end(&entry) => {
                if let Err(damage) = segment.verify(&entry) {
                    if !self.is_past(segment, self.at)? {
                        return Ok(ControlFlow::Break(None));
                    }
                    if segment.verify(&entry).is_ok() {
                        return Ok(ControlFlow::Continue(()));
                    }
                    self.at = entry.end();
                    return Ok(ControlFlow::Break(Some(Item::Flaw(damage.into()))));
                }
                self.at = entry.end();
                return Ok(ControlFlow::Break(Some(Item::Block(Arc::clone(segment), entry))));
            }
            Some(Step::Damage(at, fault)) => {
                // What is being written, or a crash has left half written, is not there yet.
                if !self.is_past(segment, at)? {
                    return Ok(ControlFlow::Break(None));
                }
                let step = Step::Damage(at, fault.clone());
                if segment.step(self.at).as_ref() == Some(&step) {
                    self.at = step.end();
                    return Ok(ControlFlow::Break(Some(Item::Flaw(segment.damage(at, fault).into()))));
                }
            }
            end => {
                if !self.has_next()? {
                    return Ok(ControlFlow::Break(None));
                }
                if segment.step(self.at) == end {
                    self.segment = None;
                    self.part = self.part.saturating_add(1);
                    self.at = Segment::START;
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Makes the segment that is being read durable as far as it is written.
    pub(super) fn sync(&self) -> io::Result<()> {
        let Some(segment) = &self.segment else { return Ok(()) };
        match File::open(segment.path()) {
            Ok(file) => file.sync_data(),
            // It was old enough to be removed, so it was durable.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether the writer has got past a place of the segment: what is unsound there was sound once.
    fn is_past(&self, segment: &Segment, place: u64) -> Result<bool, ReadError> {
        Ok(self.has_next()? || tail(segment).end > place)
    }

    fn has_next(&self) -> Result<bool, ReadError> {
        Ok(files::segments(&self.directory)?.last().is_some_and(|(last, _)| *last > self.part))
    }

    fn open(&mut self) -> Result<Opened, ReadError> {
        let segments = files::segments(&self.directory)?;
        let Some((part, path)) = segments.into_iter().find(|(part, _)| *part >= self.part) else {
            return Ok(Opened::Nothing);
        };
        if part > self.part && self.part > 0 {
            let missing = std::mem::replace(&mut self.part, part);
            return Ok(Opened::Flaw(Flaw::Missing { directory: self.directory.clone(), part: missing }));
        }
        self.part = part;
        match Segment::map(&path) {
            Ok(segment) => {
                self.segment = Some(Arc::new(segment));
                Ok(Opened::Segment)
            }
            Err(error) => {
                self.part = part.saturating_add(1);
                Ok(Opened::Flaw(error.into()))
            }
        }
    }
}

enum Opened {
    Segment,
    Nothing,
    Flaw(Flaw),
}

#[cfg(test)]
mod tests {
    use super::super::schema::{EVENTS, SyncMark};
    use super::super::stream::{Series, StreamWriter};
    use super::*;
    use crate::segment::Disk;
    use crate::time::Timestamp;

    /// A reader that is slower than the writer, in the middle of its look.
    #[test]
    fn what_was_written_since_a_look_is_not_passed_over() {
        let home = tempfile::tempdir().unwrap();
        let series = Series {
            storage: Arc::new(Disk),
            directory: home.path().to_owned(),
            kind: EVENTS,
            stream: 1,
            run: 1,
            segment_size: 4096,
            reserve: false,
        };
        let mut writer = StreamWriter::new(series, 1, None).unwrap();
        let mut write = |first, rotate: bool| {
            if rotate {
                writer.rotate(0).unwrap();
            }
            writer.push(&SyncMark { start: first }, first, Timestamp::EPOCH).unwrap();
            writer.flush().unwrap();
        };
        write(10, true);
        let mut reader = StreamReader::from_part(home.path(), 1);
        while reader.next().unwrap().is_some() {}
        let segment = Arc::clone(reader.segment.as_ref().unwrap());
        let seen = segment.step(reader.at);
        assert_eq!(seen, None);

        write(11, false);
        write(12, true);
        assert!(matches!(reader.follow_up(&segment, seen), Ok(ControlFlow::Continue(()))));
        let mut firsts = Vec::new();
        while let Some(item) = reader.next().unwrap() {
            match item {
                Item::Block(_, entry) => firsts.push(entry.first),
                Item::Flaw(flaw) => panic!("{flaw}"),
            }
        }
        firsts.dedup();
        assert_eq!(firsts, [11, 12]);
    }
}
