//! An LLM that does to each request what the seed says, and notes that it came.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::spawn_local;
use tokio::time::sleep;
use turmoil::net::{TcpListener, TcpStream};

use crate::plan::{Act, KEYS};
use crate::wire::Message;

pub(crate) const PORT: u16 = 8000;

/// A request that an upstream got whole.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) mark: String,
    pub(crate) act: Act,
    /// Its first line, which says whether asking again is harmless.
    pub(crate) line: String,
    /// What it ought not to hold.
    pub(crate) wrong: Option<String>,
}

pub(crate) type Log = Rc<RefCell<Vec<Received>>>;

/// `keyed`: whether the gateway asks for keys all the time, and so lets none of them through.
pub(crate) async fn run(seed: u64, which: usize, keyed: bool, log: Log) -> turmoil::Result {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    let attempts: Rc<RefCell<HashMap<String, usize>>> = Rc::default();
    loop {
        let (stream, _) = listener.accept().await?;
        let (log, attempts) = (log.clone(), attempts.clone());
        spawn_local(async move {
            // A connection that breaks is what is simulated.
            serve(stream, (seed, which, keyed), &log, &attempts)
                .await
                .ok();
        });
    }
}

async fn serve(
    mut stream: TcpStream,
    (seed, which, keyed): (u64, usize, bool),
    log: &Log,
    attempts: &RefCell<HashMap<String, usize>>,
) -> io::Result<()> {
    let mut request = Message::default();
    while !request.is_whole(false, true) {
        if !request.read(&mut stream).await? {
            return Ok(());
        }
    }
    let mark = request
        .header("x-request-id")
        .unwrap_or_default()
        .to_owned();
    // A task that panics is one that nobody hears, so that it is noted.
    let mut wrong = others_mark(&mark, &request.text());
    let own = |key: &&str| request.head().contains(&format!("Bearer {key}\r\n"));
    if keyed && KEYS[..2].iter().any(own) {
        wrong = Some("a key of the gateway's own went upstream".to_owned());
    }
    let attempt = {
        let mut attempts = attempts.borrow_mut();
        let attempt = attempts.entry(mark.clone()).or_default();
        *attempt += 1;
        *attempt
    };
    let act = Act::of(seed, which, &mark, attempt);
    let line = request.head().lines().next().unwrap_or_default().to_owned();
    log.borrow_mut().push(Received {
        mark: mark.clone(),
        act,
        line,
        wrong,
    });
    perform(&mut stream, act, &mark).await
}

async fn perform(stream: &mut TcpStream, act: Act, mark: &str) -> io::Result<()> {
    match act {
        Act::Reply { after } => {
            sleep(after).await;
            stream
                .write_all(whole(200, &completion(mark)).as_bytes())
                .await?;
        }
        Act::Status(status) => {
            stream
                .write_all(whole(status, &completion(mark)).as_bytes())
                .await?
        }
        Act::Long => {
            // More than anybody on the way has room for at once.
            let body = format!("{{\"long\":\"{}\"}}", format!("{mark} ").repeat(16 << 10));
            let reply = whole(200, &body);
            for piece in reply.as_bytes().chunks(8 << 10) {
                stream.write_all(piece).await?;
            }
        }
        Act::Stream { pieces, pause } => {
            begin_stream(stream).await?;
            for _ in 0..pieces {
                stream.write_all(event(mark).as_bytes()).await?;
                sleep(pause).await;
            }
            stream
                .write_all(chunk("data: [DONE]\n\n").as_bytes())
                .await?;
            stream.write_all(b"0\r\n\r\n").await?;
        }
        Act::BreakOff => return Ok(()),
        Act::BreakOffWithin { pieces } => {
            begin_stream(stream).await?;
            for _ in 0..pieces {
                stream.write_all(event(mark).as_bytes()).await?;
            }
            return stream.write_all(&event(mark).as_bytes()[..5]).await;
        }
        Act::Silent => {}
        Act::SilentWithin => {
            begin_stream(stream).await?;
            stream.write_all(event(mark).as_bytes()).await?;
        }
        Act::Closes => {
            stream
                .write_all(&whole(200, &completion(mark)).as_bytes()[..60])
                .await?;
            stream.shutdown().await?;
        }
    }
    // It listens until the gateway closes.
    let mut rest = [0; 64];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

async fn begin_stream(stream: &mut TcpStream) -> io::Result<()> {
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await
}

fn whole(status: u16, body: &str) -> String {
    let wait = match status {
        429 | 503 => "Retry-After: 1\r\n",
        _ => "",
    };
    let length = body.len();
    format!(
        "HTTP/1.1 {status} X\r\n{wait}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

fn completion(mark: &str) -> String {
    format!(
        "{{\"id\":\"up-1\",\"object\":\"chat.completion\",\"choices\":[{{\"index\":0,\"message\":{{\"role\":\"assistant\",\
         \"content\":\"{mark}\"}},\"finish_reason\":\"stop\"}}],\"usage\":{{\"prompt_tokens\":7,\"completion_tokens\":3}}}}"
    )
}

fn event(mark: &str) -> String {
    chunk(&format!(
        "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{mark}\"}}}}]}}\n\n"
    ))
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// The mark of one request.
pub(crate) fn mark(client: usize, ask: usize) -> String {
    format!("mark-{client}-{ask}-end")
}

/// What belongs to one request bears no other's mark; the text where it does.
pub(crate) fn others_mark(mark: &str, text: &str) -> Option<String> {
    let rest = mark.strip_prefix("mark-").unwrap_or_default();
    let mut marks = text.split("mark-").skip(1);
    // A reply that broke off may end within a mark.
    let other = marks.any(|after| {
        let length = after.len().min(rest.len());
        after.as_bytes()[..length] != rest.as_bytes()[..length]
    });
    other.then(|| format!("another's mark is in what is {mark}'s: {text}"))
}
