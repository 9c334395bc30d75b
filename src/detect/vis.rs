//! Floor 2: the escapes that sshd writes text with, undone.
//!
//! sshd passes every message through `strnvis(VIS_CSTYLE|VIS_NL|VIS_TAB|VIS_OCTAL)` (log.c), so that a name of bytes
//! beyond printable ASCII is logged as `\303\251`, and `DOM\bob` as `DOM\\bob`. From 5.9 to 10.2 the unprivileged
//! process and the monitor that logs for it both did so; from 10.0 on the former (sshd-auth.c) did it as if for standard
//! error, `VIS_SAFE|VIS_OCTAL`, which leaves tabs, line feeds and the like to the latter.
//!
//! Invariant: text that no encoder would write is kept as it stands.

/// How often a name was escaped that stands in a message which the monitor relayed (` [preauth]`).
///
/// The tag `sshd` alone says 9.7 or older, where it was twice. From 9.8 on the text has to tell: escaping twice leaves
/// backslashes in even runs only, and an odd half of a run begins an escape; but for those of a tab and its like, which
/// sshd-auth left alone. A run of two before a letter proves nothing either, since it may be `DOM\bob`, and counts as
/// once.
pub(super) fn is_escaped_twice(text: &[u8], tag_is_old: bool) -> bool {
    if tag_is_old {
        return true;
    }
    let mut evidence = false;
    let mut rest = text;
    while let Some(start) = memchr::memchr(b'\\', rest) {
        rest = rest.get(start..).unwrap_or_default();
        let run = rest.iter().take_while(|&&byte| byte == b'\\').count();
        rest = rest.get(run..).unwrap_or_default();
        match run % 4 {
            0 => evidence = true,
            2 if octal(rest).is_some() => evidence = true,
            1..=3
                if rest.first().is_some_and(|&letter| control(letter).is_some()) && octal(rest).is_none() => {
            }
            _ => return false,
        }
    }
    evidence
}

/// Undoes one level of escapes in `text`, from `start` to its end, in place.
pub(super) fn unescape(text: &mut Vec<u8>, start: usize) {
    let (mut read, mut write) = (start, start);
    while let Some(&first) = text.get(read) {
        let (byte, length) = match text.get(read + 1..) {
            Some(rest) if first == b'\\' => decode(rest),
            _ => (first, 1),
        };
        if let Some(place) = text.get_mut(write) {
            *place = byte;
        }
        read += length;
        write += 1;
    }
    text.truncate(write);
}

/// What follows a backslash: the byte it stands for, and the length of the escape.
fn decode(rest: &[u8]) -> (u8, usize) {
    if let Some(byte) = octal(rest) {
        return (byte, 4);
    }
    match rest.first() {
        Some(b'\\') => (b'\\', 2),
        Some(&letter) => control(letter).map_or((b'\\', 1), |byte| (byte, 2)),
        None => (b'\\', 1),
    }
}

/// The byte that three octal digits make.
fn octal(rest: &[u8]) -> Option<u8> {
    let digits = rest.get(..3)?;
    let value = digits.iter().try_fold(0_u32, |value, digit| {
        matches!(digit, b'0'..=b'7').then(|| value * 8 + u32::from(digit - b'0'))
    })?;
    u8::try_from(value).ok()
}

/// The byte that a letter stands for (VIS_CSTYLE).
fn control(letter: u8) -> Option<u8> {
    Some(match letter {
        b'n' => b'\n',
        b'r' => b'\r',
        b'b' => 0x08,
        b'a' => 0x07,
        b'v' => 0x0b,
        b't' => b'\t',
        b'f' => 0x0c,
        b's' => b' ',
        b'0' => 0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The encoder, as vis.c has it for these flags.
    fn vis(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for &byte in text {
            match byte {
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                0x08 => out.extend_from_slice(b"\\b"),
                0x07 => out.extend_from_slice(b"\\a"),
                0x0b => out.extend_from_slice(b"\\v"),
                b'\t' => out.extend_from_slice(b"\\t"),
                0x0c => out.extend_from_slice(b"\\f"),
                0 => out.extend_from_slice(b"\\000"),
                b' '..=b'~' => out.push(byte),
                _ => out.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
            }
        }
        out
    }

    fn undone(text: &[u8]) -> Vec<u8> {
        let mut out = b"kept ".to_vec();
        out.extend_from_slice(text);
        unescape(&mut out, 5);
        assert!(out.starts_with(b"kept "));
        out.split_off(5)
    }

    #[test]
    fn what_no_encoder_writes_stays() {
        for text in ["DOM\\user", "\\8", "\\", "x\\30", "\\400", "a\\"] {
            assert_eq!(undone(text.as_bytes()), text.as_bytes(), "{text}");
        }
        assert_eq!(undone(b"\\303\\251\\\\x\\0"), b"\xc3\xa9\\x\0");
    }

    #[test]
    fn tells_once_from_twice() {
        for (text, tag_is_old, twice) in [
            ("DOM\\\\bob", false, false),
            ("DOM\\\\\\\\bob", false, true),
            ("DOM\\\\user", false, false),
            ("\\\\303\\\\251", false, true),
            ("\\303\\251", false, false),
            ("x\\\\nAccepted \\\\303", false, true),
            ("a\\tb\\\\033[31m\\\\001", false, true),
            ("a\\tb\\033[31m\\001", false, false),
            ("alice", false, false),
            ("DOM\\\\bob", true, true),
        ] {
            assert_eq!(is_escaped_twice(text.as_bytes(), tag_is_old), twice, "{text}");
        }
    }

    proptest! {
        #[test]
        fn undoes_what_the_encoder_does(text in proptest::collection::vec(any::<u8>(), 0..60)) {
            let once = vis(&text);
            prop_assert_eq!(&undone(&once), &text);
            prop_assert_eq!(&undone(&undone(&vis(&once))), &text);
        }

        #[test]
        fn names_beyond_ascii_tell_how_often_they_were_escaped(name in "[a-zà-ü]{0,8}é[a-zà-ü]{0,8}") {
            let once = vis(name.as_bytes());
            prop_assert!(!is_escaped_twice(&once, false));
            prop_assert!(is_escaped_twice(&vis(&once), false));
        }
    }
}
