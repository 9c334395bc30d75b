//! Floor 2: what all stores of credentials have in common: what they do, and what they say when they do not.

use super::{CredentialName, Secret, WrongSecret};
use std::fmt;

/// The service under whose name stores that others use as well keep the credentials of this program.
pub(super) const SERVICE: &str = "correlator";

/// A type of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// Directories of files.
    Directory,
    /// The Secret Service: the keyring of a desktop's session.
    Keyring,
    /// The keys that the kernel keeps.
    Keyutils,
}

impl StoreKind {
    /// The types of stores, in the order in which they are asked by default.
    pub const ALL: [Self; 3] = [Self::Directory, Self::Keyring, Self::Keyutils];

    /// The name of the type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Keyring => "keyring",
            Self::Keyutils => "keyutils",
        }
    }
}

/// Keeps credentials. Its methods may block.
pub(super) trait Store: fmt::Debug + Send + Sync {
    /// What type of store it is.
    fn kind(&self) -> StoreKind;

    /// What people call it.
    fn place(&self) -> String;

    /// Gives a secret.
    fn get(&self, name: &CredentialName) -> Result<Secret, Lack>;

    /// Takes a secret, in place of one that it has; says who can read it.
    fn put(&self, name: &CredentialName, secret: &Secret) -> Result<String, Lack>;

    /// Forgets a secret.
    fn remove(&self, name: &CredentialName) -> Result<(), Lack>;
}

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Lack {
    /// The class of the reason.
    pub why: Why,
    /// The reason in words.
    pub what: String,
}

/// A class of reasons for which a store does not do what it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It has no such credential.
    Nothing,
    /// There is no such store here.
    Absent,
    /// It is locked.
    Locked,
    /// It refuses, or does not answer.
    Refused,
    /// It has the credential, and nobody should use it.
    Unusable,
}

impl Why {
    /// The reason of this class.
    pub(super) fn because(self, what: impl Into<String>) -> Lack {
        Lack { why: self, what: what.into() }
    }
}

/// That a store has no such credential.
pub(super) fn nothing() -> Lack {
    Why::Nothing.because("it has no such credential")
}

impl From<WrongSecret> for Lack {
    fn from(error: WrongSecret) -> Self {
        Why::Unusable.because(error.to_string())
    }
}

/// How people call the user of an ID.
pub(super) fn user(id: u32) -> String {
    let found = nix::unistd::User::from_uid(id.into()).ok().flatten();
    found.map_or_else(|| format!("user {id}"), |user| format!("user `{}`", user.name))
}

/// How people call the user that runs this process.
pub fn own_user() -> String {
    user(rustix::process::geteuid().as_raw())
}
