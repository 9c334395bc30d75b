//! Floor 6: what a run knew before its first input, for its capture, and for the replay of that.
//!
//! Invariant: a replay that begins with it gives the events of the run that wrote it, with the same ids.

use super::Options;
use super::backlog::Backlog;
use crate::capture::Beginning;
use crate::correlate::{Correlator, RestoreError, SaveError};
use rkyv::util::AlignedVec;

/// What a run knows before its first input, by what was brought back of earlier runs; nothing where there were none.
///
/// # Errors
/// When the state is too large for an archive.
pub fn beginning(state: Option<&(Correlator, Backlog)>) -> Result<Option<Beginning>, SaveError> {
    let Some((correlator, backlog)) = state.filter(|(correlator, _)| correlator.position() > 0) else {
        return Ok(None);
    };
    let mut state = AlignedVec::new();
    correlator.save(&mut state)?;
    Ok(Some(Beginning { state, backlog: backlog.positions().collect() }))
}

/// Brings back what the run of a capture knew before its first input.
///
/// # Errors
/// When the state is damaged, or of a newer version.
pub fn resume(options: &Options, beginning: Beginning) -> Result<(Correlator, Backlog), RestoreError> {
    let correlator = Correlator::restore(&options.apps, options.zone.clone(), &beginning.state)?;
    Ok((correlator.watching(options.hosts.clone()), Backlog::of(beginning.backlog)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Arrivals, Batch, FrameSpan, Origin, Sequenced};
    use crate::correlate::hosts;
    use crate::event::{EventBlock, Stamp, StreamId};
    use crate::span::Span;
    use crate::time::{Timestamp, Zone};
    use bytes::Bytes;
    use std::sync::Arc;

    fn options() -> Options {
        let stamp = Arc::new(Stamp { stream: StreamId(7), run: 2, modules: Correlator::modules(&[]) });
        let (record_zones, other_zone, hosts) = (Vec::new(), Zone::UTC, hosts::Options::default());
        Options { workers: 0, apps: Vec::new(), stamp, zone: Zone::UTC, record_zones, other_zone, hosts }
    }

    #[test]
    fn a_first_run_has_none_and_a_later_one_also_its_backlog() {
        let options = options();
        let mut state = (Correlator::new(&options.apps, Zone::UTC), Backlog::default());
        assert!(beginning(None).unwrap().is_none());
        assert!(beginning(Some(&state)).unwrap().is_none());

        let origin = Arc::new(Origin { listener: "logs".into(), peer: "backlog:/var/log/auth.log".into() });
        let frames = vec![FrameSpan { span: Span::new(0, 1), truncated: false }; 3];
        let batch = Batch { origin, bytes: Bytes::from_static(b"x"), frames };
        for first in [2, 8] {
            let arrivals = Arrivals::One(Timestamp::EPOCH);
            let sequenced = Sequenced { slot: 0, first, arrivals, batch: batch.clone() };
            state.1.note(&sequenced, 10, (&mut EventBlock::new(Arc::clone(&options.stamp)), 0));
        }
        state.0.begin_run(20);
        let kept = beginning(Some(&state)).unwrap().unwrap();
        assert_eq!(kept.backlog, [12..15, 18..21]);

        let (correlator, backlog) = resume(&options, kept).unwrap();
        assert_eq!((correlator.base(), correlator.last_number()), (20, 0));
        assert_eq!(backlog.positions().collect::<Vec<_>>(), [12..15, 18..21]);
    }

    #[test]
    fn a_state_of_something_else_is_refused() {
        let mut state = AlignedVec::new();
        state.extend_from_slice(b"no state of ours");
        let refused = resume(&options(), Beginning { state, backlog: Vec::new() }).unwrap_err();
        assert!(matches!(refused, RestoreError::Foreign), "{refused}");
    }
}
