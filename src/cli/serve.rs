//! `intentgate serve`: the one place that puts the parts together.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use sd_notify::NotifyState;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use url::Url;

use super::terminal;
use crate::admin::Admin;
use crate::config::Config;
use crate::embed::Embedder;
use crate::gate::Gate;
use crate::gate::learning::Learning;
use crate::intent::file::IntentFile;
use crate::journal;
use crate::language::say;
use crate::ledger::Ledger;
use crate::logging::{self, Level};
use crate::memory;
use crate::metrics::Metrics;
use crate::panics;
use crate::problem::Problems;
use crate::proxy::serving::{Live, Serving, Settings};
use crate::proxy::{Proxy, Spawn};
use crate::reload::{Again, Intents, Reload};
use crate::server::{self, Door, Tasks, Tls};
use crate::snapshot::Snapshot;
use crate::traces::Traces;
use crate::upstream::demo;
use crate::verdict::Stage;

/// For the last requests to be entered and written down, and for operators' connections.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// What requests came to is sent off within so long after the last of them, or not at all.
const LAST_EXPORT: Duration = Duration::from_secs(2);

/// A gateway that runs.
#[derive(Debug)]
pub struct Gateway {
    /// Where chat front ends connect.
    pub address: SocketAddr,
    /// Where operators connect.
    pub admin_address: SocketAddr,
    admin: Admin,
    metrics: Metrics,
    tasks: Tasks,
    /// What sends off what requests came to ends after them.
    exports: Tasks,
    /// Operators see a gateway stop and the ledger enters what has ended, so these are among the last to.
    admin_tasks: Tasks,
    grace: Duration,
}

/// Runs until a signal says to stop.
pub(super) async fn run(config: Config) -> anyhow::Result<()> {
    let level = logging::start(&config.server);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Takes as long as the network does, and a signal ends it.
    tokio::select! {
        pulled = terminal::ensure_pulled(&config.model) => pulled?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    }
    let gateway = Gateway::start(config, level.clone()).await?;
    sd_notify::notify(&[NotifyState::Ready]).ok();
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!(
        running = gateway.metrics.in_flight.get(),
        "{}",
        say(
            "正在停止：进行中的答复可以说完；再发一次信号则立即结束",
            "stopping: running replies may finish, a second signal ends them now",
        )
    );
    sd_notify::notify(&[NotifyState::Stopping]).ok();
    tokio::select! {
        () = gateway.stop() => {}
        _ = terminate.recv() => gateway.cut().await,
        _ = interrupt.recv() => gateway.cut().await,
    }
    Ok(())
}

impl Gateway {
    /// The wiring. Comes back once requests are accepted.
    ///
    /// # Errors
    /// Whatever keeps the gateway from serving: files, model, ports.
    pub async fn start(config: Config, level: Level) -> anyhow::Result<Gateway> {
        memory::return_large_pieces();
        let tls = tls(&config.server)?;
        let (tasks, exports) = (Tasks::default(), Tasks::default());
        let admin_tasks = Tasks::default();
        let metrics = Metrics::new()?;
        let public = bind(config.server.listen, "server.listen").await?;
        let private = bind(config.admin.listen, "admin.listen").await?;
        let (address, admin_address) = (public.local_addr()?, private.local_addr()?);
        let admin = Admin::new(metrics.clone());
        admin.set_token(config.admin.token.as_ref());
        spawn_admin(private, &admin, &config, &admin_tasks);

        let embedder = Arc::new(Embedder::load(&config.model)?);
        let intents = Intents::new(&config, &embedder)?;
        let (snapshot, seen) = first_snapshot(&intents, &embedder).await?;
        let demo = demo_upstream(&config, &tasks).await?;
        let journal = journal::path(&config.journal);
        let kept = journal.as_deref().map(Learning::beside);
        let learning = Arc::new(Learning::kept_in(kept));
        let gate = Gate::new(embedder.clone(), &config.gate).with(learning);
        let settings = Settings::new(&config, gate, &metrics, demo.as_ref(), None)?;
        let (ledger, clerk) = Ledger::new(settings.terms.clone(), embedder.clone(), &metrics);
        let live = Arc::new(Live::new(Serving {
            settings: Arc::new(settings),
            snapshot: Arc::new(snapshot),
        }));

        watch(&metrics, &live, embedder, level.clone())?;
        let traces = Traces::new(&config, &metrics)?.map(|(traces, export)| {
            exports.spawn("traces", export.run());
            traces
        });
        let grace = config.server.grace;
        let door = Door {
            tls: tls.clone(),
            ..Door::plain(public, &config.limits)
        };
        server::raise_open_files(&config.limits);
        announce(&config, address, admin_address);
        let reload = Reload {
            config,
            intents,
            seen,
            again: Again::default(),
            refused: None,
            live: live.clone(),
            metrics: metrics.clone(),
            level,
            admin: admin.clone(),
            demo,
            tls,
        };
        tasks.spawn("reload", reload.run(tasks.clone()));
        let stopped = tasks.clone();
        tasks.spawn("memory", async move {
            tokio::select! {
                () = memory::keep_small() => {}
                () = stopped.stopped() => {}
            }
        });
        let beside = tasks.clone();
        let proxy = Arc::new(Proxy {
            live,
            metrics: metrics.clone(),
            ledger,
            traces,
            spawn: Spawn::new(move |task| beside.spawn("watching", task)),
        });
        let (last, stopped) = (&admin_tasks, admin_tasks.clone());
        last.spawn_thread("ledger", clerk.run(async move { stopped.stopped().await }))?;
        let answer = move |request| proxy.clone().answer(request);
        tasks.spawn("proxy", server::serve(door, tasks.clone(), answer));
        admin.set_ready(true);
        Ok(Gateway {
            address,
            admin_address,
            admin,
            metrics,
            tasks,
            exports,
            admin_tasks,
            grace,
        })
    }

