//! A request from its first byte to its last, over loopback: declined here, and forwarded to an upstream that
//! answers at once. The upstream alone stands beside them, so that what the gateway adds is the difference.

#![expect(
    clippy::expect_used,
    reason = "a bench that cannot be set up has nothing to say"
)]

use std::convert::Infallible;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use http::Response;
use http_body_util::Full;
use hyper::body::Bytes;
use intentgate::cli::serve::Gateway;
use intentgate::config::{Config, Limits};
use intentgate::logging::Level;
use intentgate::server::{Door, Tasks, serve};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

async fn upstream() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let tasks = Tasks::default();
    let answer =
        |_| async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"{}")))) };
    tasks.spawn(
        "upstream",
        serve(
            Door::plain(listener, &Limits::default()),
            tasks.clone(),
            answer,
        ),
    );
    format!("http://{address}/v1")
}

async fn gateway(upstream: &str) -> Gateway {
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nlog = \"off\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[upstream]\nurl = \"{upstream}\"\n"
    );
    let config =
        Config::parse("bench.toml", &text, Path::new(""), Vec::new()).expect("a configuration");
    Gateway::start(config, Level::default())
        .await
        .expect("a gateway")
}

fn journeys(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let upstream = runtime.block_on(upstream());
    let gateway = runtime.block_on(gateway(&upstream));
    let through = format!("http://{}/v1", gateway.address);
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");

    let mut group = criterion.benchmark_group("journey");
    for (name, base, question, decision) in [
        ("the upstream alone", &upstream, "我要退款", None),
        ("forwarded", &through, "我要退款", Some("forward")),
        ("declined", &through, "写一首关于春天的诗", Some("reject")),
    ] {
        let body =
            json!({"model": "m", "messages": [{"role": "user", "content": question}]}).to_string();
        let ask = || {
            let request = client
                .post(format!("{base}/chat/completions"))
                .body(body.clone());
            runtime.block_on(async { request.send().await.expect("a reply") })
        };
        let found = ask().headers().get("x-intentgate-decision").cloned();
        assert_eq!(
            found.as_ref().and_then(|value| value.to_str().ok()),
            decision
        );
        group.bench_function(name, |b| {
            b.iter(|| {
                let reply = ask();
                runtime.block_on(async { reply.bytes().await.expect("a body") })
            });
        });
    }
    group.finish();
    runtime.block_on(gateway.stop());
}

criterion_group!(benches, journeys);
criterion_main!(benches);
