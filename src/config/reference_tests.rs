//! Floor 7, tests: docs/configuration.md holds a table of options for each section, which is made from the options
//! themselves. `BLESS=1 cargo test reference` brings the tables up to date.

use super::app::AppOptions;
use super::files::Files;
use super::handler::Presence;
use super::listener::Listener;
use super::option::{Row, rows};
use super::section::Section;
use super::sender::HostOptions;
use super::server::ServerOptions;
use crate::correlate::{report, sshd};
use crate::credentials;
use crate::detect::senders::Source;
use crate::dispatch::{StormOptions, TargetOptions};
use crate::handlers::privacy::Privacy;
use crate::handlers::{csv, email, exec, log, sms, syslog, webhook};
use crate::wire::lines::Description;
use std::fmt::Write;
use std::fs;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");

/// The rows of a section's options, with their defaults.
fn of<S: Section>() -> Vec<Row> {
    rows(S::OPTIONS, &S::defaults(), &S::defaults(), None)
}

fn table(rows: &[Row]) -> String {
    let mut table = "| option | takes | default | meaning |\n| --- | --- | --- | --- |\n".to_owned();
    for row in rows {
        let default = match &row.default {
            // What a default would be counts for nothing: the section is refused without the option.
            _ if row.required => "required".to_owned(),
            Some(default) => format!("`{}`", default.to_string().trim()),
            None => String::new(),
        };
        let [takes, meaning] = [row.takes.as_str(), row.meaning].map(|text| text.replace('|', "\\|"));
        writeln!(table, "| `{}` | {takes} | {default} | {meaning} |", row.name).unwrap();
    }
    table
}

/// Replaces what stands between the marks of a section.
fn fill(text: &str, section: &str, table: &str) -> String {
    let (begin, end) = (format!("<!-- options of {section} -->\n"), "<!-- end of options -->");
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("no mark for {section}"));
    let (_, after) = rest.split_once(end).unwrap_or_else(|| panic!("no end for {section}"));
    format!("{before}{begin}{table}{end}{after}")
}

#[test]
fn the_reference_is_current() {
    let written = fs::read_to_string(FILE).unwrap();
    let sections = [
        ("server", of::<ServerOptions>()),
        ("listeners", of::<Listener>()),
        ("files", of::<Files>()),
        ("formats", of::<Description>()),
        ("sources", of::<Source>()),
        ("hosts", of::<HostOptions>()),
        ("apps", of::<AppOptions>()),
        ("sshd", of::<sshd::Options>()),
        ("report", of::<report::Options>()),
        ("credentials", of::<credentials::Options>()),
        ("handlers", of::<TargetOptions>().into_iter().chain(of::<Presence>()).collect()),
        ("digests", of::<StormOptions>()),
        ("privacy", of::<Privacy>()),
        ("log", of::<log::Options>()),
        ("csv", of::<csv::Options>()),
        ("email", of::<email::Options>()),
        ("exec", of::<exec::Options>()),
        ("sms", of::<sms::Options>()),
        ("syslog", of::<syslog::Options>()),
        ("webhook", of::<webhook::Options>()),
    ];
    let current = sections.iter().fold(written.clone(), |text, (name, rows)| fill(&text, name, &table(rows)));
    if std::env::var_os("BLESS").is_some() {
        fs::write(FILE, &current).unwrap();
    } else {
        assert_eq!(written, current, "BLESS=1 cargo test reference brings docs/configuration.md up to date");
    }
}