    /// Stops accepting, lets running replies finish within the grace period, and says what was cut.
    pub async fn stop(&self) {
        self.admin.set_ready(false);
        if !self.tasks.finish(self.grace).await {
            tracing::warn!(grace = ?self.grace, "{}", say("宽限期已到（server.grace）", "the grace period is over (server.grace)"));
        }
        self.cut().await;
    }

    /// Ends what still runs, and says what that is.
    async fn cut(&self) {
        let running = self.metrics.in_flight.get();
        if running > 0 {
            tracing::warn!(
                running,
                "{}",
                say("未说完的答复被中断", "running replies are cut")
            );
        }
        self.tasks.cut().await;
        self.admin_tasks.finish(LAST_WORDS).await;
        if !self.exports.finish(LAST_EXPORT).await {
            tracing::warn!(
                "{}",
                say(
                    "有 span 没能送出",
                    "spans are left that could not be exported"
                )
            );
        }
        self.exports.cut().await;
        self.admin_tasks.cut().await;
    }
}

/// The snapshot to begin with, and the files it stands for: none where it is to be replaced at once.
async fn first_snapshot(
    intents: &Intents,
    embedder: &Embedder,
) -> anyhow::Result<(Snapshot, Vec<IntentFile>)> {
    let files = intents.read()?;
    let snapshot = terminal::prepare_first(intents, &files, embedder).await?;
    let judge = &snapshot.judge;
    if judge.is_fitted() && judge.stage() == Stage::Encoder {
        if let Some(switched) = intents.switched(&snapshot, embedder) {
            tracing::info!("{switched}");
        }
        return Ok((snapshot, files));
    }
    let meanwhile = if judge.is_fitted() {
        say(
            "先用静态向量判断；完整的判断准备好后自动换上",
            "judging by static vectors until the full judge is ready",
        )
    } else {
        say(
            "例句的向量还没有算好；在此之前全部转发",
            "the examples are not embedded yet; until they are, everything is forwarded",
        )
    };
    tracing::info!("{meanwhile}");
    Ok((snapshot, Vec::new()))
}

/// What is asked for whenever metrics are read.
fn watch(
    metrics: &Metrics,
    live: &Arc<Live>,
    embedder: Arc<Embedder>,
    level: Level,
) -> anyhow::Result<()> {
    let (live, learned) = (live.clone(), live.clone());
    if let Some(counts) = embedder.counts() {
        metrics.show_embeddings(counts)?;
    }
    metrics.watch(
        "model_queue_length",
        "Questions that wait for the model.",
        move || embedder.waiting() as f64,
    )?;
    metrics.watch(
        "log_lines_dropped",
        "Lines of the log that were dropped, since nobody read them in time.",
        move || level.dropped() as f64,
    )?;
    metrics.watch(
        "panics",
        "Panics that were caught since the start; each is a bug.",
        || panics::count() as f64,
    )?;
    metrics.watch(
        "learned_wrappings",
        "Wrappings that were learned of front ends and are taken off.",
        move || learned.current().settings.gate.learning().count() as f64,
    )?;
    metrics.watch(
        "verdict_cache_entries",
        "Verdicts that are kept for questions that are asked again.",
        move || live.current().snapshot.verdicts.count() as f64,
    )?;
    Ok(())
}

async fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        say(
            format!("{key}：无法监听 {address}；可能已有程序占用，请换一个端口"),
            format!("{key}: cannot listen on {address}; another program may be there, choose another port"),
        )
    })
}

fn spawn_admin(listener: TcpListener, admin: &Admin, config: &Config, tasks: &Tasks) {
    let admin = admin.clone();
    let answer = move |request| admin.clone().answer(request);
    let door = Door::plain(listener, &config.limits);
    tasks.spawn("admin", server::serve(door, tasks.clone(), answer));
}

/// The certificate that clients are shown, where one is configured.
pub(super) fn tls(server: &crate::config::Server) -> Result<Option<Tls>, Problems> {
    let (Some(certificate), Some(key)) = (&server.tls_certificate, &server.tls_key) else {
        return Ok(None);
    };
    let tls = Tls::load(certificate, key);
    tls.map(Some).map_err(|error| error.explain())
}

/// Where no upstream is configured, the demo's address: a port of its own on loopback.
async fn demo_upstream(config: &Config, tasks: &Tasks) -> anyhow::Result<Option<Url>> {
    if config.upstream.url.is_some() {
        return Ok(None);
    }
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = Url::parse(&format!("http://{}/v1", listener.local_addr()?))?;
    let door = Door::plain(listener, &config.limits);
    let serving = server::serve(door, tasks.clone(), demo::answer);
    tasks.spawn("demo upstream", serving);
    Ok(Some(url))
}

fn announce(config: &Config, address: SocketAddr, admin_address: SocketAddr) {
    let upstream = config.upstream.url.as_ref().map_or_else(
        || {
            say(
                "内置的演示模型（不是真正的大模型；请设置 upstream.url）",
                "the built-in demo, NOT a real LLM (set upstream.url)",
            )
        },
        ToString::to_string,
    );
    let scheme = config.server.tls_certificate.as_ref();
    let scheme = scheme.map_or("http", |_| "https");
    tracing::info!("base URL  {scheme}://{address}/v1");
    tracing::info!("admin     http://{admin_address}/metrics");
    tracing::info!("upstream  {upstream}");
    if let Some(collector) = config.traces.target() {
        tracing::info!("traces    {collector}");
    }
    for url in config
        .upstream
        .fallback
        .iter()
        .filter_map(|f| f.url.as_ref())
    {
        tracing::info!("fallback  {url}");
    }
}
