//! Saved states: whatever the bytes, they are refused, or give a correlator that goes on.
#![no_main]

use correlator::correlate::{App, Correlator, End, ModuleOptions, Totals, report, sshd};
use correlator::event::{EventBlock, Stamp, StreamId};
use correlator::time::Zone;
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

fuzz_target!(|data: &[u8]| {
    let openssh = ModuleOptions::Sshd(sshd::Options::default());
    let report = ModuleOptions::Report(report::Options::default());
    let modules = vec![("openssh".into(), openssh), ("report".into(), report)];
    let apps = [App { name: "fleet".into(), modules }];
    let restore = || Correlator::restore(&apps, Zone::UTC, data);
    let (Ok(mut correlator), Ok(mut other)) = (restore(), restore()) else { return };
    let stamp = Stamp { stream: StreamId(1), run: 1, modules: Correlator::modules(&apps) };
    let mut events = EventBlock::new(Arc::new(stamp));
    correlator.begin_run(correlator.base());
    correlator.finish(End::OfInput, Totals::default(), &mut events);
    for event in events.iter() {
        other.absorb(event);
    }
    let mut bytes = Default::default();
    other.save(&mut bytes).expect("what fits into memory twice fits into an archive");
});
