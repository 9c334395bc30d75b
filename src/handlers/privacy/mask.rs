//! Floor 4: what is shown of a name that nobody may read.

/// A name by its beginning and its length in characters: `hu…(9)`. Of a short name less is shown, of one with fewer than
/// four characters nothing; signs are not shown either. The empty name hides nothing.
pub(super) fn mask(name: &[u8]) -> String {
    if name.is_empty() {
        return String::new();
    }
    let text = String::from_utf8_lossy(name);
    let count = text.chars().count();
    let most = match count {
        0..4 => 0,
        4..8 => 1,
        _ => 2,
    };
    let shown: String = text.chars().take(most).take_while(|c| c.is_alphanumeric()).collect();
    format!("{shown}…({count})")
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn the_shorter_a_name_the_less_of_it_is_shown() {
        for (name, expected) in [
            (&b"hunter2hu"[..], "hu…(9)"),
            (b"hunter2", "h…(7)"),
            (b"toor", "t…(4)"),
            (b"abc", "…(3)"),
            (b"a", "…(1)"),
            (b"", ""),
            ("gr\u{fc}nspecht".as_bytes(), "gr…(10)"),
            ("\u{202e}evil\r\nname".as_bytes(), "…(11)"),
            (b"p\0ssw\xffrd", "p…(8)"),
        ] {
            assert_eq!(mask(name), expected);
        }
    }
}
