//! What deciding costs once a question is embedded, and what an edit of the intents costs.

#![expect(
    clippy::expect_used,
    reason = "a bench that cannot be set up has nothing to say"
)]

use criterion::{Criterion, criterion_group, criterion_main};
use intentgate::config::Config;
use intentgate::embed::Embedder;
use intentgate::gate::decide;
use intentgate::reload::Intents;
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

    criterion.bench_function("decide", |b| b.iter(|| decide(&snapshot, &embedding)));
    let mut group = criterion.benchmark_group("prepare");
    group.sample_size(10);
    group.bench_function("the shipped intents, all known", |b| b.iter(prepare));
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
