//! What a machine can check of the rules in CONTRIBUTING.md: floors, sizes, where unsafe code stands, forgotten files,
//! leftovers.
//!
//! It reads text and parses no Rust, so it is fast and needs nothing; its own reading is tested at the end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test program: its helpers fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The floor of every room: of each top-level module of the library.
const FLOORS: &[(&str, u8)] = &[
    ("causes", 0),
    ("limits", 0),
    ("span", 0),
    ("suggest", 0),
    ("time", 0),
    ("wire", 1),
    ("event", 1),
    ("segment", 1),
    ("machine", 1),
    ("batch", 1),
    ("detect", 2),
    ("capture", 2),
    ("credentials", 2),
    ("correlate", 3),
    ("journal", 3),
    ("ingest", 4),
    ("handlers", 4),
    ("dispatch", 5),
    ("flood", 5),
    ("pipeline", 6),
    ("config", 7),
    ("cli", 8),
];

/// Imports within one floor, each with its reason.
const LEVEL_STEPS: &[(&str, &str, &str)] =
    &[("wire", "batch", "framing yields the spans that a batch is made of")];

/// Lines that a file may have without its tests.
const MOST_LINES: usize = 500;
/// Lines that the median file may have without its tests.
const MEDIAN_LINES: usize = 200;
/// Lines of tests from which on they stand in a file of their own.
const MOST_TEST_LINES: usize = 200;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files below a directory of the project, in order; none where there is no such directory.
fn files(directory: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![root().join(directory)];
    while let Some(directory) = waiting.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != "target") {
                    waiting.push(path);
                }
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn is_test_file(path: &Path) -> bool {
    let stem = path.file_stem().unwrap().to_string_lossy();
    stem == "tests" || stem.ends_with("_tests") || path.components().any(|part| part.as_os_str() == "tests")
}

/// The lines before the module of tests, and those from it on.
fn without_tests(text: &str) -> (&str, &str) {
    let at = text.match_indices("#[cfg(test)]\nmod ").map(|(at, _)| at).find(|at| {
        let rest = &text[*at..];
        rest.lines().nth(1).is_some_and(|line| line.ends_with('{'))
    });
    text.split_at(at.unwrap_or(text.len()))
}

/// The code of a text: its comments are blanked out. A `//` within a string is taken for one too.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The top-level module of a file under src/, or nothing for the crate's own roots.
fn room(path: &Path) -> Option<String> {
    let inside = path.strip_prefix("src").ok()?;
    let first = inside.components().next()?.as_os_str().to_string_lossy().into_owned();
    let name = first.strip_suffix(".rs").unwrap_or(&first);
    (!matches!(name, "lib" | "main")).then(|| name.to_owned())
}

/// How many modules deep a file stands: 1 for a top-level module's own.
fn depth(path: &Path) -> usize {
    let parts = path.strip_prefix("src").unwrap().components().count();
    if path.file_name().is_some_and(|name| name == "mod.rs") { parts - 1 } else { parts }
}

/// The first names of a path's continuation: `a::b` gives a, `{a::b, c}` gives a and c.
fn heads(rest: &str) -> Vec<String> {
    fn name(text: &str) -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    }
    let Some(list) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let mut level = 0_usize;
    let mut names = vec![name(list)];
    for (at, c) in list.char_indices() {
        match c {
            '{' => level += 1,
            '}' if level == 0 => break,
            '}' => level -= 1,
            ',' if level == 0 => names.push(name(&list[at + 1..])),
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// The top-level modules that a file's code names, through `crate::` or a chain of `super::` that reaches the root.
fn rooms_named(code: &str, depth: usize) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        named.extend(heads(&code[at + "crate::".len()..]));
    }
    let mut from = 0;
    while let Some(at) = code[from..].find("super::").map(|at| from + at) {
        let chain = code[at..].split("super::").take_while(|part| part.is_empty()).count();
        let end = at + chain * "super::".len();
        if chain == depth {
            named.extend(heads(&code[end..]));
        }
        from = end;
    }
    named
}

