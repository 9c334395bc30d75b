//! Floor 1: what the machine is called that this process runs on.

use crate::limits;
use rustix::system::uname;

/// Its name, as it may stand in the header of a record (RFC 5424, section 6.2.4) and in a peer's text; nothing where it has
/// none.
pub(crate) fn name() -> Option<String> {
    fit(uname().nodename().to_bytes())
}

/// The name without what may not stand in it.
fn fit(name: &[u8]) -> Option<String> {
    let fits = |byte: &&u8| byte.is_ascii_graphic() && **byte != b',';
    let name: String =
        name.iter().filter(fits).take(limits::MAX_HEADER_FIELD).map(|byte| char::from(*byte)).collect();
    // What a kernel says that was given none.
    (!name.is_empty() && name != "(none)").then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_stand_in_a_header_whatever_it_is() {
        assert_eq!(fit(b"web-1.example.com").as_deref(), Some("web-1.example.com"));
        assert_eq!(fit(b"a b\n,c\xff").as_deref(), Some("abc"));
        assert_eq!(fit(&[b'x'; 300]).map(|name| name.len()), Some(limits::MAX_HEADER_FIELD));
        assert_eq!((fit(b"(none)"), fit(b" "), fit(b"")), (None, None, None));
    }
}
