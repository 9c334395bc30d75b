//! Every format of message, and what it means, from a table of text.

use super::described;

/// Two lines each: a message, with its program before a bar where that is not `sshd-session`; and, indented, what
/// [`described`] says of it. A message's last blank is written as `\x20`. Lines that begin with `#` divide.
const TABLE: &str = include_str!("messages.txt");

#[test]
fn every_message_is_understood() {
    let mut lines = TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut wrong = String::new();
    while let Some(line) = lines.next() {
        let expected = lines.next().unwrap_or_default().trim();
        let (app, text) = match line.split_once('|') {
            Some((app, text)) if !app.contains(' ') => (app, text),
            _ => ("sshd-session", line),
        };
        let text = text.strip_suffix(r"\x20").map_or_else(|| text.to_owned(), |text| format!("{text} "));
        let found = described(app, text.as_bytes());
        if found != expected {
            wrong.push_str(&format!("{line}\n  found    {found}\n  expected {expected}\n"));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn every_kind_has_a_message() {
    let missing: Vec<&str> = super::Kind::ALL
        .iter()
        .filter(|&&kind| kind != super::Kind::Record)
        .map(|kind| kind.name())
        .filter(|name| !TABLE.lines().any(|line| line.trim().split(' ').next() == Some(name)))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
