//! Files → what serves, at the start and at every edit: the folder of intents, and the configuration.
//!
//! A watcher wakes the loop, and so does SIGHUP; what is published depends only on what the files hold. So a
//! watcher that misses something, or dies, costs two seconds and nothing else.

mod intents;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::block_in_place;
use tokio::time::sleep;
use url::Url;

use crate::admin::Admin;
use crate::config::{self, Config, Mode};
use crate::intent::Action;
use crate::intent::file::IntentFile;
use crate::language::say;
use crate::logging::Level;
use crate::metrics::Metrics;
use crate::problem::Problems;
use crate::proxy::serving::{Live, Serving, Settings};
use crate::server::{Tasks, Tls};
use crate::snapshot::{PrepareError, Snapshot};
pub use intents::Intents;
use watch::{Watch, quiet};

/// Files are looked at this often whether or not anything was heard.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Publishes what the files hold whenever they change.
#[derive(Debug)]
pub struct Reload {
    /// The configuration that serves.
    pub config: Config,
    /// The folder, as that configuration has it.
    pub intents: Intents,
    /// What was published, or refused, last; nothing where a first snapshot is to be replaced.
    pub seen: Vec<IntentFile>,
    /// When files that could not be embedded are tried again.
    pub again: Again,
    /// The configuration that was refused last, while it stands.
    pub refused: Option<Result<Config, Problems>>,
    /// Where to publish.
    pub live: Arc<Live>,
    /// Where to say so.
    pub metrics: Metrics,
    /// What is logged.
    pub level: Level,
    /// Whose token may change.
    pub admin: Admin,
    /// The certificate that clients are shown, where TLS is on.
    pub tls: Option<Tls>,
    /// The demo upstream, where it runs.
    pub demo: Option<Url>,
}

impl Reload {
    /// Runs until the tasks are told to stop.
    pub async fn run(mut self, tasks: Tasks) {
        self.metrics.config_in_sync.set(1);
        show_gate(&self.metrics, &self.config.gate);
        count_intents(&self.metrics, &self.live.current().snapshot);
        let (woken, mut wakes) = mpsc::channel(1);
        let mut hangups = signal(SignalKind::hangup()).ok();
        let mut watch = Watch::new(self.folders(), woken);
        // What is published is published in one swap, so that an edit can be left half prepared at any time.
        let looking = async {
            self.look().await;
            loop {
                watch = watch.moved(self.folders());
                tokio::select! {
                    Some(()) = wakes.recv() => quiet(&mut wakes).await,
                    () = next(&mut hangups) => {
                        self.told().await;
                        continue;
                    }
                    () = sleep(LOOK_AGAIN) => {}
                }
                self.look().await;
            }
        };
        tokio::select! {
            () = tasks.stopped() => {}
            () = looking => {}
        }
    }

    /// Looks because an operator says so: what was refused is tried once more.
    async fn told(&mut self) {
        tracing::info!(
            "{}",
            say(
                "收到 SIGHUP：重新读取配置和意图",
                "SIGHUP: reading configuration and intents again"
            )
        );
        let begun = NotifyState::monotonic_usec_now();
        let begun: Vec<_> = begun.into_iter().chain([NotifyState::Reloading]).collect();
        sd_notify::notify(&begun).ok();
        self.refused = None;
        if self.metrics.intents_in_sync.get() == 0 {
            self.seen = Vec::new();
        }
        self.look().await;
        sd_notify::notify(&[NotifyState::Ready]).ok();
    }

    async fn look(&mut self) {
        self.look_at_config().await;
        self.look_at_intents().await;
        let serving = self.live.current();
        block_in_place(|| serving.settings.gate.learning().look());
    }

    fn folders(&self) -> Vec<PathBuf> {
        let folders = self.config.folder().into_iter();
        folders.chain([self.intents.folder().to_owned()]).collect()
    }

    async fn look_at_config(&mut self) {
        let read = block_in_place(|| self.config.read_again());
        if read.as_ref() == Ok(&self.config) {
            self.refused = None;
            return self.metrics.config_in_sync.set(1);
        }
        if self.refused.as_ref() == Some(&read) {
            return;
        }
        let published = match &read {
            Ok(config) => self.configure(config).await,
            Err(problems) => Err(problems.clone().into()),
        };
        let result = match published {
            Ok(()) => "ok",
            Err(error) => {
                self.refused = Some(read);
                let head = say(
                    "配置的修改有问题，未生效，继续用之前的",
                    "the edit of the configuration is refused, the present one goes on",
                );
                tracing::error!("{head}:\n{error:#}");
                "refused"
            }
        };
        let in_sync = i64::from(result == "ok");
        self.metrics.config_in_sync.set(in_sync);
        let reloads = &self.metrics.config_reloads;
        reloads.with_label_values(&[result]).inc();
    }

