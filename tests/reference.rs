//! docs/events.md holds every kind of event and field as the program knows them, and README.md every kind. `BLESS=1 cargo
//! test reference` brings docs/events.md up to date.

#![allow(clippy::unwrap_used, reason = "a test program: its helpers fail by panicking")]

use correlator::event::{Field, Kind, KindSpec};
use std::fmt::Write;
use std::fs;
use std::path::Path;

fn path(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// What more there is to say of kinds that rules give another severity.
const SEVERITIES: &[(Kind, &str)] = &[(
    Kind::SSHDSuccessAfterFailures,
    "It is CRITICAL where, within the hour before, the source also failed for other users, and made as many failed attempts as\n\
     the limit or failed for three users or more; or where that user failed 20 times or more. It is a WARNING where all\n\
     failures were the user's own and there were five or more, or as many as the limit. A login by key is a NOTICE at most.",
)];

fn describe(page: &mut String, kind: &KindSpec) {
    let switch = if kind.on { "on" } else { "off" };
    let fields: Vec<_> = kind.fields.iter().map(|field| format!("`{}`", field.spec().name)).collect();
    writeln!(page, "\n### {}\n\n{}\n", kind.name, kind.meaning).unwrap();
    writeln!(page, "By default {switch}, {}. Fields: {}.", kind.severity, fields.join(", ")).unwrap();
    for (_, note) in SEVERITIES.iter().filter(|(of, _)| of.spec().name == kind.name) {
        writeln!(page, "\n{note}").unwrap();
    }
}

fn page() -> String {
    let mut page = "\
# Events

What Correlator raises. Each module raises the kinds that begin with its type; `events = { KIND = ... }` among its
options switches one `\"on\"` or `\"off\"`, or gives it another severity. Rules may raise an event with a severity other
than the default: a login by key after failures, for instance, is less alarming than one by password.

Every event has an `id`, a `time`, a `kind`, a `severity`, the `app` and the `module` that raised it, a `summary`, and the
fields of its kind, of which those that are not known are null. In JSON, times are UTC with six digits, durations are
seconds, and bytes that are not UTF-8 are written as `\\xNN`.

## Kinds
"
    .to_owned();
    for kind in Kind::ALL {
        describe(&mut page, kind.spec());
    }
    page.push_str("\n## Fields\n\n| field | type | meaning |\n| --- | --- | --- |\n");
    for field in Field::ALL {
        let spec = field.spec();
        writeln!(page, "| `{}` | {} | {} |", spec.name, spec.ty.name(), spec.meaning).unwrap();
    }
    page
}

#[test]
fn the_reference_of_events_is_current() {
    let (file, current) = (path("docs/events.md"), page());
    if std::env::var_os("BLESS").is_some() {
        fs::write(file, current).unwrap();
        return;
    }
    let written = fs::read_to_string(file).unwrap_or_default();
    let differs = written.lines().zip(current.lines()).find(|(written, current)| written != current);
    assert_eq!(differs, None, "BLESS=1 cargo test reference brings docs/events.md up to date");
    assert_eq!(written.len(), current.len());
}

#[test]
fn the_readme_lists_every_kind() {
    let readme = fs::read_to_string(path("README.md")).unwrap();
    let missing: Vec<_> = Kind::ALL
        .iter()
        .map(|kind| kind.spec().name)
        .filter(|name| !readme.contains(&format!("`{name}`")))
        .collect();
    assert!(missing.is_empty(), "README.md lacks {missing:?}");
}
