//! Floor 8: handlers out of the configuration, at work: what `serve` and `replay` share.

use super::Failure;
use crate::config::{Handler, HandlerOptions, Settings};
use crate::credentials::Secrets;
use crate::dispatch::{self, Apps, Dispatch, Options, Target, Totals};
use crate::handlers::{Environment, csv, email, exec, log, sms, syslog, webhook};
use crate::pipeline::{EventSink, Folded};
use crate::time::{Clock, SystemClock};
use anyhow::Context;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Handlers at work, on a runtime of their own.
pub(super) struct Delivery {
    runtime: Runtime,
    dispatch: Arc<Dispatch>,
}

impl Delivery {
    /// Sets handlers to work.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub(super) fn start(targets: Vec<Target>, options: Options) -> Result<Self, Failure> {
        let runtime = dispatch::runtime().context("cannot start the handlers' threads")?;
        let dispatch = Arc::new(Dispatch::start(targets, options, &clock(), runtime.handle()));
        Ok(Self { runtime, dispatch })
    }

    /// The runtime, for what else has to wait without blocking anybody.
    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Where the pipeline puts its events.
    pub(super) fn sink(&self) -> Sink {
        Sink(Arc::clone(&self.dispatch))
    }

    /// Gives the handlers time to deliver what waits, and says what became of all events.
    pub(super) fn finish(self, time: Duration) -> Vec<Totals> {
        let totals = self.runtime.block_on(self.dispatch.finish(time));
        self.runtime.shutdown_background();
        totals
    }
}

/// Offers events to the handlers.
#[derive(Clone)]
pub(super) struct Sink(Arc<Dispatch>);

impl Sink {
    /// What became of the events so far, by handler.
    pub(super) fn totals(&self) -> Vec<Totals> {
        self.0.totals()
    }
}

impl EventSink for Sink {
    fn offer(&mut self, folded: Folded) {
        if let Some(block) = &folded.events {
            self.0.offer(block);
        }
    }
}

/// What tells the time of deliveries.
fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// What handlers share of their surroundings.
pub(super) fn environment(settings: &Settings, secrets: &Arc<Secrets>) -> Environment {
    let zone = settings.server.timezone.zone.clone();
    let surroundings = Environment::new(clock(), zone, settings.server.data_dir.clone());
    Environment { secrets: Arc::clone(secrets), ..surroundings }
}

/// Builds a handler, whose secrets were found, for the applications that name it.
///
/// # Errors
/// When the system does not give what it needs.
pub(super) fn target(
    handler: &Handler,
    settings: &Settings,
    secrets: &Arc<Secrets>,
) -> Result<Target, Failure> {
    let mut environment = environment(settings, secrets);
    environment.evidence = handler.privacy.evidence(environment.evidence);
    let built = match &handler.options {
        HandlerOptions::Log(options) => log::build(*options, &environment),
        HandlerOptions::Csv(options) => csv::build(options.clone(), &environment),
        HandlerOptions::Email(options) => email::build(options, &environment),
        HandlerOptions::Exec(options) => exec::build(options, &environment),
        HandlerOptions::Sms(options) => sms::build(options, &environment),
        HandlerOptions::Syslog(options) => syslog::build(options, &environment),
        HandlerOptions::Webhook(options) => webhook::build(options, &environment),
    };
    let handler_name = handler.name.clone();
    let built = built.with_context(|| format!("cannot start handler `{handler_name}`"))?;
    let names = settings.apps.iter().filter(|app| app.handlers.contains(&handler.name));
    let apps = Apps::Named(names.map(|app| app.app.name.clone()).collect());
    let built = handler.privacy.handler(built);
    Ok(Target { name: handler_name, apps, handler: built, options: handler.delivery.clone() })
}
