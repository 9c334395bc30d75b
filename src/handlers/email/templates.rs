//! Floor 4: what mails say: templates of tera, built in or an operator's, rendered with events and digests.
//!
//! A mail has three templates: `NAME.subject.txt`, `NAME.txt` and `NAME.html`, where NAME is the kind of the event, or
//! else `event`, or `digest`. Values are escaped in what ends in `.html`.
//!
//! Invariant: an operator's templates have been rendered with an event of every kind before the first mail is sent, and
//! one that fails all the same costs its beauty, not the mail.

use super::view::{DigestView, EventView, cut};
use crate::event::render::{self, Fraction, LocalTime};
use crate::event::{Kind, sample};
use crate::handlers::bounded::Bounded;
use crate::handlers::{Digest, EvidenceRecord, Gathered, Selection};
use crate::limits;
use crate::suggest::did_you_mean;
use crate::time::{Timestamp, Zone};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tera::{Context, ErrorKind, Kwargs, State, Tera};

/// The templates that are built in. Those of an operator can include them by these names.
const BUILT_IN: [(&str, &str); 6] = [
    ("built_in/event.subject.txt", include_str!("built_in/event.subject.txt")),
    ("built_in/event.txt", include_str!("built_in/event.txt")),
    ("built_in/event.html", include_str!("built_in/event.html")),
    ("built_in/digest.subject.txt", include_str!("built_in/digest.subject.txt")),
    ("built_in/digest.txt", include_str!("built_in/digest.txt")),
    ("built_in/digest.html", include_str!("built_in/digest.html")),
];

/// What the names of the three templates of a mail end in.
const PARTS: [&str; 3] = [".subject.txt", ".txt", ".html"];

/// Why templates cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct TemplateError {
    file: PathBuf,
    line: Option<usize>,
    why: String,
    /// The kind whose sample it was rendered with.
    kind: Option<&'static str>,
}

impl std::fmt::Display for TemplateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.why)?;
        self.kind.map_or(Ok(()), |kind| write!(f, " (with a sample of {kind})"))
    }
}

/// A mail's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// The part of plain text.
    pub text: String,
    /// Nothing where it would be too long: HTML cannot be cut.
    pub html: Option<String>,
}

/// The templates of one handler.
pub struct Templates {
    tera: Tera,
    directory: PathBuf,
    zone: Zone,
}

