//! What embedding one question costs: tokenising, the static stage, the encoder.
//!
//! One thread, one question at a time, as `serve` does it; the queue before the encoder is in its figures.

#![expect(
    clippy::expect_used,
    reason = "a bench that cannot be set up has nothing to say"
)]

use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use intentgate::config::Model;
use intentgate::embed::{Embedder, Tokenizer};
use intentgate::verdict::Stage;
use tokio::runtime::Runtime;

/// A question of 10 tokens, which is typical, and one of 29.
const QUESTIONS: [(usize, &str); 2] = [
    (10, "请问这件衣服有没有加大码"),
    (
        29,
        "hello, I ordered a pair of running shoes last week and the tracking page still shows no update for my order at all",
    ),
];

fn embed(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let embedder = Embedder::load(&Model::default()).expect("the bundled model");
    let facts = embedder.facts();
    let folder = Path::new("models/multilingual-e5-small");
    let tokenizer = Tokenizer::load(folder, &facts.prompt, facts.max_tokens.unwrap_or_default())
        .expect("the bundled tokenizer");
    let mut group = criterion.benchmark_group("embed");
    for (tokens, text) in QUESTIONS {
        let run = |stage| {
            runtime
                .block_on(embedder.embed(text.to_owned(), stage))
                .expect("an embedding")
        };
        assert_eq!(run(Stage::Static).tokens, tokens, "{text}");
        group.bench_function(format!("tokenizer/{tokens} tokens"), |b| {
            b.iter(|| tokenizer.encode(text))
        });
        group.bench_function(format!("static/{tokens} tokens"), |b| {
            b.iter(|| embedder.read(text))
        });
        group.bench_function(format!("encoder/{tokens} tokens"), |b| {
            b.iter(|| run(Stage::Encoder))
        });
    }
    group.finish();
}

criterion_group!(benches, embed);
criterion_main!(benches);
