//! Floor 4: the handler `csv`: a file MODULE-KIND.csv for each kind of event, that spreadsheets and scripts can read.
//!
//! A file's first row names the columns: `id`, `time`, `severity`, then the fields of the kind's schema. Files are
//! opened when their first event comes; what a crash left of a last row is cut off then. Rotation is by the clock, not by
//! the events' own times, at the first delivery after it is due. The current file never moves under a reader: rotation
//! renames it to MODULE-KIND.DATE.csv, DATE being the day of its last row, with `.1`, `.2` and so on where a day has
//! several. Modules of the same name in several applications share their files; the `id` tells them apart.
//!
//! Invariant: a row is one line, whatever its fields hold; rows are added whole or not at all, so that an event whose
//! delivery failed is not in the file.

mod file;
mod rotation;

#[cfg(test)]
mod tests;

use self::file::CsvFile;
use super::sink::{Sink, on_own_thread};
use super::{Environment, Handler, Outcome, Selection};
use crate::event::render::{LocalTime, csv_header, csv_rows};
use crate::event::{Event, ModuleName};
use crate::time::{Clock, Zone};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// When a file is set aside and a new one begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rotate {
    /// Never, except when the columns change.
    Never,
    /// When the server starts, at the first event of the kind.
    Start,
    /// At midnight in the server's zone.
    #[default]
    Daily,
    /// Before a delivery that would make the file larger than this many bytes.
    Size(u64),
}

/// Options of `type = "csv"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where the files are; a relative path is under the data directory.
    pub directory: PathBuf,
    /// When a file is set aside.
    pub rotate: Rotate,
    /// Files set aside that are kept, for each module and kind.
    pub keep: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { directory: PathBuf::from("csv"), rotate: Rotate::default(), keep: 90 }
    }
}

/// Builds the handler. Neither the directory nor any file is touched before the first event.
///
/// # Errors
/// When the system gives no thread.
pub fn build(options: Options, environment: &Environment) -> io::Result<Box<dyn Handler>> {
    on_own_thread("csv", Csv::new(options, environment))
}

/// What all files have in common.
struct Shared {
    directory: PathBuf,
    rotate: Rotate,
    keep: usize,
    zone: Zone,
}

/// Places in a list of files, by the codes of kinds.
type Places = [Option<usize>; 256];

struct Csv {
    shared: Shared,
    clock: Arc<dyn Clock>,
    times: LocalTime,
    /// The rows of one append.
    rows: Vec<u8>,
    files: Vec<CsvFile>,
    /// Which file the events of a module and kind go to: for each of `modules`, and last for those without a name.
    places: Vec<Places>,
    modules: Vec<ModuleName>,
    /// For each file, the positions in the present delivery of the events that go there.
    waiting: Vec<Vec<usize>>,
}

impl Csv {
    fn new(options: Options, environment: &Environment) -> Self {
        let shared = Shared {
            directory: environment.directory.join(options.directory),
            rotate: options.rotate,
            keep: options.keep,
            zone: environment.zone.clone(),
        };
        Self {
            times: LocalTime::new(shared.zone.clone()),
            rows: Vec::new(),
            shared,
            clock: Arc::clone(&environment.clock),
            files: Vec::new(),
            places: Vec::new(),
            modules: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// Assigns the events to files.
    fn assign(&mut self, events: &Selection) {
        self.waiting.iter_mut().for_each(Vec::clear);
        let modules = &events.block.stamp().modules;
        if self.modules != *modules || self.places.is_empty() {
            self.modules.clone_from(modules);
            self.places.clear();
            self.places.resize(modules.len() + 1, [None; _]);
        }
        for (position, event) in events.events().enumerate() {
            let place = self.place(event);
            if let Some(waiting) = self.waiting.get_mut(place) {
                waiting.push(position);
            }
        }
    }

    fn place(&mut self, event: Event<'_>) -> usize {
        let (module, kind) = (usize::from(event.head().module), usize::from(event.kind() as u8));
        let module = module.min(self.modules.len());
        let place = self.places.get(module).and_then(|places| *places.get(kind)?);
        place.unwrap_or_else(|| {
            let place = self.find(event);
            if let Some(known) = self.places.get_mut(module).and_then(|places| places.get_mut(kind)) {
                *known = Some(place);
            }
            place
        })
    }

    /// Finds the file of an event, or adds it.
    fn find(&mut self, event: Event<'_>) -> usize {
        let stem = rotation::stem(event.module().1, event.kind().spec().name);
        let known = self.files.iter().position(|file| file.stem() == stem);
        known.unwrap_or_else(|| {
            self.files.push(CsvFile::new(&self.shared, stem, csv_header(event.kind())));
            self.waiting.push(Vec::new());
            self.files.len() - 1
        })
    }

    /// Sets aside what midnight has closed, also where no new event is waiting.
    fn turn_over(&mut self) {
        let now = self.clock.now();
        for file in &mut self.files {
            if let Err(error) = file.turn_over(&self.shared, now) {
                tracing::warn!(%error, "a csv file could not be rotated");
            }
        }
    }
}

impl Sink for Csv {
    fn write(&mut self, events: &Selection) -> Vec<Outcome> {
        self.assign(events);
        self.turn_over();
        let now = self.clock.now();
        let mut outcomes = vec![Outcome::Delivered; events.len()];
        for (file, waiting) in self.files.iter_mut().zip(&self.waiting) {
            if waiting.is_empty() {
                continue;
            }
            let positions = waiting.iter().filter_map(|position| events.indices.get(*position));
            let chosen = positions.filter_map(|index| events.block.get(*index as usize));
            self.rows.clear();
            csv_rows(&mut self.rows, chosen, &mut self.times);
            if let Err(error) = file.append(&self.shared, &self.rows, now) {
                let failure = Outcome::Temporary(error.to_string());
                for position in waiting {
                    if let Some(outcome) = outcomes.get_mut(*position) {
                        outcome.clone_from(&failure);
                    }
                }
            }
        }
        outcomes
    }
}
