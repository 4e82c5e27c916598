//! What the journal costs a request.

#![expect(
    clippy::expect_used,
    reason = "a bench that cannot be set up has nothing to say"
)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use intentgate::config;
use intentgate::journal::{Entry, Journal};
use intentgate::metrics::Metrics;
use uuid::Uuid;

/// As many as come between two flushes of a busy gateway.
const BATCH: usize = 500;

fn writing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("journal");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.measurement_time(Duration::from_secs(3));
    for (name, max_size) in [("rows", 4 << 30), ("rows in place of the oldest", 16 << 20)] {
        let folder = tempfile::tempdir().expect("a folder");
        let config = config::Journal {
            path: Some(folder.path().join("journal.sqlite")),
            max_size,
            ..config::Journal::default()
        };
        let metrics = Metrics::new().expect("metrics");
        let mut journal = Journal::new(&config, &metrics);
        let batch = || (0..BATCH).map(entry).collect::<Vec<_>>();
        group.bench_function(name, |b| {
            let write = |batch: Vec<Entry>| {
                batch.into_iter().for_each(|entry| journal.put(entry));
                journal.flush();
            };
            b.iter_batched(batch, write, BatchSize::LargeInput);
        });
        assert_eq!(journal.waiting(), 0, "all are written");
    }
    group.finish();
}

/// What a forwarded question and a rejected one come to, in turn.
fn entry(index: usize) -> Entry {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a time");
    let text = |text: &str| Some(text.to_owned());
    let seen = Entry {
        at: i64::try_from(now.as_micros()).expect("a time of this age"),
        request_id: Uuid::now_v7().simple().to_string(),
        conversation: Some(0x1234_5678_9abc_def0),
        caller: Some(-0x1234_5678_9abc_def0),
        client: text("web"),
        protocol: "chat_completions".to_owned(),
        model: text("gpt-4o-mini"),
        nearest: text("delivery_tracking"),
        log_odds: Some(4.25),
        threshold: Some(0.24),
        stage: text("encoder"),
        gate_us: Some(4123),
        total_us: 1_234_567,
        status: 200,
        outcome: "complete".to_owned(),
        currency: text("CNY"),
        ..Entry::default()
    };
    match index % 2 {
        0 => Entry {
            decision: "forward".to_owned(),
            intent: "delivery_tracking".to_owned(),
            topic: text("delivery_tracking"),
            reason: text("not_below_threshold"),
            first_byte_us: Some(345_678),
            upstream_status: Some(200),
            usage: text("told"),
            prompt_tokens: Some(812),
            cached_tokens: Some(512),
            completion_tokens: Some(143),
            cost: Some(0.003_14),
            ..seen
        },
        _ => Entry {
            decision: "reject".to_owned(),
            intent: "background".to_owned(),
            topic: text("weather_and_places"),
            reason: text("below_threshold"),
            saved_prompt_tokens: Some(797),
            saved_completion_tokens: Some(151.5),
            saved_cost: Some(0.002_9),
            ..seen
        },
    }
}

criterion_group!(benches, writing);
criterion_main!(benches);
