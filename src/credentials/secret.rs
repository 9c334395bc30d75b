//! Floor 2: the values of secrets.

use super::{CredentialName, Given, Missing};
use crate::limits;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use zeroize::Zeroizing;

/// The value of a secret. Its memory is overwritten when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

/// Bytes that are no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongSecret {
    /// There are none.
    #[error("it is empty")]
    Empty,
    /// There are too many.
    #[error("it is longer than {} bytes", limits::MAX_SECRET_BYTES)]
    Long,
    /// They are no text.
    #[error("it is no UTF-8")]
    Binary,
}

impl Secret {
    /// Takes a text for a secret.
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// Takes bytes for a secret, in their place.
    ///
    /// # Errors
    /// When they are no text of a length that a secret may have.
    pub fn from_bytes(mut bytes: Zeroizing<Vec<u8>>) -> Result<Self, WrongSecret> {
        match bytes.len() {
            0 => return Err(WrongSecret::Empty),
            1..=limits::MAX_SECRET_BYTES => {}
            _ => return Err(WrongSecret::Long),
        }
        match String::from_utf8(std::mem::take(&mut *bytes)) {
            Ok(text) => Ok(Self::new(text)),
            Err(error) => {
                *bytes = error.into_bytes();
                Err(WrongSecret::Binary)
            }
        }
    }

    /// Reads the bytes of a secret and its line break, and one more where there are too many; all at once, so that growing
    /// leaves no copies behind.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn read_line(from: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
        let most = limits::MAX_SECRET_BYTES + 3;
        let mut bytes = Zeroizing::new(Vec::with_capacity(most));
        from.take(most as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Takes bytes for a secret, without the line break at their end, if there is one.
    ///
    /// # Errors
    /// When they are no text of a length that a secret may have.
    pub fn from_line(mut bytes: Zeroizing<Vec<u8>>) -> Result<Self, WrongSecret> {
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        Self::from_bytes(bytes)
    }

    /// The value itself, for whoever has to send it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// The secrets that were found, by the names of their credentials.
#[derive(Clone, Debug, Default)]
pub struct Secrets(BTreeMap<CredentialName, Secret>);

impl Secrets {
    /// Keeps a secret.
    pub fn insert(&mut self, name: CredentialName, secret: Secret) {
        self.0.insert(name, secret);
    }

    /// The secret of a credential.
    ///
    /// # Errors
    /// When it was not found.
    pub fn get(&self, name: &CredentialName) -> Result<&Secret, Missing> {
        self.0.get(name).ok_or_else(|| Missing(name.clone()))
    }

    /// The value of an option, wherever it stands.
    ///
    /// # Errors
    /// When it is a credential that was not found.
    pub fn resolve(&self, given: &Given) -> Result<Secret, Missing> {
        match given {
            Given::Plain(value) => Ok(Secret::new(value.clone())),
            Given::Credential(name) => self.get(name).cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_break_is_no_part_of_a_line() {
        let line = |bytes: &[u8]| Secret::from_line(Zeroizing::new(bytes.to_vec()));
        for (bytes, secret) in
            [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a\r", "a\r"), (" ", " ")]
        {
            assert_eq!(line(bytes.as_bytes()).unwrap().expose(), secret);
        }
        assert_eq!(line(b"\n"), Err(WrongSecret::Empty));
        assert_eq!(line(b"\xff"), Err(WrongSecret::Binary));
        assert_eq!(line(&vec![b'x'; limits::MAX_SECRET_BYTES + 1]), Err(WrongSecret::Long));
    }

    #[test]
    fn values_are_not_shown() {
        let name = CredentialName::new("smtp/oncall").unwrap();
        let mut secrets = Secrets::default();
        secrets.insert(name.clone(), Secret::new("hunter2".to_owned()));
        assert!(!format!("{secrets:?}").contains("hunter2"));
        assert_eq!(secrets.resolve(&Given::Credential(name)).unwrap().expose(), "hunter2");
        assert_eq!(secrets.resolve(&"plain".into()).unwrap().expose(), "plain");
        let other = CredentialName::new("twilio/token").unwrap();
        let error = secrets.get(&other).unwrap_err();
        assert_eq!(error.to_string(), "the credential `twilio/token` is missing");
    }
}
