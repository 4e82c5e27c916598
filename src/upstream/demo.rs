//! The stand-in for an LLM while none is configured: it says that it is one, at the pace of a real one.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream as streams};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::chat::{Fault, Prompt, Protocol, Usage, stream};
use crate::language::{Localized, Phrase};
use crate::tokenizer::Tokenizer;

/// Before the first piece of a reply, as a model thinks.
const FIRST_PIECE: Duration = Duration::from_millis(250);
/// Between two pieces.
const PIECE: Duration = Duration::from_millis(25);
/// The gateway has bounded the body already.
const MAX_BODY: usize = 64 << 20;

type DemoBody = UnsyncBoxBody<Bytes, Infallible>;

/// Answers one request as a server of its protocol would.
///
/// # Errors
/// Never.
pub async fn answer(request: Request<Incoming>) -> Result<Response<DemoBody>, Infallible> {
    let protocol = Protocol::of_path(request.uri().path());
    if let (&Method::POST, Some(protocol)) = (request.method(), protocol) {
        return Ok(complete(protocol, request).await);
    }
    Ok(match (request.method(), request.uri().path()) {
        (&Method::GET, "/v1/models") => respond_json(
            StatusCode::OK,
            &json!({"object": "list", "data": [model()]}),
        ),
        (&Method::GET, "/v1/models/intentgate-demo") => respond_json(StatusCode::OK, &model()),
        (_, path) => no_such(path),
    })
}

async fn complete(protocol: Protocol, request: Request<Incoming>) -> Response<DemoBody> {
    let body = Limited::new(request.into_body(), MAX_BODY).collect().await;
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    match protocol.prompt(&body) {
        Ok(prompt) => reply(protocol, prompt, &body).await,
        Err(unreadable) => error(protocol, StatusCode::BAD_REQUEST, unreadable.0),
    }
}

async fn reply(protocol: Protocol, mut prompt: Prompt, body: &[u8]) -> Response<DemoBody> {
    tokio::time::sleep(FIRST_PIECE).await;
    let words = Localized::from(words());
    let words = words.text(prompt.language(&words));
    prompt.reply.usage = usage(protocol, body, words);
    let reply = protocol.reply(&prompt, words, "demo", 0);
    let body = if prompt.reply.stream {
        // The events of a whole reply, one at a time.
        StreamBody::new(paced(&String::from_utf8_lossy(&reply.body.whole()))).boxed_unsync()
    } else {
        let pieces = u32::try_from(stream::pieces(words).count()).unwrap_or(0);
        tokio::time::sleep(PIECE * pieces).await;
        Full::new(reply.body.whole()).boxed_unsync()
    };
    respond(StatusCode::OK, reply.content_type, body)
}

/// What a real one would bill.
fn usage(protocol: Protocol, body: &[u8], words: &str) -> Usage {
    let tokenizer = Tokenizer::default();
    let count = |text: &str| tokenizer.count(text);
    Usage {
        prompt: protocol.billed(body, &count).tokens,
        completion: count(words),
        ..Usage::default()
    }
}

fn words() -> Phrase {
    Phrase::new(
        "【演示模型】这个问题已被网关放行，转发到了上游。这里没有真正的大模型：请在 config.toml 的 [upstream] 里写上 url，就会由它来回答。",
        "[demo model] The gateway let this question through to the upstream. There is no real LLM here: set url under [upstream] in config.toml and it will answer.",
    )
}

fn paced(events: &str) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + use<> {
    let copied = |event: &str| Bytes::copy_from_slice(event.as_bytes());
    let events: Vec<_> = events.split_inclusive("\n\n").map(copied).collect();
    streams::iter(events).then(|event| async {
        tokio::time::sleep(PIECE).await;
        Ok(Frame::data(event))
    })
}

/// The one model there is.
fn model() -> Value {
    json!({"id": "intentgate-demo", "object": "model", "created": 0, "owned_by": "intentgate"})
}

fn no_such(path: &str) -> Response<DemoBody> {
    let message = format!(
        "The built-in demo upstream has no {path}. Set upstream.url in config.toml to use a real one."
    );
    error(Protocol::ChatCompletions, StatusCode::NOT_FOUND, message)
}

fn error(protocol: Protocol, status: StatusCode, message: String) -> Response<DemoBody> {
    let fault = Fault {
        status,
        code: "demo_upstream",
        message,
    };
    let body = Full::new(protocol.error(&fault, "demo"));
    respond(status, "application/json", body.boxed_unsync())
}

fn respond_json(status: StatusCode, body: &Value) -> Response<DemoBody> {
    respond(
        status,
        "application/json",
        Full::from(body.to_string()).boxed_unsync(),
    )
}

fn respond(status: StatusCode, content_type: &'static str, body: DemoBody) -> Response<DemoBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
