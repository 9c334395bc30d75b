//! Streams and their frames: a table, and any chunking against a naive oracle.

use super::*;
use proptest::prelude::*;

type Frames = Vec<(Vec<u8>, bool)>;

fn options(mode: Mode, delimiter: &[u8], max_message_size: usize) -> Options {
    Options { mode, delimiter: delimiter.to_vec(), max_message_size }
}

/// Plays a reader: presents what is unconsumed again, followed by the next chunk, and ends the stream.
fn run(
    options: &Options,
    chunks: impl IntoIterator<Item = impl AsRef<[u8]>>,
    most: usize,
) -> (Frames, Option<FramingError>) {
    let mut framer = Framer::new(options.clone());
    let (mut pending, mut frames, mut error) = (Vec::new(), Frames::new(), None);
    for chunk in chunks {
        pending.extend_from_slice(chunk.as_ref());
        loop {
            let mut spans = Vec::new();
            let result = framer.advance(&pending, &mut spans, most);
            assert!(spans.len() <= most);
            frames.extend(spans.iter().map(|frame| (frame.span.of(&pending).to_vec(), frame.truncated)));
            match result {
                Ok(consumed) => drop(pending.drain(..consumed)),
                Err(found) => error = Some(found),
            }
            if spans.len() < most || error.is_some() {
                break;
            }
        }
    }
    let mut spans = Vec::new();
    framer.finish(&pending, &mut spans);
    frames.extend(spans.iter().map(|frame| (frame.span.of(&pending).to_vec(), frame.truncated)));
    (frames, error)
}

