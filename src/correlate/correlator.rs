//! Floor 3: the fold: inputs in the order of their numbers, timers before the inputs that they are due by.
//!
//! An input's number counts within a run and is part of its events' ids. What the state keeps of an input, and an event
//! names as evidence, is its position: the number, counted on from the inputs of all earlier runs.
//!
//! Invariant: the events, their ids and their order depend on the inputs and the options only, not on how the inputs
//! are split into batches.

use super::hosts::{self, Hosts};
use super::sink::{Raise, Sink, Switches, Turn};
use super::{App, End, ModuleOptions, Totals, report, sshd};
use crate::batch::Sequenced;
use crate::detect::senders::Note;
use crate::detect::{Interest, Kind as Message, Observation, Observations, View};
use crate::event::{Event, EventBlock, Field, Kind, ModuleName};
use crate::limits;
use crate::time::{Timestamp, Zone};

/// The state of one module, by its type.
#[derive(Debug)]
pub(super) enum State {
    Sshd(Box<sshd::Module>),
    Report(report::Module),
}

/// One module: its state, and what it needs to raise events.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) state: State,
    pub(super) turn: Turn,
    switches: Switches,
}

impl Module {
    fn new(index: usize, options: &ModuleOptions) -> Self {
        let (state, events) = match options {
            ModuleOptions::Sshd(options) => {
                (State::Sshd(Box::new(sshd::Module::new(options.clone()))), &options.events)
            }
            ModuleOptions::Report(options) => (State::Report(report::Module::new(options)), &options.events),
        };
        let turn = Turn::new(u16::try_from(index).unwrap_or(u16::MAX));
        Self { state, turn, switches: Switches::new(events) }
    }

    /// Takes a module's turn for an input.
    fn turn<'a>(&'a mut self, number: u64, events: &'a mut EventBlock) -> (&'a mut State, Sink<'a>) {
        self.turn.take(number);
        let Self { state, turn, switches } = self;
        (state, Sink { turn, switches, events })
    }

    /// Lets everything happen that is due by `now`, the statistics of each midnight among it; whether that raised
    /// anything, if only of a kind that is switched off.
    fn fire(
        &mut self,
        number: u64,
        midnights: &[Timestamp],
        now: Timestamp,
        events: &mut EventBlock,
    ) -> bool {
        let (state, mut sink) = self.turn(number, events);
        let before = sink.turn.ordinal();
        for midnight in midnights {
            if let State::Sshd(module) = state {
                module.fire(*midnight, &mut sink);
            }
            state.statistics(*midnight, false, &mut sink);
        }
        if let State::Sshd(module) = state {
            module.fire(now, &mut sink);
        }
        sink.turn.ordinal() != before
    }
}

impl State {
    /// Whether nothing can be due by now.
    #[inline]
    fn is_quiet(&self, now: Timestamp) -> bool {
        match self {
            Self::Sshd(module) => module.is_quiet(now),
            Self::Report(_) => true,
        }
    }

    fn statistics(&mut self, time: Timestamp, even_idle: bool, sink: &mut Sink<'_>) {
        match self {
            Self::Sshd(module) => module.statistics(time, even_idle, sink),
            Self::Report(module) => module.statistics(time, even_idle, sink),
        }
    }
}

/// The state of all modules, and the fold over the inputs.
#[derive(Debug)]
pub struct Correlator {
    pub(super) modules: Vec<Module>,
    /// Their names; the last is the server's.
    pub(super) names: Vec<ModuleName>,
    pub(super) server: Turn,
    pub(super) hosts: Hosts,
    /// Which kinds about hosts are on, and how severe.
    host_switches: Switches,
    /// The frames of the last batch by which more is known of hosts.
    noted: Vec<u32>,
    pub(super) zone: Zone,
    /// Arrival of the run's first input.
    pub(super) first_arrival: Option<Timestamp>,
    /// Arrival of the last input of all runs.
    pub(super) last_arrival: Option<Timestamp>,
    pub(super) last_number: u64,
    /// How many inputs all earlier runs had.
    pub(super) base: u64,
    pub(super) next_midnight: Timestamp,
}

impl Correlator {
    /// Creates the modules of all applications, in their initial state.
    pub fn new(apps: &[App], zone: Zone) -> Self {
        let options = apps.iter().flat_map(|app| app.modules.iter().map(|(_, options)| options));
        let modules: Vec<_> =
            options.enumerate().map(|(index, options)| Module::new(index, options)).collect();
        let server = Turn::new(u16::try_from(modules.len()).unwrap_or(u16::MAX));
        Self {
            modules,
            names: Self::modules(apps),
            server,
            hosts: Hosts::new(hosts::Options::default()),
            host_switches: Switches::new(&[]),
            noted: Vec::new(),
            zone,
            first_arrival: None,
            last_arrival: None,
            last_number: 0,
            base: 0,
            next_midnight: Timestamp::MAX,
        }
    }

    /// The same, which knows of hosts what these options say. What is known already stays.
    #[must_use]
    pub fn watching(mut self, options: hosts::Options) -> Self {
        self.host_switches = Switches::new(&options.events);
        self.hosts.set_options(options);
        self
    }

