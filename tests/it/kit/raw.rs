//! Requests as bytes, where a client library would tidy them up.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::soon;

/// Sends `request` with `connection: close` after its first line; everything that comes back.
pub(crate) async fn raw(address: SocketAddr, request: &str) -> String {
    let (first, rest) = request.split_once("\r\n").unwrap();
    let request = format!("{first}\r\nhost: test\r\nconnection: close\r\n{rest}");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    soon("a reply", stream.read_to_string(&mut reply))
        .await
        .unwrap();
    reply
}

/// Sends `bytes` as they are; everything that comes back until the gateway closes the connection.
pub(crate) async fn raw_bytes(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A gateway that has heard enough may have closed it.
    stream.write_all(bytes).await.ok();
    let mut reply = Vec::new();
    soon("the end", stream.read_to_end(&mut reply)).await.ok();
    reply
}
