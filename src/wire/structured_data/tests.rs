//! Structured data: what is read, what is refused, and the way there and back.

use super::*;
use proptest::prelude::*;

type Element = (String, Vec<(String, Vec<u8>)>);

fn unfold(data: StructuredData<'_>) -> Vec<Element> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let params = |element: super::Element<'_>| {
        element.params().map(|param| (text(param.name), param.value().into_owned())).collect()
    };
    data.elements().map(|element| (text(element.id), params(element))).collect()
}

#[test]
fn elements_and_parameters_come_in_their_order() {
    let bytes = br#"[exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"][examplePriority@32473 class="high"]"#;
    let data = StructuredData::parse(bytes).unwrap();
    assert_eq!(data.as_bytes(), bytes);
    let ids: Vec<_> = data.elements().map(|element| element.id).collect();
    assert_eq!(ids, [&b"exampleSDID@32473"[..], b"examplePriority@32473"]);
    assert_eq!(data.get(b"exampleSDID@32473", b"eventID").as_deref(), Some(&b"1011"[..]));
    assert_eq!(data.get(b"examplePriority@32473", b"class").as_deref(), Some(&b"high"[..]));
    assert_eq!(data.get(b"examplePriority@32473", b"iut"), None);
    assert_eq!(data.get(b"origin", b"ip"), None);
}

#[test]
fn values_are_unescaped_and_copied_only_then() {
    let cases: &[(&[u8], &[u8])] = &[
        (br"", br""),
        (br"plain text [", br"plain text ["),
        (br#"a\"b\\c\]d"#, br#"a"b\c]d"#),
        (br"\n\x41\", br"\n\x41\"),
        (b"caf\xe9 \\]\n", b"caf\xe9 ]\n"),
    ];
    for (raw, expected) in cases {
        let value = Param { name: b"p", raw }.value();
        assert_eq!(value.as_ref(), *expected);
        assert_eq!(matches!(value, Cow::Borrowed(_)), !raw.contains(&b'\\'));
    }
}

#[test]
fn malformed_data_is_refused_with_its_reason() {
    let long = "n".repeat(256);
    let cases = [
        (String::new(), Reject::StructuredData),
        ("x".into(), Reject::StructuredData),
        ("- ".into(), Reject::StructuredData),
        ("[".into(), Reject::SdId),
        ("[]".into(), Reject::SdId),
        ("[ id]".into(), Reject::SdId),
        ("[a=b]".into(), Reject::SdId),
        ("[id".into(), Reject::SdId),
        (format!("[{long}]"), Reject::SdId),
        ("[caf\u{e9}]".into(), Reject::SdId),
        ("[id ]".into(), Reject::SdParam),
        ("[id  a=\"b\"]".into(), Reject::SdParam),
        ("[id a]".into(), Reject::SdParam),
        ("[id a=b]".into(), Reject::SdParam),
        ("[id =\"b\"]".into(), Reject::SdParam),
        (format!("[id {long}=\"b\"]"), Reject::SdParam),
        ("[id a=\"b\"".into(), Reject::SdParam),
        ("[id a=\"b\" ]".into(), Reject::SdParam),
        ("[id a=\"b\"c=\"d\"]".into(), Reject::SdParam),
        ("[id a=\"b]".into(), Reject::SdValue),
        ("[id a=\"b]\"]".into(), Reject::SdValue),
        ("[id a=\"b\\\"]".into(), Reject::SdValue),
        ("[id] ".into(), Reject::AfterStructuredData),
        ("[id] [id]".into(), Reject::AfterStructuredData),
        ("[id]x".into(), Reject::AfterStructuredData),
    ];
    for (text, expected) in cases {
        assert_eq!(StructuredData::parse(text.as_bytes()), Err(expected), "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        elements in proptest::collection::vec(
            ("[!#-<>-Z^-~]{1,40}", proptest::collection::vec(
                ("[!#-<>-Z^-~]{1,40}", proptest::collection::vec(
                    prop_oneof![proptest::sample::select(&b"\\\"]"[..]), any::<u8>()], 0..20)), 0..4)), 1..4),
    ) {
        let elements: Vec<Element> = elements;
        let mut text = Vec::new();
        for (id, params) in &elements {
            text.extend_from_slice(format!("[{id}").as_bytes());
            for (name, value) in params {
                text.extend_from_slice(format!(" {name}=\"").as_bytes());
                text.extend_from_slice(&escape(value));
                text.push(b'"');
            }
            text.push(b']');
        }
        prop_assert_eq!(unfold(StructuredData::parse(&text).unwrap()), elements);
    }
}
