//! What the gateway judges by: the real model and a small shop's intents, fitted once for all seeds.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use intentgate::chat::line::Line;
use intentgate::config::Config;
use intentgate::embed::Embedder;
use intentgate::gate::Gate;
use intentgate::reload::Intents;
use intentgate::snapshot::Snapshot;
use intentgate::verdict::Stage;

use crate::intents;
use crate::plan::{QUESTIONS, Setup};

pub(crate) struct Judging {
    pub(crate) embedder: Arc<Embedder>,
    forwarded: Arc<Snapshot>,
    rejected: Arc<Snapshot>,
}

impl Judging {
    /// Embedding runs on threads of its own, which keep real time: the one thing of a verdict that cannot be
    /// simulated. So each question is judged once before any seed, and judging finds its verdicts in the cache.
    pub(crate) async fn fitted() -> Judging {
        let folder = tempfile::tempdir().unwrap();
        intents::write_all(folder.path());
        let config = config(folder.path(), None, "");
        let embedder = Arc::new(Embedder::load(&config.model).unwrap());
        let forwarded = fit(&config, &embedder).await;
        intents::write(folder.path(), "gift", intents::GIFT_REJECTED);
        let rejected = fit(&config, &embedder).await;
        Judging {
            embedder,
            forwarded,
            rejected,
        }
    }

    pub(crate) fn snapshot(&self, setup: &Setup) -> Arc<Snapshot> {
        match setup.gift_rejected {
            true => self.rejected.clone(),
            false => self.forwarded.clone(),
        }
    }
}

async fn fit(config: &Config, embedder: &Arc<Embedder>) -> Arc<Snapshot> {
    let intents = Intents::new(config, embedder).unwrap();
    let files = intents.read().unwrap();
    let prepared = intents.prepare(&files, embedder, |_, _| {}).await;
    let snapshot = prepared.unwrap().0;
    let gate = Gate::new(embedder.clone(), &config.gate);
    for question in QUESTIONS {
        let line = Line {
            text: Some(question.to_owned()),
            messages: None,
        };
        let prompt = line.prompt().unwrap();
        gate.judge(&snapshot, &prompt).await;
        let again = gate.judge(&snapshot, &prompt).await;
        let judgement = again.judgement.unwrap();
        assert_eq!(
            judgement.stage,
            Stage::Cache,
            "{question} is not judged by what is known"
        );
    }
    Arc::new(snapshot)
}

/// `keys` are lines of configuration; the journal is in a folder, where there is one.
pub(crate) fn config(intents: &Path, journal: Option<&Path>, keys: &str) -> Config {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
    fs::create_dir_all(&cache).unwrap();
    let journal = journal.map_or_else(
        || "journal = 'off'".to_owned(),
        |folder| {
            format!(
                "journal.path = '{}'",
                folder.join("journal.sqlite").display()
            )
        },
    );
    let text = format!(
        "{journal}\nupstream.url = 'http://upstream-0:8000/v1'\nmodel.threads = 1\nmodel.cache = '{}'\n\
         gate.intents = '{}'\ngate.background = false\ngate.budget = '20s'\n{keys}",
        cache.display(),
        intents.display(),
    );
    Config::parse("config.toml", &text, Path::new(""), Vec::new()).unwrap()
}
