//! Floor 8, tests: docs/cli.md holds the help of every command as it is printed. `BLESS=1 cargo test reference` brings
//! it up to date.

use super::Cli;
use clap::{Command, CommandFactory};
use std::fmt::Write;
use std::fs;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cli.md");

/// Appends the help of a command, and of those below it.
fn describe(command: &mut Command, page: &mut String) {
    let help = command.render_long_help().to_string();
    let lines: Vec<_> = help.lines().map(|line| format!("    {line}").trim_end().to_owned()).collect();
    let title = command.get_bin_name().unwrap_or_default();
    writeln!(page, "\n## {title}\n\n{}", lines.join("\n")).unwrap();
    for below in command.get_subcommands_mut() {
        describe(below, page);
    }
}

#[test]
fn the_reference_is_current() {
    // The width must not depend on the terminal, nor the text on the version.
    let mut command = Cli::command().term_width(100).bin_name("correlator");
    command.build();
    let mut page = "# Command line\n\nThe help of every command, as `--help` prints it.\n".to_owned();
    describe(&mut command, &mut page);
    if std::env::var_os("BLESS").is_some() {
        fs::write(FILE, &page).unwrap();
    } else {
        let written = fs::read_to_string(FILE).unwrap_or_default();
        let differs = written.lines().zip(page.lines()).find(|(written, current)| written != current);
        assert_eq!(differs, None, "BLESS=1 cargo test reference brings docs/cli.md up to date");
        assert_eq!(written.len(), page.len());
    }
}

#[test]
fn every_command_is_well_formed() {
    Cli::command().debug_assert();
}
