//! A gate and what it judges by, without a gateway around them: for tests of hundreds of questions.

use std::fs;
use std::path::Path;

use futures_util::future::join_all;
use intentgate::chat::Prompt;
use intentgate::chat::line::Line;
use intentgate::embed::Embedder;
use intentgate::gate::Gate;
use intentgate::reload::Intents;
use intentgate::snapshot::{Review, Snapshot};
use intentgate::verdict::Decision;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::gateway::config;

/// Questions judged at a time: enough for every thread of the model.
const AT_A_TIME: usize = 8;

#[derive(Debug)]
pub(crate) struct Judging {
    pub(crate) snapshot: Snapshot,
    pub(crate) review: Review,
    gate: Gate,
}

impl Judging {
    /// By the shipped intents and the background: fitted once, for all tests.
    pub(crate) async fn shipped() -> &'static Judging {
        static SHIPPED: OnceCell<Judging> = OnceCell::const_new();
        let fitted = async || Judging::by(Path::new("intents"), "gate.background = true").await;
        SHIPPED.get_or_init(fitted).await
    }

    /// By files of name and text.
    pub(crate) async fn by_files(files: &[(&str, String)], keys: &str) -> Judging {
        let folder = TempDir::new().unwrap();
        for (name, text) in files {
            super::intents::write(folder.path(), name, text);
        }
        Judging::by(folder.path(), keys).await
    }

    /// By the intents of a folder; `keys` are lines of configuration.
    pub(crate) async fn by(folder: &Path, keys: &str) -> Judging {
        let mut config = config(folder, "http://127.0.0.1:9/v1", keys);
        config.model.threads = intentgate::config::Model::default().threads;
        let embedder = Embedder::load(&config.model).unwrap();
        let intents = Intents::new(&config, &embedder).unwrap();
        let files = intents.read().unwrap();
        let prepared = intents.prepare(&files, &embedder, |_, _| {}).await;
        let (snapshot, review) = prepared.unwrap();
        let gate = Gate::new(embedder, &config.gate);
        Judging {
            snapshot,
            review,
            gate,
        }
    }

    pub(crate) fn embedder(&self) -> &Embedder {
        self.gate.embedder()
    }

    pub(crate) async fn decide(&self, question: &str) -> Decision {
        self.decide_line(&json!({"text": question})).await
    }

    /// The decision on a line of JSON Lines: a text, or a conversation.
    pub(crate) async fn decide_line(&self, line: &Value) -> Decision {
        let decision = self.gate.judge(&self.snapshot, &prompt(line)).await;
        assert!(decision.judgement.is_some(), "{line}: {decision:?}");
        decision
    }

    /// The decisions on each, in order.
    pub(crate) async fn decide_all<T: AsRef<str>>(&self, questions: &[T]) -> Vec<Decision> {
        let lines = questions.iter();
        let lines = lines.map(|question| json!({"text": question.as_ref()}));
        self.decide_lines(&lines.collect::<Vec<_>>()).await
    }

    /// The decisions on each, in order.
    pub(crate) async fn decide_lines(&self, lines: &[Value]) -> Vec<Decision> {
        let mut decisions = Vec::new();
        for some in lines.chunks(AT_A_TIME) {
            let some = some.iter().map(|line| self.decide_line(line));
            decisions.extend(join_all(some).await);
        }
        decisions
    }
}

/// The text of a line and the conversation before it.
fn prompt(line: &Value) -> Prompt {
    let field = |name: &str| line.get(name).cloned();
    let line = Line {
        text: field("text").and_then(|text| text.as_str().map(str::to_owned)),
        messages: field("messages"),
    };
    line.prompt().unwrap()
}

/// The lines of a file of JSON Lines.
pub(crate) fn lines(path: &str) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
