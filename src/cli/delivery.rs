//! Floor 8: handlers out of the configuration, at work: what `serve` and `replay` share.

use super::{Failure, credentials};
use crate::config::{Handler, HandlerOptions, Settings};
use crate::credentials::Secrets;
use crate::dispatch::{self, Apps, Dispatch, Options, Target, Totals};
use crate::handlers::{
    self, Environment, Evidence, RecentEvidence, csv, email, exec, log, sms, syslog, webhook,
};
use crate::pipeline::{EventSink, Folded};
use crate::time::{Clock, SystemClock};
use anyhow::Context;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Handlers at work, on a runtime of their own.
pub(super) struct Delivery {
    runtime: Runtime,
    sink: Sink,
}

/// Does something on the handlers' runtime, and leaves behind what hangs there.
///
/// # Errors
/// When the system gives no threads.
pub(super) fn on_runtime<T>(work: impl FnOnce(&Runtime) -> T) -> anyhow::Result<T> {
    let runtime = dispatch::runtime().context("cannot start the handlers' threads")?;
    let done = work(&runtime);
    runtime.shutdown_background();
    Ok(done)
}

impl Delivery {
    /// Sets handlers to work. The records that caused events are kept in `evidence`, if that is given.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub(super) fn start(
        targets: Vec<Target>,
        options: Options,
        evidence: Option<Arc<RecentEvidence>>,
    ) -> Result<Self, Failure> {
        let runtime = dispatch::runtime().context("cannot start the handlers' threads")?;
        let dispatch = Arc::new(Dispatch::start(targets, options, &clock(), runtime.handle()));
        Ok(Self { runtime, sink: Sink { dispatch, evidence } })
    }

    /// The runtime, for what else has to wait without blocking anybody.
    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Where the pipeline puts its events.
    pub(super) fn sink(&self) -> Sink {
        self.sink.clone()
    }

    /// Gives the handlers time to deliver what waits, and says what became of all events.
    pub(super) fn finish(self, time: Duration) -> Vec<Totals> {
        let totals = self.runtime.block_on(self.sink.dispatch.finish(time));
        self.runtime.shutdown_background();
        totals
    }
}

/// Offers events to the handlers.
#[derive(Clone)]
pub(super) struct Sink {
    dispatch: Arc<Dispatch>,
    evidence: Option<Arc<RecentEvidence>>,
}

impl Sink {
    /// What became of the events so far, by handler.
    pub(super) fn totals(&self) -> Vec<Totals> {
        self.dispatch.totals()
    }
}

impl EventSink for Sink {
    fn wants_inputs(&self) -> bool {
        self.evidence.is_some()
    }

    fn offer(&mut self, folded: Folded) {
        if let Some(evidence) = &self.evidence {
            evidence.add(folded.base, folded.inputs);
        }
        if let Some(block) = &folded.events {
            self.dispatch.offer(block);
        }
    }
}

/// What tells the time of deliveries.
fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// What handlers share of their surroundings.
pub(super) fn environment(
    settings: &Settings,
    secrets: &Arc<Secrets>,
    evidence: Arc<dyn Evidence>,
) -> Environment {
    let zone = settings.server.timezone.zone.clone();
    let surroundings = Environment::new(clock(), zone, settings.server.data_dir.clone());
    Environment { secrets: Arc::clone(secrets), evidence, ..surroundings }
}

/// Builds a handler for the applications that name it; one of whose secrets some were not found waits for them.
///
/// # Errors
/// When the system does not give what it needs.
pub(super) fn target(
    handler: &Handler,
    settings: &Settings,
    environment: &Environment,
) -> Result<Target, Failure> {
    let evidence = handler.privacy.evidence(Arc::clone(&environment.evidence));
    let environment = Environment { evidence, ..environment.clone() };
    let secrets = &environment.secrets;
    let is_complete = handler.options.credentials().iter().all(|name| secrets.get(name).is_ok());
    let handler_name = handler.name.clone();
    let cannot = || format!("cannot start handler `{handler_name}`");
    let built = if is_complete {
        build(&handler.options, &environment).with_context(cannot)?
    } else {
        // What a credential would not mend is told now, not when the first event waits for it.
        check(&handler.options, &environment).with_context(cannot)?;
        later(handler, settings, environment)
    };
    let names = settings.apps.iter().filter(|app| app.handlers.contains(&handler.name));
    let apps = Apps::Named(names.map(|app| app.app.name.clone()).collect());
    let built = handler.privacy.handler(built);
    Ok(Target { name: handler_name, apps, handler: built, options: handler.delivery.clone() })
}

/// Gives a handler that is built once its credentials can be had.
fn later(handler: &Handler, settings: &Settings, environment: Environment) -> Box<dyn handlers::Handler> {
    let (handler, stores) = (handler.clone(), settings.credentials.clone());
    handlers::awaiting(Arc::new(move || {
        let secrets = credentials::all_of(&handler, &stores)?;
        let environment = Environment { secrets: Arc::new(secrets), ..environment.clone() };
        build(&handler.options, &environment).map_err(|error| error.to_string())
    }))
}

/// Tries what a handler needs besides its credentials. Those that name none are built right away.
fn check(options: &HandlerOptions, environment: &Environment) -> io::Result<()> {
    match options {
        HandlerOptions::Email(options) => email::check(options, environment),
        HandlerOptions::Sms(options) => sms::check(options),
        HandlerOptions::Webhook(options) => webhook::check(options, environment),
        HandlerOptions::Log(_)
        | HandlerOptions::Csv(_)
        | HandlerOptions::Exec(_)
        | HandlerOptions::Syslog(_) => Ok(()),
    }
}

/// Builds a handler, whose secrets were found.
fn build(options: &HandlerOptions, environment: &Environment) -> io::Result<Box<dyn handlers::Handler>> {
    match options {
        HandlerOptions::Log(options) => log::build(*options, environment),
        HandlerOptions::Csv(options) => csv::build(options.clone(), environment),
        HandlerOptions::Email(options) => email::build(options, environment),
        HandlerOptions::Exec(options) => exec::build(options, environment),
        HandlerOptions::Sms(options) => sms::build(options, environment),
        HandlerOptions::Syslog(options) => syslog::build(options, environment),
        HandlerOptions::Webhook(options) => webhook::build(options, environment),
    }
}
