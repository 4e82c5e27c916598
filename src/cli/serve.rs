//! `intentgate serve`: the one place that puts the parts together.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use url::Url;

use super::terminal;
use crate::admin::Admin;
use crate::config::Config;
use crate::embed::Embedder;
use crate::gate::Gate;
use crate::intent::file::IntentFile;
use crate::language::say;
use crate::logging;
use crate::memory;
use crate::metrics::Metrics;
use crate::proxy::Proxy;
use crate::reload::{Intents, Reload};
use crate::server::{self, Door, Tasks, Tls};
use crate::snapshot::{Live, Snapshot};
use crate::upstream::{Upstream, demo};
use crate::verdict::Stage;

/// A gateway that runs.
#[derive(Debug)]
pub struct Gateway {
    /// Where chat front ends connect.
    pub address: SocketAddr,
    /// Where operators connect.
    pub admin_address: SocketAddr,
    admin: Admin,
    tasks: Tasks,
    grace: std::time::Duration,
}

/// Runs until a signal says to stop.
pub(super) async fn run(config: Config) -> anyhow::Result<()> {
    logging::start(&config.server).map_err(|phrase| anyhow::anyhow!("{}", phrase.here()))?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let gateway = Gateway::start(config).await?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!(
        "{}",
        say(
            "正在停止：进行中的答复可以说完；再发一次信号则立即结束",
            "stopping: running replies may finish, a second signal ends them now",
        )
    );
    tokio::select! {
        () = gateway.stop() => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

impl Gateway {
    /// The wiring. Comes back once requests are accepted.
    ///
    /// # Errors
    /// Whatever keeps the gateway from serving: files, model, ports.
    pub async fn start(config: Config) -> anyhow::Result<Gateway> {
        memory::return_large_pieces();
        let tls = tls(&config.server)?;
        let tasks = Tasks::default();
        let metrics = Metrics::new()?;
        let public = bind(config.server.listen, "server.listen").await?;
        let private = bind(config.admin.listen, "admin.listen").await?;
        let (address, admin_address) = (public.local_addr()?, private.local_addr()?);
        let admin = Admin::new(metrics.clone(), config.admin.token.as_ref());
        spawn_admin(private, &admin, &config, &tasks);

        let embedder = Embedder::load(&config.model)?;
        let intents = Intents::new(&config, &embedder)?;
        let (snapshot, seen) = first_snapshot(&intents, &embedder).await?;
        let live = Arc::new(Live::new(snapshot));
        let gate = Arc::new(Gate::new(embedder, &config.gate));
        let upstream = Upstream::new(&config.upstream, upstream_url(&config, &tasks).await?)?;

        let waiting = gate.clone();
        metrics.watch_queue(move || waiting.embedder().waiting())?;
        let reload = Reload {
            intents,
            seen,
            gate: gate.clone(),
            live: live.clone(),
            metrics: metrics.clone(),
        };
        tasks.spawn("reload", reload.run(tasks.clone()));
        let proxy = Arc::new(Proxy::new(gate, live, upstream, metrics, &config));
        let answer = move |request| proxy.clone().answer(request);
        server::raise_open_files(&config.limits);
        let door = Door {
            tls,
            ..Door::plain(public, &config.limits)
        };
        tasks.spawn("proxy", server::serve(door, tasks.clone(), answer));
        admin.set_ready(true);
        announce(&config, address, admin_address);
        Ok(Gateway {
            address,
            admin_address,
            admin,
            tasks,
            grace: config.server.grace,
        })
    }

    /// Stops accepting, lets running replies finish within the grace period, and says what was cut.
    pub async fn stop(&self) {
        self.admin.set_ready(false);
        let cut = self.tasks.finish(self.grace).await;
        if cut > 0 {
            tracing::warn!(cut, grace = ?self.grace, "tasks were cut at the end of the grace period (server.grace)");
        }
    }
}

/// The snapshot to begin with, and the files it stands for: none where it is to be replaced at once.
async fn first_snapshot(
    intents: &Intents,
    embedder: &Embedder,
) -> anyhow::Result<(Snapshot, Vec<IntentFile>)> {
    let files = intents.read()?;
    let snapshot = terminal::prepare_first(intents, &files, embedder).await?;
    if snapshot.judge.stage() == Stage::Encoder {
        return Ok((snapshot, files));
    }
    tracing::info!(
        "{}",
        say(
            "先用静态向量判断；完整的判断准备好后自动换上",
            "judging by static vectors until the full judge is ready",
        )
    );
    Ok((snapshot, Vec::new()))
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

fn tls(server: &crate::config::Server) -> anyhow::Result<Option<Tls>> {
    let (Some(certificate), Some(key)) = (&server.tls_certificate, &server.tls_key) else {
        return Ok(None);
    };
    let tls = Tls::load(certificate, key);
    let key = "server.tls_certificate / server.tls_key";
    tls.map(Some).map_err(|error| {
        let explained = error.explain();
        anyhow::anyhow!("{key}: {}", explained.here())
    })
}

/// The configured upstream, else the demo's, on a port of its own on loopback.
async fn upstream_url(config: &Config, tasks: &Tasks) -> anyhow::Result<Url> {
    if let Some(url) = &config.upstream.url {
        return Ok(url.clone());
    }
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = Url::parse(&format!("http://{}/v1", listener.local_addr()?))?;
    let door = Door::plain(listener, &config.limits);
    let serving = server::serve(door, tasks.clone(), demo::answer);
    tasks.spawn("demo upstream", serving);
    Ok(url)
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
}
