//! Floor 2: the names of credentials.

use crate::limits;
use std::fmt;

/// The name of a credential, such as `smtp/oncall`: parts of letters, digits, `.`, `_` and `-`, with slashes between.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialName(String);

/// A text that is no name of a credential. It is not repeated: it may be the secret itself, in the wrong place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no name of a credential: names are parts of A-Z, a-z, 0-9, `.`, `_` and `-` with `/` between, as in \
     `smtp/oncall`, and at most {} bytes long",
    limits::MAX_CREDENTIAL_NAME
)]
pub struct NameError;

impl CredentialName {
    /// Takes a text for a name.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(name: &str) -> Result<Self, NameError> {
        let is_part = |part: &str| {
            let letters = part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
            // No part may lead out of a directory of files, or hide in it.
            letters && !part.is_empty() && !part.starts_with('.')
        };
        if name.len() > limits::MAX_CREDENTIAL_NAME || !name.split('/').all(is_part) {
            return Err(NameError);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CredentialName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_lead_out_of_a_directory() {
        for name in ["smtp/oncall", "twilio.token", "a", "A_b-c/0"] {
            assert_eq!(CredentialName::new(name).unwrap().to_string(), name);
        }
        let long = "x".repeat(limits::MAX_CREDENTIAL_NAME + 1);
        for name in
            ["", "/", "/etc/shadow", "a//b", "a/", "..", "a/../b", ".hidden", "a b", "a\n", "ü", &long]
        {
            assert!(CredentialName::new(name).is_err(), "{name}");
        }
    }
}
