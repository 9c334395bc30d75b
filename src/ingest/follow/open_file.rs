//! Floor 4: one file that is followed: whole lines from a place on, and how the place is known again.
//!
//! Nothing is kept between two reads but the place, and how far a line or record was searched that is not complete: it is
//! read again once there is more of it.
//!
//! Invariant: a place is the beginning of a line, or the rest of a line is passed over; so a line is taken whole, or as far
//! as the limit for messages goes and marked truncated.

use super::held::{Claim, Held};
use crate::batch::FrameSpan;
use crate::ingest::file::foreign;
use crate::journal::{FileId, Place};
use crate::limits;
use crate::time::{Clock, SystemClock, Zone};
use crate::wire::journald;
use crate::wire::lines::{LineFormat, Reading, Records};
use bytes::Bytes;
use rustix::fs::OFlags;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use twox_hash::XxHash3_64;

/// How lines are read.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// The format of lines and the zone of their times, where they are in no form of syslog.
    pub(super) lines: Option<(Arc<LineFormat>, Zone)>,
    /// Bytes of a record that are kept.
    pub(super) max_message_size: usize,
    /// Time after which a line is taken though nothing ends it.
    pub(super) quiet: Duration,
    /// Time for which a file is read on that has lost its name.
    pub(super) rotated: Duration,
    /// Where compressed files are unpacked.
    pub(super) temporary: PathBuf,
    /// Tries to list a directory.
    pub(super) list: fn(&Path) -> io::Result<()>,
}

impl Rules {
    /// What finds records from the beginning of a line on.
    fn records(&self) -> Records {
        Records::new(self.lines.as_ref().map(|(format, _)| Arc::clone(format)), self.max_message_size)
    }

    /// The bytes that frames stand in once those are converted that have to be.
    fn converted(&self, bytes: Bytes, frames: &mut [FrameSpan]) -> Bytes {
        let limit = self.max_message_size;
        let Some((format, zone)) = &self.lines else {
            return journald::convert(&bytes, frames, limit).map_or(bytes, Bytes::from);
        };
        let now = SystemClock.now();
        format.convert(&bytes, frames, &Reading { zone, reference: &|_| now, limit }).into()
    }
}

/// Lines of a file.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) bytes: Bytes,
    pub(super) frames: Vec<FrameSpan>,
    /// Whether they are of a backlog, all of them.
    pub(super) is_backlog: bool,
}

/// What there is in a file.
#[derive(Debug)]
pub(super) enum Look {
    /// Lines, which are behind the place now.
    Lines(Lines),
    /// The beginning of a line, which is taken as one at this instant if nothing more comes.
    Begun(Instant),
    /// Nothing more.
    End,
    /// Not what it was: somebody has cut the file and may have written it anew.
    Cut,
}

/// A search of lines of which none was complete.
#[derive(Debug)]
struct Search {
    records: Records,
    /// How many bytes were searched, and their hash: what was cut and written anew has others.
    length: usize,
    hash: u64,
}

/// A file that is read.
#[derive(Debug)]
pub(super) struct OpenFile {
    file: File,
    claim: Claim,
    place: Place,
    /// Where what is a backlog ends; 0 where nothing is.
    backlog: u64,
    /// What has searched the lines at the place, where one of them goes on.
    search: Option<Search>,
    /// Its length and when it was last written, when it was last looked at.
    seen: Option<(u64, i64, i64)>,
    /// When it was last seen to grow.
    grown: Instant,
}

/// Opens a file that may be read, and never waits for somebody to write into it.
fn open(path: &Path) -> io::Result<(File, Metadata)> {
    open_with(path, OFlags::empty())
}

/// Opens a file that was listed with this identity; nothing if the name leads to another one now.
pub(super) fn open_listed(path: &Path, listed: FileId) -> io::Result<Option<(File, Metadata)>> {
    let opened = open_with(path, OFlags::NOFOLLOW)?;
    Ok(Some(opened).filter(|(_, metadata)| id(metadata) == listed))
}

fn open_with(path: &Path, flags: OFlags) -> io::Result<(File, Metadata)> {
    let flags = (OFlags::NONBLOCK | flags).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    Ok((file, metadata))
}

/// Finds out whether a file can be read whose lines are text.
///
/// # Errors
/// Why not.
pub(super) fn look_into(path: &Path) -> io::Result<()> {
    begins_as_text(&open(path)?.0)
}

