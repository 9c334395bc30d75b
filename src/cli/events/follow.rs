//! Floor 8: `correlator events follow`: events as they become durable.

use super::pick::PickArgs;
use super::{load, paint, warn};
use crate::cli::{ConfigArgs, Exit, Failure, Format};
use crate::event::render::{self, LocalTime};
use crate::journal::{Follower, Page};
use crate::time::{Clock, SystemClock};
use std::io::{self, Write};

/// Print new events as they become durable, until interrupted
///
/// With `--since`, those from then on come first. What will become of an event in handlers is not known yet when it is
/// printed: `events list` and `events show` tell.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pick: PickArgs,

    /// How they are printed; JSON is an object on each line
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    #[command(flatten)]
    config: ConfigArgs,
}

/// Follows the events.
///
/// # Errors
/// When there is no journal, or it or standard output fails.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let settings = load(&args.config)?;
    let zone = settings.server.timezone.zone.clone();
    let mut pick = args.pick.pick(SystemClock.now(), zone.clone());
    let mut times = LocalTime::new(zone);
    let since = args.pick.since.map(|_| pick.since());
    let follower = Follower::open(&settings.server.data_dir, since).map_err(anyhow::Error::from);
    let mut follower = follower?;
    let mut out = io::stdout().lock();
    let mut lines = Vec::new();
    loop {
        match follower.next_page().map_err(anyhow::Error::from)? {
            None => follower.wait().map_err(anyhow::Error::from)?,
            // Whoever follows wants what comes; what is damaged is told, and passed over.
            Some(Page::Flaw(flaw)) => drop(warn(&[flaw])),
            Some(Page::Settled(_)) => {}
            Some(Page::Events { first, block, .. }) => {
                for (seq, event) in (first..).zip(block.iter()) {
                    if seq < follower.first() || !pick.takes(event) {
                        continue;
                    }
                    match args.format {
                        Format::Text => {
                            render::line(&mut lines, event, &mut times, paint());
                            lines.extend_from_slice(b"\n    ");
                            render::readable(&mut lines, event.id().to_string().as_bytes());
                        }
                        Format::Json => render::json(&mut lines, event),
                    }
                    lines.push(b'\n');
                }
                out.write_all(&lines)?;
                out.flush()?;
                lines.clear();
            }
        }
    }
}