    /// Prepares all that a configuration says, then publishes it.
    async fn configure(&mut self, config: &Config) -> anyhow::Result<()> {
        let serving = self.live.current();
        let gate = serving.settings.gate.configured(&config.gate);
        let intents = self.intents.configured(config);
        let (mut snapshot, mut files) = (serving.snapshot.clone(), None);
        if config.fits_otherwise(&self.config) {
            let read = block_in_place(|| intents.read())?;
            let embedder = gate.embedder();
            let (prepared, _) = intents.prepare(&read, embedder, |_, _| {}).await?;
            (snapshot, files) = (Arc::new(prepared), Some(read));
        }
        // What takes longest and is refused most often goes first: the upstreams' gauges change with their list.
        let (demo, present) = (self.demo.as_ref(), Some(&*serving.settings));
        let settings = || Settings::new(config, gate, &self.metrics, demo, present);
        let settings = block_in_place(settings)?;
        self.renew_certificate(config)?;
        count_intents(&self.metrics, &snapshot);
        show_gate(&self.metrics, &config.gate);
        // Before what clients notice: who sees that an edit is in force finds all of it in force.
        self.admin.set_token(config.admin.token.as_ref());
        self.live.publish(Serving {
            settings: Arc::new(settings),
            snapshot,
        });
        self.level.set(&config.server.log);
        tracing::info!("{}", say("配置已生效", "configuration published"));
        let standing = self.config.fixed_changes(config);
        if !standing.is_empty() {
            let keys = standing.join(", ");
            tracing::warn!(
                "{}",
                say(
                    format!("这些键要重启才生效：{keys}"),
                    format!("these keys take effect at the next start: {keys}")
                )
            );
        }
        (self.config, self.intents) = (config.clone(), intents);
        if let Some(files) = files {
            self.seen = files;
        }
        Ok(())
    }

    /// New connections are shown what the files hold now; running ones keep what they have.
    fn renew_certificate(&self, config: &Config) -> anyhow::Result<()> {
        let server = &config.server;
        let files = (&server.tls_certificate, &server.tls_key);
        let (Some(tls), (Some(certificate), Some(key))) = (&self.tls, files) else {
            return Ok(());
        };
        let renewed = tls.replace(certificate, key);
        Ok(renewed.map_err(|error| error.explain())?)
    }

    async fn look_at_intents(&mut self) {
        let files = match block_in_place(|| self.intents.read()) {
            Ok(files) if files == self.seen && !self.again.is_due() => return,
            Ok(files) => files,
            // A file may go while the folder is read; the next look tells.
            Err(problems) if !self.seen.is_empty() => {
                self.seen = Vec::new();
                return self.refuse(&problems.into());
            }
            Err(_) => return,
        };
        let serving = self.live.current();
        let embedder = serving.settings.gate.embedder();
        let prepared = self.intents.prepare(&files, embedder, |_, _| {}).await;
        self.seen = files;
        // The vectors go first, so that publishing can give their memory back.
        match prepared.map(|(snapshot, _)| snapshot) {
            Ok(snapshot) => {
                self.again = Again::default();
                self.publish(snapshot);
            }
            Err(error) => {
                // What the files say stays as it is; a model may be back in a moment.
                self.again.set(matches!(error, PrepareError::Model(_)));
                self.refuse(&error);
            }
        }
    }

    fn publish(&mut self, snapshot: Snapshot) {
        let serving = self.live.current();
        let embedder = serving.settings.gate.embedder();
        let switched = block_in_place(|| self.intents.switched(&snapshot, embedder));
        count_intents(&self.metrics, &snapshot);
        let (intents, examples) = (snapshot.intents.len(), snapshot.examples());
        self.live.publish(Serving {
            snapshot: Arc::new(snapshot),
            settings: serving.settings.clone(),
        });
        self.metrics
            .intents_reloads
            .with_label_values(&["ok"])
            .inc();
        // A configuration may have been refused for the sake of these files.
        self.refused = None;
        tracing::info!(
            intents,
            examples,
            "{}",
            say("意图已生效", "intents published")
        );
        if let Some(switched) = switched {
            tracing::info!("{switched}");
        }
    }

    fn refuse(&self, error: &PrepareError) {
        self.metrics.intents_in_sync.set(0);
        self.metrics
            .intents_reloads
            .with_label_values(&["refused"])
            .inc();
        match error {
            PrepareError::Files(problems) => {
                let head = say(
                    "意图的修改有问题，未生效，继续用之前的",
                    "the edit of the intents is refused, the published ones go on",
                );
                tracing::error!("{head}:\n{problems}");
            }
            PrepareError::Model(error) => {
                tracing::error!(%error, "the edit of the intents could not be embedded, the published ones go on");
            }
        }
    }
}

/// Longer than this nobody waits for another try.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// When to try again what a model's failure has kept from being published.
#[derive(Clone, Copy, Debug, Default)]
pub struct Again {
    at: Option<Instant>,
    wait: Duration,
}

impl Again {
    fn is_due(self) -> bool {
        self.at.is_some_and(|at| at <= Instant::now())
    }

    /// After twice the last wait where the model failed, else not at all.
    fn set(&mut self, model_failed: bool) {
        self.wait = (2 * self.wait).clamp(LOOK_AGAIN, LONGEST_WAIT);
        self.at = model_failed.then(|| Instant::now() + self.wait);
    }
}

/// The next signal; never where they cannot be heard.
async fn next(signals: &mut Option<Signal>) {
    match signals {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

fn show_gate(metrics: &Metrics, gate: &config::Gate) {
    for each in Mode::ALL {
        let gauge = metrics.gate_mode.with_label_values(&[each.as_str()]);
        gauge.set((each == gate.mode).into());
    }
    metrics.false_reject_target.set(gate.false_reject_target);
}

fn count_intents(metrics: &Metrics, snapshot: &Snapshot) {
    for action in Action::ALL {
        let count = snapshot
            .intents
            .iter()
            .filter(|intent| intent.action == action)
            .count();
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        metrics
            .intents
            .with_label_values(&[action.as_str()])
            .set(count);
    }
    let intents = snapshot.intents.iter();
    metrics.expect(intents.map(|intent| (intent.name.as_str(), intent.action)));
    metrics.intents_in_sync.set(1);
}