/// The frames of a whole stream, found by looking at one after the other.
fn oracle(options: &Options, stream: &[u8]) -> (Frames, Option<FramingError>) {
    let (mut frames, mut at) = (Frames::new(), 0);
    let delimiter = options.delimiter.as_slice();
    let limit = options.max_message_size;
    let mut keep = |text: &[u8], cut_short: bool| {
        if !text.is_empty() {
            frames.push((text[..text.len().min(limit)].to_vec(), cut_short || text.len() > limit));
        }
    };
    while at < stream.len() {
        let rest = &stream[at..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let plausible = (1..=9).contains(&digits) && rest[0] != b'0';
        if options.mode != Mode::Delimited && plausible && rest.get(digits) == Some(&b' ') {
            let count: usize = std::str::from_utf8(&rest[..digits]).unwrap().parse().unwrap();
            let body = &rest[digits + 1..];
            let body = &body[..body.len().min(count)];
            keep(body, body.len() < count);
            at += digits + 1 + body.len();
            continue;
        }
        if options.mode == Mode::OctetCounted && rest[0] == b'\n' {
            at += 1;
            continue;
        }
        if options.mode == Mode::OctetCounted {
            let (kind, place) = match rest.get(digits) {
                _ if rest[0] == b'0' => (FramingErrorKind::LeadingZero, 0),
                _ if digits > 9 => (FramingErrorKind::TooManyDigits, 9),
                None => break,
                Some(byte) if digits == 0 => (FramingErrorKind::NoCount(*byte), 0),
                Some(byte) => (FramingErrorKind::NoBlank(*byte), digits),
            };
            return (frames, Some(FramingError { kind, offset: (at + place) as u64 }));
        }
        let end = rest.windows(delimiter.len()).position(|window| window == delimiter);
        let text = &rest[..end.unwrap_or(rest.len())];
        keep(if delimiter == b"\n" { text.strip_suffix(b"\r").unwrap_or(text) } else { text }, false);
        at += text.len() + if end.is_some() { delimiter.len() } else { 0 };
    }
    (frames, None)
}

fn texts(frames: &Frames) -> Vec<String> {
    let text = |(frame, truncated): &(Vec<u8>, bool)| {
        format!("{}{}", frame.escape_ascii(), if *truncated { "…" } else { "" })
    };
    frames.iter().map(text).collect()
}

#[test]
fn streams_become_frames() {
    let auto = |delimiter| options(Mode::Auto, delimiter, 8);
    let cases: &[(Options, &[u8], &[&str])] = &[
        (auto(b"\n"), b"", &[]),
        (auto(b"\n"), b"3 abc4 defg", &["abc", "defg"]),
        (auto(b"\n"), b"3 abc\n4 defg\r\n\n1 h", &["abc", "defg", "h"]),
        (auto(b"\n"), b"abc\n3 d\ne<1>f\r\ng", &["abc", "d\\ne", "<1>f", "g"]),
        (auto(b"\n"), b"03 abc\n", &["03 abc"]),
        (auto(b"\n"), b"3abc\n", &["3abc"]),
        (auto(b"\n"), b"3", &["3"]),
        (auto(b"\n"), b"3 ", &[]),
        (auto(b"\n"), b"5 abc", &["abc…"]),
        (auto(b"\n"), b"1234567890 a\nb\n", &["12345678…", "b"]),
        (auto(b"\n"), b"999999999 abcdefgh\n<1>ijk\n", &["abcdefgh…"]),
        (auto(b"\n"), b"12 abcdefgh<1>x3 ijk", &["abcdefgh…", "ijk"]),
        (auto(b"\n"), b"abcdefgh\r\nabcdefghi\nabcdefgh\n", &["abcdefgh", "abcdefgh…", "abcdefgh"]),
        (auto(b"\n"), b"abcdefghijklmnopq\nr\n", &["abcdefgh…", "r"]),
        (auto(b"\r\n"), b"a\nb\r\nc\rd\r\n", &["a\\nb", "c\\rd"]),
        (auto(b"\0"), b"a\nb\0c\r\0\0", &["a\\nb", "c\\r"]),
        (auto(b"--=--"), b"a--=---=--b--=--c--=", &["a", "-=--b", "c--="]),
        (auto(b""), b"a\nb", &["a", "b"]),
        (options(Mode::Delimited, b"\n", 8), b"3 abc\n12 \n", &["3 abc", "12 "]),
        (options(Mode::OctetCounted, b"\n", 8), b"3 a\nb2 cd", &["a\\nb", "cd"]),
        (options(Mode::OctetCounted, b"\n", 8), b"3 abc12", &["abc"]),
        (options(Mode::OctetCounted, b"\0", 8), b"3 a\nb\n2 cd\n\n1 e\n", &["a\\nb", "cd", "e"]),
        (options(Mode::Auto, b"\n", 0), b"abc\n", &["a…"]),
    ];
    for (options, stream, expected) in cases {
        let (frames, error) = run(options, [stream], usize::MAX);
        assert_eq!(texts(&frames), *expected, "{}", stream.escape_ascii());
        assert_eq!(error, None, "{}", stream.escape_ascii());
    }
}

#[test]
fn what_is_no_count_is_said_with_its_place() {
    let cases: &[(&[u8], &str)] = &[
        (b"3 abc<1>x", "byte 5 of the stream: expected an octet count, found `<`"),
        (b"3 abc\n\r\n", "byte 6 of the stream: expected an octet count, found `\\r`"),
        (b"03 abc", "byte 0 of the stream: the octet count begins with zero"),
        (b"1 a1234567890 a", "byte 12 of the stream: the octet count has more than 9 digits"),
        (b"1 a\x31\x32\xff", "byte 5 of the stream: expected a blank after the octet count, found `\\xff`"),
    ];
    for (stream, expected) in cases {
        let (_, error) = run(&options(Mode::OctetCounted, b"\n", 8), [stream], usize::MAX);
        assert_eq!(error.unwrap().to_string(), *expected);
    }
}

#[test]
fn a_failed_stream_stays_failed_and_keeps_what_was_before() {
    let mut framer = Framer::new(options(Mode::OctetCounted, b"\n", 8));
    let mut frames = Vec::new();
    let error = framer.advance(b"1 aGET /", &mut frames, usize::MAX).unwrap_err();
    assert_eq!(frames, [FrameSpan { span: Span::new(2, 1), truncated: false }]);
    assert_eq!(framer.advance(b"1 b", &mut frames, usize::MAX), Err(error));
    framer.finish(b"1 b", &mut frames);
    assert_eq!(frames.len(), 1);
    assert!(!framer.is_mid_frame(0));
}

#[test]
fn mid_frame_until_the_frame_ends() {
    let mut framer = Framer::new(options(Mode::Auto, b"\n", 4));
    let mut frames = Vec::new();
    assert!(!framer.is_mid_frame(0));
    assert_eq!(framer.advance(b"9 ab", &mut frames, 9), Ok(0));
    assert!(framer.is_mid_frame(4));
    assert_eq!(framer.advance(b"9 abcdef", &mut frames, 9), Ok(8));
    assert!(framer.is_mid_frame(0), "three bytes of the count are still to come");
    assert_eq!(framer.advance(b"ghi", &mut frames, 9), Ok(3));
    assert!(!framer.is_mid_frame(0));
    assert_eq!(framer.advance(b"abcdefg", &mut frames, 9), Ok(7));
    assert!(framer.is_mid_frame(0), "the delimiter is still to come");
    assert_eq!(framer.advance(b"h\n", &mut frames, 9), Ok(2));
    assert!(!framer.is_mid_frame(0));
    assert_eq!(frames.len(), 2);
}

#[test]
fn a_frame_that_trickles_in_is_searched_once() {
    for delimiter in [&b"\n"[..], b"\r\n", b"-=-=-=-="] {
        let mut framer = Framer::new(options(Mode::Auto, delimiter, 10_000));
        let line = vec![b'x'; 5_000];
        let mut frames = Vec::new();
        for end in 1..=line.len() {
            assert_eq!(framer.advance(&line[..end], &mut frames, 1), Ok(0));
            assert_eq!(
                framer.looked,
                end.saturating_sub(delimiter.len() - 1),
                "all but a delimiter's beginning"
            );
        }
    }
}

fn fragment() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => proptest::collection::vec(proptest::sample::select(&b"019 \r\n\0-=<a\xff"[..]), 0..12),
        2 => (0_usize..30, "[a-z0-9\r\n]{0,24}").prop_map(|(count, text)| format!("{count} {text}").into_bytes()),
        2 => "[a-z<>0-9 ]{0,24}".prop_map(|text| format!("{} {text}", text.len()).into_bytes()),
        2 => ("[a-z<> ]{0,20}", proptest::sample::select(&["\n", "\r\n", "\0", "--=--", "\r\r\n"][..]))
            .prop_map(|(text, delimiter)| format!("{text}{delimiter}").into_bytes()),
        1 => "[0-9]{7,11} ?".prop_map(String::into_bytes),
    ]
}

fn any_options() -> impl Strategy<Value = Options> {
    let mode = proptest::sample::select(&[Mode::Auto, Mode::Auto, Mode::OctetCounted, Mode::Delimited][..]);
    let delimiter = proptest::sample::select(vec![&b"\n"[..], b"\n", b"\r\n", b"\0", b"--=--", b"\n\n"]);
    (mode, delimiter, 1_usize..20).prop_map(|(mode, delimiter, limit)| options(mode, delimiter, limit))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_chunking_gives_the_frames_of_the_oracle(
        options in any_options(),
        fragments in proptest::collection::vec(fragment(), 0..10),
        sizes in proptest::collection::vec(1_usize..9, 1..20),
        most in prop_oneof![1_usize..4, Just(usize::MAX)],
    ) {
        let stream = fragments.concat();
        let expected = oracle(&options, &stream);
        prop_assert_eq!(&run(&options, [&stream], most), &expected);
        let (mut rest, mut chunks) = (stream.as_slice(), Vec::new());
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, others) = rest.split_at(rest.len().min(*size));
            chunks.push(chunk);
            rest = others;
        }
        prop_assert_eq!(&run(&options, chunks, most), &expected);
    }
}
