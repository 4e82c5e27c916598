//! Edits of the configuration while the gateway runs.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::kit::intents::{POEM, REFUND};
use crate::kit::{
    Answer, COMPLETION, Gateway, Upstream, chat, check_error, config_text, eventually, intents,
    self_signed, soon, stream,
};

const IN_SYNC: &str = "intentgate_config_in_sync";
const REFUSED: &str = "intentgate_config_reloads_total{result=\"refused\"}";

/// A gateway and the file it is configured by.
struct Edited {
    gateway: Gateway,
    upstream: Upstream,
    folder: TempDir,
}

impl Edited {
    async fn start(keys: &str) -> Edited {
        let upstream = Upstream::start().await;
        let folder = intents::folder();
        let file = folder.path().join("config.conf");
        fs::write(&file, config_text(folder.path(), &upstream.url(), keys)).unwrap();
        let gateway = Gateway::start_by_file(&file, folder.path()).await;
        Edited {
            gateway,
            upstream,
            folder,
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("config.conf")
    }

    fn write(&self, keys: &str) {
        self.write_for(&self.upstream, keys);
    }

    fn write_for(&self, upstream: &Upstream, keys: &str) {
        let text = config_text(self.folder.path(), &upstream.url(), keys);
        // In one step, as careful editors do.
        let aside = self.folder.path().join("aside");
        fs::write(&aside, text).unwrap();
        fs::rename(aside, self.file()).unwrap();
    }

    async fn decides(&self, question: &str, decision: &str) {
        let decides = async || self.gateway.decision(question).await == decision;
        eventually(&format!("{question} → {decision}"), decides).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_live() {
    let edited = Edited::start("").await;
    edited.decides(POEM, "reject").await;
    edited.write("gate.mode = 'shadow'");
    edited.decides(POEM, "forward").await;
    edited.write("gate.mode = 'enforce'\nlimits.body = '1KiB'");
    edited.decides(POEM, "reject").await;
    let mut long = chat(REFUND);
    long["user"] = "x".repeat(1024).into();
    check_error(&edited.gateway.ask(&long).await, 413, "body_too_large");
    assert_eq!(edited.gateway.metric(IN_SYNC).await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_intents_are_fitted_to_is_live_as_well() {
    let edited = Edited::start("").await;
    edited.write("shop.name = '月亮商店'");
    let weather = async || {
        let answer = edited.gateway.ask(&chat("明天会下雨吗")).await;
        answer.text().contains("月亮商店")
    };
    eventually("the new name", weather).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_edit_changes_nothing_until_it_is_mended() {
    let edited = Edited::start("").await;
    for keys in [
        "gate.mode = 'shadwo'",
        "gate.mode =",
        "server.log = 'inof'",
        "server.log = 'info,a=b=c'",
        "gate.reject_reply = '{{nobody}}'",
        "gate.intents = '/nowhere'",
    ] {
        let refused = edited.gateway.metric(REFUSED).await;
        edited.write(keys);
        println!("{keys}");
        edited.gateway.metric_becomes(IN_SYNC, 0.0).await;
        edited.decides(POEM, "reject").await;
        assert_eq!(
            edited.gateway.metric(REFUSED).await,
            refused + 1.0,
            "{keys}"
        );
        edited.write("");
        edited.gateway.metric_becomes(IN_SYNC, 1.0).await;
    }
    edited.write("gate.mode = 'off'");
    edited.decides(POEM, "forward").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_while_its_upstream_is_replaced() {
    let edited = Edited::start("").await;
    let pace = edited.upstream.paces();
    pace.send("data: first\n\n");
    let sending = edited.gateway.chat(&stream(REFUND)).send();
    let mut running = soon("headers", sending).await.unwrap();
    let mut other = Upstream::start().await;
    edited.write_for(&other, "");
    let published = "intentgate_config_reloads_total{result=\"ok\"}";
    edited.gateway.metric_becomes(published, 1.0).await;
    assert_eq!(edited.gateway.ask(&chat(REFUND)).await.body, COMPLETION);
    assert_eq!(other.unseen(), 1);
    pace.send("data: second\n\n");
    let first = soon("a piece", running.chunk()).await.unwrap();
    assert_eq!(first.unwrap(), "data: first\n\n");
    let second = soon("a piece", running.chunk()).await.unwrap();
    assert_eq!(second.unwrap(), "data: second\n\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_shown_to_new_connections() {
    let upstream = Upstream::start().await;
    let folder = intents::folder();
    let first = self_signed(folder.path());
    let file = folder.path().join("config.conf");
    let keys = "server.tls_certificate = 'c.pem'\nserver.tls_key = 'k.pem'";
    fs::write(&file, config_text(folder.path(), &upstream.url(), keys)).unwrap();
    let gateway = Gateway::start_by_file(&file, folder.path()).await;
    let knowing = |pem: &str| {
        let root = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
        let client = reqwest::Client::builder().no_proxy();
        client.tls_certs_only([root]).build().unwrap()
    };
    let url = format!("https://localhost:{}/v1/models", gateway.address().port());
    let old = knowing(&first);
    assert_eq!(old.get(&url).send().await.unwrap().status(), 200);

    // A key that does not go with the certificate is refused, and the old pair goes on.
    let key = fs::read(folder.path().join("k.pem")).unwrap();
    let second = self_signed(folder.path());
    let new_key = fs::read(folder.path().join("k.pem")).unwrap();
    fs::write(folder.path().join("k.pem"), key).unwrap();
    gateway.metric_becomes(IN_SYNC, 0.0).await;
    assert_eq!(
        knowing(&first).get(&url).send().await.unwrap().status(),
        200
    );

    fs::write(folder.path().join("k.pem"), new_key).unwrap();
    gateway.metric_becomes(IN_SYNC, 1.0).await;
    assert_eq!(
        knowing(&second).get(&url).send().await.unwrap().status(),
        200
    );
    assert!(knowing(&first).get(&url).send().await.is_err());
    // The connection that was there goes on.
    assert_eq!(old.get(&url).send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_clients_and_of_operators_may_be_changed() {
    let edited = Edited::start("").await;
    // Of "one" and of "two", as sha256sum prints them.
    let one = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed";
    let two = "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3";
    for (sha256, token, key) in [(one, "t1", "one"), (two, "t2", "two")] {
        edited.write(&format!(
            "admin.token = '{token}'\naccess.keys = [{{ name = 'web', sha256 = '{sha256}' }}]"
        ));
        let asks = async |key: &str| {
            let request = edited.gateway.chat(&chat(REFUND)).bearer_auth(key);
            Answer::to(request).await.status.as_u16()
        };
        let other = if key == "one" { "two" } else { "one" };
        let changed = async || asks(key).await == 200 && asks(other).await == 401;
        eventually("the key is changed", changed).await;
        assert_eq!(edited.gateway.admin("/metrics").await.status, 401);
    }
}
