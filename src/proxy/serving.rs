//! What requests are served by, in one value: an edit of the intents or of the configuration prepares a new one,
//! which may fail, and publishes it in one swap, which cannot.

use std::sync::Arc;

use anyhow::Context;
use arc_swap::ArcSwap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use super::route::Routes;
use crate::config::{Config, Limits};
use crate::gate::Gate;
use crate::language::say;
use crate::memory;
use crate::snapshot::Snapshot;
use crate::upstream::Upstream;

/// What a request sees, from its first byte to its last.
#[derive(Clone, Debug)]
pub struct Serving {
    /// What the configuration says.
    pub settings: Arc<Settings>,
    /// What the intents say.
    pub snapshot: Arc<Snapshot>,
}

/// What the configuration makes of a request's way.
#[derive(Debug)]
pub struct Settings {
    /// Judges.
    pub gate: Gate,
    /// Where the shop's business goes.
    pub upstream: Upstream,
    /// Bounds on what clients send.
    pub limits: Limits,
    pub(super) routes: Routes,
    permits: Arc<Semaphore>,
}

impl Settings {
    /// Checks nothing that [`Config`] has checked; `upstream` stands in where none is configured.
    ///
    /// # Errors
    /// What the upstream's client cannot be made of; or that there is none, and no demo.
    pub fn new(config: &Config, gate: Gate, demo: Option<&Url>) -> anyhow::Result<Self> {
        let base = config.upstream.url.as_ref().or(demo);
        let base = base.with_context(no_upstream)?;
        Ok(Settings {
            gate,
            upstream: Upstream::new(&config.upstream, base.clone())?,
            limits: config.limits.clone(),
            routes: Routes::new(&config.upstream.pass_through),
            permits: Arc::new(Semaphore::new(config.limits.requests.get())),
        })
    }

    /// A permit for one request in flight; none where there are too many.
    pub(super) fn permit(&self) -> Option<OwnedSemaphorePermit> {
        self.permits.clone().try_acquire_owned().ok()
    }
}

fn no_upstream() -> String {
    say(
        "upstream.url：运行中不能删掉；要用内置的演示模型，请重启",
        "upstream.url: cannot be taken away while the gateway runs; start it anew to use the built-in demo",
    )
}

/// What serves now.
#[derive(Debug)]
pub struct Live(ArcSwap<Serving>);

impl Live {
    /// The first one.
    pub fn new(serving: Serving) -> Self {
        memory::give_back();
        Live(ArcSwap::from_pointee(serving))
    }

    /// What serves from now on.
    pub fn publish(&self, serving: Serving) {
        self.0.store(Arc::new(serving));
        memory::give_back();
    }

    /// What serves now.
    pub fn current(&self) -> Arc<Serving> {
        self.0.load_full()
    }
}
