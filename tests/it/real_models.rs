//! Real models other than the bundled one, as `tests/models/fetch.sh` lays them out: m3e-small, and
//! all-MiniLM-L6-v2 in 8 bits.

use std::fs;
use std::path::Path;

use intentgate::config::Config;
use intentgate::embed::Embedder;
use intentgate::verdict::Stage;
use serde_json::Value;
use tempfile::TempDir;

use crate::commands::{Ended, intentgate};
use crate::kit::intents::{
    DELIVERY, GREETING, GREETING_EN, GREETING_REPLY, GREETING_REPLY_EN, POEM, POEM_EN, POEM_REPLY,
    POEM_REPLY_EN, REFUND, REFUND_EN, WEATHER,
};
use crate::kit::{Gateway, Upstream, chat};

const M3E: &str = "model.path = 'target/models/m3e-small'\nmodel.name = 'moka-ai/m3e-small'\n";
const MINILM: &str =
    "model.path = 'target/models/all-MiniLM-L6-v2'\nmodel.name = 'all-MiniLM-L6-v2'\n";

/// Without the bundled model's static vectors.
fn alone(keys: &str) -> String {
    format!("{keys}model.static_stage = false\n")
}

fn embedder(keys: &str) -> Embedder {
    let config = Config::parse("config.toml", keys, Path::new(""), Vec::new()).unwrap();
    Embedder::load(&config.model).unwrap_or_else(|error| {
        panic!("{error}\nThe models are not in target/models: run tests/models/fetch.sh first.")
    })
}

