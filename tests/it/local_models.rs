//! Models of the shop's choice, on this machine: their vectors are those that their makers' own code computes, and
//! what a model does not say is an error, not a guess. `tests/reference/models/make.py` makes the models.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use intentgate::catalogue::Pooling;
use intentgate::config::Model;
use intentgate::embed::Embedder;
use intentgate::verdict::Stage;
use serde::Deserialize;

/// What stands in `expected.json`.
#[derive(Deserialize)]
struct Expected {
    texts: Vec<String>,
    long_text: String,
    prompt: String,
    vectors: Vec<Vec<f32>>,
    long: Vec<f32>,
}

impl Expected {
    fn read(name: &str) -> Self {
        let text = fs::read(folder(name).join("expected.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new("tests/reference/models").join(name)
}

fn config(folder: impl Into<PathBuf>) -> Model {
    Model {
        path: Some(folder.into()),
        threads: NonZeroUsize::MIN,
        ..Model::default()
    }
}

/// Holds singly embedded texts, and all in one run, against what is expected.
async fn agrees(config: &Model, expected: &Expected) -> Embedder {
    let embedder = Embedder::load(config).unwrap_or_else(|error| panic!("{error}"));
    let length = expected.vectors[0].len();
    let batch = embedder.examples(expected.texts.clone(), Stage::Encoder);
    let batch = batch.await.unwrap();
    for ((text, vector), expected) in expected.texts.iter().zip(&batch).zip(&expected.vectors) {
        let single = embedder.embed(text.clone(), Stage::Encoder).await.unwrap();
        assert!(!single.truncated, "{text}");
        for vector in [&single.vectors, vector] {
            assert_eq!(vector.len(), embedder.facts().layout.length());
            let cosine = product(&vector[..length], expected);
            assert!((0.9999..1.0001).contains(&cosine), "{text}: {cosine}");
            assert!((product(&vector[..length], &vector[..length]) - 1.0).abs() < 1e-4);
        }
    }
    let long = embedder.embed(expected.long_text.clone(), Stage::Encoder);
    let long = long.await.unwrap();
    assert!(long.truncated);
    assert_eq!(Some(long.tokens), embedder.facts().max_tokens);
    let cosine = product(&long.vectors[..length], &expected.long);
    assert!(cosine >= 0.9999, "a long text: {cosine}");
    assert_eq!(embedder.facts().prompt, expected.prompt);
    embedder
}

fn product(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_are_those_of_the_makers_code() {
    let cases = [
        ("bge-zh", Some(Pooling::Cls)),
        ("e5", Some(Pooling::Mean)),
        ("qwen3", Some(Pooling::Last)),
        ("dense", None),
        ("pooled", None),
        ("bge-m3", Some(Pooling::Cls)),
    ];
    for (name, pooling) in cases {
        println!("{name}");
        let embedder = agrees(&config(folder(name)), &Expected::read(name)).await;
        let facts = embedder.facts();
        assert_eq!((facts.name.as_str(), facts.pooling), (name, pooling));
        assert!(facts.languages.is_empty());
    }
}

