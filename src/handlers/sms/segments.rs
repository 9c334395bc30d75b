//! Floor 4: how many segments a text takes on its way to a telephone (3GPP TS 23.038 and 23.040).
//!
//! A text of the default alphabet takes 7 bits a character, or twice that where the character is an extension; any other
//! takes UCS-2, 16 bits a unit. What fits into 140 bytes goes alone; else each part gives up 6 bytes for the header that
//! joins them, and no character is split between two parts.
//!
//! Invariant: what is cut is cut between two characters, and fits.

use crate::limits;

/// The default alphabet, without the escape character.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
                     ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";

/// The characters that follow an escape.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// What stands where a text was cut. It is of the default alphabet, so that it does not change how the rest is encoded.
const MORE: &str = "...";

/// How a text is encoded: units of a character, and units of a text that goes alone or of one part.
struct Encoding {
    units: fn(char) -> usize,
    alone: usize,
    part: usize,
}

const GSM: Encoding =
    Encoding { units: |c| if EXTENSION.contains(c) { 2 } else { 1 }, alone: 160, part: 153 };
const UCS2: Encoding = Encoding { units: char::len_utf16, alone: 70, part: 67 };

/// The segments that a text takes.
pub(super) fn count(text: &str) -> usize {
    let plain = text.chars().all(|c| BASIC.contains(c) || EXTENSION.contains(c));
    let Encoding { units, alone, part } = if plain { GSM } else { UCS2 };
    if text.chars().map(units).sum::<usize>() <= alone {
        return 1;
    }
    let (mut parts, mut filled) = (1, 0);
    for c in text.chars() {
        let needed = units(c);
        if filled + needed > part {
            (parts, filled) = (parts + 1, 0);
        }
        filled += needed;
    }
    parts
}

/// The text, cut so that it takes so many segments at most, and no more characters than Twilio accepts. Its ellipses
/// become dots, which the default alphabet has: one mark of a masked name is not worth half the room.
pub(super) fn fit(text: &str, segments: usize) -> String {
    let text = &text.replace('…', MORE);
    let fits = |text: &str| text.chars().count() <= limits::MAX_SMS_LENGTH && count(text) <= segments;
    if fits(text) {
        return text.to_owned();
    }
    // More characters never take fewer segments, so a search by halves finds the most that fit.
    let ends: Vec<_> = text.char_indices().map(|(at, _)| at).take(limits::MAX_SMS_LENGTH).collect();
    let cut = |end: &usize| format!("{}{MORE}", text.get(..*end).unwrap_or_default().trim_end());
    let too_long = ends.partition_point(|end| fits(&cut(end)));
    ends.get(too_long.saturating_sub(1)).map(cut).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_alphabet_is_complete() {
        assert_eq!((BASIC.chars().count(), EXTENSION.chars().count()), (127, 10));
    }

    #[test]
    fn segments_are_counted_as_they_are_billed() {
        for (text, expected) in [
            (String::new(), 1),
            ("a".repeat(160), 1),
            ("a".repeat(161), 2),
            ("a".repeat(306), 2),
            ("a".repeat(307), 3),
            ("€".repeat(80), 1),
            ("€".repeat(81), 2),
            // An extension character is not split: 153 is odd, so a part holds 76 of them.
            ("€".repeat(152), 2),
            ("€".repeat(153), 3),
            ("日".repeat(70), 1),
            ("日".repeat(71), 2),
            ("日".repeat(134), 2),
            ("日".repeat(135), 3),
            ("😀".repeat(35), 1),
            ("😀".repeat(36), 2),
            // Nor is a pair of surrogates: a part holds 33 of them.
            ("😀".repeat(66), 2),
            ("😀".repeat(67), 3),
            // A single character outside of the alphabet changes the encoding of all.
            (format!("{}ł", "a".repeat(69)), 1),
            (format!("{}ł", "a".repeat(70)), 2),
        ] {
            assert_eq!(count(&text), expected, "{text}");
        }
    }

    #[test]
    fn a_text_is_cut_to_what_may_be_sent() {
        assert_eq!(fit("short", 1), "short");
        assert_eq!(fit(&"a".repeat(161), 1), format!("{}...", "a".repeat(157)));
        assert_eq!(fit(&"a".repeat(5_000), 2), format!("{}...", "a".repeat(303)));
        assert_eq!(fit(&"日".repeat(71), 1), format!("{}...", "日".repeat(67)));
        assert_eq!(fit("hu…(9) failed", 1), "hu...(9) failed");
        assert_eq!(fit(&"a".repeat(5_000), 100).len(), limits::MAX_SMS_LENGTH);
    }

    proptest! {
        #[test]
        fn what_is_cut_fits_and_is_a_beginning(text in "[a€日😀\\[ ]{0,400}", segments in 1_usize..5) {
            let cut = fit(&text, segments);
            prop_assert!(count(&cut) <= segments);
            prop_assert!(cut == text || text.starts_with(cut.strip_suffix(MORE).unwrap()));
        }
    }
}
