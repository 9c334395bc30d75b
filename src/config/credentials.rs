//! Floor 7: `[credentials]`: where secrets are looked for.

use super::codec::{AbsolutePaths, Choice, Several};
use super::option::{Opt, options};
use super::section::Section;
use crate::credentials::{Options, StoreKind};

impl Choice for StoreKind {
    const NAMES: &'static [(&'static str, Self)] =
        &[("directory", Self::Directory), ("keyring", Self::Keyring), ("keyutils", Self::Keyutils)];
}

impl Section for Options {
    const OPTIONS: &'static [Opt<Self>] = options! { Self:
        stores = stores as Several<StoreKind>,
            "What keeps secrets, in the order in which it is asked: directories of files, the keyring of a session (Secret \
             Service), the kernel (keyutils).";
        directories = directories as AbsolutePaths,
            "The directories, in the order in which they are asked. The one that `$CREDENTIALS_DIRECTORY` names comes \
             before them.";
    };

    fn defaults() -> Self {
        Self::default()
    }
}
