//! Floor 7: the options of `type = "csv"`.

use crate::config::codec::{Count, FilePath, Rotation};
use crate::config::option::{Opt, options};
use crate::config::section::Section;
use crate::handlers::csv::Options;
use crate::limits;

impl Section for Options {
    const OPTIONS: &'static [Opt<Self>] = options! { Self:
        directory = directory as FilePath,
            "Directory of the files, one for each module and kind of event.";
        rotate = rotate as Rotation,
            "When a file is put aside and a new one begun: never, at each start, at midnight, or before it would grow \
             over a size.";
        keep = keep as Count<1, { limits::MAX_KEPT_FILES }>,
            "Files put aside that are kept, for each module and kind.";
    };

    fn defaults() -> Self {
        Self::default()
    }
}
