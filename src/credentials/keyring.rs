//! Floor 2: the Secret Service: the keyring of a desktop's session, as gnome-keyring, KWallet and KeePassXC provide it.
//!
//! The `keyring` crate keeps and gives the secrets. Before it is asked, the service is, on a connection of its own:
//! whether it is there, and whether the keyring is locked. The crate would open a dialogue for a locked keyring, which
//! nobody answers where a service runs; it would take some locked ones for empty; and it remembers for the life of the
//! process that there was no service.
//!
//! Invariant: a keyring is never unlocked by this program, and a locked one is never taken for an empty one.

use super::store::{SERVICE, Store, StoreKind, nothing, own_user};
use super::{CredentialName, Lack, Secret, Why};
use crate::limits;
use keyring::{Entry, Error};
use std::collections::HashMap;
use std::io::ErrorKind;
use std::sync::OnceLock;
use zbus::blocking::{Connection, connection};
use zbus::zvariant::{DynamicDeserialize, DynamicType, OwnedObjectPath, OwnedValue};
use zeroize::Zeroizing;

/// The name of the service on the bus.
const BUS_NAME: &str = "org.freedesktop.secrets";
/// The service's object.
const SERVICE_PATH: &str = "/org/freedesktop/secrets";
const SERVICE_INTERFACE: &str = "org.freedesktop.Secret.Service";
const COLLECTION_INTERFACE: &str = "org.freedesktop.Secret.Collection";

/// The keyring of the session.
#[derive(Debug, Default)]
pub(super) struct Keyring {
    /// What is said of it since it gave no answer: one wait is enough.
    silent: OnceLock<Lack>,
}

impl Store for Keyring {
    fn kind(&self) -> StoreKind {
        StoreKind::Keyring
    }

    fn place(&self) -> String {
        "the keyring (Secret Service)".to_owned()
    }

    fn get(&self, name: &CredentialName) -> Result<Secret, Lack> {
        self.service()?.must_have(name)?;
        let bytes = entry(name).and_then(|entry| entry.get_secret()).map_err(lack)?;
        Ok(Secret::from_bytes(Zeroizing::new(bytes))?)
    }

    fn put(&self, name: &CredentialName, secret: &Secret) -> Result<String, Lack> {
        self.service()?.must_be_open()?;
        let set = entry(name).and_then(|entry| entry.set_secret(secret.expose().as_bytes()));
        set.map_err(lack)?;
        Ok(format!("{}, in a session where the keyring is unlocked,", own_user()))
    }

    fn remove(&self, name: &CredentialName) -> Result<(), Lack> {
        self.service()?.must_have(name)?;
        entry(name).and_then(|entry| entry.delete_credential()).map_err(lack)
    }
}

impl Keyring {
    fn service(&self) -> Result<Service<'_>, Lack> {
        match self.silent.get() {
            Some(silent) => Err(silent.clone()),
            None => Service::connect(&self.silent),
        }
    }
}

fn entry(name: &CredentialName) -> Result<Entry, Error> {
    Entry::new(SERVICE, name.as_str())
}

fn locked() -> Lack {
    Why::Locked.because("it is locked, so that nobody knows what it has; unlock it, as logging in does")
}

fn lack(error: Error) -> Lack {
    match error {
        Error::NoEntry => nothing(),
        Error::NoStorageAccess(_) => locked(),
        Error::Ambiguous(found) => Why::Refused.because(format!("it has {} of this name", found.len())),
        error => Why::Refused.because(error.to_string()),
    }
}

/// The service itself, to be asked for its state.
struct Service<'a> {
    connection: Connection,
    silent: &'a OnceLock<Lack>,
}

impl<'a> Service<'a> {
    fn connect(silent: &'a OnceLock<Lack>) -> Result<Self, Lack> {
        let connected = connection::Builder::session()
            .and_then(|builder| builder.method_timeout(limits::KEYRING_TIME).build());
        let connection =
            connected.map_err(|error| Why::Absent.because(format!("there is no session bus: {error}")))?;
        Ok(Self { connection, silent })
    }

    /// Makes sure that a credential is there, and can be read.
    fn must_have(&self, name: &CredentialName) -> Result<(), Lack> {
        let attributes = HashMap::from([("service", SERVICE), ("username", name.as_str())]);
        let (open, closed): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) =
            self.call(SERVICE_PATH, SERVICE_INTERFACE, "SearchItems", &(attributes,))?;
        match (open.is_empty(), closed.is_empty()) {
            (false, _) => Ok(()),
            (true, false) => Err(locked()),
            // Of a locked keyring some services say nothing at all.
            (true, true) => match self.default_is_locked()? {
                Some(true) => Err(locked()),
                _ => Err(nothing()),
            },
        }
    }

    /// Makes sure that there is a keyring to put things into.
    fn must_be_open(&self) -> Result<(), Lack> {
        match self.default_is_locked()? {
            Some(false) => Ok(()),
            Some(true) => Err(locked()),
            None => {
                Err(Why::Refused.because("there is no default keyring; log in to a desktop, or make one"))
            }
        }
    }

    /// Whether the default collection is locked, if there is one.
    fn default_is_locked(&self) -> Result<Option<bool>, Lack> {
        let path: OwnedObjectPath = self.call(SERVICE_PATH, SERVICE_INTERFACE, "ReadAlias", &("default",))?;
        if path.as_str() == "/" {
            return Ok(None);
        }
        let property = (COLLECTION_INTERFACE, "Locked");
        let value: OwnedValue =
            self.call(path.as_str(), "org.freedesktop.DBus.Properties", "Get", &property)?;
        let is_locked = bool::try_from(value);
        is_locked.map(Some).map_err(|error| Why::Refused.because(error.to_string()))
    }

    fn call<T>(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        arguments: &(impl serde::Serialize + DynamicType),
    ) -> Result<T, Lack>
    where
        T: for<'m> DynamicDeserialize<'m>,
    {
        let answer = self.connection.call_method(Some(BUS_NAME), path, Some(interface), method, arguments);
        let answer = answer.map_err(|error| match &error {
            zbus::Error::MethodError(name, ..) if is_absence(name) => {
                Why::Absent.because("nothing on the session bus provides it")
            }
            zbus::Error::InputOutput(error) if error.kind() == ErrorKind::TimedOut => {
                let seconds = limits::KEYRING_TIME.as_secs();
                let said = Why::Refused.because(format!("it gave no answer within {seconds} s"));
                self.silent.get_or_init(|| said).clone()
            }
            error => Why::Refused.because(error.to_string()),
        })?;
        answer.body().deserialize().map_err(|error| Why::Refused.because(error.to_string()))
    }
}

/// Whether an error of the bus means that there is no such service, and that none can be started.
fn is_absence(name: &str) -> bool {
    let errors = ["ServiceUnknown", "NameHasNoOwner", "Spawn."];
    let error = name.strip_prefix("org.freedesktop.DBus.Error.");
    error.is_some_and(|error| errors.iter().any(|absent| error.starts_with(absent)))
}
