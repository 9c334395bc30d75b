//! Floor 7: `[handlers.NAME]` with `type = "exec"`.

use crate::config::codec::{Command, Count, ExitCodes, FilePath, Lasting};
use crate::config::option::{Opt, options};
use crate::config::section::Section;
use crate::handlers::exec::Options;
use crate::limits::MAX_EXEC_RUNNING;

impl Section for Options {
    const OPTIONS: &'static [Opt<Self>] = options! { Self:
        (required) command = command as Command,
            "What is run for each event. There is no shell.";
        directory = directory as FilePath,
            "The directory in which it runs.";
        timeout = timeout as Lasting<1, 3600>,
            "The time after which it is killed, with all that it has started. `deadline` must be longer.";
        max_running = max_running as Count<1, MAX_EXEC_RUNNING>,
            "How many run at once.";
        temporary_exit_codes = temporary_exit_codes as ExitCodes,
            "The exit codes after which the event is tried again; 0 is success, and all others are failures for good.";
    };

    fn defaults() -> Self {
        Self::default()
    }
}
