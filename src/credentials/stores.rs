//! Floor 2: all stores that are configured, in the order in which they are asked.
//!
//! Invariant: the first store that has a credential gives it; one that cannot be asked is passed over and told, and
//! never taken for one that has nothing.

use super::directory::Directory;
use super::keyring::Keyring;
use super::keyutils::Keyutils;
use super::store::Store;
use super::{CredentialName, Lack, Secret, StoreKind, Why};
use std::fmt;
use std::path::PathBuf;

/// The directory in which Docker and others put secrets.
const RUN_SECRETS: &str = "/run/secrets";

/// Options of `[credentials]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The types of stores, in the order in which they are asked.
    pub stores: Vec<StoreKind>,
    /// Directories of files, in the order in which they are asked.
    pub directories: Vec<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { stores: StoreKind::ALL.to_vec(), directories: vec![RUN_SECRETS.into()] }
    }
}

/// Stores of credentials, in the order in which they are asked.
#[derive(Debug)]
pub struct Stores(Vec<Box<dyn Store>>);

/// A secret that was found.
#[derive(Debug)]
pub struct Found {
    /// The secret.
    pub secret: Secret,
    /// The type of the store that has it.
    pub kind: StoreKind,
    /// What people call that store.
    pub place: String,
}

/// Where a secret was put.
#[derive(Debug, PartialEq, Eq)]
pub struct Kept {
    /// What people call the store that took it.
    pub place: String,
    /// Who can read it there.
    pub readers: String,
}

/// What stores said that did not do what they were asked, each with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers(pub Vec<(String, Lack)>);

/// Why nothing came of asking all stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Those that are there have no such credential.
    Missing,
    /// One is locked, and may have it.
    Locked,
    /// One refuses, and may have it.
    Refused,
    /// None is there that could have it.
    NoStore,
}

impl Status {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Locked => "locked",
            Self::Refused => "refused",
            Self::NoStore => "no store",
        }
    }
}

impl Answers {
    /// What the answers amount to.
    pub fn status(&self) -> Status {
        let any = |wanted: &[Why]| self.0.iter().any(|(_, lack)| wanted.contains(&lack.why));
        if any(&[Why::Refused, Why::Unusable]) {
            Status::Refused
        } else if any(&[Why::Locked]) {
            Status::Locked
        } else if any(&[Why::Nothing]) {
            Status::Missing
        } else {
            Status::NoStore
        }
    }
}

