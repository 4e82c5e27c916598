//! An upstream that writes bytes, where a server library would not let a test be wrong.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub(crate) struct Wire {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    _accepting: JoinSet<()>,
}

/// What is written after a request, and what becomes of the connection.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// Each is one write.
    pub(crate) writes: Vec<Vec<u8>>,
    pub(crate) then: Then,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Then {
    /// The next request may come on the same connection.
    Keep,
    Close,
    /// With RST.
    Reset,
}

impl Script {
    pub(crate) fn new(text: impl Into<Vec<u8>>, then: Then) -> Script {
        Script {
            writes: vec![text.into()],
            then,
        }
    }

    /// The same, a byte at a time.
    pub(crate) fn trickling(text: &[u8], then: Then) -> Script {
        Script {
            writes: text.iter().map(|byte| vec![*byte]).collect(),
            then,
        }
    }
}

impl Wire {
    /// Plays one script a request, in order; the last one again and again.
    pub(crate) async fn start(scripts: Vec<Script>) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, scripts.into(), requests.clone()));
        Wire {
            address,
            requests,
            _accepting: accepting,
        }
    }

    /// The base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// How many requests have arrived.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, scripts: Arc<[Script]>, requests: Arc<AtomicUsize>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        connections.spawn(serve(stream, scripts.clone(), requests.clone()));
    }
}

async fn serve(mut stream: TcpStream, scripts: Arc<[Script]>, requests: Arc<AtomicUsize>) {
    while read_request(&mut stream).await.is_some() {
        let number = requests.fetch_add(1, Ordering::SeqCst);
        let script = &scripts[number.min(scripts.len() - 1)];
        for bytes in &script.writes {
            // The other side may have seen enough.
            if stream.write_all(bytes).await.is_err() {
                return;
            }
        }
        match script.then {
            Then::Keep => {}
            Then::Close => return,
            Then::Reset => return stream.set_zero_linger().unwrap(),
        }
    }
}

/// Reads a request with its body; none where the connection ends.
async fn read_request(stream: &mut TcpStream) -> Option<()> {
    let mut text = Vec::new();
    let end = loop {
        if let Some(end) = text.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        read_more(stream, &mut text).await?;
    };
    let head = String::from_utf8_lossy(&text[..end]).to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse::<usize>().unwrap());
    while text.len() < end + length {
        read_more(stream, &mut text).await?;
    }
    Some(())
}

async fn read_more(stream: &mut TcpStream, text: &mut Vec<u8>) -> Option<()> {
    let read = stream.read_buf(text).await.ok()?;
    (read > 0).then_some(())
}
