//! Floor 2: the values of secrets.

use super::{CredentialName, Given, Missing};
use std::collections::BTreeMap;
use std::fmt;
use zeroize::Zeroizing;

/// The value of a secret. Its memory is overwritten when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text for a secret.
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
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
