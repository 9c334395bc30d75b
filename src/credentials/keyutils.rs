//! Floor 2: the keys that the kernel keeps for a user, in memory, until the machine restarts at the latest (keyrings(7)).
//!
//! What a process can reach depends on its session keyring: a shell has one, each service of systemd another, which
//! is linked to nothing, and a container perhaps none. What they share is the user's keyring. So that is linked to the
//! session's before each look, and each key to it.
//!
//! Invariant: all processes of a user, and nobody else, can read a key that one of them has put here.

use super::store::{SERVICE, Store, StoreKind, nothing, own_user};
use super::{CredentialName, Lack, Secret, Why};
use keyring_core::api::CredentialStoreApi;
use keyring_core::{Entry, Error};
use linux_keyutils::{KeyError, KeyRing, KeyRingIdentifier};
use std::collections::HashMap;
use zeroize::Zeroizing;

/// Bytes that a key of the type `user` holds (keyrings(7)).
const MAX_PAYLOAD: usize = 32_767;

/// The kernel's keys.
#[derive(Debug)]
pub(super) struct Keyutils;

impl Store for Keyutils {
    fn kind(&self) -> StoreKind {
        StoreKind::Keyutils
    }

    fn place(&self) -> String {
        "the kernel's keys (keyutils)".to_owned()
    }

    fn get(&self, name: &CredentialName) -> Result<Secret, Lack> {
        let bytes = Keys::open()?.entry(name).and_then(|entry| entry.get_secret()).map_err(lack)?;
        Ok(Secret::from_bytes(Zeroizing::new(bytes))?)
    }

    fn put(&self, name: &CredentialName, secret: &Secret) -> Result<String, Lack> {
        let (length, most) = (secret.expose().len(), MAX_PAYLOAD);
        if length > most {
            // Before what is there is removed.
            return Err(
                Why::Refused.because(format!("a key holds {most} bytes at most, and this has {length}"))
            );
        }
        let keys = Keys::open()?;
        let entry = keys.entry(name).map_err(lack)?;
        // A key is added to the session's own keyring, where it would hide one that other sessions go on with.
        match entry.delete_credential() {
            Ok(()) | Err(Error::NoEntry) => {}
            Err(error) => return Err(lack(error)),
        }
        entry.set_secret(secret.expose().as_bytes()).map_err(lack)?;
        keys.share(name).map_err(refusal)?;
        Ok(format!("every process of {}, until the machine restarts,", own_user()))
    }

    fn remove(&self, name: &CredentialName) -> Result<(), Lack> {
        Keys::open()?.entry(name).and_then(|entry| entry.delete_credential()).map_err(lack)
    }
}

/// The keyrings of this thread.
struct Keys {
    session: KeyRing,
    user: KeyRing,
}

impl Keys {
    fn open() -> Result<Self, Lack> {
        let session = KeyRing::from_special_id(KeyRingIdentifier::Session, true).map_err(refusal)?;
        let user = KeyRing::from_special_id(KeyRingIdentifier::User, true).map_err(refusal)?;
        session.link_keyring(user).map_err(refusal)?;
        Ok(Self { session, user })
    }

    fn entry(&self, name: &CredentialName) -> Result<Entry, Error> {
        let store = linux_keyutils_keyring_store::Store::new()?;
        let description = description(name);
        store.build(SERVICE, name.as_str(), Some(&HashMap::from([("description", description.as_str())])))
    }

    /// Links a key to the keyring that all processes of the user share.
    fn share(&self, name: &CredentialName) -> Result<(), KeyError> {
        self.user.link_key(self.session.search(&description(name))?)
    }
}

/// What a key is called.
fn description(name: &CredentialName) -> String {
    format!("{SERVICE}:{name}")
}

fn lack(error: Error) -> Lack {
    match error {
        Error::NoEntry => nothing(),
        Error::NoStorageAccess(cause) | Error::PlatformFailure(cause) => {
            match cause.downcast_ref::<KeyError>() {
                Some(error) => refusal(*error),
                None => Why::Refused.because(cause.to_string()),
            }
        }
        error => Why::Refused.because(error.to_string()),
    }
}

fn refusal(error: KeyError) -> Lack {
    match error {
        KeyError::PermissionDenied => {
            Why::Absent.because("this process may not use it, as in many containers")
        }
        KeyError::Unknown(code) if code == rustix::io::Errno::NOSYS.raw_os_error() => {
            Why::Absent.because("this kernel has none")
        }
        KeyError::AccessDenied => Why::Refused.because("the kernel denies access to the key"),
        KeyError::QuotaExceeded => Why::Refused
            .because("the user's keys would take more room than the kernel allows (/proc/sys/kernel/keys)"),
        error => Why::Refused.because(format!("the kernel refuses: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_too_long_is_refused_with_the_limit() {
        let long = Secret::new("x".repeat(MAX_PAYLOAD + 1));
        let refused = Keyutils.put(&CredentialName::new("test/long").unwrap(), &long).unwrap_err();
        assert_eq!(refused, Why::Refused.because("a key holds 32767 bytes at most, and this has 32768"));
    }

    #[test]
    fn a_kernel_that_keeps_nothing_for_this_process_is_no_kernel_that_has_nothing() {
        for (error, why) in [
            (KeyError::PermissionDenied, Why::Absent),
            (KeyError::Unknown(rustix::io::Errno::NOSYS.raw_os_error()), Why::Absent),
            (KeyError::AccessDenied, Why::Refused),
            (KeyError::QuotaExceeded, Why::Refused),
            (KeyError::OutOfMemory, Why::Refused),
        ] {
            assert_eq!(refusal(error).why, why, "{error}");
            assert_eq!(lack(Error::NoStorageAccess(error.into())), refusal(error));
        }
        assert_eq!(lack(Error::NoEntry).why, Why::Nothing);
    }
}
