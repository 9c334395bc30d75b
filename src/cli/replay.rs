//! Floor 8: `correlator replay`: the same as `serve`, over captures and logs.

use super::{ConfigArgs, Exit, Failure, Format};
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Detect and correlate over captures, raw streams and log files, and print the events
///
/// What kind a file is, its content tells. Events go to standard output; to handlers only where --deliver names one,
/// and then marked as a replay. The same inputs and configuration give the same events with the same ids.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Captures, raw streams or log files, in order; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Run this application only (may be given several times) [default: all]
    #[arg(long, value_name = "NAME")]
    pub app: Vec<String>,

    /// How events are printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,

    /// Pace of time against the captured one, as in `10x` [default: as fast as possible]
    #[arg(long, value_name = "FACTOR", value_parser = parse_speed)]
    pub speed: Option<f64>,

    /// Deliver the events to this handler too (may be given several times)
    #[arg(long, value_name = "NAME")]
    pub deliver: Vec<String>,

    /// Year of records that name none [default: from the file's modification time]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1970..=9999))]
    pub year: Option<u16>,

    /// Worker threads [default: as configured]
    #[arg(long, value_name = "N")]
    pub workers: Option<NonZeroUsize>,

    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// Replays the files.
///
/// # Errors
/// Says which file could not be read, and why.
pub fn run(_args: Args) -> Result<Exit, Failure> {
    Err(anyhow::anyhow!("`replay` is not part of this build").into())
}

fn parse_speed(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('x').unwrap_or(text);
    match number.parse::<f64>() {
        Ok(factor) if factor.is_finite() && factor > 0.0 => Ok(factor),
        _ => Err("expected a factor above zero, such as `10x` or `0.5x`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_positive_factors() {
        assert_eq!(parse_speed("10x"), Ok(10.0));
        assert_eq!(parse_speed("0.5"), Ok(0.5));
        for bad in ["", "x", "0x", "-1x", "inf", "nan", "10 x", "fast"] {
            assert!(parse_speed(bad).is_err(), "{bad}");
        }
    }
}