#[test]
fn modules_import_only_from_floors_below() {
    let floors: BTreeMap<_, _> = FLOORS.iter().copied().collect();
    let mut wrong = Vec::new();
    let mut steps = BTreeSet::new();
    for path in files("src", "rs") {
        let Some(own) = room(&path) else { continue };
        let Some(floor) = floors.get(own.as_str()) else {
            wrong.push(format!("{}: room `{own}` has no floor in tests/tidy.rs", path.display()));
            continue;
        };
        let text = read(&path);
        let says = text.lines().next().unwrap_or_default();
        if !is_test_file(&path) && !says.starts_with(&format!("//! Floor {floor}: ")) {
            wrong.push(format!("{}: must open with `//! Floor {floor}: ...`", path.display()));
        }
        if is_test_file(&path) {
            continue;
        }
        for other in rooms_named(&code(without_tests(&text).0), depth(&path)) {
            let level = (own.as_str(), other.as_str());
            if other == own || LEVEL_STEPS.iter().any(|step| (step.0, step.1) == level) {
                steps.insert((own.clone(), other));
            } else if floors.get(other.as_str()).is_some_and(|under| under >= floor) {
                wrong.push(format!("{}: imports from `{other}`, which is not below", path.display()));
            }
        }
    }
    for (from, to, _) in LEVEL_STEPS {
        if !steps.contains(&((*from).to_owned(), (*to).to_owned())) {
            wrong.push(format!("tests/tidy.rs: nothing needs the step from {from} to {to}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_stay_small() {
    let mut sizes = Vec::new();
    let mut wrong = Vec::new();
    for path in files("src", "rs") {
        let text = read(&path);
        let (program, tests) = without_tests(&text);
        let (lines, test_lines) = (program.lines().count(), tests.lines().count());
        if is_test_file(&path) {
            continue;
        }
        if lines > MOST_LINES {
            wrong.push(format!("{}: {lines} lines without tests", path.display()));
        }
        if test_lines > MOST_TEST_LINES {
            wrong.push(format!("{}: {test_lines} lines of tests: move them beside it", path.display()));
        }
        sizes.push(lines);
    }
    sizes.sort_unstable();
    let median = sizes[sizes.len() / 2];
    assert!(median < MEDIAN_LINES, "the median file has {median} lines");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let all = ["src", "tests", "benches", "fuzz"].into_iter().flat_map(|directory| files(directory, "rs"));
    let silent: Vec<_> = all.filter(|path| !read(path).starts_with("//! ")).collect();
    assert!(silent.is_empty(), "no `//!` at the head of {silent:?}");
}

#[test]
fn the_map_of_the_house_is_true() {
    let mut wrong = Vec::new();
    for path in files("src", "rs").iter().filter(|path| !is_test_file(path)) {
        let Some((_, floor)) = room(path).and_then(|room| FLOORS.iter().find(|(name, _)| *name == room))
        else {
            continue;
        };
        if !read(path).starts_with(&format!("//! Floor {floor}: ")) {
            wrong.push(format!("{} does not begin with its floor, {floor}", path.display()));
        }
    }
    let text = read(Path::new("ARCHITECTURE.md"));
    let map = text.lines().skip_while(|line| !line.starts_with("    floor 0 "));
    let mut floor = String::new();
    let mut told = BTreeSet::new();
    for line in map.take_while(|line| line.starts_with("    ")) {
        let mut words = line.split_whitespace().peekable();
        if words.next_if_eq(&"floor").is_some() {
            floor = words.next().unwrap().to_owned();
        }
        let name = words.next().unwrap();
        told.insert((name.trim_end_matches('/').trim_end_matches(".rs").to_owned(), floor.parse().unwrap()));
    }
    let floors: BTreeSet<_> = FLOORS.iter().map(|(name, floor)| ((*name).to_owned(), *floor)).collect();
    wrong.extend(told.symmetric_difference(&floors).map(|(name, floor)| {
        format!("ARCHITECTURE.md and the table here differ in `{name}` on floor {floor}")
    }));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_stands_in_one_file() {
    let word = concat!("un", "safe");
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let all = ["src", "tests", "benches", "fuzz"].into_iter().flat_map(|directory| files(directory, "rs"));
    let with: Vec<_> = all
        .filter(|path| code(&read(path)).split(|c| !is_part(c)).any(|found| found == word))
        .filter(|path| path != Path::new("tests/tidy.rs"))
        .collect();
    let elsewhere: Vec<_> = with.iter().filter(|path| !path.starts_with("src/segment")).collect();
    assert!(elsewhere.is_empty(), "outside of src/segment: {elsewhere:?}");
    assert!(with.len() <= 1, "in more than one file: {with:?}");
}

#[test]
fn no_source_file_is_forgotten() {
    let mut forgotten = Vec::new();
    for path in files("src", "rs").into_iter().filter(|path| room(path).is_some()) {
        let (mut directory, mut stem) = (path.parent().unwrap(), path.file_stem().unwrap().to_os_string());
        if stem == "mod" {
            stem = directory.file_name().unwrap().to_os_string();
            directory = directory.parent().unwrap();
        }
        let declaration = format!("mod {};", stem.to_string_lossy());
        let beside = directory.with_extension("rs");
        let parents = [directory.join("mod.rs"), directory.join("lib.rs"), directory.join("main.rs"), beside];
        let declared = parents
            .iter()
            .filter(|parent| root().join(parent).is_file())
            .any(|parent| read(parent).lines().any(|line| line.trim().ends_with(&declaration)));
        let by_path = read(Path::new("src/lib.rs")).contains(&declaration);
        if !declared && !by_path {
            forgotten.push(path);
        }
    }
    assert!(forgotten.is_empty(), "no module declares {forgotten:?}");
}

#[test]
fn no_test_bench_or_fuzz_target_is_forgotten() {
    let manifest = read(Path::new("Cargo.toml"));
    for switch in ["autotests", "autobenches", "autobins"] {
        assert!(!manifest.contains(switch), "{switch} would hide files from cargo");
    }
    for (directory, section) in [("benches", "[[bench]]"), ("examples", "[[example]]")] {
        for path in files(directory, "rs").iter().filter(|path| path.components().count() == 2) {
            let name = format!("name = \"{}\"", path.file_stem().unwrap().to_string_lossy());
            let found = manifest.split(section).skip(1).any(|entry| entry.contains(&name));
            assert!(found, "Cargo.toml has no {section} for {}", path.display());
        }
    }
    let targets = files("fuzz/fuzz_targets", "rs");
    for target in &targets {
        let name = target.file_stem().unwrap().to_string_lossy();
        let fuzz = read(Path::new("fuzz/Cargo.toml"));
        assert!(fuzz.contains(&format!("fuzz_targets/{name}.rs")), "fuzz/Cargo.toml lacks {name}");
        let seeds = fs::read_dir(root().join("fuzz/seeds").join(&*name)).map_or(0, Iterator::count);
        assert!(seeds > 0, "fuzz/seeds/{name} holds no seeds");
    }
    // A directory of helpers for tests is compiled only where a test says so.
    let tests: Vec<_> = files("tests", "rs").into_iter().map(|path| (read(&path), path)).collect();
    for (_, path) in tests.iter().filter(|(_, path)| path.components().count() > 2) {
        let by_path = format!("#[path = \"{}\"]", path.strip_prefix("tests").unwrap().display());
        let declared =
            |(text, from): &(String, PathBuf)| from.components().count() == 2 && text.contains(&by_path);
        assert!(tests.iter().any(declared), "no test has {by_path}");
    }
}

/// The files that are the project's, as git knows them; of a tree without git, those of the usual directories.
fn tracked() -> Vec<PathBuf> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    match listed {
        Ok(listed) if listed.status.success() => String::from_utf8(listed.stdout)
            .unwrap()
            .split_terminator('\0')
            .map(PathBuf::from)
            .filter(|path| root().join(path).is_file())
            .collect(),
        _ => ["src", "tests", "benches", "fuzz"].into_iter().flat_map(|dir| files(dir, "rs")).collect(),
    }
}

#[test]
fn nothing_is_left_lying_about() {
    // Written in halves, so that this file does not find itself.
    let anywhere = [
        (concat!("/", "work/"), "a path of somebody's machine"),
        (concat!("/tmp", "/w/"), "a path of somebody's machine"),
        (concat!("..", "/shared"), "a path outside of the project"),
        (concat!("deb.", "debian.org"), "a mirror's host: take it from apt's configuration"),
        (concat!("index.", "crates.io"), "a registry's host"),
        (concat!("static.", "crates.io"), "a registry's host"),
    ];
    let in_code = [
        (concat!("TO", "DO"), "finish it, or open an issue"),
        (concat!("FIX", "ME"), "finish it, or open an issue"),
        (concat!("XX", "X"), "finish it, or open an issue"),
        (concat!("db", "g!("), "a trace of debugging"),
        (concat!("to", "do!("), "unfinished"),
        (concat!("unimple", "mented!("), "unfinished"),
        (concat!("#[ig", "nore"), "a test that never runs"),
    ];
    let mut wrong = Vec::new();
    for path in tracked() {
        let Ok(text) = String::from_utf8(fs::read(root().join(&path)).unwrap()) else { continue };
        let is_code = path.extension().is_some_and(|extension| extension == "rs" || extension == "sh");
        let rules = anywhere.iter().chain(in_code.iter().filter(|_| is_code));
        for (pattern, reason) in rules {
            if let Some(line) = text.lines().position(|line| line.contains(pattern)) {
                wrong.push(format!("{}:{}: `{pattern}`: {reason}", path.display(), line + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn dependencies_come_from_one_registry() {
    for lock in tracked().iter().filter(|path| path.file_name().is_some_and(|name| name == "Cargo.lock")) {
        for source in read(lock).lines().filter(|line| line.starts_with("source = ")) {
            let expected = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
            assert_eq!(source, expected, "{}", lock.display());
        }
    }
}

#[test]
fn imports_are_read_right() {
    let names = |text: &str, depth| rooms_named(text, depth).into_iter().collect::<Vec<_>>();
    assert_eq!(names("use crate::time::{Timestamp, Zone};", 1), ["time"]);
    assert_eq!(names("use crate::{batch::{Batch, Origin}, time::Zone};", 1), ["batch", "time"]);
    assert_eq!(names("use super::super::event::{Kind, Severity};", 2), ["event"]);
    assert_eq!(names("use super::{Kind, Name}; use super::span::Span;", 2), Vec::<String>::new());
    assert_eq!(names("fn f(x: &crate::event::Kind) {}", 3), ["event"]);
    assert_eq!(code("let x = 1; // crate::cli"), "let x = 1; ");
    assert_eq!(depth(Path::new("src/wire/mod.rs")), 1);
    assert_eq!(depth(Path::new("src/wire/framing.rs")), 2);
    assert_eq!(room(Path::new("src/batch.rs")).as_deref(), Some("batch"));
    assert_eq!(room(Path::new("src/main.rs")), None);
    let file = "fn a() {}\n#[cfg(test)]\nmod tests;\n#[cfg(test)]\nmod tests {\n}\n";
    assert_eq!(without_tests(file).1, "#[cfg(test)]\nmod tests {\n}\n");
}
