//! Structured data there and back: read as the grammar says, written, and read again; shared with the fuzz target.

use super::reference::{Elements, Input};
use correlator::wire::structured_data::{StructuredData, escape};

/// Reads structured data that stands alone, and writes and reads again what it holds. Whatever the bytes are, they come
/// back when they stand for a value.
///
/// # Panics
/// Panics if the reading is not the grammar's, or if something else comes back.
pub(crate) fn assert_round_trip(bytes: &[u8]) {
    let shown = bytes.escape_ascii();
    let mut input = Input { bytes, at: 0 };
    let expected = input.structured_data().filter(|_| input.peek().is_none());
    let read = StructuredData::parse(bytes);
    assert_eq!(read.ok().map(unfold), expected, "{shown} read as {read:?}");
    if let Some(elements) = expected {
        let written = write(&elements);
        let again = StructuredData::parse(&written).map(unfold);
        assert_eq!(again, Ok(elements), "{shown} written as {}", written.escape_ascii());
    }
    let value = vec![(b"id".to_vec(), vec![(b"name".to_vec(), bytes.to_vec())])];
    let written = write(&value);
    let read = StructuredData::parse(&written).expect("any value can be written");
    assert_eq!(read.get(b"id", b"name").as_deref(), Some(bytes));
    assert_eq!(unfold(read), value);
}

fn unfold(data: StructuredData<'_>) -> Elements {
    let elements = data.elements().map(|element| {
        let params = element.params().map(|param| (param.name.to_vec(), param.value().into_owned()));
        (element.id.to_vec(), params.collect())
    });
    elements.collect()
}

fn write(elements: &Elements) -> Vec<u8> {
    let mut out = Vec::new();
    for (id, params) in elements {
        out.push(b'[');
        out.extend_from_slice(id);
        for (name, value) in params {
            out.extend_from_slice(&[&b" "[..], name, b"=\"", &escape(value), b"\""].concat());
        }
        out.push(b']');
    }
    if out.is_empty() { b"-".to_vec() } else { out }
}
