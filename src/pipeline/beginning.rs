//! Floor 6: what a run knew before its first input, for its capture, and for the replay of that.
//!
//! Invariant: a replay that begins with it gives the events of the run that wrote it, with the same ids.

use super::Options;
use super::backlog::Backlog;
use crate::correlate::{Correlator, RestoreError, SaveError};
use rkyv::util::AlignedVec;

/// What a run knows before its first input, by what was brought back of earlier runs; nothing where there were none.
///
/// # Errors
/// When the state is too large for an archive.
pub fn beginning(state: Option<&(Correlator, Backlog)>) -> Result<Option<AlignedVec>, SaveError> {
    let Some((correlator, _)) = state.filter(|(correlator, _)| correlator.position() > 0) else {
        return Ok(None);
    };
    let mut saved = AlignedVec::new();
    correlator.save(&mut saved)?;
    Ok(Some(saved))
}

/// Brings back what the run of a capture knew before its first input. Which inputs of earlier runs were of a backlog is not
/// part of it: only a server holds back their events.
///
/// # Errors
/// When the state is damaged, or of a newer version.
pub fn resume(options: &Options, beginning: &[u8]) -> Result<(Correlator, Backlog), RestoreError> {
    let correlator = Correlator::restore(&options.apps, options.zone.clone(), beginning)?;
    Ok((correlator.watching(options.hosts.clone()), Backlog::default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::hosts;
    use crate::event::{Stamp, StreamId};
    use crate::time::Zone;
    use std::sync::Arc;

    fn options() -> Options {
        let stamp = Arc::new(Stamp { stream: StreamId(7), run: 2, modules: Correlator::modules(&[]) });
        let (record_zones, other_zone, hosts) = (Vec::new(), Zone::UTC, hosts::Options::default());
        Options { workers: 0, apps: Vec::new(), stamp, zone: Zone::UTC, record_zones, other_zone, hosts }
    }

    #[test]
    fn a_first_run_has_none_and_a_later_one_goes_on_where_the_one_before_ended() {
        let options = options();
        let mut state = (Correlator::new(&options.apps, Zone::UTC), Backlog::default());
        assert!(beginning(None).unwrap().is_none());
        assert!(beginning(Some(&state)).unwrap().is_none());
        state.0.begin_run(20);
        let (correlator, _) = resume(&options, &beginning(Some(&state)).unwrap().unwrap()).unwrap();
        assert_eq!((correlator.base(), correlator.last_number()), (20, 0));
    }

    #[test]
    fn a_state_of_something_else_is_refused() {
        let refused = resume(&options(), b"no state of ours").unwrap_err();
        assert!(matches!(refused, RestoreError::Foreign), "{refused}");
    }
}
