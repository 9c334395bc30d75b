//! Floor 4: what is no text that could be followed line by line.

pub(in crate::ingest) use super::sniff::UTF8_BOM;
use super::sniff::{self, Content};

/// Says what a file is that begins with these bytes, if its lines are no text.
pub(in crate::ingest) fn what(start: &[u8]) -> Option<String> {
    match sniff::content(start) {
        Content::Capture | Content::DamagedCapture => Some("it is a capture".to_owned()),
        Content::Packed(packing) => Some(compressed(packing.name())),
        Content::Compressed(format) => Some(compressed(format)),
        Content::Utf16 => Some("it is text in UTF-16".to_owned()),
        Content::Export => {
            Some("it is in the journal's export format; what `-o json` writes can be followed".to_owned())
        }
        Content::Binary(_) | Content::Frames(_) => None,
    }
}

fn compressed(format: &str) -> String {
    format!("it is compressed ({format}); `correlator replay` reads it")
}
