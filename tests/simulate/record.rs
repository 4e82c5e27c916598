//! What the gateway records of its requests: the one event of each in its log, as it is told in this thread.

use std::fmt;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt};

/// One record, as far as it is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Record {
    pub(crate) mark: String,
    pub(crate) status: u64,
    pub(crate) outcome: String,
    pub(crate) protocol: String,
    pub(crate) decision: String,
    message: String,
}

/// What is heard of a gateway.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records {
    heard: Arc<Mutex<Vec<Record>>>,
    panics: Arc<Mutex<usize>>,
}

impl Records {
    /// Runs `simulation` and hears its records.
    pub(crate) fn hear<T>(&self, simulation: impl FnOnce() -> T) -> T {
        let targets = Targets::new().with_target("intentgate", LevelFilter::INFO);
        let heard = tracing_subscriber::registry().with(self.clone().with_filter(targets));
        tracing::subscriber::with_default(heard, simulation)
    }

    /// The records of requests, in an order of their own.
    pub(crate) fn all(&self) -> Vec<Record> {
        let mut heard = self.heard.lock().unwrap().clone();
        heard.sort();
        heard
    }

    /// Panics that were caught.
    pub(crate) fn panics(&self) -> usize {
        *self.panics.lock().unwrap()
    }
}

impl<S: Subscriber> Layer<S> for Records {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut record = Record::default();
        event.record(&mut record);
        match event.metadata().target() {
            "intentgate::proxy::exchange" if record.message == "request" => {
                self.heard.lock().unwrap().push(record);
            }
            "intentgate::panics" => *self.panics.lock().unwrap() += 1,
            _ => {}
        }
    }
}

impl Visit for Record {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "status" {
            self.status = value;
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let text = match field.name() {
            "request_id" => &mut self.mark,
            "outcome" => &mut self.outcome,
            "protocol" => &mut self.protocol,
            "decision" => &mut self.decision,
            _ => return,
        };
        value.clone_into(text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}
