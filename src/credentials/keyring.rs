//! Floor 2: the Secret Service: the keyring of a desktop's session, as gnome-keyring, KWallet and KeePassXC provide it.
//!
//! The `keyring` crate keeps and gives the secrets. Before it is asked, the service is, on a connection of its own:
//! whether it is there, and whether the keyring is locked. The crate would open a dialogue for a locked keyring, which
//! nobody answers where a service runs; it would take some locked ones for empty; and it remembers for the life of the
//! process that there was no service. Some services ask a person whether they may give a secret, and the crate waits for
//! that without an end; so each call is made by a thread of its own, which is left behind when it does not come back.
//!
//! Invariant: a keyring is never unlocked by this program, a locked one is never taken for an empty one, and nobody waits
//! longer than [`limits::KEYRING_TIME`] for one.

use super::store::{SERVICE, Store, StoreKind, nothing, own_user};
use super::{CredentialName, Lack, Secret, Why};
use crate::limits;
use keyring::{Entry, Error};
use std::collections::HashMap;
use std::io::ErrorKind;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
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
        let name = name.clone();
        self.in_time(move || {
            Service::connect()?.must_have(&name)?;
            let bytes = entry(&name).and_then(|entry| entry.get_secret()).map_err(lack)?;
            Ok(Secret::from_bytes(Zeroizing::new(bytes))?)
        })
    }

    fn put(&self, name: &CredentialName, secret: &Secret) -> Result<String, Lack> {
        let (name, secret) = (name.clone(), secret.clone());
        self.in_time(move || {
            Service::connect()?.must_be_open()?;
            let set = entry(&name).and_then(|entry| entry.set_secret(secret.expose().as_bytes()));
            set.map_err(lack)
        })?;
        Ok(format!("{}, in a session where the keyring is unlocked,", own_user()))
    }

    fn remove(&self, name: &CredentialName) -> Result<(), Lack> {
        let name = name.clone();
        self.in_time(move || {
            Service::connect()?.must_have(&name)?;
            entry(&name).and_then(|entry| entry.delete_credential()).map_err(lack)
        })
    }
}

impl Keyring {
    /// Asks something of the service, unless it has not answered before.
    fn in_time<T: Send + 'static>(
        &self,
        ask: impl FnOnce() -> Result<T, Lack> + Send + 'static,
    ) -> Result<T, Lack> {
        if let Some(silent) = self.silent.get() {
            return Err(silent.clone());
        }
        let call = Call::begin().ok_or_else(no_answer)?;
        let (sender, answer) = sync_channel(1);
        let asking = thread::Builder::new().name("keyring".to_owned()).spawn(move || {
            // Nobody listens any more when the time is over.
            sender.send(ask()).ok();
            drop(call);
        });
        asking.map_err(|error| Why::Refused.because(format!("there is no thread to ask it: {error}")))?;
        let answer = match answer.recv_timeout(limits::KEYRING_TIME) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => Err(no_answer()),
            Err(RecvTimeoutError::Disconnected) => Err(Why::Refused.because("the call for it panicked")),
        };
        answer.inspect_err(|lack| {
            if *lack == no_answer() {
                self.silent.get_or_init(no_answer);
            }
        })
    }
}

/// A call on its way, of which there are [`limits::MAX_KEYRING_CALLS`] at most in this process.
struct Call;

/// How many calls are on their way.
static CALLS: AtomicUsize = AtomicUsize::new(0);

impl Call {
    /// Begins a call; nothing where too many have not come back.
    fn begin() -> Option<Self> {
        let one_more = |calls| (calls < limits::MAX_KEYRING_CALLS).then_some(calls + 1);
        CALLS.fetch_update(SeqCst, SeqCst, one_more).ok().map(|_| Self)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        CALLS.fetch_sub(1, SeqCst);
    }
}

/// That nothing came in time.
fn no_answer() -> Lack {
    let seconds = limits::KEYRING_TIME.as_secs();
    Why::Refused.because(format!(
        "it gave no answer within {seconds} s; it may be waiting for somebody at a dialogue"
    ))
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
struct Service {
    connection: Connection,
}

impl Service {
    fn connect() -> Result<Self, Lack> {
        let connected = connection::Builder::session()
            .and_then(|builder| builder.method_timeout(limits::KEYRING_TIME).build());
        let connection =
            connected.map_err(|error| Why::Absent.because(format!("there is no session bus: {error}")))?;
        Ok(Self { connection })
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
            zbus::Error::InputOutput(error) if error.kind() == ErrorKind::TimedOut => no_answer(),
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
