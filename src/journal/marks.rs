//! Floor 3: how far files have been read, durable with the inputs that were read from them.
//!
//! What is new stands in one block with the inputs, so neither is ever there without the other. All of it stands at the
//! head of each segment of inputs and where a run begins, so that no earlier segment is needed to know it.
//!
//! Invariant: by what recovery finds, every line is before a mark or not, and those before it are the inputs that are there.

use super::error::ReadError;
use super::reader::{Item, StreamReader};
use super::schema::{Files, Followed, Inputs, MarkRow};
use super::{files, schema};
use crate::limits;
use crate::segment::{Damage, Entry, Schema, Segment};
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A file, as the system tells it from all others as long as it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    /// The device that it is on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
}

impl FileId {
    /// That of a mark which is of no file, but notes something else.
    pub const NONE: Self = Self { device: 0, inode: 0 };
}

/// How far a file has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Where the next line begins.
    pub offset: u64,
    /// How many bytes before it are known.
    pub known: u32,
    /// The hash of those: that the file still is what it was.
    pub hash: u64,
    /// Whether the rest of the line that begins there has to be passed over.
    pub mid_line: bool,
}

/// How far a file has been read that was followed by the name of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The path.
    pub path: PathBuf,
    /// The file.
    pub id: FileId,
    /// How far; nothing once nobody will read it any more.
    pub place: Option<Place>,
}

/// The marks of all files, and what is noted beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    all: BTreeMap<(PathBuf, FileId), Place>,
    /// How many of them are of files.
    files: usize,
}

impl Marks {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Takes a mark in place of the one before it. When there are as many as may be, a new one is not kept. Files take no room
    /// from what is noted beside them: where some of that were missing, the rest would say more than is known.
    pub(super) fn apply(&mut self, mark: Mark) {
        let is_of_file = mark.id != FileId::NONE;
        let has_room = if is_of_file {
            self.files < limits::MAX_FILE_MARKS
        } else {
            self.all.len() - self.files < limits::MAX_FILE_NOTES
        };
        let key = (mark.path, mark.id);
        match mark.place {
            None => self.files -= usize::from(self.all.remove(&key).is_some() && is_of_file),
            Some(place) if has_room || self.all.contains_key(&key) => {
                self.files += usize::from(self.all.insert(key, place).is_none() && is_of_file);
            }
            Some(_) => {}
        }
    }

    /// Whether there is one of a path.
    fn has(&self, path: &Path) -> bool {
        let first = (path.to_owned(), FileId::NONE);
        self.all.range(first..).next().is_some_and(|((known, _), _)| known == path)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Mark> + '_ {
        self.all.iter().map(|((path, id), place)| Mark { path: path.clone(), id: *id, place: Some(*place) })
    }

    /// All of them, as they are written.
    pub(super) fn block(&self) -> Files {
        Files { rows: self.iter().map(|mark| row(&mark)).collect() }
    }
}

/// A mark, as it is written.
pub(super) fn row(mark: &Mark) -> MarkRow {
    let place = mark.place.unwrap_or_default();
    MarkRow {
        path: mark.path.as_os_str().as_bytes().to_vec(),
        device: mark.id.device,
        inode: mark.id.inode,
        offset: place.offset,
        hash: place.hash,
        known: place.known,
        mid_line: place.mid_line,
        gone: mark.place.is_none(),
    }
}

fn mark(row: &schema::ArchivedMarkRow) -> Mark {
    let place = Place {
        offset: row.offset.to_native(),
        known: row.known.to_native(),
        hash: row.hash.to_native(),
        mid_line: row.mid_line,
    };
    Mark {
        path: OsString::from_vec(row.path.to_vec()).into(),
        id: FileId { device: row.device.to_native(), inode: row.inode.to_native() },
        place: (!row.gone).then_some(place),
    }
}

/// The marks that a stream of inputs ends with.
#[derive(Debug, Default)]
pub(super) struct Last {
    pub(super) marks: Marks,
    /// When a mark of each path was last written, or at the latest could have been: what was made of its files later, no
    /// mark tells.
    pub(super) told: BTreeMap<PathBuf, Timestamp>,
}

/// The marks that a stream of inputs ends with.
pub(super) fn last(directory: &Path) -> Result<Last, ReadError> {
    for (part, _) in files::segments(directory)?.into_iter().rev() {
        let (mut last, mut is_used) = (Last::default(), false);
        let mut reader = StreamReader::from_part(directory, part);
        while let Some(item) = reader.next()? {
            // What is damaged is told by those who read the inputs; the marks after it are newer.
            if let Item::Block(segment, entry) = item {
                is_used |= last.take(&segment, &entry).unwrap_or(true);
            }
        }
        // A crash may have left a segment with nothing in it.
        if is_used {
            last.forget();
            return Ok(last);
        }
    }
    Ok(Last::default())
}

impl Last {
    /// Takes what a block says of files; tells whether it is one that could say something.
    fn take(&mut self, segment: &Segment, entry: &Entry) -> Result<bool, Damage> {
        match entry.tag {
            tag if tag == Files::TAG => {
                self.marks = Marks::default();
                for row in segment.read::<Files>(entry)?.rows.iter() {
                    let mark = mark(row);
                    // That all marks are written anew is no news of a path.
                    self.told.entry(mark.path.clone()).or_insert(entry.arrival);
                    self.marks.apply(mark);
                }
            }
            tag if tag == Followed::TAG => {
                for row in segment.read::<Followed<'static>>(entry)?.marks.iter() {
                    let mark = mark(row);
                    self.told.insert(mark.path.clone(), entry.arrival);
                    self.marks.apply(mark);
                }
            }
            tag if tag == Inputs::TAG => {}
            _ => return Ok(false),
        }
        if self.told.len() > limits::MAX_FILE_MARKS + limits::MAX_FILE_NOTES {
            self.forget();
        }
        Ok(true)
    }

    /// Forgets paths that have no marks any more.
    fn forget(&mut self) {
        let Self { marks, told } = self;
        told.retain(|path, _| marks.has(path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_take_no_room_from_what_is_noted_beside_them() {
        let mut marks = Marks::default();
        let mark = |inode: u64, place| Mark {
            path: format!("/{inode}").into(),
            id: FileId { device: 1, inode },
            place,
        };
        let noted = |name: &str| Mark { path: name.into(), id: FileId::NONE, place: Some(Place::default()) };
        let most = limits::MAX_FILE_MARKS as u64;
        (1..=most + 1).for_each(|inode| marks.apply(mark(inode, Some(Place::default()))));
        assert_eq!(marks.iter().count() as u64, most, "the last one has no room");
        marks.apply(noted("closed:/a"));
        marks.apply(noted("closed:/b"));
        assert!(marks.has(Path::new("closed:/a")) && marks.has(Path::new("closed:/b")));
        marks.apply(Mark { place: None, ..noted("closed:/a") });
        marks.apply(mark(most + 1, Some(Place::default())));
        assert!(!marks.has(Path::new(&format!("/{}", most + 1))), "what is forgotten there makes no room");
        marks.apply(mark(7, None));
        marks.apply(mark(7, None));
        marks.apply(mark(most + 1, Some(Place::default())));
        marks.apply(mark(7, Some(Place::default())));
        assert_eq!((marks.files as u64, marks.iter().count() as u64), (most, most + 1));
        assert!(marks.has(Path::new(&format!("/{}", most + 1))) && !marks.has(Path::new("/7")));
    }
}