    /// The names of the modules, by the index that events hold; the last is the server itself.
    pub fn modules(apps: &[App]) -> Vec<ModuleName> {
        let named = apps.iter().flat_map(|app| {
            app.modules.iter().map(|(module, _)| ModuleName { app: app.name.clone(), module: module.clone() })
        });
        named.chain([ModuleName { app: "server".to_owned(), module: "server".to_owned() }]).collect()
    }

    /// A number that is another one when [`Self::presence`] is.
    pub fn presence_changes(&self) -> u64 {
        self.hosts.changes()
    }

    /// Which hosts are known, and which are silent.
    pub fn presence(&self) -> hosts::Presence {
        self.hosts.presence()
    }

    /// What the modules want to see.
    pub fn interest(apps: &[App]) -> Interest {
        let mut interest = Interest::default();
        for (_, options) in apps.iter().flat_map(|app| &app.modules) {
            match options {
                ModuleOptions::Sshd(_) => interest.sshd = true,
                ModuleOptions::Report(_) => interest.records = true,
            }
        }
        interest
    }

    /// Begins a run, whose inputs are numbered from 1 again, after `base` inputs in all earlier ones. What `ServerStats`
    /// tells of begins anew; clocks, connections and counts go on.
    pub fn begin_run(&mut self, base: u64) {
        (self.base, self.last_number, self.first_arrival) = (base, 0, None);
        self.server.begin_run();
        for module in &mut self.modules {
            module.turn.begin_run();
        }
    }

    /// How many inputs all earlier runs had.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// The number of the last input of this run.
    pub fn last_number(&self) -> u64 {
        self.last_number
    }

    /// The position of the last input: how many there were, in all runs.
    pub fn position(&self) -> u64 {
        self.base.saturating_add(self.last_number)
    }

    /// Takes the inputs of one batch, in the order of their numbers, and appends the events they raise. Whether an arrival
    /// must be kept: because a timer that was due by it raised anything, if only of a kind that is switched off, or because
    /// a run begins with it.
    pub fn fold(&mut self, batch: &Sequenced, observations: &Observations, events: &mut EventBlock) -> bool {
        let mut timers = false;
        self.noted.clear();
        self.hosts.begin(&batch.batch.origin);
        let mut notes = observations.notes.iter().peekable();
        let mut views = observations.views(&batch.batch.bytes).peekable();
        let mut runs = batch.arrivals.runs().peekable();
        while let Some((start, arrival)) = runs.next() {
            let end = runs.peek().map(|(start, _)| *start);
            let (arrival, fired) = self.arrive(batch.first.saturating_add(start.into()), arrival, events);
            timers |= fired;
            while let Some(view) = views.next_if(|view| end.is_none_or(|end| view.entry.frame < end)) {
                while let Some(note) = notes.next_if(|note| note.frame <= view.entry.frame) {
                    self.take_note(batch, note, arrival, events);
                }
                self.take(batch.first.saturating_add(view.entry.frame.into()), view, arrival, events);
            }
            while let Some(note) = notes.next_if(|note| end.is_none_or(|end| note.frame < end)) {
                self.take_note(batch, note, arrival, events);
            }
        }
        self.last_number = batch.first.saturating_add(batch.inputs()).saturating_sub(1);
        timers
    }

    /// The frames of the batch that was folded last which the journal must keep: those that were observed, and those by
    /// which more is known of hosts. They ascend, and one may come several times.
    pub fn kept<'a>(&'a self, observations: &'a Observations) -> impl Iterator<Item = u32> + 'a {
        let mut noted = self.noted.iter().copied().peekable();
        let mut observed = observations.entries.iter().map(|entry| entry.frame).peekable();
        std::iter::from_fn(move || match observed.peek() {
            Some(frame) => noted.next_if(|noted| noted <= frame).or_else(|| observed.next()),
            None => noted.next(),
        })
    }

    /// Takes one observation.
    #[inline]
    fn take(&mut self, number: u64, view: View<'_>, arrival: Timestamp, events: &mut EventBlock) {
        let position = self.base.saturating_add(number);
        let time = own_time(view.entry, arrival);
        let record = view.entry.kind == Message::Record;
        for module in &mut self.modules {
            let (state, mut sink) = module.turn(number, events);
            match state {
                State::Sshd(module) if !record => {
                    let input = sshd::Input { view, number: position, arrival, time };
                    module.take(&input, &mut sink);
                }
                State::Report(module) if record => module.take(view, position, time, &mut sink),
                State::Sshd(_) | State::Report(_) => {}
            }
        }
    }

    /// Takes what was noted of a host.
    fn take_note(&mut self, batch: &Sequenced, note: &Note, arrival: Timestamp, events: &mut EventBlock) {
        let number = batch.first.saturating_add(note.frame.into());
        let heard = hosts::Heard {
            note,
            host: note.host.span.of(&batch.batch.bytes),
            origin: &batch.batch.origin,
            position: self.base.saturating_add(number),
            arrival,
            now: arrival.second(),
        };
        self.server.take(number);
        let mut sink = Sink { turn: &mut self.server, switches: &self.host_switches, events };
        if self.hosts.take(&heard, &mut sink) {
            self.noted.push(note.frame);
        }
    }

