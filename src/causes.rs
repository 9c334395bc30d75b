//! Floor 0: errors with what caused them.

use std::error::Error;

/// Writes an error with its causes, which is where the reason stands.
pub(crate) fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // Some errors say what their cause says.
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Outer {
        text: &'static str,
        source: io::Error,
    }

    #[test]
    fn a_cause_is_told_once() {
        let told = |text| in_full(&Outer { text, source: io::Error::other("disk gone") });
        assert_eq!(told("reading a.log"), "reading a.log: disk gone");
        assert_eq!(told("a.log: disk gone"), "a.log: disk gone");
    }
}
