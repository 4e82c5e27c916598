//! Edits of the configuration while the gateway runs.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::kit::intents::{POEM, REFUND};
use crate::kit::{
    COMPLETION, Gateway, Upstream, chat, check_error, config_text, eventually, intents, soon,
    stream,
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
