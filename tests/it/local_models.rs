//! Models of the shop's choice, on this machine: their vectors are those that their makers' own code computes, and
//! what a model does not say is an error, not a guess. `tests/reference/models/make.py` makes the models.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use intentgate::catalogue::Pooling;
use intentgate::config::Model;
use intentgate::embed::{Embedder, LoadError};
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
        // The model's own vectors alone.
        static_stage: false,
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

/// Graphs of one model that are given and give the same in other ways.
#[tokio::test(flavor = "multi_thread")]
async fn graphs_of_other_shapes_give_the_same_vectors() {
    let cases = [
        // 32-bit ids, 16-bit output.
        ("bge-zh", "onnx/model_half.onnx"),
        // Empty past key values.
        ("qwen3", "onnx/model_past.onnx"),
        // Dense vector and lexical weights by name.
        ("bge-m3", "onnx/model_sparse.onnx"),
    ];
    for (name, file) in cases {
        println!("{name} {file}");
        let mut config = config(folder(name));
        let usual = Embedder::load(&config).unwrap();
        config.file = Some(file.to_owned());
        let other = agrees(&config, &Expected::read(name)).await;
        assert_eq!(other.facts().layout, usual.facts().layout);
        assert_ne!(other.facts().fingerprint, usual.facts().fingerprint);
        let text = || "我要退款, refund".to_owned();
        let usual = usual.embed(text(), Stage::Encoder).await.unwrap().vectors;
        let other = other.embed(text(), Stage::Encoder).await.unwrap().vectors;
        let whole = product(&usual, &usual);
        assert!((product(&usual, &other) - whole).abs() < 1e-3, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_is_chosen_by_the_models_own_list() {
    let copy = Copy::of("e5");
    let mut config = config(copy.folder.path());
    config.name = Some("a shop's own".to_owned());
    config.file = Some("onnx/model_task.onnx".to_owned());
    copied_error("no_adapters", &copy, &config);
    copy.set(
        "config.json",
        "lora_adaptations",
        serde_json::json!(["retrieval", "separation", "classification"]),
    );
    let embedder = agrees(&config, &Expected::read("e5")).await;
    assert_eq!(embedder.facts().name, "a shop's own");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_configured_goes_over_what_the_files_say() {
    let text = || "where is my refund".to_owned();
    let mut plain = config(folder("e5"));
    let embedder = Embedder::load(&plain).unwrap();
    let first = embedder.facts().clone();
    let vectors = embedder.embed(text(), Stage::Encoder).await.unwrap();

    let mut fingerprints = vec![first.fingerprint];
    plain.dimensions = NonZeroUsize::new(8);
    let shorter = Embedder::load(&plain).unwrap();
    assert_eq!(shorter.facts().layout.length(), 8);
    let short = shorter.embed(text(), Stage::Encoder).await.unwrap().vectors;
    let head = &vectors.vectors[..8];
    let cosine = product(&short, head) / product(head, head).sqrt();
    assert!((cosine - 1.0).abs() < 1e-5, "{cosine}");
    fingerprints.push(shorter.facts().fingerprint.clone());

    for change in [
        |config: &mut Model| config.pooling = Some(Pooling::Cls),
        |config: &mut Model| config.prompt = Some(String::new()),
        |config: &mut Model| config.max_tokens = NonZeroUsize::new(12),
    ] {
        let mut config = config(folder("e5"));
        change(&mut config);
        let embedder = Embedder::load(&config).unwrap();
        let other = embedder.embed(text(), Stage::Encoder).await.unwrap();
        assert!(product(&other.vectors, &vectors.vectors) < 0.999);
        assert_eq!(other.truncated, config.max_tokens.is_some());
        fingerprints.push(embedder.facts().fingerprint.clone());
    }
    fingerprints.sort();
    fingerprints.dedup();
    assert_eq!(fingerprints.len(), 5);
}

/// What a shop's customer types is never a mark of the model.
#[tokio::test(flavor = "multi_thread")]
async fn marks_in_a_text_are_text() {
    let embedder = Embedder::load(&config(folder("bge-zh"))).unwrap();
    let tokens = async |text: &str| {
        let embedded = embedder.embed(text.to_owned(), Stage::Encoder).await;
        embedded.unwrap().tokens
    };
    assert!(tokens("[SEP]").await > 3);
    assert_eq!(tokens("").await, 2);
}

#[test]
fn what_a_model_does_not_say_is_an_error() {
    let copy = Copy::of("e5");
    copy.remove("modules.json");
    copy.remove("1_Pooling/config.json");
    copied_error("no_pooling", &copy, &config(copy.folder.path()));

    let copy = Copy::of("e5");
    let none = serde_json::Value::Null;
    let prompts = "config_sentence_transformers.json";
    copy.set(prompts, "default_prompt_name", none.clone());
    copied_error("no_prompt", &copy, &config(copy.folder.path()));

    let copy = Copy::of("e5");
    copy.set("config.json", "max_position_embeddings", none.clone());
    copy.set("tokenizer_config.json", "model_max_length", 1e30.into());
    copied_error("no_max_tokens", &copy, &config(copy.folder.path()));

    let copy = Copy::of("bge-zh");
    copy.rename("onnx/model.onnx", "onnx/model_quantized.onnx");
    copied_error("several_graphs", &copy, &config(copy.folder.path()));
    copy.remove("onnx/model_half.onnx");
    Embedder::load(&config(copy.folder.path())).unwrap();
    copy.remove("onnx/model_quantized.onnx");
    copied_error("no_graph", &copy, &config(copy.folder.path()));
}

#[test]
fn what_is_not_known_is_an_error() {
    let pooling = "1_Pooling/config.json";
    let copy = Copy::of("e5");
    copy.set(pooling, "pooling_mode", "weightedmean".into());
    copied_error("unknown_pooling", &copy, &config(copy.folder.path()));
    copy.set(pooling, "pooling_mode", "mean".into());
    copy.set(pooling, "include_prompt", false.into());
    copied_error("pooling_without_prompt", &copy, &config(copy.folder.path()));

    let copy = Copy::of("dense");
    let layer = "2_Dense/config.json";
    copy.set(layer, "activation_function", "torch.nn.GELU".into());
    copied_error("unknown_activation", &copy, &config(copy.folder.path()));
    copy.set(layer, "activation_function", "torch.nn.Tanh".into());
    copy.rename("2_Dense/model.safetensors", "2_Dense/pytorch_model.bin");
    copied_error("pickled_layer", &copy, &config(copy.folder.path()));
    let modules = fs::read_to_string(copy.path("modules.json")).unwrap();
    let modules = modules.replace("dense.Dense", "lstm.LSTM");
    fs::write(copy.path("modules.json"), modules).unwrap();
    copied_error("unknown_module", &copy, &config(copy.folder.path()));

    for (file, name) in [
        ("pixels.onnx", "unknown_input"),
        ("two.onnx", "two_outputs"),
    ] {
        let copy = Copy::of("e5");
        fs::copy(folder("odd").join(file), copy.path(file)).unwrap();
        let mut config = config(copy.folder.path());
        config.file = Some(file.to_owned());
        copied_error(name, &copy, &config);
    }

    let copy = Copy::of("e5");
    let mut long = config(copy.folder.path());
    long.dimensions = NonZeroUsize::new(64);
    copied_error("too_many_dimensions", &copy, &long);
    long.dimensions = None;
    long.max_tokens = NonZeroUsize::new(1000);
    copied_error("too_many_tokens", &copy, &long);
    long.max_tokens = NonZeroUsize::new(2);
    copied_error("too_few_tokens", &copy, &long);
    fs::write(copy.path("config.json"), "{").unwrap();
    copied_error("broken_file", &copy, &config(copy.folder.path()));
}

/// A model's folder that may be changed.
struct Copy {
    folder: tempfile::TempDir,
}

impl Copy {
    fn of(name: &str) -> Self {
        let copy = Copy {
            folder: tempfile::tempdir().unwrap(),
        };
        let mut open = vec![PathBuf::new()];
        while let Some(inside) = open.pop() {
            fs::create_dir_all(copy.folder.path().join(&inside)).unwrap();
            for entry in fs::read_dir(folder(name).join(&inside)).unwrap() {
                let entry = entry.unwrap();
                let inside = inside.join(entry.file_name());
                if entry.path().is_dir() {
                    open.push(inside);
                } else {
                    fs::copy(entry.path(), copy.folder.path().join(inside)).unwrap();
                }
            }
        }
        copy
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn remove(&self, file: &str) {
        fs::remove_file(self.path(file)).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn set(&self, file: &str, key: &str, value: serde_json::Value) {
        let text = fs::read(self.path(file)).unwrap();
        let mut content: serde_json::Value = serde_json::from_slice(&text).unwrap();
        content[key] = value;
        fs::write(self.path(file), content.to_string()).unwrap();
    }
}

/// Snapshots both languages of why the copy does not load.
fn copied_error(name: &str, copy: &Copy, config: &Model) {
    let error: LoadError = Embedder::load(config).unwrap_err();
    let said = error.explain();
    let folder = copy.folder.path().display().to_string();
    let both = format!("{}\n\n{}", said.zh, said.en).replace(&folder, "FOLDER");
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(format!("local_model_{name}"), both);
    });
}
