//! What the tests of the running gateway share: a real gateway, a fake LLM, a client that checks replies.

pub(crate) mod embeddings;
mod gateway;
pub(crate) mod intents;
pub(crate) mod journal;
mod judging;
pub(crate) mod log;
mod process;
mod protocols;
mod raw;
mod reply;
mod tls;
mod upstream;
pub(crate) mod wire;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

pub(crate) use gateway::{Answer, Gateway, config_text};
pub(crate) use judging::{Judging, lines};
pub(crate) use process::Process;
pub(crate) use protocols::{ask_in, check_error_in, check_reply_in};
pub(crate) use raw::{raw, raw_bytes};
pub(crate) use reply::{check_error, check_reply};
pub(crate) use tls::{Authority, self_signed};
pub(crate) use upstream::{COMPLETION, Pace, Upstream, nobody};

/// On a busy machine everything that is to happen has happened by then.
const DEADLINE: Duration = Duration::from_secs(20);

/// A chat completion request with one question in it.
pub(crate) fn chat(question: &str) -> Value {
    json!({"model": "test-model", "messages": [{"role": "user", "content": question}]})
}

/// The same, to be answered as a stream.
pub(crate) fn stream(question: &str) -> Value {
    let mut request = chat(question);
    request["stream"] = json!(true);
    request
}

/// What a future comes to, which must be soon.
pub(crate) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    match timeout(DEADLINE, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited {DEADLINE:?} in vain: {what}"),
    }
}

/// Asks again until it holds.
pub(crate) async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(
            begun.elapsed() < DEADLINE,
            "waited {DEADLINE:?} in vain: {what}"
        );
        sleep(Duration::from_millis(5)).await;
    }
}