impl Templates {
    /// Reads the templates of a directory, if there is one, and tries them.
    ///
    /// # Errors
    /// What is wrong with the first that cannot be used.
    pub fn load(directory: Option<&Path>, zone: &Zone) -> Result<Self, TemplateError> {
        let root = directory.unwrap_or(Path::new("")).to_owned();
        let mut sources: Vec<_> =
            BUILT_IN.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        if let Some(directory) = directory {
            sources.extend(read(directory)?);
        }
        let mut tera = Tera::new();
        let filter_zone = zone.clone();
        tera.register_filter("local", move |text: &str, _: Kwargs, _: &State<'_>| local(text, &filter_zone));
        tera.register_filter("duration", |seconds: f64, _: Kwargs, _: &State<'_>| words(seconds));
        let added = tera.add_raw_templates(sources);
        let templates = Self { tera, directory: root, zone: zone.clone() };
        added.map_err(|error| templates.error("", &error))?;
        templates.check()?;
        Ok(templates)
    }

    /// Renders an event of every kind, and a digest.
    fn check(&self) -> Result<(), TemplateError> {
        let mut times = LocalTime::new(self.zone.clone());
        let time = Timestamp::from_civil(2026, 11, 25, 36_000, 0);
        let record = EvidenceRecord {
            position: 1,
            arrival: time,
            listener: "lan".to_owned(),
            peer: "192.0.2.1".to_owned(),
            bytes: b"a record".to_vec(),
            truncated: false,
        };
        let mut gathered = Gathered { digest: Digest::default(), shown: Vec::new() };
        for (seq, kind) in (0..).zip(Kind::ALL) {
            let block = Arc::new(sample(*kind, time));
            if let Some(event) = block.get(0) {
                gathered.digest.add(seq, event, false);
                let view = EventView::new(event, vec![record.clone()], &mut times);
                let tried = self.render(&self.names(kind.spec().name), &context("event", &view));
                tried.map_err(|error| TemplateError { kind: Some(kind.spec().name), ..error })?;
            }
            gathered.shown.push(Selection::all(block));
        }
        let view = DigestView::new(&gathered, &mut times);
        self.render(&self.names("digest"), &context("digest", &view)).map(drop)
    }

    /// The text of a mail about an event.
    pub fn event(&self, view: &EventView) -> Rendered {
        self.sure(view.kind, "event", &context("event", view))
    }

    /// The text of a digest.
    pub(super) fn digest(&self, view: &DigestView) -> Rendered {
        self.sure("digest", "digest", &context("digest", view))
    }

    /// Renders what is there, or else what is built in.
    fn sure(&self, name: &str, built_in: &str, context: &Context) -> Rendered {
        self.render(&self.names(name), context).unwrap_or_else(|error| {
            tracing::warn!(%error, "a template failed; the mail has the built-in form");
            let names = PARTS.map(|part| format!("built_in/{built_in}{part}"));
            self.render(&names, context).unwrap_or_else(|error| Rendered {
                subject: String::new(),
                text: error.to_string(),
                html: None,
            })
        })
    }

    /// The templates of a kind, or of digests.
    fn names(&self, name: &str) -> [String; 3] {
        let general = if name == "digest" { "digest" } else { "event" };
        PARTS.map(|part| {
            let candidates = [format!("{name}{part}"), format!("{general}{part}")];
            let found = candidates.into_iter().find(|name| self.tera.contains_template(name));
            found.unwrap_or_else(|| format!("built_in/{general}{part}"))
        })
    }

    fn render(&self, names: &[String; 3], context: &Context) -> Result<Rendered, TemplateError> {
        let render = |name: &String| {
            let mut text = Bounded::new(limits::MAX_MAIL_PART);
            match self.tera.render_to(name, context, &mut text) {
                // What is too long ends here, however long a template would go on.
                Err(error) if !text.overflowed() => Err(self.error(name, &error)),
                _ => Ok((text.overflowed(), text.into_text())),
            }
        };
        let [subject, text, html] = names;
        let ((_, subject), (is_cut, mut text), (is_lost, html)) =
            (render(subject)?, render(text)?, render(html)?);
        if is_cut {
            text.push('…');
        }
        Ok(Rendered { subject: self::subject(&subject), text, html: Some(html).filter(|_| !is_lost) })
    }

    /// Takes apart a report of several errors, as tera prints it: `error: WHY`, then `--> FILE:LINE:COLUMN`.
    fn reported(&self, name: &str, report: &str) -> TemplateError {
        let mut lines = report.lines().map(str::trim);
        let first = lines.next().unwrap_or_default();
        let why = first.strip_prefix("error: ").unwrap_or(first).to_owned();
        let mut place = lines.find_map(|line| line.strip_prefix("--> ")).unwrap_or(name).split(':');
        let file = self.directory.join(place.next().unwrap_or(name));
        TemplateError { file, line: place.next().and_then(|line| line.parse().ok()), why, kind: None }
    }

    /// Says where and why a template failed.
    fn error(&self, name: &str, error: &tera::Error) -> TemplateError {
        let (name, line, why) = match error.kind() {
            ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report) => {
                (report.filename(), Some(report.span().start_line), report.message().to_owned())
            }
            other => return self.reported(name, &other.to_string()),
        };
        TemplateError { file: self.directory.join(name), line, why, kind: None }
    }
}

fn context(name: &'static str, view: &impl serde::Serialize) -> Context {
    let mut context = Context::new();
    context.insert(name, view);
    context
}

/// A subject is one line, whatever a template makes of it.
fn subject(rendered: &str) -> String {
    let flat: String = rendered.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    cut(flat, limits::MAX_SUBJECT)
}

/// The files of a directory that are templates, by name.
fn read(directory: &Path) -> Result<Vec<(String, String)>, TemplateError> {
    let wrong = |file: PathBuf, why: String| TemplateError { file, line: None, why, kind: None };
    let unreadable = |error: std::io::Error| wrong(directory.to_owned(), error.to_string());
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let Some(stem) = PARTS.iter().find_map(|part| name.strip_suffix(part)) else { continue };
        let names = || Kind::ALL.iter().map(|kind| kind.spec().name).chain(["event", "digest"]);
        // What begins with a line is there to be included by others.
        if !stem.starts_with('_') && !names().any(|known| known == stem) {
            let hint = did_you_mean(stem, names()).map(|near| format!("; {near}"));
            let why = format!("no kind of event has this name{}", hint.unwrap_or_default());
            return Err(wrong(path, why));
        }
        if found.len() >= limits::MAX_TEMPLATES {
            return Err(wrong(path, format!("there are more than {} templates", limits::MAX_TEMPLATES)));
        }
        if fs::metadata(&path).is_ok_and(|file| file.len() > limits::MAX_TEMPLATE_SIZE) {
            return Err(wrong(path, format!("longer than {} bytes", limits::MAX_TEMPLATE_SIZE)));
        }
        let text = fs::read_to_string(&path).map_err(|error| wrong(path.clone(), error.to_string()))?;
        found.push((name.to_owned(), text));
    }
    Ok(found)
}

/// The filter `local`: an instant in the operator's zone.
fn local(text: &str, zone: &Zone) -> Result<String, tera::Error> {
    let instant: jiff::Timestamp =
        text.parse().map_err(|_| tera::Error::message("`local` takes an instant"))?;
    let mut out = Vec::new();
    let time = Timestamp::from_micros(instant.as_microsecond());
    LocalTime::new(zone.clone()).write(&mut out, time, Fraction::Millis);
    Ok(String::from_utf8(out).unwrap_or_default())
}

/// The filter `duration`: seconds in words.
fn words(seconds: f64) -> Result<String, tera::Error> {
    let duration = Duration::try_from_secs_f64(seconds);
    let duration = duration.map_err(|_| tera::Error::message("`duration` takes a number of seconds"))?;
    let mut out = Vec::new();
    render::human_duration(&mut out, duration);
    Ok(String::from_utf8(out).unwrap_or_default())
}
