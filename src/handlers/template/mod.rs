//! Floor 4: templates: texts with places for what an event says, by the operator or built in.
//!
//! A template whose name ends in `.json` or `.html`, or in these before `.tera`, escapes what is put into it for strings
//! of JSON, or for HTML. What fields hold comes with its control and bidirectional characters made visible, whatever
//! the name.
//!
//! Invariant: a template that was checked renders every kind of event, and a digest.

mod context;
mod sample;

#[cfg(test)]
mod tests;

pub(super) use context::digest;
pub use context::event;

use crate::causes::in_full;
use crate::event::{Kind, render};
use crate::handlers::Occasion;
use crate::handlers::bounded::Bounded;
use crate::limits;
use crate::time::Zone;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use tera::{Context, Tera};

/// The name of the only template of an engine, before its ending.
const NAME: &str = "template";

/// What is put into a template is escaped for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Escape {
    /// Nothing: plain text.
    #[default]
    Not,
    /// The inside of a string of JSON.
    Json,
    /// HTML.
    Html,
}

/// A template.
#[derive(Debug)]
pub struct Template {
    tera: Tera,
    name: &'static str,
    escape: Escape,
}

/// Why a template cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// Its file cannot be read.
    #[error("cannot read the template {}: {reason}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// Its file is too large.
    #[error("the template {} is larger than {} bytes", .0.display(), limits::MAX_TEMPLATE_SIZE)]
    TooLarge(PathBuf),
    /// It is no template.
    #[error("the template is wrong: {0}")]
    Parse(String),
    /// It names what is not there, or gives too much.
    #[error("the template cannot be filled in: {0}")]
    Render(String),
    /// It does not render everything that there may be.
    #[error("the template fails for {what}: {reason}")]
    Check {
        /// For what it fails.
        what: String,
        /// Why.
        reason: String,
    },
}

impl From<TemplateError> for io::Error {
    fn from(error: TemplateError) -> Self {
        Self::other(error)
    }
}

impl Template {
    /// Reads a template from a file, and checks it.
    ///
    /// # Errors
    /// When it cannot be read, is wrong, or does not render every kind of event.
    pub(super) fn load(file: &Path) -> Result<Self, TemplateError> {
        let wrong = |reason| TemplateError::Read { file: file.to_owned(), reason };
        let mut text = String::new();
        let room = limits::MAX_TEMPLATE_SIZE + 1;
        File::open(file).and_then(|file| file.take(room).read_to_string(&mut text)).map_err(wrong)?;
        if text.len() as u64 == room {
            return Err(TemplateError::TooLarge(file.to_owned()));
        }
        let template = Self::new(&text, Escape::of(file))?;
        template.check()?;
        Ok(template)
    }

    /// Takes a text for a template.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(text: &str, escape: Escape) -> Result<Self, TemplateError> {
        let mut tera = Tera::new();
        let name = match escape {
            Escape::Not => NAME,
            Escape::Json => "template.json",
            Escape::Html => "template.html",
        };
        if escape == Escape::Json {
            tera.set_escape_fn(escape_json);
        }
        tera.autoescape_on([".json", ".html"]);
        tera.add_raw_template(name, text).map_err(|error| TemplateError::Parse(in_full(&error)))?;
        Ok(Self { tera, name, escape })
    }

    /// What is put into it is escaped for.
    pub(super) fn escape(&self) -> Escape {
        self.escape
    }

    /// Fills it in.
    ///
    /// # Errors
    /// When it names what is not there, or the text would be too long.
    pub fn render(&self, context: &Context) -> Result<String, TemplateError> {
        let mut text = Bounded::new(limits::MAX_RENDERED_SIZE);
        let rendered = self.tera.render_to(self.name, context, &mut text);
        rendered.map_err(|error| TemplateError::Render(in_full(&error)))?;
        Ok(text.into_text())
    }

    /// Fills it in for every kind of event and for a digest, with sample values and without any.
    ///
    /// # Errors
    /// When that fails, or gives no JSON where it should.
    pub fn check(&self) -> Result<(), TemplateError> {
        let mut times = render::LocalTime::new(Zone::UTC);
        for kind in Kind::ALL {
            let block = sample::events(*kind);
            for shown in block.iter() {
                self.try_out(&event(shown, Occasion::Live, &mut times), kind.spec().name)?;
            }
        }
        self.try_out(&digest(&sample::gathered(), Occasion::Live, &mut times), "a digest")
    }

    fn try_out(&self, context: &Context, what: &str) -> Result<(), TemplateError> {
        let wrong = |reason| TemplateError::Check { what: what.to_owned(), reason };
        let text = match self.render(context) {
            Ok(text) => text,
            Err(TemplateError::Render(reason)) => return Err(wrong(reason)),
            Err(error) => return Err(error),
        };
        if self.escape != Escape::Json {
            return Ok(());
        }
        let parsed = serde_json::from_str::<serde::de::IgnoredAny>(&text);
        parsed.map(|_| ()).map_err(|error| wrong(format!("what it gives is no JSON: {error}")))
    }
}

impl Escape {
    /// What a file's name asks for.
    fn of(file: &Path) -> Self {
        let name = file.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        match name.strip_suffix(".tera").unwrap_or(&name).rsplit_once('.') {
            Some((_, "json")) => Self::Json,
            Some((_, "html" | "htm")) => Self::Html,
            _ => Self::Not,
        }
    }
}

/// Writes the inside of a string of JSON.
fn escape_json(text: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut quoted = Vec::new();
    render::json_string(&mut quoted, text.as_bytes());
    let inside = quoted.get(1..quoted.len().saturating_sub(1));
    out.write_all(inside.unwrap_or_default())
}