/// Refuses a file that is no text.
fn begins_as_text(file: &File) -> io::Result<()> {
    let mut start = vec![0; limits::FILE_SAMPLE];
    let count = file.read_at(&mut start, 0)?;
    refuse_foreign(start.get(..count).unwrap_or_default())
}

/// What tells a file from all others.
pub(super) fn id(metadata: &Metadata) -> FileId {
    FileId { device: metadata.dev(), inode: metadata.ino() }
}

/// Whether a file is what it was when a place in it was noted.
pub(super) fn is_known(file: &File, place: &Place) -> io::Result<bool> {
    let known = u64::from(place.known);
    if known == 0 {
        return Ok(true);
    }
    let Some(start) = place.offset.checked_sub(known) else { return Ok(false) };
    let mut bytes = vec![0; limits::KNOWN_FILE_BYTES.min(place.known as usize)];
    match file.read_exact_at(&mut bytes, start) {
        Ok(()) => Ok(known == bytes.len() as u64 && hash(&bytes) == place.hash),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether so much is known of a place that no two files are alike there.
pub(super) fn is_distinct(place: &Place) -> bool {
    place.known as usize >= limits::KNOWN_FILE_BYTES
}

fn hash(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

/// The last bytes before a place, by which it is known again.
pub(super) fn known(before: &[u8]) -> (u32, u64) {
    let start = before.len().saturating_sub(limits::KNOWN_FILE_BYTES);
    let bytes = before.get(start..).unwrap_or_default();
    (u32::try_from(bytes.len()).unwrap_or_default(), hash(bytes))
}

/// The place that a file ends at.
pub(super) fn end_of(file: &File, length: u64) -> io::Result<Place> {
    let wanted = length.min(limits::KNOWN_FILE_BYTES as u64);
    let mut bytes = vec![0; usize::try_from(wanted).unwrap_or_default()];
    file.read_exact_at(&mut bytes, length - wanted)?;
    let (known, hash) = known(&bytes);
    Ok(Place { offset: length, known, hash, mid_line: bytes.last().is_some_and(|byte| *byte != b'\n') })
}

impl OpenFile {
    /// Goes on with a file at a place; `claim` is the right to read it.
    pub(super) fn new(file: File, claim: Claim, place: Place, now: Instant) -> io::Result<Self> {
        begins_as_text(&file)?;
        let mut open = Self { file, claim, place, backlog: 0, search: None, seen: None, grown: now };
        open.move_to(place);
        Ok(open)
    }

    /// The same, of which everything up to `end` is a backlog.
    pub(super) fn with_backlog(self, end: u64) -> Self {
        Self { backlog: end, ..self }
    }

    pub(super) fn id(&self) -> FileId {
        self.claim.id
    }

    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Bytes that were there at the last look and have not been read.
    pub(super) fn left(&self) -> u64 {
        self.seen.map_or(0, |(length, ..)| length.saturating_sub(self.place.offset))
    }

    /// Begins anew at the start.
    pub(super) fn restart(&mut self) {
        self.move_to(Place::default());
        (self.backlog, self.seen) = (0, None);
    }

    fn move_to(&mut self, place: Place) {
        self.search = None;
        self.place = place;
        self.claim.reach(place);
    }

    /// Whether no name leads to it any more.
    pub(super) fn is_unlinked(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
    }

    /// Reads what there is, as much as goes into one batch.
    pub(super) fn look(&mut self, rules: &Rules, now: Instant) -> io::Result<Look> {
        let metadata = self.file.metadata()?;
        let seen = (metadata.len(), metadata.mtime(), metadata.mtime_nsec());
        let has_changed = self.seen.replace(seen) != Some(seen);
        if has_changed {
            self.grown = now;
        }
        if metadata.len() < self.place.offset {
            return Ok(Look::Cut);
        }
        if metadata.len() == self.place.offset {
            let is_cut = has_changed && !is_known(&self.file, &self.place)?;
            return Ok(if is_cut { Look::Cut } else { Look::End });
        }
        let left = usize::try_from(metadata.len() - self.place.offset).unwrap_or(usize::MAX);
        let mut buffer = vec![
            0;
            left.min(limits::READ_SIZE.max(
                rules.max_message_size.saturating_mul(2).saturating_add(limits::SHORT_TAIL)
            ))
        ];
        let count = self.file.read_at(&mut buffer, self.place.offset)?;
        buffer.truncate(count);
        // Looked at after it was read: what was cut in between has other bytes before the place now.
        if !is_known(&self.file, &self.place)? {
            return Ok(Look::Cut);
        }
        if self.place.offset == 0 {
            refuse_foreign(&buffer)?;
        }
        Ok(self.lines(buffer, rules, now))
    }

    /// Takes the lines of what was read at the place.
    fn lines(&mut self, buffer: Vec<u8>, rules: &Rules, now: Instant) -> Look {
        let start = self.skip(&buffer);
        let bytes = Bytes::from(buffer);
        let rest = bytes.slice(start..);
        let search = self
            .search
            .take()
            .filter(|search| rest.get(..search.length).is_some_and(|searched| hash(searched) == search.hash));
        let mut records = search.map_or_else(|| rules.records(), |search| search.records);
        let mut frames = Vec::new();
        let mut done = records.advance(&rest, &mut frames, limits::MAX_BATCH_FRAMES);
        let mut mid_line = if rest.is_empty() {
            self.place.mid_line && !bytes.ends_with(b"\n")
        } else {
            records.is_mid_line()
        };
        if start + done == 0 {
            if bytes.is_empty() {
                return Look::End;
            }
            let is_whole = rest.ends_with(b"\n");
            let due = self.grown + if is_whole { limits::QUIET_RECORD_TIME } else { rules.quiet };
            if now < due {
                self.search = Some(Search { records, length: rest.len(), hash: hash(&rest) });
                return Look::Begun(due);
            }
            records.finish(&rest, &mut frames);
            // Nobody knows whether the line ends here; what may come of it does not begin another one.
            if let Some(last) = frames.last_mut().filter(|_| !is_whole) {
                last.truncated = true;
            }
            (done, mid_line) = (rest.len(), !is_whole);
        }
        // A record is of the backlog that begins in it; what comes after it is for another batch.
        let at = self.place.offset + start as u64;
        let old = frames.partition_point(|frame| at + u64::from(frame.span.start) < self.backlog);
        if let Some(next) = frames.get(old).filter(|_| old > 0) {
            (done, mid_line) = (next.span.start as usize, false);
            frames.truncate(old);
        }
        let rest = rules.converted(rest, &mut frames);
        let (known, hash) = self.known_behind(bytes.get(..start + done).unwrap_or_default());
        let offset = self.place.offset + (start + done) as u64;
        self.move_to(Place { offset, known, hash, mid_line });
        Look::Lines(Lines { bytes: rest, frames, is_backlog: old > 0 })
    }

    /// The last bytes up to the end of what was read at the place, by which that end is known again.
    fn known_behind(&self, read: &[u8]) -> (u32, u64) {
        let missing = limits::KNOWN_FILE_BYTES.saturating_sub(read.len()) as u64;
        let start = self.place.offset.saturating_sub(missing);
        let mut bytes = vec![0; usize::try_from(self.place.offset - start).unwrap_or_default()];
        match self.file.read_exact_at(&mut bytes, start) {
            Ok(()) => {
                bytes.extend_from_slice(
                    read.get(read.len().saturating_sub(limits::KNOWN_FILE_BYTES)..).unwrap_or_default(),
                );
                known(&bytes)
            }
            Err(_) => known(read),
        }
    }

    /// How many bytes at the place are no line: the rest of one, a byte order mark, or the hole that a writer leaves who
    /// does not notice that its file was cut.
    fn skip(&self, bytes: &[u8]) -> usize {
        let mut start = 0;
        if self.place.mid_line {
            start = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
        }
        if self.place.offset == 0 && bytes.starts_with(foreign::UTF8_BOM) {
            start = foreign::UTF8_BOM.len();
        }
        let rest = bytes.get(start..).unwrap_or_default();
        start + rest.iter().take_while(|byte| **byte == 0).count()
    }
}

/// Refuses what is not text.
fn refuse_foreign(start: &[u8]) -> io::Result<()> {
    match foreign::what(start) {
        Some(what) => Err(io::Error::new(io::ErrorKind::InvalidData, what)),
        None => Ok(()),
    }
}

/// Opens a file by a name, unless somebody reads it already.
pub(super) fn claim(path: &Path, held: &Held) -> io::Result<Option<(File, Metadata, Claim)>> {
    let (file, metadata) = open(path)?;
    Ok(held.claim(id(&metadata)).map(|claim| (file, metadata, claim)))
}
