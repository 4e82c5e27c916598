//! Encrypted connections, and certificates that cannot be used.

use std::fs;
use std::path::{Path, PathBuf};

use http::Version;
use intentgate::language::Language;
use intentgate::server::Tls;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::kit::intents::{GREETING, GREETING_REPLY, REFUND};
use crate::kit::{
    Answer, COMPLETION, Gateway, Upstream, chat, check_reply, raw_bytes, self_signed, stream,
};

/// A certificate for localhost and its key, in files.
struct Pair {
    pem: String,
    certificate: PathBuf,
    key: PathBuf,
    _folder: TempDir,
}

impl Pair {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let pem = self_signed(folder.path());
        let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
        Pair {
            pem,
            certificate,
            key,
            _folder: folder,
        }
    }

    async fn gateway(&self, upstream: &Upstream) -> Gateway {
        let (certificate, key) = (self.certificate.display(), self.key.display());
        let keys = format!(
            "server.tls_certificate = '{certificate}'\nserver.tls_key = '{key}'\nlimits.header_timeout = '2s'"
        );
        Gateway::start_with(&upstream.url(), &keys).await
    }

    /// One that knows this certificate and no other.
    fn client(&self) -> reqwest::ClientBuilder {
        let root = reqwest::Certificate::from_pem(self.pem.as_bytes()).unwrap();
        reqwest::Client::builder().no_proxy().tls_certs_only([root])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_both_versions_are_served_over_tls() {
    let upstream = Upstream::start().await;
    let pair = Pair::new();
    let gateway = pair.gateway(&upstream).await;
    let url = format!(
        "https://localhost:{}/v1/chat/completions",
        gateway.address().port()
    );
    for (client, version) in [
        (pair.client().http1_only(), Version::HTTP_11),
        (pair.client(), Version::HTTP_2),
    ] {
        let client = client.build().unwrap();
        for request in [chat(GREETING), stream(GREETING)] {
            let sent = || client.post(&url).body(request.to_string());
            assert_eq!(sent().send().await.unwrap().version(), version);
            let answer = Answer::to(sent()).await;
            assert_eq!(check_reply(&request, &answer), GREETING_REPLY);
        }
        let forwarded = Answer::to(client.post(&url).body(chat(REFUND).to_string())).await;
        assert_eq!(forwarded.body, COMPLETION);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_tls_gets_no_reply_and_a_silent_one_is_disconnected() {
    let mut upstream = Upstream::start().await;
    let pair = Pair::new();
    let gateway = pair.gateway(&upstream).await;
    let plain = b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let reply = raw_bytes(gateway.address(), plain).await;
    assert!(!reply.starts_with(b"HTTP"), "{reply:?}");
    let silent = TcpStream::connect(gateway.address()).await.unwrap();
    let silent = raw_end(silent).await;
    assert_eq!(silent, 0);
    assert_eq!(upstream.unseen(), 0);
}

async fn raw_end(mut stream: TcpStream) -> usize {
    let mut rest = Vec::new();
    let reading = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest);
    crate::kit::soon("the end of a silent connection", reading)
        .await
        .unwrap()
}

#[test]
fn a_certificate_is_replaced_by_one_that_can_be_used_only() {
    let (old, new) = (Pair::new(), Pair::new());
    let tls = Tls::load(&old.certificate, &old.key).unwrap();
    assert!(tls.replace(&new.certificate, &old.key).is_err());
    tls.replace(&new.certificate, &new.key).unwrap();
}

#[test]
fn what_is_wrong_with_a_certificate_is_said() {
    let pair = Pair::new();
    let other = Pair::new();
    let garbage = pair.certificate.with_file_name("garbage.pem");
    fs::write(&garbage, "not PEM\n").unwrap();
    let missing = Path::new("/nowhere/c.pem");
    for (certificate, key, said) in [
        (missing, &*pair.key, "cannot be read"),
        (&*pair.certificate, missing, "cannot be read"),
        (&*garbage, &*pair.key, "holds no certificate"),
        (&*pair.key, &*pair.key, "holds no certificate"),
        (
            &*pair.certificate,
            &*pair.certificate,
            "is not the PEM file",
        ),
        (&*pair.certificate, &*other.key, "cannot be used"),
    ] {
        let error = Tls::load(certificate, key).unwrap_err();
        let explained = error.explain();
        let (zh, en) = (
            explained.render(Language::Zh),
            explained.render(Language::En),
        );
        assert!(en.contains(said), "{en}");
        assert!(en.contains("server.tls_certificate"), "{en}");
        assert_ne!(zh, en);
    }
}
