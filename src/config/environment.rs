//! Floor 7: what the configuration takes from the surroundings of the process, read once.
//!
//! Invariant: nothing else in this room reads a variable or asks who runs the process.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The surroundings of a process.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `$CORRELATOR_CONFIG`.
    pub config: Option<OsString>,
    /// `$STATE_DIRECTORY`, as systemd sets it.
    pub state_directory: Option<OsString>,
    /// `$XDG_STATE_HOME`.
    pub xdg_state_home: Option<OsString>,
    /// `$CREDENTIALS_DIRECTORY`, as systemd sets it.
    pub credentials_directory: Option<OsString>,
    /// `$HOME`.
    pub home: Option<OsString>,
    /// Whether root runs the process.
    pub is_root: bool,
    /// The configuration file that is used when none is named and it exists.
    pub default_file: PathBuf,
}

impl Environment {
    /// The surroundings of this process.
    pub fn of_process() -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            config: variable("CORRELATOR_CONFIG"),
            state_directory: variable("STATE_DIRECTORY"),
            xdg_state_home: variable("XDG_STATE_HOME"),
            credentials_directory: variable("CREDENTIALS_DIRECTORY"),
            home: variable("HOME"),
            is_root: rustix::process::geteuid().is_root(),
            default_file: "/etc/correlator/correlator.toml".into(),
        }
    }

    /// The data directory where nobody says which.
    pub(super) fn data_dir(&self) -> Option<PathBuf> {
        if let Some(directories) = &self.state_directory {
            // Of several, which systemd separates by colons, the first is ours.
            let first = directories.as_encoded_bytes().split(|byte| *byte == b':').next().unwrap_or_default();
            return Some(PathBuf::from(String::from_utf8_lossy(first).into_owned()));
        }
        if self.is_root {
            return Some("/var/lib/correlator".into());
        }
        let state = self.xdg_state_home.as_ref().map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || self.home.as_ref().map(|home| Path::new(home).join(".local/state"));
        state.or_else(home).map(|state| state.join("correlator"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_directory_is_found_in_the_promised_order() {
        let mut environment = Environment::default();
        assert_eq!(environment.data_dir(), None);
        environment.home = Some("/home/u".into());
        assert_eq!(environment.data_dir(), Some("/home/u/.local/state/correlator".into()));
        environment.xdg_state_home = Some("relative".into());
        assert_eq!(environment.data_dir(), Some("/home/u/.local/state/correlator".into()));
        environment.xdg_state_home = Some("/state".into());
        assert_eq!(environment.data_dir(), Some("/state/correlator".into()));
        environment.is_root = true;
        assert_eq!(environment.data_dir(), Some("/var/lib/correlator".into()));
        environment.state_directory = Some("/var/lib/a:/var/lib/b".into());
        assert_eq!(environment.data_dir(), Some("/var/lib/a".into()));
    }
}
