//! Floor 2: what relays and options put around a message, taken off.
//!
//! Invariant: only what stands at the very beginning or end is taken off, in a fixed order, once each, so that text
//! within a message never becomes its beginning.

use crate::limits;

/// A message without what was around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Normalized<'m> {
    /// The message.
    pub(super) body: &'m [u8],
    /// The message with the mark that it was relayed, where it has one; in text that is not sshd's it is none.
    pub(super) marked: &'m [u8],
    /// How often it stands for itself.
    pub(super) repeat: u32,
    /// The level that sshd wrote before it.
    pub(super) level: Level,
    /// Whether it bears the mark: sshd's unprivileged process speaks, through the monitor.
    pub(super) relayed: bool,
}

/// The level of a message, as far as its text tells (log.c).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// No prefix: INFO or VERBOSE.
    Info,
    /// `error: ` or `fatal: `.
    Error,
    /// `debug1: ` to `debug3: `.
    Debug,
}

impl<'m> Normalized<'m> {
    /// Takes off, in this order, the message number of Solaris (`[ID 800047 auth.info] `), the wrapper of rsyslog
    /// (`message repeated 3 times: [ ...]`), the place in the source (`auth.c:auth_log():305: `, option LogVerbose),
    /// the level, and the mark of a relayed message (` [preauth]`).
    pub(super) fn of(message: &'m [u8]) -> Self {
        let body = solaris(message).unwrap_or(message);
        let (repeat, body) = repeated(body).unwrap_or((1, body));
        let body = log_verbose(body).unwrap_or(body);
        let (level, marked) = leveled(body);
        let (relayed, body) = relayed(marked);
        Self { body, marked, repeat, level, relayed }
    }
}

/// Takes off ` [preauth]` and ` [postauth]`; the first of which says that sshd's unprivileged process speaks.
pub(super) fn relayed(body: &[u8]) -> (bool, &[u8]) {
    if let Some(rest) = body.strip_suffix(b" [preauth]") {
        return (true, rest);
    }
    (false, body.strip_suffix(b" [postauth]").unwrap_or(body))
}

fn solaris(message: &[u8]) -> Option<&[u8]> {
    let rest = message.strip_prefix(b"[ID ")?;
    let (id, rest) = split_at_byte(rest, b' ')?;
    let (facility, rest) = split_at_byte(rest, b']')?;
    let genuine = is_decimal(id) && !facility.is_empty() && !facility.contains(&b' ');
    rest.strip_prefix(b" ").filter(|_| genuine)
}

fn repeated(message: &[u8]) -> Option<(u32, &[u8])> {
    let rest = message.strip_prefix(b"message repeated ")?;
    let (count, rest) = split_at_byte(rest, b' ')?;
    let body = rest.strip_prefix(b"times: [")?.strip_suffix(b"]")?;
    let count = super::address::decimal(count).filter(|&count| count > 0)?;
    let count = u32::try_from(count).unwrap_or(u32::MAX).min(limits::MAX_REPEAT);
    Some((count, body.strip_prefix(b" ").unwrap_or(body)))
}

/// `file.c:function():line: `, later with ` (pid=N)` or ` (bin=NAME, pid=N)` behind the line.
fn log_verbose(message: &[u8]) -> Option<&[u8]> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let (file, rest) = split_at_byte(message, b':')?;
    let (function, rest) = split_at_byte(rest, b'(')?;
    let (line, rest) = split_at_byte(rest.strip_prefix(b"):")?, b':')?;
    let (line, process) = match split_at_byte(line, b' ') {
        Some((line, process)) => (line, process.strip_prefix(b"(")?.strip_suffix(b")")?),
        None => (line, &b""[..]),
    };
    let genuine = (1..=48).contains(&file.len())
        && file.iter().all(|byte| is_word(byte) || matches!(byte, b'.' | b'+' | b'-'))
        && (1..=48).contains(&function.len())
        && function.iter().all(is_word)
        && is_decimal(line)
        && !process.iter().any(|byte| matches!(byte, b'(' | b')'));
    rest.strip_prefix(b" ").filter(|_| genuine)
}

fn leveled(message: &[u8]) -> (Level, &[u8]) {
    for prefix in [&b"error: "[..], b"fatal: "] {
        if let Some(rest) = message.strip_prefix(prefix) {
            return (Level::Error, rest);
        }
    }
    match message.split_at_checked(8) {
        Some(([b'd', b'e', b'b', b'u', b'g', b'0'..=b'9', b':', b' '], rest)) => (Level::Debug, rest),
        _ => (Level::Info, message),
    }
}

/// What stands before and after the first `byte`.
fn split_at_byte(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(byte, text)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

fn is_decimal(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_off_each_layer_once() {
        for (message, body, repeat, level, relayed) in [
            ("Accepted x", "Accepted x", 1, Level::Info, false),
            ("[ID 800047 auth.info] Failed none", "Failed none", 1, Level::Info, false),
            ("message repeated 3 times: [ Failed x]", "Failed x", 3, Level::Info, false),
            ("message repeated 2 times: [ error: x [preauth]]", "x", 2, Level::Error, true),
            ("auth.c:auth_log():305: Failed x", "Failed x", 1, Level::Info, false),
            ("monitor.c:mm_x():12 (pid=7): fatal: x", "x", 1, Level::Error, false),
            ("auth2.c:f():9 (bin=sshd-session, pid=7): x [preauth]", "x", 1, Level::Info, true),
            ("debug1: x", "x", 1, Level::Debug, false),
            ("error: error: x", "error: x", 1, Level::Error, false),
            ("x [preauth] [preauth]", "x [preauth]", 1, Level::Info, true),
            ("x [postauth]", "x", 1, Level::Info, false),
            ("message repeated 4000000000 times: [ x]", "x", limits::MAX_REPEAT, Level::Info, false),
            ("message repeated 0 times: [ x]", "message repeated 0 times: [ x]", 1, Level::Info, false),
            ("message repeated 2 times: [ x", "message repeated 2 times: [ x", 1, Level::Info, false),
            ("a b:c():1: x", "a b:c():1: x", 1, Level::Info, false),
            ("a:c():1 (p(q)): x", "a:c():1 (p(q)): x", 1, Level::Info, false),
        ] {
            let normalized = Normalized::of(message.as_bytes());
            let found = (normalized.body, normalized.repeat, normalized.level, normalized.relayed);
            assert_eq!(found, (body.as_bytes(), repeat, level, relayed), "{message}");
        }
    }

    #[test]
    fn a_user_name_never_becomes_the_beginning() {
        for message in
            ["Invalid user error: x", "Invalid user x[ID 1 a.b] y", "Failed message repeated 2 times: [ x]"]
        {
            assert_eq!(Normalized::of(message.as_bytes()).body, message.as_bytes());
        }
    }
}
