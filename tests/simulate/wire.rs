//! HTTP/1.1 as bytes: what clients and upstreams of the simulation read and write by hand, so that they can do it
//! badly.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// A message as far as it has come.
#[derive(Debug, Default)]
pub(crate) struct Message {
    bytes: Vec<u8>,
    /// Where its body begins.
    body: Option<usize>,
}

/// How a body ends.
enum Ending {
    Length(usize),
    Chunked,
    /// With the connection.
    Close,
}

impl Message {
    /// Reads once; whether there was anything.
    pub(crate) async fn read(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await?;
        self.bytes.extend_from_slice(&buffer[..read]);
        if self.body.is_none() {
            let mut windows = self.bytes.windows(4);
            self.body = windows
                .position(|four| four == b"\r\n\r\n")
                .map(|at| at + 4);
        }
        Ok(read > 0)
    }

    pub(crate) fn head(&self) -> &str {
        let end = self.body.unwrap_or(self.bytes.len());
        std::str::from_utf8(&self.bytes[..end]).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head().lines().skip(1);
        lines.find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The status of a reply; none before its head is there.
    pub(crate) fn status(&self) -> Option<u16> {
        self.body?;
        self.head().split(' ').nth(1)?.parse().ok()
    }

    /// All of it, in text; what is no text is replaced.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether all of it is there. `closed`: whether nothing more will come; `asks`: whether it is a request, which
    /// has no body where it does not say so.
    pub(crate) fn is_whole(&self, closed: bool, asks: bool) -> bool {
        let Some(begin) = self.body else {
            return false;
        };
        let body = &self.bytes[begin..];
        match self.ending(asks) {
            Ending::Length(length) => {
                assert!(
                    body.len() <= length,
                    "more than was announced: {}",
                    self.text()
                );
                body.len() == length
            }
            Ending::Chunked => chunks_end(body),
            Ending::Close => closed,
        }
    }

    fn ending(&self, asks: bool) -> Ending {
        let chunked = self.header("transfer-encoding");
        match self.header("content-length") {
            _ if chunked.is_some_and(|coding| coding.contains("chunked")) => Ending::Chunked,
            Some(length) => Ending::Length(length.parse().unwrap()),
            None if asks => Ending::Length(0),
            None => Ending::Close,
        }
    }
}

/// Whether a chunked body has come to its last chunk, and no further.
fn chunks_end(mut body: &[u8]) -> bool {
    loop {
        let Some(end) = body.windows(2).position(|two| two == b"\r\n") else {
            return false;
        };
        let line = std::str::from_utf8(&body[..end]).unwrap();
        let length = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16);
        let length = length.unwrap_or_else(|_| panic!("no chunk begins so: {line:?}"));
        let whole = end + 2 + length + 2;
        if length == 0 {
            assert!(body.len() <= whole, "more after the last chunk");
            return body.len() == whole;
        }
        if body.len() < whole {
            return false;
        }
        body = &body[whole..];
    }
}
