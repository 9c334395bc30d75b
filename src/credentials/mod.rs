//! Floor 2: secrets: how handlers name them, and what they are once found; certificates and keys in files.
//!
//! A secret is never in the configuration: an option names a credential, and a store that the operating system keeps
//! gives its value: a directory of files, the keyring of a session, or the kernel. All stores block while they are asked.
//!
//! Invariant: the value of a secret is in no error, no log and no `Debug` output, and its memory is overwritten when it
//! is dropped.

mod directory;
mod keyring;
mod keyutils;
mod name;
pub(crate) mod pem;
mod secret;
mod store;
mod stores;

pub use name::{CredentialName, NameError};
pub use pem::PemError;
pub use secret::{Secret, Secrets, WrongSecret};
pub use store::{Lack, StoreKind, Why, own_user};
pub use stores::{Answers, Found, Kept, Options, Status, Stores};

/// The value of an option that may be a secret: written where the others are, or the name of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// The value itself.
    Plain(String),
    /// The name of the credential that holds it.
    Credential(CredentialName),
}

impl Given {
    /// The name of the credential, if it is one.
    pub fn credential(&self) -> Option<&CredentialName> {
        match self {
            Self::Plain(_) => None,
            Self::Credential(name) => Some(name),
        }
    }
}

impl From<&str> for Given {
    fn from(plain: &str) -> Self {
        Self::Plain(plain.to_owned())
    }
}

/// A credential that was not found when it was wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the credential `{0}` is missing")]
pub struct Missing(pub CredentialName);