    /// Takes an event that was raised after the state was saved, where the inputs that caused it are gone: what it tells
    /// the beginning or end of begins or ends, without a word, and what statistics told is not told again. Other counts
    /// stay those of the saved state.
    pub fn absorb(&mut self, event: Event<'_>) {
        let (app, module) = event.module();
        let place = self.names.iter().position(|name| name.app == app && name.module == module);
        // An event happens by the arrival of its input.
        let now = self.clock(event.head().time);
        match place.and_then(|place| self.modules.get_mut(place)).map(|module| &mut module.state) {
            Some(State::Sshd(module)) => module.absorb(event, now),
            Some(State::Report(module)) => module.absorb(event),
            None => self.hosts.absorb(event, now),
        }
        if self.next_midnight <= now {
            self.next_midnight = self.zone.next_midnight(now);
        }
    }

    /// Takes the end of the inputs: raises what is due, and then the statistics. The end is an input of its own, and
    /// takes the next number.
    pub fn finish(&mut self, end: End, totals: Totals, events: &mut EventBlock) {
        // Where nothing came there is nothing to tell of, and no time at which it could have happened.
        if end == End::CutOff || end == End::OfInput && self.last_arrival.is_none() {
            return;
        }
        let number = self.last_number.saturating_add(1);
        self.last_number = number;
        let time = match end {
            End::At(time) => self.arrive(number, time, events).0,
            End::OfInput | End::CutOff => self.last_arrival.unwrap_or_default(),
        };
        for module in &mut self.modules {
            let (state, mut sink) = module.turn(number, events);
            if let (State::Sshd(module), End::OfInput) = (&mut *state, end) {
                module.end_of_input(time, &mut sink);
            }
        }
        for module in &mut self.modules {
            let (state, mut sink) = module.turn(number, events);
            state.statistics(time, true, &mut sink);
        }
        self.tell_totals(number, time, totals, events);
    }

    fn tell_totals(&mut self, number: u64, time: Timestamp, totals: Totals, events: &mut EventBlock) {
        let start = self.first_arrival.unwrap_or(time);
        self.server.take(number);
        // This event counts itself.
        let of_modules = self.modules.iter().map(|module| module.turn.raised());
        let raised = of_modules.chain([self.server.raised()]).fold(1, u64::saturating_add);
        let mut sink = Sink { turn: &mut self.server, switches: &Switches::new(&[]), events };
        if let Some(mut event) = sink.raise(Raise::new(Kind::ServerStats, time)) {
            event
                .time(Field::Start, start)
                .time(Field::Finish, time)
                .count(Field::Received, totals.received)
                .count(Field::Parsed, totals.parsed)
                .count(Field::Rejected, totals.rejected)
                .count(Field::Own, totals.own)
                .count(Field::Observations, totals.observations)
                .count(Field::Events, raised);
        }
    }

    /// Moves on to the arrival of an input, which every timer due by then belongs to; whether it must be kept.
    /// Arrivals never go back.
    fn arrive(&mut self, number: u64, arrival: Timestamp, events: &mut EventBlock) -> (Timestamp, bool) {
        let arrival = self.clock(arrival);
        let resumes = self.first_arrival.is_none() && self.base > 0;
        self.first_arrival.get_or_insert(arrival);
        if resumes {
            self.hosts.resume(arrival);
        }
        let is_quiet = self.modules.iter().all(|module| module.state.is_quiet(arrival));
        if arrival < self.next_midnight && is_quiet && self.hosts.is_quiet(arrival) {
            return (arrival, resumes);
        }
        let mut midnights = Vec::new();
        while self.next_midnight <= arrival && midnights.len() < limits::MAX_MIDNIGHTS_PER_INPUT {
            midnights.push(self.next_midnight);
            self.next_midnight = self.zone.next_midnight(self.next_midnight);
        }
        if self.next_midnight <= arrival {
            self.next_midnight = self.zone.next_midnight(arrival);
        }
        let mut fired = false;
        for module in &mut self.modules {
            fired |= module.fire(number, &midnights, arrival, events);
        }
        self.server.take(number);
        let before = self.server.ordinal();
        let mut sink = Sink { turn: &mut self.server, switches: &self.host_switches, events };
        self.hosts.fire(arrival, &mut sink);
        (arrival, fired || resumes || self.server.ordinal() != before)
    }

    /// Moves the clock on to an arrival, or leaves it where it is if that lies in the past.
    fn clock(&mut self, arrival: Timestamp) -> Timestamp {
        let last = *self.last_arrival.get_or_insert_with(|| {
            self.next_midnight = self.zone.next_midnight(arrival);
            arrival
        });
        let now = last.max(arrival);
        self.last_arrival = Some(now);
        now
    }
}

/// A record's own time, clamped to its arrival when it lies in the future.
fn own_time(entry: &Observation, arrival: Timestamp) -> Timestamp {
    entry.time.min(arrival)
}