#[tokio::test]
async fn vectors_are_those_that_transformers_makes_alone_and_together() {
    let embedder = embedder(&alone(M3E));
    let lines = fs::read_to_string("tests/reference/m3e-small.jsonl").unwrap();
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let (texts, expected): (Vec<String>, Vec<Vec<f32>>) = lines
        .map(|line: Value| {
            let vector = serde_json::from_value(line["vector"].clone()).unwrap();
            (line["text"].as_str().unwrap().to_owned(), vector)
        })
        .unzip();
    let together = embedder.examples(texts.clone(), Stage::Encoder).await;
    for ((text, expected), together) in texts.into_iter().zip(expected).zip(together.unwrap()) {
        let alone = embedder.embed(text.clone(), Stage::Encoder).await.unwrap();
        for vector in [alone.vectors, together] {
            let cosine: f32 = vector.iter().zip(&expected).map(|(a, b)| a * b).sum();
            assert!(cosine > 0.9999, "{cosine}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chinese_model_runs_the_gateway() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), M3E).await;
    for question in [REFUND, DELIVERY] {
        assert_eq!(gateway.decision(question).await, "forward", "{question}");
    }
    let answered = gateway.ask(&chat(GREETING)).await;
    assert_eq!(answered.decision(), "answer");
    assert!(
        answered.text().contains(GREETING_REPLY),
        "{}",
        answered.text()
    );
    let rejected = gateway.ask(&chat(POEM)).await;
    assert_eq!(rejected.decision(), "reject");
    assert!(rejected.text().contains(POEM_REPLY), "{}", rejected.text());
    assert_eq!(gateway.decision(WEATHER).await, "reject");

    let gateway = Gateway::start_with(&upstream.url(), &alone(M3E)).await;
    assert_eq!(gateway.decision(REFUND).await, "forward");
    assert_eq!(gateway.decision(WEATHER).await, "reject");
    let encoder = "intentgate_gate_duration_seconds_count{stage=\"encoder\"}";
    gateway.metric_becomes(encoder, 2.0).await;
}

#[tokio::test]
async fn the_bundled_models_vectors_stand_before_the_models_own() {
    let (both, own, bundled) = (embedder(M3E), embedder(&alone(M3E)), embedder(""));
    let vectors = async |embedder: &Embedder, stage| {
        let embedding = embedder.embed("我要退款".to_owned(), stage).await.unwrap();
        (embedding.vectors.into_vec(), embedding.stage)
    };
    let (first, _) = vectors(&bundled, Stage::Static).await;
    let (before, _) = vectors(&bundled, Stage::Encoder).await;
    let (second, _) = vectors(&own, Stage::Encoder).await;
    let expected = [before, second].concat();
    assert_eq!(vectors(&both, Stage::Static).await, (first, Stage::Static));
    assert_eq!(
        vectors(&both, Stage::Encoder).await,
        (expected.clone(), Stage::Encoder)
    );
    let example = both
        .examples(vec!["我要退款".to_owned()], Stage::Encoder)
        .await;
    assert_eq!(example.unwrap()[0].to_vec(), expected);
    assert_ne!(both.facts().fingerprint, own.facts().fingerprint);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_english_model_runs_the_gateway() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), MINILM).await;
    assert_eq!(gateway.decision(REFUND_EN).await, "forward");
    let answered = gateway.ask(&chat(GREETING_EN)).await;
    assert_eq!(answered.decision(), "answer");
    assert!(
        answered.text().contains(GREETING_REPLY_EN),
        "{}",
        answered.text()
    );
    let rejected = gateway.ask(&chat(POEM_EN)).await;
    assert_eq!(rejected.decision(), "reject");
    assert!(
        rejected.text().contains(POEM_REPLY_EN),
        "{}",
        rejected.text()
    );
}

/// A configuration of its own, with a cache of its own and intents of both languages.
fn shop(model: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let intents = crate::kit::intents::folder();
    fs::create_dir(folder.path().join("intents")).unwrap();
    for file in fs::read_dir(intents.path()).unwrap() {
        let file = file.unwrap();
        fs::copy(
            file.path(),
            folder.path().join("intents").join(file.file_name()),
        )
        .unwrap();
    }
    switch(&folder, model);
    folder
}

fn switch(folder: &TempDir, model: &str) {
    let here = std::env::current_dir().unwrap();
    let model = model.replace(
        "target/models",
        here.join("target/models").to_str().unwrap(),
    );
    let text =
        format!("{model}model.cache = 'kept'\ngate.intents = 'intents'\ngate.background = false\n");
    fs::write(folder.path().join("config.toml"), text).unwrap();
}

fn run(folder: &TempDir, arguments: &[&str]) -> Ended {
    let config = folder.path().join("config.toml");
    intentgate(&["--config", config.to_str().unwrap()])
        .args(arguments)
        .output()
}

#[test]
fn check_says_how_the_promise_changed_and_which_language_is_not_known() {
    let folder = shop("");
    let out = run(&folder, &["check"]).stdout;
    assert!(out.contains("Model: multilingual-e5-small"), "{out}");
    assert!(!out.contains("took the place of"), "{out}");
    assert!(!out.contains("does not know"), "{out}");

    switch(&folder, M3E);
    for _ in 0..2 {
        let out = run(&folder, &["check"]).stdout;
        let took = "moka-ai/m3e-small took the place of multilingual-e5-small: expected to be rejected by mistake";
        assert!(out.contains(took), "{out}");
        assert!(
            out.contains("moka-ai/m3e-small does not know English"),
            "{out}"
        );
    }

    switch(&folder, MINILM);
    let out = run(&folder, &["check"]).stdout;
    assert!(
        out.contains("MiniLM-L6-v2 took the place of moka-ai/m3e-small"),
        "{out}"
    );
    assert!(out.contains("does not know Chinese"), "{out}");
}

#[test]
fn model_check_says_what_a_model_is_and_warns_of_one_used_wrongly() {
    let folder = shop(M3E);
    let ran = run(&folder, &["model", "check"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for said in [
        "moka-ai/m3e-small",
        "512 × 1",
        "mean",
        "ms in the median",
        "MiB",
    ] {
        assert!(ran.stdout.contains(said), "{said}: {ran:?}");
    }
    let ran = run(&folder, &["model", "check", "bundled"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("384 × 0.5, 384 × 1"), "{ran:?}");

    let ran = run(&folder, &["model", "check", "no-such-model"]);
    assert!(ran.stderr.contains("no-such-model is no model"), "{ran:?}");
}

#[test]
fn model_compare_holds_two_against_each_other() {
    let folder = shop(M3E);
    let out = run(&folder, &["model", "compare", "bundled", "configured"]).stdout;
    for said in [
        "multilingual-e5-small",
        "moka-ai/m3e-small",
        "AUROC",
        "FPR95",
        "told right",
    ] {
        assert!(out.contains(said), "{said}: {out}");
    }
    let out = run(
        &folder,
        &["model", "compare", "bundled", "configured", "--json"],
    );
    let both: Vec<Value> = serde_json::from_str(&out.stdout).unwrap();
    for one in &both {
        for figure in ["auroc", "accuracy"] {
            let value = one[figure].as_f64().unwrap();
            assert!((0.5..=1.0).contains(&value), "{figure} {value}");
        }
        assert!(one["question_milliseconds"].as_f64().unwrap() > 0.0);
    }
    assert_eq!(both[1]["model"], "moka-ai/m3e-small");
}
