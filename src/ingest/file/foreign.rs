//! Floor 4: what is no text that could be followed line by line.

pub(in crate::ingest) use super::sniff::UTF8_BOM;
use super::sniff::{self, Content};

/// Says what a file is that begins with these bytes, if its lines are no text.
pub(in crate::ingest) fn what(start: &[u8]) -> Option<String> {
    match sniff::content(start) {
        Content::Capture | Content::DamagedCapture => Some("it is a capture".to_owned()),
        Content::Packed(packing) => {
            Some(format!("it is compressed ({}); `correlator replay` reads it", packing.name()))
        }
        Content::Compressed(format) => {
            Some(format!("it is compressed ({format}), which nothing here reads: decompress it first"))
        }
        Content::Utf16 => Some("it is text in UTF-16".to_owned()),
        Content::Export => {
            Some("it is in the journal's export format; what `-o json` writes can be followed".to_owned())
        }
        Content::Binary(_) | Content::Frames(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_compressed_it_is_said_whether_a_replay_reads_it() {
        let replayed = "it is compressed (gzip); `correlator replay` reads it";
        assert_eq!(what(b"\x1f\x8b\x08\0").as_deref(), Some(replayed));
        for (start, format) in [(&b"\xfd7zXZ\0"[..], "xz"), (b"BZh91AY", "bzip2")] {
            let foreign =
                format!("it is compressed ({format}), which nothing here reads: decompress it first");
            assert_eq!(what(start), Some(foreign));
        }
    }
}
