//! Floor 1: systemd's journal, as it is written for other programs.

mod entry;
mod export;
mod json;

pub use export::Exported;
pub use json::{convert, entry};

/// Whether a file that begins with these bytes is of the export format: fields on lines, of which journald's come first.
pub fn is_export(start: &[u8]) -> bool {
    let mut lines = start.split(|byte| *byte == b'\n').skip_while(|line| line.is_empty());
    lines
        .next()
        .is_some_and(|line| line.starts_with(b"__CURSOR=") || line.starts_with(b"__REALTIME_TIMESTAMP="))
}
