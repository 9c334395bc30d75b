//! Floor 7: `[server]`.

use super::codec::{AbsolutePath, Count, Lasting, ZoneName};
use super::option::{Opt, options};
use super::section::Section;
use super::zone::NamedZone;
use crate::limits;
use std::path::PathBuf;
use std::time::Duration;

/// What `[server]` says.
#[derive(Clone, Debug)]
pub(super) struct ServerOptions {
    pub(super) data_dir: Option<PathBuf>,
    pub(super) timezone: NamedZone,
    pub(super) workers: usize,
    pub(super) max_connections: usize,
    pub(super) handler_patience: Duration,
}

impl Section for ServerOptions {
    const OPTIONS: &'static [Opt<Self>] = options! { Self:
        data_dir = data_dir as AbsolutePath,
            "Directory for data. Without it: `$STATE_DIRECTORY`, `/var/lib/correlator` for root, else \
             `$XDG_STATE_HOME/correlator` or `~/.local/state/correlator`. `--data-dir` is stronger.";
        timezone = timezone as ZoneName,
            "Time zone of what people read, of midnight and of daily rotation. JSON stays in UTC.";
        workers = workers as Count<0, { limits::MAX_WORKERS as u64 }>,
            "Threads that parse and detect; 0 means as many as there are cores.";
        max_connections = max_connections as Count<0, 1_000_000>,
            "Connections at once, over all listeners; 0 means what the limit of open files allows.";
        handler_patience = handler_patience as Lasting<0, 3600>,
            "How long a handler that does not keep up may hold back everything before its events are counted as lost.";
    };
    const LATER: &'static [&'static str] =
        &["durability", "retention", "max_size", "heartbeat", "metrics", "credentials"];

    fn defaults() -> Self {
        Self {
            data_dir: None,
            timezone: NamedZone::default(),
            workers: 0,
            max_connections: 0,
            handler_patience: limits::HANDLER_PATIENCE,
        }
    }
}
