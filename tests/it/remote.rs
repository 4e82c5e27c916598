//! A model behind an embeddings API: what is asked, what is made of the answers, and what becomes of faults.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Response, Version};
use intentgate::config::Config;
use intentgate::embed::{EmbedError, Embedder, Embedding, LoadError};
use intentgate::verdict::Stage;
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::kit::embeddings::{LENGTH, TOO_LONG, fails, vector};
use crate::kit::{Authority, Upstream, eventually, log, nobody, soon};

const KEY: &str = "sk-embeddings-5e1f";

fn load(url: &str, keys: &str) -> Result<Embedder, LoadError> {
    let prompt = match keys.contains("prompt") {
        true => "",
        false => "prompt = 'query: '",
    };
    // What the API gives alone.
    let alone = "name = 'own-model'\nstatic_stage = false";
    let text = format!("[model]\nurl = '{url}'\n{alone}\n{prompt}\n{keys}");
    let config = Config::parse("config.toml", &text, "".as_ref(), Vec::new()).unwrap();
    Embedder::load(&config.model)
}

/// Whose length is known, so that nothing is asked at the start.
fn known(api: &Upstream) -> Arc<Embedder> {
    Arc::new(load(&api.url(), &format!("dimensions = {LENGTH}")).unwrap())
}

async fn question(embedder: &Embedder, text: &str) -> Result<Embedding, EmbedError> {
    let embedded = embedder.embed(text.to_owned(), Stage::Encoder);
    soon("a vector", embedded).await
}

/// How many were answered, and how many failed.
fn requests(embedder: &Embedder) -> (u64, u64) {
    let requests = &embedder.counts().unwrap().requests;
    let of = |result| requests.with_label_values(&[result]).get();
    (of("ok"), of("failed"))
}

async fn failure(embedder: &Embedder, text: &str) -> String {
    question(embedder, text).await.unwrap_err().to_string()
}

/// Of a text with the prompt before it, of length one.
fn expected(text: &str, length: usize) -> Vec<f32> {
    let mut vector = vector(text, length);
    let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|x| *x /= norm);
    vector
}

fn assert_near(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    let apart = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    assert!(apart.fold(0.0, f32::max) < 1e-6, "{found:?} {expected:?}");
}

async fn asked(api: &mut Upstream) -> Value {
    serde_json::from_slice(&api.received().await.body).unwrap()
}

