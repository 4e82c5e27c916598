//! Encrypted connections, and certificates that cannot be used.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::Version;
use intentgate::language::Language;
use intentgate::server::Tls;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, HandshakeKind, RootCertStore};

use crate::kit::intents::{GREETING, GREETING_REPLY, REFUND};
use crate::kit::{
    Answer, COMPLETION, Gateway, Upstream, chat, check_reply, config_text, intents, raw_bytes,
    self_signed, soon, stream,
};

const RELOADED: &str = "intentgate_config_reloads_total{result=\"ok\"}";

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

/// Asks over a connection of its own, and reads to its end: tickets come after the handshake.
async fn handshake(client: &TlsConnector, gateway: &Gateway) -> HandshakeKind {
    let stream = TcpStream::connect(gateway.address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = client.connect(name, stream).await.unwrap();
    let request = b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut reply = Vec::new();
    let reading = stream.read_to_end(&mut reply);
    soon("the reply", reading).await.unwrap();
    assert!(reply.starts_with(b"HTTP/1.1 200"), "{reply:?}");
    stream.get_ref().1.handshake_kind().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_resumed_after_a_reload_but_not_under_another_certificate() {
    let upstream = Upstream::start().await;
    let folder = intents::folder();
    let file = folder.path().join("config.conf");
    let write = |keys: &str| {
        let tls = "server.tls_certificate = 'c.pem'\nserver.tls_key = 'k.pem'";
        let keys = format!("{tls}\n{keys}");
        fs::write(&file, config_text(folder.path(), &upstream.url(), &keys)).unwrap();
    };
    // Known before either is shown: a session is kept by the client that began it.
    let second = self_signed(folder.path());
    let pair = ["c.pem", "k.pem"].map(|name| fs::read(folder.path().join(name)).unwrap());
    let first = self_signed(folder.path());
    write("");
    let gateway = Gateway::start_by_file(&file, folder.path()).await;
    let clients = [&TLS12, &TLS13].map(|version| {
        let mut roots = RootCertStore::empty();
        for pem in [&first, &second] {
            let root = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
            roots.add(root).unwrap();
        }
        let config = ClientConfig::builder_with_protocol_versions(&[version]);
        let config = config.with_root_certificates(roots).with_no_client_auth();
        TlsConnector::from(Arc::new(config))
    });
    let all = async |kind: HandshakeKind| {
        for client in &clients {
            assert_eq!(handshake(client, &gateway).await, kind);
        }
    };
    all(HandshakeKind::Full).await;
    all(HandshakeKind::Resumed).await;
    write("gate.mode = 'shadow'");
    gateway.metric_becomes(RELOADED, 1.0).await;
    all(HandshakeKind::Resumed).await;

    for (name, content) in ["k.pem", "c.pem"].iter().zip(pair.iter().rev()) {
        fs::write(folder.path().join(name), content).unwrap();
    }
    gateway.metric_becomes(RELOADED, 2.0).await;
    all(HandshakeKind::Full).await;
    all(HandshakeKind::Resumed).await;
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
