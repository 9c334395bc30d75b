//! Floor 1: text of peers made safe for JSON, for CSV cells and for people's eyes.
//!
//! A byte that is not part of valid UTF-8 becomes the text `\xNN`, two lower-case hexadecimal digits. So that this can
//! be undone, a backslash that already stands before `x` and two hexadecimal digits becomes `\x5c`; any other
//! backslash stays as it is. Replacing every `\xNN` by its byte therefore gives back exactly what came in.
//!
//! Invariant: the output is valid UTF-8, and outside of JSON's own escapes it holds no line break.

use super::sheet::WINDOW;
use wide::u8x16;

/// A part of text that may not be copied as it is.
enum Piece {
    /// A character.
    Char(char),
    /// A byte that is not UTF-8, or a backslash that would read as an escape of ours.
    Byte(u8),
}

/// Appends the inside of a JSON string.
pub(super) fn json(out: &mut Vec<u8>, text: &[u8]) {
    mapped(out, text, [], |out, piece| match piece {
        Piece::Char(c) => json_char(out, c),
        Piece::Byte(byte) => {
            out.push(b'\\');
            hex(out, byte);
        }
    });
}

/// Appends text for a cell of a file whose rows are lines: control characters other than the tab become `\xNN` too, and
/// so does `also`, for cells that give an ASCII character a meaning.
pub fn flat(out: &mut Vec<u8>, text: &[u8], also: Option<u8>) {
    let take = |out: &mut Vec<u8>, piece| match piece {
        Piece::Char(c) if (c.is_control() && c != '\t') || Some(c) == also.map(char::from) => {
            c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| hex(out, byte));
        }
        Piece::Char(c) => utf8(out, c),
        Piece::Byte(byte) => hex(out, byte),
    };
    match also {
        Some(also) => mapped(out, text, [also], take),
        None => mapped(out, text, [], take),
    }
}

/// Appends text for people: what could move the cursor, reorder the line or hide in it is shown as an escape, such as
/// `\n`, `\x1b` or `\u{202e}`; nothing at all is shown as `""`.
pub fn readable(out: &mut Vec<u8>, text: &[u8]) {
    readable_as::<false>(out, text);
}

/// Appends the inside of a JSON string that holds text for people.
pub(super) fn readable_json(out: &mut Vec<u8>, text: &[u8]) {
    readable_as::<true>(out, text);
}

