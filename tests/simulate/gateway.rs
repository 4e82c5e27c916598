//! The gateway as `serve` puts it together, on a host of the simulated network, and what happens to it.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use intentgate::config::{Config, Limits};
use intentgate::gate::Gate;
use intentgate::ledger::Ledger;
use intentgate::metrics::Metrics;
use intentgate::proxy::serving::{Live, Serving, Settings};
use intentgate::proxy::{Proxy, Spawn};
use intentgate::server::{self, Door, Tasks};
use intentgate::upstream::{Carry, Upstreams};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use turmoil::net::{TcpListener, TcpStream};

use crate::client;
use crate::judging::{Judging, config};
use crate::network::{Carrier, Listener};
use crate::plan::{Ask, Event, KEYS, Path as At, Plan, QUESTIONS, Reading, Sending, Setup};
use crate::wire::Message;

/// Where the probe asks, once all else has ended.
const PROBE: u16 = 81;

/// What the hosts of one simulation tell each other.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// How many requests the gateway has room for, once it waits for the probe.
    room: Cell<Option<usize>>,
    probed: Cell<bool>,
    /// Nothing happens to the network any more.
    pub(crate) calm: Cell<bool>,
    /// Clients that still ask.
    pub(crate) asking: Cell<usize>,
}

/// What one gateway is made of.
pub(crate) struct Parts {
    judging: Rc<Judging>,
    metrics: Metrics,
    carrier: Arc<dyn Carry>,
    journal: Option<Rc<Path>>,
}

impl Parts {
    pub(crate) fn new(judging: &Rc<Judging>, metrics: &Metrics, journal: Option<&Path>) -> Parts {
        Parts {
            judging: judging.clone(),
            metrics: metrics.clone(),
            carrier: Arc::new(Carrier {
                tasks: Tasks::default(),
            }),
            journal: journal.map(Rc::from),
        }
    }

    fn config(&self, setup: &Setup) -> Config {
        config(Path::new("."), self.journal.as_deref(), &setup.text())
    }

    /// What a reload makes of a configuration once its files are read, whose reading blocks.
    fn serving(&self, setup: &Setup, previous: Option<&Serving>) -> Serving {
        let config = self.config(setup);
        let before = previous.map(|previous| &*previous.settings);
        let gate = match before {
            Some(before) => before.gate.configured(&config.gate),
            None => Gate::new(self.judging.embedder.clone(), &config.gate),
        };
        let settings = Settings::new(&config, gate, &self.metrics, None, before);
        let mut settings = settings.unwrap();
        let known = before.map(|before| &before.upstreams);
        let upstreams =
            Upstreams::carried(&config.upstream, &self.metrics, known, Some(&self.carrier));
        settings.upstreams = upstreams.unwrap();
        Serving {
            settings: Arc::new(settings),
            snapshot: self.judging.snapshot(setup),
        }
    }
}

pub(crate) async fn run(parts: Parts, plan: Rc<Plan>, progress: Rc<Progress>) -> turmoil::Result {
    let begun = Instant::now();
    let live = Arc::new(Live::new(parts.serving(&plan.setup, None)));
    let settings = live.current().settings.clone();
    let (tasks, last) = (Tasks::default(), Tasks::default());
    let (ledger, clerk) = Ledger::new(
        settings.terms.clone(),
        parts.judging.embedder.clone(),
        &parts.metrics,
    );
    let stopped = last.clone();
    last.spawn("ledger", clerk.run(async move { stopped.stopped().await }));
    let beside = tasks.clone();
    let proxy = Arc::new(Proxy {
        live: live.clone(),
        metrics: parts.metrics.clone(),
        ledger,
        traces: None,
        spawn: Spawn::new(move |task| beside.spawn("watching", task)),
    });
    let listener = Listener(TcpListener::bind(("0.0.0.0", 80)).await?);
    open(Door::plain(listener, &settings.limits), &tasks, &proxy);

    let mut setup = &plan.setup;
    let mut events = plan.events.iter().filter(|(at, _)| *at < plan.stop);
    for (at, event) in &mut events {
        sleep_until(begun + *at).await;
        match event {
            Event::Jump(time) => tokio::time::advance(*time).await,
            Event::Edit(edited) => {
                setup = edited;
                live.publish(parts.serving(setup, Some(&live.current())));
            }
        }
    }
    sleep_until(begun + plan.stop).await;
    tasks.finish(plan.grace).await;
    tasks.cut().await;
    let in_flight = parts.metrics.in_flight.get();
    assert_eq!(in_flight, 0, "requests in flight after the end");

    // The same room with nobody in it, and a door that keeps nobody out.
    let probed = Setup {
        mode: "enforce",
        rate: false,
        ..setup.clone()
    };
    live.publish(parts.serving(&probed, Some(&live.current())));
    let tasks = Tasks::default();
    let listener = Listener(TcpListener::bind(("0.0.0.0", PROBE)).await?);
    open(Door::plain(listener, &Limits::default()), &tasks, &proxy);
    progress.room.set(Some(probed.room()));
    // A host that has ended hears nothing, not even to refuse it.
    until(|| progress.probed.get() && progress.asking.get() == 0).await;
    tasks.finish(Duration::from_secs(5)).await;
    tasks.cut().await;
    last.finish(Duration::from_secs(5)).await;
    last.cut().await;
    Ok(())
}

async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        sleep(Duration::from_millis(50)).await;
    }
}

fn open(door: Door<Listener>, tasks: &Tasks, proxy: &Arc<Proxy>) {
    let proxy = proxy.clone();
    let answer = move |request| proxy.clone().answer(request);
    tasks.spawn("proxy", server::serve(door, tasks.clone(), answer));
}

/// Fills the room of a gateway whose requests have all ended: as many as it has room for wait for their bodies, and
/// one more is turned away. A permit that was kept, or given back twice, shows here.
pub(crate) async fn probe(progress: &Progress) -> turmoil::Result {
    until(|| progress.room.get().is_some() && progress.calm.get()).await;
    let room = progress.room.get().unwrap();
    let ask = Ask {
        path: At::Chat,
        question: QUESTIONS[0],
        streamed: false,
        key: KEYS[0],
        fresh_connection: true,
        pause: Duration::ZERO,
        sending: Sending::AtOnce,
        reading: Reading::AtOnce,
    };
    let mut waiting = Vec::new();
    for index in 0..=room {
        let mut stream = TcpStream::connect(("gateway", PROBE)).await?;
        let request = client::request(&ask, &format!("probe-{index}"));
        stream.write_all(&request[..request.len() - 1]).await?;
        if index + 1 == room {
            // They are there; soon they will have waited too long for their bodies.
            sleep(Duration::from_millis(250)).await;
        }
        waiting.push(stream);
    }
    let (mut replies, mut replied) = (Vec::new(), 0);
    for (index, stream) in waiting.iter_mut().enumerate() {
        let mut reply = Message::default();
        let patience = Duration::from_millis(if index < room { 1 } else { 700 });
        replied += usize::from(timeout(patience, reply.read(stream)).await.is_ok());
        replies.push(reply);
    }
    let last = replies.pop().and_then(|last| last.status());
    let texts: Vec<_> = replies.iter().map(Message::text).collect();
    assert!(
        replied == 1 && last == Some(503),
        "of {room} places not so many are free, but more or fewer: {texts:?}, {last:?}"
    );
    drop(waiting);
    progress.probed.set(true);
    Ok(())
}
