//! What deciding costs once a question is embedded, and what an edit of the intents costs.

#![expect(
    clippy::expect_used,
    reason = "a bench that cannot be set up has nothing to say"
)]

use criterion::{Criterion, criterion_group, criterion_main};
use intentgate::chat::Context;
use intentgate::config::Config;
use intentgate::embed::Embedder;
use intentgate::gate::{Gate, policy};
use intentgate::reload::Intents;
use intentgate::text::Vocabulary;
use intentgate::verdict::Stage;
use tokio::runtime::Runtime;

fn decisions(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let config = Config::default();
    let embedder = Embedder::load(&config.model).expect("the bundled model");
    let intents = Intents::new(&config, &embedder).expect("a store");
    let files = intents.read().expect("the shipped intents");
    let prepare = || {
        runtime
            .block_on(intents.prepare(&files, &embedder, |_, _| {}))
            .expect("a snapshot")
    };
    let (snapshot, _) = prepare();
    let question = embedder.embed("我要退款".to_owned(), Stage::Encoder);
    let embedding = runtime.block_on(question).expect("an embedding");
    for stage in [Stage::Static, Stage::Encoder] {
        let verdict = || snapshot.judge.verdict(stage, &embedding.vectors);
        let name = format!("verdict, {}", stage.as_str());
        criterion.bench_function(&name, |b| b.iter(verdict));
    }
    let mut group = criterion.benchmark_group("prepare");
    group.sample_size(10);
    group.bench_function("the shipped intents, all known", |b| b.iter(prepare));
    group.finish();

    // What a rejection costs before its second reading is embedded.
    for (name, question) in [
        (
            "without a slip",
            "what is the capital of australia and how many people live there",
        ),
        (
            "with two",
            "waht is the capital of australia and how many poeple live there",
        ),
    ] {
        let mended = || snapshot.vocabulary.mended(question, question);
        criterion.bench_function(&format!("mended, {name}"), |b| b.iter(mended));
    }
    let examples = snapshot.intents.iter().flat_map(|intent| &intent.examples);
    let examples: Vec<_> = examples.map(|example| example.read.as_str()).collect();
    let words = || Vocabulary::of(examples.iter().copied());
    criterion.bench_function("the vocabulary of the shipped intents", |b| b.iter(words));

    // All that is left of a question once its verdicts are known.
    let gate = Gate::new(embedder, &config.gate);
    let repeat = || {
        let first = Context::default();
        let evidence = gate.evidence(&snapshot, "我要退款", &first);
        let evidence = runtime.block_on(evidence).expect("evidence");
        policy::decide(&snapshot, gate.policy(), &evidence)
    };
    criterion.bench_function("a repeated question", |b| b.iter(repeat));
}

criterion_group!(benches, decisions);
criterion_main!(benches);
