//! What requests are served by, in one value: an edit of the intents or of the configuration prepares a new one,
//! which may fail, and publishes it in one swap, which cannot.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderName;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use super::access::Access;
use super::route::Routes;
use super::shares::{Share, Shares};
use crate::config::{Config, Limits};
use crate::gate::Gate;
use crate::language::say;
use crate::ledger::Terms;
use crate::memory;
use crate::metrics::Metrics;
use crate::snapshot::Snapshot;
use crate::upstream::Upstreams;

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
    pub upstreams: Upstreams,
    /// Bounds on what clients send.
    pub limits: Limits,
    /// Prices, and what is kept.
    pub terms: Arc<Terms>,
    pub(super) access: Access,
    /// Headers that go upstream although they are about the client.
    pub(super) forward_headers: Vec<HeaderName>,
    pub(super) routes: Routes,
    permits: Arc<Semaphore>,
    shares: Shares,
}

/// What a request in flight takes of the room that there is, until it is dropped.
#[derive(Debug)]
pub struct Permit {
    _permit: OwnedSemaphorePermit,
    /// None where the address is not known.
    _share: Option<Share>,
}

impl Settings {
    /// Checks nothing that [`Config`] has checked; `demo` stands in where no upstream is configured. What
    /// `previous` has of the same kind is taken over, connections to upstreams above all.
    ///
    /// # Errors
    /// What the upstreams' clients cannot be made of; or that there is none, and no demo.
    pub fn new(
        config: &Config,
        gate: Gate,
        metrics: &Metrics,
        demo: Option<&Url>,
        previous: Option<&Settings>,
    ) -> anyhow::Result<Self> {
        let mut upstream = config.upstream.clone();
        upstream.url = upstream.url.or_else(|| demo.cloned());
        anyhow::ensure!(upstream.url.is_some(), no_upstream());
        let known = previous.map(|previous| &previous.upstreams);
        let (access, limits) = (&config.access, &config.limits);
        let access = match previous {
            Some(previous) => previous.access.renewed(access, limits),
            None => Access::new(access, limits),
        };
        // Requests that are in flight count on where the bound has stayed.
        let bounds = |limits: &Limits| (limits.requests, limits.requests_per_address);
        let same = previous.filter(|previous| bounds(&previous.limits) == bounds(limits));
        let (permits, shares) = same.map_or_else(
            || {
                let permits = Arc::new(Semaphore::new(limits.requests.get()));
                (permits, Shares::new(limits.requests_per_address))
            },
            |same| (same.permits.clone(), same.shares.clone()),
        );
        Ok(Settings {
            gate,
            upstreams: Upstreams::new(&upstream, metrics, known)?,
            limits: limits.clone(),
            terms: Arc::new(Terms::new(config)?),
            access,
            forward_headers: upstream
                .forward_headers
                .iter()
                .filter_map(|name| name.parse().ok())
                .collect(),
            routes: Routes::new(&upstream.pass_through),
            permits,
            shares,
        })
    }

    /// A permit for one request in flight; none where there are too many, or too many of one address.
    pub(super) fn permit(&self, address: Option<IpAddr>) -> Option<Permit> {
        let permit = self.permits.clone().try_acquire_owned().ok()?;
        let share = match address {
            Some(address) => Some(self.shares.take(address)?),
            None => None,
        };
        Some(Permit {
            _permit: permit,
            _share: share,
        })
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
