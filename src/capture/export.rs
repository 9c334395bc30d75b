//! Floor 2: messages of a capture as a stream that other programs read.
//!
//! Invariant: an octet-counted export gives the same frames when it is framed again; lines do so for messages without
//! a line feed, and others are cut off at none: their line feeds are written as `#012`, as rsyslog does. One at the end,
//! which forwarders add and no record has, ends the line.

use std::io::{self, Write};

/// How exported messages are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Framing {
    /// A line feed after each.
    #[default]
    Lines,
    /// A count before each (RFC 6587 section 3.4.1).
    OctetCounted,
}

/// Writes one message.
///
/// # Errors
/// When `out` does not take it.
pub fn export_record(out: &mut impl Write, framing: Framing, message: &[u8]) -> io::Result<()> {
    match framing {
        Framing::OctetCounted => {
            write!(out, "{} ", message.len())?;
            out.write_all(message)
        }
        Framing::Lines => {
            let message = message.strip_suffix(b"\n").unwrap_or(message);
            let mut lines = message.split(|&byte| byte == b'\n');
            out.write_all(lines.next().unwrap_or_default())?;
            for line in lines {
                out.write_all(b"#012")?;
                out.write_all(line)?;
            }
            out.write_all(b"\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_or_stand_on_lines() {
        let write = |framing, message: &[u8]| {
            let mut out = Vec::new();
            export_record(&mut out, framing, message).unwrap();
            out
        };
        assert_eq!(write(Framing::OctetCounted, b"<38>a\nb"), b"7 <38>a\nb");
        assert_eq!(write(Framing::Lines, b"<38>a"), b"<38>a\n");
        assert_eq!(write(Framing::Lines, b"<38>a\n\nb"), b"<38>a#012#012b\n");
        assert_eq!(write(Framing::Lines, b"<38>a\n"), b"<38>a\n");
    }
}