fn texts(request: &Value) -> Vec<&str> {
    let texts = request["input"].as_array().unwrap().iter();
    texts.map(|text| text.as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_go_in_batches_with_the_prompt_and_come_back_in_order() {
    let mut api = Upstream::start_embeddings(None).await;
    let keys = format!("dimensions = {LENGTH}\napi_key = '{KEY}'");
    let embedder = load(&api.url(), &keys).unwrap();
    assert_eq!(api.unseen(), 0, "the length is known");
    assert_eq!(
        (embedder.facts().layout.length(), embedder.batch()),
        (LENGTH, 64)
    );

    let rows: Vec<_> = (0..130).map(|n| format!("问题 {n}")).collect();
    let vectors = embedder
        .examples(rows.clone(), Stage::Encoder)
        .await
        .unwrap();
    assert_eq!(vectors.len(), rows.len());
    for (row, vector) in rows.iter().zip(&vectors) {
        assert_near(vector, &expected(&format!("query: {row}"), LENGTH));
    }
    let mut counts = Vec::new();
    for _ in 0..3 {
        let received = api.received().await;
        assert_eq!(received.target, "/v1/embeddings");
        assert_eq!(received.headers["authorization"], format!("Bearer {KEY}"));
        let request: Value = serde_json::from_slice(&received.body).unwrap();
        assert_eq!(request["model"], "own-model");
        assert_eq!(request["encoding_format"], "base64");
        assert!(texts(&request)[0].starts_with("query: 问题"));
        counts.push(texts(&request).len());
    }
    assert_eq!(counts, [64, 64, 2]);

    let one = question(&embedder, "退款").await.unwrap();
    assert_eq!(one.tokens, "query: 退款".chars().count());
    let counts = embedder.counts().unwrap();
    assert_eq!((requests(&embedder), counts.texts.get()), ((4, 0), 131));
    assert!(counts.tokens.get() > 130);
    assert!(!log::text().contains(KEY));
    assert!(!format!("{embedder:?}").contains(KEY));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_base64_is_asked_for_numbers_from_then_on() {
    let mut api = Upstream::start_embeddings(None).await;
    let embedder = known(&api);
    api.replies(fails(422, "encoding_format"));
    for text in ["退款", "物流"] {
        let one = question(&embedder, text).await.unwrap();
        assert_near(&one.vectors, &expected(&format!("query: {text}"), LENGTH));
    }
    let formats = [
        asked(&mut api).await,
        asked(&mut api).await,
        asked(&mut api).await,
    ];
    let formats = formats.map(|request| request["encoding_format"].clone());
    assert_eq!(formats, ["base64", "float", "float"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_length_is_what_is_asked_for_or_what_a_first_answer_has() {
    let mut api = Upstream::start_embeddings(None).await;
    let cut = load(&api.url(), "dimensions = 16").unwrap();
    assert_eq!(question(&cut, "退款").await.unwrap().vectors.len(), 16);
    assert_eq!(asked(&mut api).await["dimensions"], 16);

    let whole = load(&api.url(), "").unwrap();
    assert_eq!(whole.facts().layout.length(), LENGTH);
    assert!(asked(&mut api).await.get("dimensions").is_none());
    assert_ne!(cut.facts().fingerprint, whole.facts().fingerprint);

    // The table knows it.
    let known = "name = 'm3e-small'\nstatic_stage = false";
    let text = format!("[model]\nurl = '{}'\n{known}", api.url());
    let config = Config::parse("config.toml", &text, "".as_ref(), Vec::new()).unwrap();
    let listed = Embedder::load(&config.model).unwrap();
    assert_eq!(listed.facts().layout.length(), 512);
    assert_eq!(api.unseen(), 0);
    let error = failure(&listed, "退款").await;
    assert!(error.contains("64 numbers where 512"), "{error}");
    assert!(error.contains("model.dimensions"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_that_nobody_knows_is_asked_of_the_operator() {
    let text = "[model]\nurl = 'http://127.0.0.1:9'\nname = 'own-model'\ndimensions = 8";
    let config = Config::parse("config.toml", text, "".as_ref(), Vec::new()).unwrap();
    let error = Embedder::load(&config.model).unwrap_err().explain();
    for words in [&error.zh, &error.en] {
        assert!(words.contains("model.prompt = \"\""), "{words}");
        assert!(words.contains("own-model"), "{words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_that_wait_go_together() {
    let mut api = Upstream::start_embeddings(None).await;
    let embedder = known(&api);
    let held: Vec<_> = (0..4).map(|_| api.paces()).collect();
    let mut asking = JoinSet::new();
    let ask = |n: usize| {
        let embedder = embedder.clone();
        async move { (n, question(&embedder, &format!("问题 {n}")).await) }
    };
    for n in 0..4 {
        asking.spawn(ask(n));
        let request = asked(&mut api).await;
        assert_eq!(texts(&request), [format!("query: 问题 {n}")]);
    }
    for n in 4..44 {
        asking.spawn(ask(n));
    }
    eventually("forty wait", async || embedder.waiting() == 40).await;
    for (n, pace) in held.into_iter().enumerate() {
        let request = serde_json::json!({"model": "m", "input": [format!("query: 问题 {n}")]});
        let answer = crate::kit::embeddings::answer(request.to_string().as_bytes());
        pace.send(answer.into_body());
    }
    while let Some(answered) = asking.join_next().await {
        let (n, answer) = answered.unwrap();
        assert_near(
            &answer.unwrap().vectors,
            &expected(&format!("query: 问题 {n}"), LENGTH),
        );
    }
    let gathered = api.unseen();
    assert!((1..=4).contains(&gathered), "{gathered}");
    let texts = embedder.counts().unwrap().texts.get();
    assert_eq!((requests(&embedder).0, texts), (4 + gathered as u64, 44));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_too_many_waiting_is_refused_and_who_leaves_is_not_asked_for() {
    let mut api = Upstream::start_embeddings(None).await;
    let keys = format!("dimensions = {LENGTH}\nqueue = 2");
    let embedder = Arc::new(load(&api.url(), &keys).unwrap());
    let gone: Vec<_> = (0..4).map(|_| api.hangs()).collect();
    let mut asking = JoinSet::new();
    let ask = |n: usize| {
        let embedder = embedder.clone();
        async move { question(&embedder, &format!("问题 {n}")).await }
    };
    for n in 0..4 {
        asking.spawn(ask(n));
        api.received().await;
    }
    let mut waiting = JoinSet::new();
    waiting.spawn(ask(4));
    waiting.spawn(ask(5));
    eventually("two wait", async || embedder.waiting() == 2).await;
    let refused = question(&embedder, "问题 6").await;
    assert!(matches!(refused, Err(EmbedError::QueueFull)));

    // Those who wait leave first: a place that others leave is theirs at once.
    for asking in [&mut waiting, &mut asking] {
        asking.abort_all();
        while asking.join_next().await.is_some() {}
    }
    for gone in gone {
        gone.client_gone().await;
    }
    eventually("nobody waits", async || embedder.waiting() == 0).await;
    question(&embedder, "问题 7").await.unwrap();
    assert_eq!(api.unseen(), 1, "requests for those who left");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_is_tried_again_and_what_does_not_is_not() {
    let mut api = Upstream::start_embeddings(None).await;
    let embedder = known(&api);
    let busy = Response::builder().status(429).header("retry-after", "0");
    api.replies(busy.body(Bytes::new()).unwrap());
    api.breaks_off();
    question(&embedder, "退款").await.unwrap();
    assert_eq!(api.unseen(), 3);

    let later = Response::builder()
        .status(503)
        .header("retry-after", "3600");
    api.replies(later.body(Bytes::new()).unwrap());
    assert!(failure(&embedder, "退款").await.contains("HTTP 503"));
    for status in [401, 403, 404] {
        api.replies(fails(status, "customers' words"));
        let error = failure(&embedder, "退款").await;
        assert_eq!(error, format!("the model failed: HTTP {status}"));
    }
    assert_eq!(api.unseen(), 4);
    question(&embedder, "退款").await.unwrap();

    // Examples are more patient.
    for _ in 0..4 {
        api.replies(fails(500, "no"));
    }
    let examples = vec!["退款".to_owned()];
    let examples = embedder.examples(examples, Stage::Encoder);
    soon("examples", examples).await.unwrap();
    api.replies(fails(401, "no such key"));
    let examples = embedder.examples(vec!["退款".to_owned()], Stage::Encoder);
    let error = soon("examples", examples).await.unwrap_err().to_string();
    assert!(error.contains("HTTP 401 no such key"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_text_that_is_refused_takes_no_other_along() {
    let mut api = Upstream::start_embeddings(None).await;
    let embedder = known(&api);
    let mut hanging = JoinSet::new();
    let mut leaves = None;
    for _ in 0..4 {
        api.hangs();
        let embedder = embedder.clone();
        let asking = async move { question(&embedder, "退款").await.is_ok() };
        leaves = Some(hanging.spawn(asking));
        api.received().await;
    }
    let all = ["退款", TOO_LONG, "物流"].map(|text| {
        let embedder = embedder.clone();
        async move { question(&embedder, text).await }
    });
    let mut gathered = JoinSet::new();
    gathered.spawn(join_all(all));
    eventually("three wait", async || embedder.waiting() == 3).await;
    leaves.unwrap().abort();
    let all = soon("answers", gathered.join_next()).await;
    let all = all.unwrap().unwrap();
    let ok: Vec<_> = all.iter().map(Result::is_ok).collect();
    assert_eq!(ok, [true, false, true], "{all:?}");
    let together = asked(&mut api).await;
    assert_eq!(texts(&together).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_too_long_is_judged_by_its_beginning() {
    let mut api = Upstream::start_embeddings(None).await;
    let embedder = known(&api);
    let text = format!("{}{TOO_LONG}", "退".repeat(1000));
    let one = question(&embedder, &text).await.unwrap();
    assert!(one.truncated);
    asked(&mut api).await;
    let short = question(&embedder, "退款").await.unwrap();
    assert!(!short.truncated);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_answer_is_an_error_that_says_why() {
    let api = Upstream::start_embeddings(None).await;
    let embedder = known(&api);
    let short = r#"{"data":[{"index":0,"embedding":[1,0]}]}"#;
    let none = r#"{"data":[]}"#;
    for (body, why) in [
        (short, "2 numbers where 64"),
        (none, "0 vectors came for 1"),
        ("<html>busy</html>", "no list of embeddings"),
    ] {
        api.replies(Response::new(body));
        let error = failure(&embedder, "退款").await;
        assert!(error.contains(why), "{error}");
    }
    let made = api.floods(1 << 16, Bytes::from(vec![b' '; 1 << 12]));
    let error = failure(&embedder, "退款").await;
    assert!(error.contains("longer than 1048576 bytes"), "{error}");
    let made = made.load(std::sync::atomic::Ordering::SeqCst);
    assert!(made < 1 << 14, "{made} pieces were read");
    question(&embedder, "退款").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_keeps_failing_is_left_alone_and_tried_again() {
    let mut api = Upstream::start_embeddings(None).await;
    let embedder = known(&api);
    for _ in 0..5 {
        api.replies(fails(401, "no"));
        failure(&embedder, "退款").await;
    }
    assert_eq!(api.unseen(), 5);
    assert_eq!(embedder.counts().unwrap().up.get(), 0);
    let error = failure(&embedder, "退款").await;
    assert!(error.contains("left alone"), "{error}");
    assert_eq!(api.unseen(), 0);
    eventually("it is back", async || {
        question(&embedder, "退款").await.is_ok()
    })
    .await;
    assert_eq!(api.unseen(), 1);
    assert_eq!(embedder.counts().unwrap().up.get(), 1);
    assert_eq!(requests(&embedder), (1, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_needs_the_api_says_what_it_said() {
    let api = Upstream::start_embeddings(None).await;
    api.replies(fails(401, &format!("Incorrect API key provided: {KEY}")));
    let error = load(&api.url(), &format!("api_key = '{KEY}'")).unwrap_err();
    let error = error.explain();
    for words in [&error.zh, &error.en] {
        assert!(
            words.contains("HTTP 401 Incorrect API key provided: …"),
            "{words}"
        );
        assert!(words.contains("model.api_key"), "{words}");
    }
    let url = format!("http://{}/v1", nobody());
    let error = load(&url, "").unwrap_err().explain();
    assert!(error.en.contains("refused"), "{}", error.en);

    let silent = Upstream::start_embeddings(None).await;
    silent.hangs();
    let _held = silent.hangs();
    let error = load(&silent.url(), "timeout = '200ms'")
        .unwrap_err()
        .explain();
    assert!(error.en.contains("no answer in time"), "{}", error.en);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_tls_it_is_trusted_by_its_roots_and_asked_over_http_2() {
    let authority = Authority::new();
    let mut api = Upstream::start_embeddings(Some(&authority)).await;
    let folder = TempDir::new().unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, authority.pem()).unwrap();
    let keys = format!("tls_roots = '{}'", roots.display());
    let embedder = load(&api.url(), &keys).unwrap();
    assert_eq!(api.received().await.version, Version::HTTP_2);
    join_all((0..8).map(|n| {
        let embedder = &embedder;
        async move { question(embedder, &format!("问题 {n}")).await.unwrap() }
    }))
    .await;
    assert_eq!(api.connections(), 1);

    let error = load(&api.url(), "").unwrap_err().explain();
    assert!(error.en.contains("certificate"), "{}", error.en);
}
