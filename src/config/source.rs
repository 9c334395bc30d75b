//! Floor 7: where the configuration comes from: the file, what it includes, or what is built in.

use super::environment::Environment;
use super::problem::{Place, Problem, Problems};
use super::tree::{Content, Node, Table, parse_file};
use crate::limits;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What runs when nobody configures anything.
const BUILT_IN: &str = include_str!("built_in.toml");

/// Where the configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// From nowhere: what is built in.
    BuiltIn,
    /// From a file.
    File(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built-in"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// What is built in, as a tree.
pub(super) fn built_in() -> Result<Table, Problem> {
    parse_file("built-in", BUILT_IN)
}

/// Finds the file: the one that is named, else the variable's, else the default one if it exists.
pub(super) fn find(named: Option<&Path>, environment: &Environment) -> Source {
    let variable = environment.config.as_ref().map(Path::new);
    let default = Some(environment.default_file.as_path()).filter(|path| path.exists());
    named.or(variable).or(default).map_or(Source::BuiltIn, |path| Source::File(path.to_owned()))
}

/// Reads a file and the files that it includes, as one tree. What is wrong with those goes to `problems`.
///
/// # Errors
/// When the file itself cannot be read.
pub(super) fn read(path: &Path, problems: &mut Problems) -> Result<Table, Problem> {
    let mut table = read_one(path, None)?;
    let Some(include) = table.remove("include") else { return Ok(table) };
    let directory = path.parent().unwrap_or(Path::new(""));
    for (pattern, at) in patterns(&include, problems) {
        let found = match matching(&directory.join(&pattern)) {
            Ok(found) => found,
            Err(error) => {
                problems.push(Problem::new(&at, format!("cannot include `{pattern}`: {error}")));
                continue;
            }
        };
        for path in found {
            let mut included = match read_one(&path, Some(&at)) {
                Ok(included) => included,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            if let Some(nested) = included.remove("include") {
                let hint = "only the main file may include others";
                problems.push(Problem::new(&nested.at, "an included file includes others").hint(hint));
            }
            table.join(included, problems);
        }
    }
    Ok(table)
}

/// Reads one file; says what is wrong at the place that names it, if one does.
fn read_one(path: &Path, at: Option<&Place>) -> Result<Table, Problem> {
    let name = path.display().to_string();
    let text = read_text(path).map_err(|error| {
        let message = format!("cannot read the configuration {name}: {error}");
        at.map_or_else(|| Problem::general(&message), |at| Problem::new(at, &message))
    })?;
    parse_file(&name, &text)
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limits::MAX_CONFIG_SIZE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limits::MAX_CONFIG_SIZE {
        let message = format!("it is larger than {} bytes", limits::MAX_CONFIG_SIZE);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    String::from_utf8(bytes).map_err(|error| {
        let sound = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        let line = 1 + sound.filter(|byte| **byte == b'\n').count();
        io::Error::new(io::ErrorKind::InvalidData, format!("its line {line} is not UTF-8"))
    })
}

/// The patterns of `include`, each with its place.
fn patterns(include: &Node, problems: &mut Problems) -> Vec<(String, Place)> {
    let nodes = match &include.content {
        Content::List(nodes) => nodes.iter().collect(),
        _ => vec![include],
    };
    let mut patterns = Vec::new();
    for node in nodes {
        match &node.content {
            Content::Text(pattern) => patterns.push((pattern.clone(), node.at.clone())),
            _ => {
                let message =
                    format!("`include`: expected paths such as \"conf.d/*.toml\", found {}", node.found());
                problems.push(Problem::new(&node.at, message));
            }
        }
    }
    patterns
}

/// The files that match a path whose last part may hold `*`, in the order of their names. A path without `*` matches
/// itself, whether or not it exists.
fn matching(pattern: &Path) -> io::Result<Vec<PathBuf>> {
    let name = pattern.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !name.contains('*') {
        return Ok(vec![pattern.to_owned()]);
    }
    let directory = pattern.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = match fs::read_dir(directory) {
        // A directory of drop-ins that nobody has made yet holds none.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|file| !file.starts_with('.') && matches(name, file)) {
            found.push(pattern.with_file_name(entry.file_name()));
        }
        if found.len() > limits::MAX_CONFIG_FILES {
            return Err(io::Error::other(format!("it matches more than {} files", limits::MAX_CONFIG_FILES)));
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a name matches a pattern in which `*` stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.split_at_checked(at + part.len()).map_or("", |(_, rest)| rest);
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, name, expected) in [
            ("*.toml", "a.toml", true),
            ("*.toml", ".toml", true),
            ("*.toml", "a.toml~", false),
            ("a*b*c", "aXbXc", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("*", "", true),
            ("plain", "plain", true),
            ("plain", "plainer", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
