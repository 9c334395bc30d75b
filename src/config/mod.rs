//! Floor 7: TOML text → checked options.
//!
//! Two steps: [`check`] validates the text and touches nothing; [`Settings::load`] then asks the surroundings of the
//! process for what the text leaves open. The options themselves belong to the rooms that obey them; here stands only
//! how they are written.
//!
//! Invariant: a configuration is taken whole or refused whole, and when it is refused, everything that is wrong with
//! it is told at once.

mod app;
mod check;
mod codec;
mod credentials;
mod environment;
mod files;
mod formats;
mod handler;
mod listener;
mod module;
mod option;
mod problem;
mod section;
mod sender;
mod server;
mod settings;
mod source;
mod tree;
mod zone;

#[cfg(test)]
mod reference_tests;

pub use app::App;
pub use environment::Environment;
pub use files::{Files, FirstLine};
pub use formats::{Formats, UnknownFormat};
pub use handler::{Handler, HandlerOptions};
pub use listener::Listener;
pub use option::Row;
pub use problem::{Place, Problem, Problems};
pub use section::Listed;
pub use server::{Durability, JournalOptions, LogFormat, LogOptions};
pub use settings::{Request, Server, Settings};
pub use source::Source;
pub use zone::{NamedZone, WrongZone};

/// Checks the text of one file by itself.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check(file: &str, text: &str) -> Result<(), Problems> {
    let tree = tree::parse_file(file, text)?;
    let (_, problems) = check::check(&tree, &Place::File { file: file.into(), line: 1 });
    problems.unless_any(|| ())
}
