//! Floor 7: what is wrong with a configuration, and where.
//!
//! Invariant: a problem names the place that the operator wrote, never one that the program derived.

use crate::event::render::readable;
use std::fmt;
use std::sync::Arc;

/// Where something was said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In a file.
    File {
        /// The file's path, as it was given.
        file: Arc<str>,
        /// The line, from 1.
        line: usize,
    },
    /// On the command line, as it stands there.
    Argument(Arc<str>),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line } => write!(f, "{file}:{line}"),
            Self::Argument(argument) => f.write_str(argument),
        }
    }
}

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    message: String,
    place: Option<Place>,
    hint: Option<String>,
    /// Whether it says that something is nowhere.
    is_absence: bool,
}

impl Problem {
    /// Describes what is wrong at a place.
    pub(super) fn new(place: &Place, message: impl Into<String>) -> Self {
        Self { message: message.into(), place: Some(place.clone()), hint: None, is_absence: false }
    }

    /// Describes what is wrong with the whole.
    pub(super) fn general(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None, hint: None, is_absence: false }
    }

    /// Adds what would be right.
    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what would be right, where that is known.
    #[must_use]
    pub(super) fn hint_if(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// Marks it as saying that something is nowhere, which nobody knows while a file is unread.
    #[must_use]
    pub(super) fn absence(mut self) -> Self {
        self.is_absence = true;
        self
    }
}

/// What names of files and values say, without what forges a line or moves the cursor.
fn told(text: &impl ToString) -> String {
    let mut out = Vec::new();
    readable(&mut out, text.to_string().as_bytes());
    String::from_utf8_lossy(&out).into_owned()
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", told(&self.message))?;
        match (&self.place, &self.hint) {
            (None, None) => Ok(()),
            (Some(place), None) => write!(f, "\n  --> {}", told(place)),
            (None, Some(hint)) => write!(f, "\n  --> {}", told(hint)),
            (Some(place), Some(hint)) => write!(f, "\n  --> {}   {}", told(place), told(hint)),
        }
    }
}

/// Everything that is wrong with a configuration, in the order of the places.
///
/// Displays as one block of lines for each problem, each beginning with `error: `.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The problems.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Problem> {
        self.0.iter()
    }

    /// Adds a problem.
    pub(super) fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Whether nothing is wrong.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds problems, without those that say that something is nowhere: what could not be read may hold it.
    pub(super) fn extend_without_absences(&mut self, others: Self) {
        self.0.extend(others.0.into_iter().filter(|problem| !problem.is_absence));
    }

    /// `value` when nothing is wrong, else the problems in the order of their places.
    pub(super) fn unless_any<T>(mut self, value: impl FnOnce() -> T) -> Result<T, Self> {
        if self.0.is_empty() {
            return Ok(value());
        }
        self.0.sort_by(|a, b| a.place.cmp(&b.place));
        Err(self)
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_of_a_file_forges_a_line() {
        let place = Place::File { file: "a\x1b[2J\n.toml".into(), line: 3 };
        let problem = Problem::new(&place, "x\ny").hint("expected `z\r`");
        assert_eq!(problem.to_string(), "error: x\\ny\n  --> a\\x1b[2J\\n.toml:3   expected `z\\r`");
    }
}