fn readable_as<const JSON: bool>(out: &mut Vec<u8>, text: &[u8]) {
    if text.is_empty() {
        return out.extend_from_slice(if JSON { br#"\"\""# } else { br#""""# });
    }
    let backslash: &[u8] = if JSON { br"\\" } else { br"\" };
    mapped(out, text, [], |out, piece| match piece {
        Piece::Char(c) if c.is_control() || is_invisible(c) => {
            // The escape's own backslash is doubled by the prefix.
            let escape = match c {
                '\n' => "n".into(),
                '\r' => "r".into(),
                '\t' => "t".into(),
                c if c.is_ascii() => format!("x{:02x}", u32::from(c)),
                c => format!("u{{{:x}}}", u32::from(c)),
            };
            out.extend_from_slice(backslash);
            out.extend_from_slice(escape.as_bytes());
        }
        Piece::Char(c) if JSON => json_char(out, c),
        Piece::Char(c) => utf8(out, c),
        Piece::Byte(b'\\') => out.extend_from_slice(backslash),
        Piece::Byte(byte) => {
            if JSON {
                out.push(b'\\');
            }
            hex(out, byte);
        }
    });
}

/// A bit for each byte of a window that is a control character, beyond ASCII, a quote, a backslash or one of `also`.
#[inline]
pub(super) fn specials<const N: usize>(window: &[u8; WINDOW], also: [u8; N]) -> u32 {
    let (halves, _) = window.as_chunks::<16>();
    halves.iter().rev().fold(0, |mask, half| {
        let half = u8x16::from(*half);
        let above = half - u8x16::splat(b' ');
        let printable = above.min(u8x16::splat(b'~' - b' ')).simd_eq(above);
        let meant =
            also.iter().fold(u8x16::splat(0), |found, byte| found | half.simd_eq(u8x16::splat(*byte)));
        let found = meant | half.simd_eq(u8x16::splat(b'"')) | half.simd_eq(u8x16::splat(b'\\'));
        mask << 16 | (!printable | found).to_bitmask()
    })
}

/// Whether a character shows nothing of itself, but changes the order or the lines of what is around it.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Appends text, all that is plain as it stands: printable ASCII without quotes, backslashes and `also`. `take` appends
/// the pieces of what is between.
fn mapped<const N: usize>(
    out: &mut Vec<u8>,
    text: &[u8],
    also: [u8; N],
    mut take: impl FnMut(&mut Vec<u8>, Piece),
) {
    let mut rest = text;
    while !rest.is_empty() {
        let (plain, special) = rest.split_at_checked(plain_len(rest, also)).unwrap_or((rest, b""));
        out.extend_from_slice(plain);
        let len = special.iter().position(|byte| is_plain(*byte, also)).unwrap_or(special.len());
        pieces(special, len, |piece| take(out, piece));
        rest = special.get(len..).unwrap_or_default();
    }
}

/// How many of the first bytes are plain.
fn plain_len<const N: usize>(text: &[u8], also: [u8; N]) -> usize {
    let (windows, rest) = text.as_chunks::<WINDOW>();
    for (index, window) in windows.iter().enumerate() {
        let specials = specials(window, also);
        if specials != 0 {
            return index * WINDOW + specials.trailing_zeros() as usize;
        }
    }
    let more = rest.iter().position(|byte| !is_plain(*byte, also)).unwrap_or(rest.len());
    windows.len() * WINDOW + more
}

/// Whether a byte may be copied anywhere.
fn is_plain<const N: usize>(byte: u8, also: [u8; N]) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\') && !also.contains(&byte)
}

/// Cuts the first `len` bytes of a text into pieces; what follows must begin with ASCII.
fn pieces(text: &[u8], len: usize, mut take: impl FnMut(Piece)) {
    let mut at = 0;
    for chunk in text.get(..len).unwrap_or(text).utf8_chunks() {
        for (offset, c) in chunk.valid().char_indices() {
            let reads_as_escape = c == '\\' && text.get(at + offset + 1..).is_some_and(is_escape_body);
            take(if reads_as_escape { Piece::Byte(b'\\') } else { Piece::Char(c) });
        }
        chunk.invalid().iter().for_each(|byte| take(Piece::Byte(*byte)));
        at += chunk.valid().len() + chunk.invalid().len();
    }
}

/// Whether text begins with what stands after the backslash of an escape.
fn is_escape_body(text: &[u8]) -> bool {
    matches!(text, [b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}

/// Appends a character within a JSON string (RFC 8259 section 7). Beyond what must be escaped, so is what a terminal
/// would act on: to a parser it makes no difference.
fn json_char(out: &mut Vec<u8>, c: char) {
    match c {
        '"' => out.extend_from_slice(br#"\""#),
        '\\' => out.extend_from_slice(br"\\"),
        '\n' => out.extend_from_slice(br"\n"),
        '\r' => out.extend_from_slice(br"\r"),
        '\t' => out.extend_from_slice(br"\t"),
        c if c.is_control() || is_invisible(c) => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let [high, low] = unit.to_be_bytes();
                out.extend_from_slice(br"\u");
                out.extend_from_slice(&nibbles(high));
                out.extend_from_slice(&nibbles(low));
            }
        }
        c => utf8(out, c),
    }
}

fn utf8(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn hex(out: &mut Vec<u8>, byte: u8) {
    let [high, low] = nibbles(byte);
    out.extend_from_slice(&[b'\\', b'x', high, low]);
}

fn nibbles(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 15].map(|nibble| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(write: impl Fn(&mut Vec<u8>, &[u8]), input: &[u8]) -> String {
        let mut out = Vec::new();
        write(&mut out, input);
        String::from_utf8(out).unwrap()
    }

    /// What the documentation says undoes the mapping.
    pub(in crate::event::render) fn undo(text: &[u8]) -> Vec<u8> {
        let (mut out, mut rest) = (Vec::new(), text);
        while let Some((&first, tail)) = rest.split_first() {
            if first == b'\\' && is_escape_body(tail) {
                out.push(u8::from_str_radix(str::from_utf8(&tail[1..3]).unwrap(), 16).unwrap());
                rest = &tail[3..];
            } else {
                out.push(first);
                rest = tail;
            }
        }
        out
    }

    /// Text that is rich in what matters.
    fn hostile() -> impl Strategy<Value = Vec<u8>> {
        let token = prop_oneof![
            proptest::sample::select(vec![
                &b"\\"[..],
                b"x",
                b"41",
                b"\\xff",
                b"\xff",
                b"\xc3",
                b"\xa9",
                b"\"",
                b"\n",
                b"\x1b[31m",
                b";",
                b"\t",
                "\u{202e}".as_bytes(),
                "\u{9b}".as_bytes(),
                "\u{e0041}".as_bytes(),
                "é".as_bytes(),
                b"root",
            ])
            .prop_map(<[u8]>::to_vec),
            proptest::collection::vec(any::<u8>(), 0..3),
        ];
        proptest::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat())
    }

    #[test]
    fn people_see_what_would_trick_them() {
        for (input, expected) in [
            (&b"DOM\\user"[..], r"DOM\user"),
            (b"", r#""""#),
            (b"a\nb\r\t", r"a\nb\r\t"),
            (b"\x1b[2J", r"\x1b[2J"),
            ("root\u{202e}toor".as_bytes(), r"root\u{202e}toor"),
            ("\u{9b}2J".as_bytes(), r"\u{9b}2J"),
            (b"\xff\xc3(", r"\xff\xc3("),
            ("Jörg 日本".as_bytes(), "Jörg 日本"),
            (b"say \"hi\"", r#"say "hi""#),
        ] {
            assert_eq!(text(readable, input), expected);
            let json = format!("\"{}\"", text(readable_json, input));
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), expected);
        }
    }

    #[test]
    fn a_backslash_is_touched_only_where_it_would_read_as_an_escape() {
        for (input, expected) in [(&br"DOM\user"[..], r"DOM\user"), (br"\xf", r"\xf"), (br"\xff", r"\x5cxff")]
        {
            let json = format!("\"{}\"", text(json, input));
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), expected);
            assert_eq!(text(|out, input| flat(out, input, None), input), expected);
        }
        assert_eq!(text(|out, input| flat(out, input, Some(b';')), b"a;b\n"), r"a\x3bb\x0a");
    }

    proptest! {
        #[test]
        fn plain_text_ends_at_the_first_special_byte(
            text in proptest::collection::vec(prop_oneof![60 => 32..127_u8, 1 => any::<u8>()], 0..140),
        ) {
            let special = text.iter().position(|byte| !is_plain(*byte, [b'm']));
            prop_assert_eq!(plain_len(&text, [b'm']), special.unwrap_or(text.len()));
        }

        #[test]
        fn what_is_between_plain_bytes_is_cut_as_within_the_whole(input in hostile()) {
            let take = |out: &mut Vec<u8>, piece| match piece {
                Piece::Char(c) => utf8(out, c),
                Piece::Byte(byte) => hex(out, byte),
            };
            let (mut whole, mut parts) = (Vec::new(), Vec::new());
            pieces(&input, input.len(), |piece| take(&mut whole, piece));
            mapped(&mut parts, &input, [], take);
            prop_assert_eq!(str::from_utf8(&parts).unwrap(), str::from_utf8(&whole).unwrap());
        }

        #[test]
        fn specials_are_what_is_not_plain(window: [u8; WINDOW], place in 0..WINDOW) {
            for text in [window, [b'a'; WINDOW], window.map(|byte| byte & 0x7f)] {
                let mut text = text;
                text[place] = window[place];
                let found = specials(&text, [b',', b';']);
                for (place, byte) in text.iter().enumerate() {
                    let plain = is_plain(*byte, [b',', b';']);
                    prop_assert_eq!(found >> place & 1 == 0, plain, "{} at {}", byte, place);
                }
            }
        }

        #[test]
        fn both_mappings_can_be_undone(input in hostile()) {
            let json: String = serde_json::from_str(&format!("\"{}\"", text(json, &input))).unwrap();
            prop_assert_eq!(undo(json.as_bytes()), input.clone());
            for also in [None, Some(b';')] {
                let cell = text(|out, input| flat(out, input, also), &input);
                prop_assert!(!cell.contains('\n') && !cell.contains('\r'));
                prop_assert_eq!(undo(cell.as_bytes()), input.clone());
            }
        }

        #[test]
        fn people_get_the_same_text_by_json(input in hostile()) {
            let plain = text(readable, &input);
            prop_assert!(!plain.chars().any(|c| c.is_control() || is_invisible(c)));
            let json = format!("\"{}\"", text(readable_json, &input));
            prop_assert!(!json.chars().any(|c| c.is_control() || is_invisible(c)));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), plain);
        }
    }
}
