//! Floor 8: `correlator capture`: looks into capture files, and makes them.

mod cut;
mod export;
mod import;
mod list;
mod row;
mod show;
mod verify;

use super::progress::Progress;
use super::{Exit, Failure};
use crate::batch::Sequenced;
use crate::capture::{OpenError, Reader};
use crate::segment;
use clap::Subcommand;
use std::path::Path;

/// List, show, cut, import, export and verify captures
///
/// A capture holds what a server received, in order, with numbers and arrivals: `serve --capture` writes one, and
/// `replay` gives the same events from it. It goes on in PATH.0001, PATH.0002 and so on; name the first file.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    List(list::Args),
    Show(show::Args),
    Cut(cut::Args),
    Import(import::Args),
    Export(export::Args),
    Verify(verify::Args),
}

/// Runs one of the capture commands.
///
/// # Errors
/// Says which file could not be read or written, and why.
pub(super) fn run(args: Args) -> Result<Exit, Failure> {
    match args.action {
        Action::List(args) => list::run(&args),
        Action::Show(args) => show::run(&args),
        Action::Cut(args) => cut::run(args),
        Action::Import(args) => import::run(args),
        Action::Export(args) => export::run(&args),
        Action::Verify(args) => verify::run(&args),
    }
}

/// Opens a capture, and says what to do with a file that is none.
fn open(path: &Path) -> Result<Reader, Failure> {
    Reader::open(path).map_err(|error| match &error {
        OpenError::Segment(segment::OpenError::Header {
            source: segment::HeaderError::NotASegment, ..
        }) => anyhow::anyhow!(
            "{} is not a capture: `correlator capture import` makes one of a log or a raw stream",
            path.display()
        )
        .into(),
        _ => Failure::new(Exit::Environment, error),
    })
}

/// Reads a capture to its end, or until `take` has seen enough. What cannot be read is warned about and passed over;
/// unless that is only an end that was cut off, the command will not have done all of its work.
fn each_batch(
    reader: &mut Reader,
    progress: &Progress,
    mut take: impl FnMut(Sequenced) -> Result<Wanted, Failure>,
) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    while let Some(item) = reader.next() {
        progress.at(reader.bytes_done());
        match item {
            Ok(batch) => {
                if take(batch)? == Wanted::NoMore {
                    break;
                }
            }
            Err(damage) => {
                progress.say(&format!("warning: {damage}"));
                if !damage.is_cut_off() {
                    exit = Exit::Environment;
                }
            }
        }
    }
    Ok(exit)
}

/// Whether more of a capture is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    More,
    NoMore,
}