impl fmt::Display for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (place, lack)) in self.0.iter().enumerate() {
            write!(f, "{}{place}: {lack}", if index > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Answers {}

impl Stores {
    /// Takes the stores that the options name. None is touched before it is asked for something.
    pub fn new(options: &Options) -> Self {
        let mut stores: Vec<Box<dyn Store>> = Vec::new();
        for kind in &options.stores {
            match kind {
                StoreKind::Directory => {
                    let directories = options.directories.iter().cloned();
                    stores.extend(directories.map(|path| Box::new(Directory(path)) as Box<dyn Store>));
                }
                StoreKind::Keyring => stores.push(Box::new(Keyring::default())),
                StoreKind::Keyutils => stores.push(Box::new(Keyutils)),
            }
        }
        Self(stores)
    }

    /// Finds a secret in the first store that has it. Blocks while stores are asked.
    ///
    /// # Errors
    /// What each store said, when none gives it, or one has it and it cannot be used.
    pub fn find(&self, name: &CredentialName) -> Result<Found, Answers> {
        let mut said = Vec::new();
        for store in &self.0 {
            let (kind, place) = (store.kind(), store.place());
            match store.get(name) {
                Ok(secret) => return Ok(Found { secret, kind, place }),
                Err(lack) => {
                    let is_end = lack.why == Why::Unusable;
                    said.push((place, lack));
                    if is_end {
                        break;
                    }
                }
            }
        }
        Err(Answers(said))
    }

    /// Puts a secret into the first store that is there, of one type if `only` names it. Blocks.
    ///
    /// # Errors
    /// What each store said, when none is there, or the first one that is does not take it.
    pub fn put(
        &self,
        name: &CredentialName,
        secret: &Secret,
        only: Option<StoreKind>,
    ) -> Result<Kept, Answers> {
        let mut said = Vec::new();
        for store in self.of(only) {
            match store.put(name, secret) {
                Ok(readers) => return Ok(Kept { place: store.place(), readers }),
                Err(lack) => {
                    let goes_on = lack.why == Why::Absent;
                    said.push((store.place(), lack));
                    if !goes_on {
                        break;
                    }
                }
            }
        }
        Err(Answers(said))
    }

    /// Removes a secret from all stores, or those of one type; says of each what became of it. Blocks.
    pub fn remove(&self, name: &CredentialName, only: Option<StoreKind>) -> Vec<(String, Result<(), Lack>)> {
        self.of(only).map(|store| (store.place(), store.remove(name))).collect()
    }

    fn of(&self, only: Option<StoreKind>) -> impl Iterator<Item = &dyn Store> {
        let stores = self.0.iter().map(|store| &**store);
        stores.filter(move |store| only.is_none_or(|only| only == store.kind()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers everything alike.
    #[derive(Debug)]
    struct Fixed(StoreKind, Option<Why>);

    impl Fixed {
        fn answer<T>(&self, done: T) -> Result<T, Lack> {
            self.1.map_or(Ok(done), |why| Err(why.because("so")))
        }
    }

    impl Store for Fixed {
        fn kind(&self) -> StoreKind {
            self.0
        }

        fn place(&self) -> String {
            self.0.name().to_owned()
        }

        fn get(&self, _: &CredentialName) -> Result<Secret, Lack> {
            self.answer(Secret::new("hunter2".to_owned()))
        }

        fn put(&self, _: &CredentialName, _: &Secret) -> Result<String, Lack> {
            self.answer("all".to_owned())
        }

        fn remove(&self, _: &CredentialName) -> Result<(), Lack> {
            self.answer(())
        }
    }

    fn stores(answers: [Option<Why>; 3]) -> Stores {
        let fixed = StoreKind::ALL.into_iter().zip(answers).map(|(kind, answer)| Fixed(kind, answer));
        Stores(fixed.map(|store| Box::new(store) as Box<dyn Store>).collect())
    }

    #[test]
    fn a_store_that_cannot_be_asked_is_passed_over_and_never_taken_for_an_empty_one() {
        let name = CredentialName::new("a").unwrap();
        let [no, absent, locked, refused] = [Why::Nothing, Why::Absent, Why::Locked, Why::Refused].map(Some);
        for (answers, expected) in [
            ([no, absent, no], Err(Status::Missing)),
            ([absent, absent, absent], Err(Status::NoStore)),
            ([no, locked, no], Err(Status::Locked)),
            ([no, locked, refused], Err(Status::Refused)),
            ([Some(Why::Unusable), None, None], Err(Status::Refused)),
            ([no, None, None], Ok(StoreKind::Keyring)),
            ([no, locked, None], Ok(StoreKind::Keyutils)),
        ] {
            let found = stores(answers).find(&name);
            assert_eq!(found.map(|found| found.kind).map_err(|said| said.status()), expected, "{answers:?}");
        }
    }

    #[test]
    fn a_secret_goes_to_the_first_store_that_is_there_and_nowhere_else() {
        let (name, secret) = (CredentialName::new("a").unwrap(), Secret::new("hunter2".to_owned()));
        let put = |answers, only| stores(answers).put(&name, &secret, only);
        let place = |kept: Result<Kept, Answers>| kept.map(|kept| kept.place).map_err(|said| said.0.len());
        let (absent, locked) = (Some(Why::Absent), Some(Why::Locked));
        assert_eq!(place(put([absent, None, None], None)), Ok("keyring".to_owned()));
        assert_eq!(place(put([absent, locked, None], None)), Err(2));
        assert_eq!(place(put([None, locked, None], Some(StoreKind::Keyutils))), Ok("keyutils".to_owned()));
    }
}
