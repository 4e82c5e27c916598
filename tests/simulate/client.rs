//! A client: it asks one thing after the other, well or badly, and says what each came to.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::time::{sleep, timeout};
use turmoil::net::TcpStream;

use crate::plan::{Ask, Client, Path, Reading, Sending};
use crate::upstream::{mark, others_mark};
use crate::wire::Message;

/// Longer than anything in the gateway may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What one request came to, as its client saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) mark: String,
    pub(crate) path: Path,
    pub(crate) end: End,
    /// Of the reply, as far as it came.
    pub(crate) status: Option<u16>,
    pub(crate) decision: Option<String>,
    /// The code of the gateway's error.
    pub(crate) code: Option<String>,
    /// Whether the gateway says in a stream that it broke off.
    pub(crate) told: bool,
    pub(crate) length: usize,
    /// When it ended, in simulated milliseconds.
    pub(crate) at: u128,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Whole,
    /// The connection broke, before the reply or within it.
    Broke,
    /// There was no connection.
    Refused,
    /// The client went away.
    Left,
    /// Nothing came for [`PATIENCE`].
    Lost,
}

pub(crate) type Outcomes = Rc<RefCell<Vec<Outcome>>>;

pub(crate) async fn run(which: usize, client: &Client, outcomes: Outcomes) -> turmoil::Result {
    sleep(client.begins).await;
    let mut connection = None;
    for (index, ask) in client.asks.iter().enumerate() {
        sleep(ask.pause).await;
        if ask.fresh_connection {
            connection = None;
        }
        let mark = mark(which, index);
        let mut reply = Message::default();
        let end = match timeout(PATIENCE, once(ask, &mark, &mut connection, &mut reply)).await {
            Ok(Ok(end)) => end,
            Ok(Err(_)) => End::Broke,
            Err(_) => End::Lost,
        };
        let closes = reply
            .header("connection")
            .is_some_and(|value| value == "close");
        if end != End::Whole || closes || ask.sending == Sending::Closes {
            connection = None;
        }
        assert_eq!(others_mark(&mark, &reply.text()), None);
        let id = reply.header("x-request-id");
        assert!(
            id.is_none_or(|id| id == mark),
            "{mark} is told that it is {id:?}"
        );
        outcomes.borrow_mut().push(Outcome {
            path: ask.path,
            end,
            status: reply.status(),
            decision: reply.header("x-intentgate-decision").map(str::to_owned),
            code: code(&reply),
            told: reply.text().contains("\"upstream_stream_")
                || reply.text().contains("event: error"),
            length: reply.len(),
            at: turmoil::sim_elapsed().unwrap_or_default().as_millis(),
            mark,
        });
    }
    Ok(())
}

async fn once(
    ask: &Ask,
    mark: &str,
    connection: &mut Option<TcpStream>,
    reply: &mut Message,
) -> io::Result<End> {
    let stream = match connection {
        Some(stream) => stream,
        none => match TcpStream::connect(("gateway", 80)).await {
            Ok(stream) => none.insert(stream),
            Err(_) => return Ok(End::Refused),
        },
    };
    let request = request(ask, mark);
    match ask.sending {
        // A gateway that does not want the rest has something to say all the same.
        Sending::AtOnce => drop(stream.write_all(&request).await),
        Sending::Slowly(pause) => {
            for piece in request.chunks(request.len() / 3 + 1) {
                if stream.write_all(piece).await.is_err() {
                    break;
                }
                sleep(pause).await;
            }
        }
        Sending::Leaves => {
            stream.write_all(&request[..request.len() / 2]).await?;
            return Ok(End::Left);
        }
        Sending::Closes => {
            stream.write_all(&request).await?;
            stream.shutdown().await?;
        }
    }
    let mut reads = 0;
    while !reply.is_whole(false, false) {
        match ask.reading {
            Reading::Leaves(after) if reads >= after => return Ok(End::Left),
            Reading::Slowly(pause) if reads < 8 => sleep(pause).await,
            _ => {}
        }
        if !reply.read(stream).await? {
            let whole = reply.is_whole(true, false);
            return Ok(if whole { End::Whole } else { End::Broke });
        }
        reads += 1;
    }
    Ok(End::Whole)
}

/// A request as bytes; its mark is in its head and, where it has one, in its body.
pub(crate) fn request(ask: &Ask, mark: &str) -> Vec<u8> {
    let (line, body) = match ask.path {
        Path::Chat => ("POST /v1/chat/completions", question(ask, mark)),
        Path::Messages => ("POST /v1/messages", question(ask, mark)),
        Path::Embeddings => ("POST /v1/embeddings", json!({"input": mark})),
        Path::Models => ("GET /v1/models", Value::Null),
        Path::Unknown => ("GET /v1/files", Value::Null),
    };
    let head = format!(
        "{line} HTTP/1.1\r\nHost: gateway\r\nx-request-id: {mark}\r\nAuthorization: Bearer {}\r\n",
        ask.key
    );
    if body.is_null() {
        return format!("{head}\r\n").into_bytes();
    }
    let body = body.to_string();
    let length = body.len();
    format!("{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

fn question(ask: &Ask, mark: &str) -> Value {
    json!({
        "model": "test-model",
        "max_tokens": 100,
        "stream": ask.streamed,
        "metadata": {"mark": mark},
        "messages": [{"role": "user", "content": ask.question}],
    })
}

/// The code in an error of the gateway's, in either protocol's shape.
fn code(reply: &Message) -> Option<String> {
    reply.status().filter(|status| *status >= 400)?;
    let text = reply.text();
    let body: Value = serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()?;
    let error = &body["error"];
    let code = error["code"].as_str();
    Some(code.unwrap_or_default().to_owned())
}
