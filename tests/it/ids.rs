//! What a request is known by: what client and upstream see of it, and that it is found by each of its ids.

use std::fs;
use std::path::Path;

use http::Response;
use intentgate::journal::{open_for_reading, open_for_writing};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::commands::{Ended, intentgate};
use crate::kit::intents::{GREETING, POEM, REFUND};
use crate::kit::journal::{BEGIN, Dice, Shop, entry};
use crate::kit::{Answer, COMPLETION, Gateway, Upstream, chat, eventually, log};

const GATE: &str = "x-intentgate-request-id";
const UPSTREAM: &str = "x-upstream-request-id";

/// Asks with this id, or none.
async fn ask(gateway: &Gateway, path: &str, body: String, id: Option<&str>) -> Answer {
    let request = gateway.post(path, body);
    Answer::to(match id {
        Some(id) => request.header("x-request-id", id),
        None => request,
    })
    .await
}

fn is_fresh(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reply_has_the_clients_id_or_the_gateways() {
    const CHAT: &str = "/v1/chat/completions";
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), "limits.body = '4KiB'").await;
    let message =
        json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": POEM}]});
    for (path, body, status) in [
        (CHAT, chat(REFUND).to_string(), 200),
        (CHAT, chat(GREETING).to_string(), 200),
        (CHAT, chat(POEM).to_string(), 200),
        ("/v1/messages", message.to_string(), 200),
        (CHAT, "{".to_owned(), 400),
        (CHAT, " ".repeat(5_000), 413),
        ("/v1/unknown", "{}".to_owned(), 403),
    ] {
        for id in [None, Some("shop 7"), Some("shop-7/\"{}'=%\\")] {
            let answer = ask(&gateway, path, body.clone(), id).await;
            assert_eq!(answer.status, status, "{path} {body:.40}");
            let own = answer.header(GATE).to_owned();
            assert!(is_fresh(&own), "{own}");
            let expected = id.filter(|id| !id.contains(' ')).unwrap_or(&own);
            assert_eq!(answer.header("x-request-id"), expected);
            assert!(!answer.headers.contains_key(UPSTREAM));
            if status == 200 && answer.decision() == "forward" {
                let sent = upstream.received().await.headers;
                assert_eq!(sent["x-request-id"], expected);
                assert!(!sent.contains_key(GATE));
            }
            if path == "/v1/messages" {
                assert_eq!(answer.header("request-id"), expected);
                // By this a client goes on, or complains: it is none that another may have chosen.
                assert_eq!(answer.json()["id"], format!("msg_{own}"));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upstreams_id_is_seen_beside_the_clients() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    for (id, shown) in [(None, ["req_up", ""]), (Some("mine"), ["mine", "req_up"])] {
        let reply = Response::builder().header("x-request-id", "req_up");
        upstream.replies(reply.body(COMPLETION).unwrap());
        let body = chat(REFUND).to_string();
        let answer = ask(&gateway, "/v1/chat/completions", body, id).await;
        let headers = ["x-request-id", UPSTREAM].map(|name| answer.header(name));
        assert_eq!(headers, shown);
        assert!(is_fresh(answer.header(GATE)));
    }
}

/// Whether a line of the log says all of this.
async fn is_logged(parts: &[String]) {
    eventually("it is logged", async || {
        let log = log::text();
        log.lines()
            .any(|line| parts.iter().all(|part| line.contains(part)))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_found_by_each_of_its_ids() {
    // Whoever reads a line of the log reads it as one field.
    const MINE: &str = "mine\"outcome=\"x";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite");
    let upstream = Upstream::start().await;
    let keys = format!("journal.path = '{}'", path.display());
    let gateway = Gateway::start_with(&upstream.url(), &keys).await;
    let reply = Response::builder().header("x-request-id", "req_of_upstream");
    upstream.replies(reply.body(COMPLETION).unwrap());
    let body = chat(REFUND).to_string();
    let chats = "/v1/chat/completions";
    let forwarded = ask(&gateway, chats, body, Some(MINE)).await;
    let rejected = ask(&gateway, chats, chat(POEM).to_string(), None).await;
    let [own, other] = [&forwarded, &rejected].map(|answer| answer.header(GATE).to_owned());
    is_logged(&[
        format!("request_id={MINE:?}"),
        format!("gate_id=\"{own}\""),
        "upstream_id=\"req_of_upstream\"".to_owned(),
    ])
    .await;
    is_logged(&[
        format!("request_id=\"{other}\""),
        format!("gate_id=\"{other}\""),
    ])
    .await;
    let is_kept = async || {
        let rows = open_for_reading(&path).ok();
        let count = rows.and_then(|rows| {
            let count = "SELECT count(*) FROM request";
            rows.query_row(count, [], |row| row.get::<_, i64>(0)).ok()
        });
        count == Some(2)
    };
    eventually("both are in the journal", is_kept).await;
    let found = |id: &str| {
        let run = find(&path, &["--json", id], "en");
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
        let document: Value = serde_json::from_str(&run.stdout).unwrap();
        let [row] = &document["requests"].as_array().unwrap()[..] else {
            panic!("not one request: {document}");
        };
        row.clone()
    };
    for id in [MINE, &own, "req_of_upstream"] {
        let row = found(id);
        let ids = ["request_id", "gate_id", "upstream_id"].map(|id| row[id].as_str().unwrap());
        assert_eq!(ids, [MINE, &own, "req_of_upstream"]);
        assert_eq!(
            (&row["status"], &row["outcome"]),
            (&json!(200), &json!("complete"))
        );
    }
    for id in [other.clone(), format!("chatcmpl-{other}")] {
        let row = found(&id);
        assert_eq!(
            (&row["request_id"], &row["gate_id"]),
            (&json!(other), &json!(other))
        );
        assert_eq!(
            (&row["decision"], &row["upstream_id"]),
            (&json!("reject"), &Value::Null)
        );
    }
}

fn find(path: &Path, arguments: &[&str], language: &str) -> Ended {
    let journal = ["--journal", path.to_str().unwrap()];
    intentgate(&[&["find"], &journal[..], arguments].concat())
        .env("INTENTGATE_LANG", language)
        .env("TZ", "UTC")
        .output()
}

#[test]
fn people_read_what_became_of_a_request() {
    let mut row = entry(7, 400, &mut Dice(3));
    (row.at, row.request_id) = (BEGIN, "-mine".to_owned());
    (row.decision, row.reason) = ("forward".to_owned(), Some("on_topic".to_owned()));
    (row.topic, row.nearest) = (Some("refund".to_owned()), Some("refund".to_owned()));
    (row.log_odds, row.question) = (Some(2.5), Some("我要\u{1b}[2J退款".to_owned()));
    (row.total_us, row.first_byte_us) = (1_230_000, Some(345_000));
    (row.upstream_status, row.status) = (Some(200), 200);
    (row.would_be, row.waived, row.client) = (None, None, Some("web".to_owned()));
    row.outcome = "upstream_stream_broke_off".to_owned();
    row.model = Some("small".to_owned());
    row.protocol = "chat_completions".to_owned();
    (row.prompt_tokens, row.completion_tokens) = (Some(1200), Some(34));
    (row.cost, row.currency, row.saved_cost) = (Some(0.0125), Some("CNY".to_owned()), None);
    row.upstream_id = Some("req_1".to_owned());
    row.gate_id = Some("019a".to_owned());
    let shop = Shop::of(vec![row]);
    let said = |language| {
        let run = find(&shop.path(), &["-mine"], language);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
        run.stdout
    };
    assert_eq!(
        said("en"),
        "  id                    -mine
  the gateway's id      019a
  the upstream's id     req_1
  time                  2026-11-20 00:00:00
  from                  web, chat_completions, small
  decision              forward, refund, on_topic
  likeliest intent      refund
  log-odds              +2.50
  threshold             -1.50
  reply                 200, upstream_stream_broke_off, 1.2 s
  the upstream's reply  200, 345 ms
  tokens in, out        1,200, 34, CNY 0.0125
  question              我要 [2J退款
"
    );
    assert!(
        said("zh").contains("  网关的编号        019a\n"),
        "{}",
        said("zh")
    );
}

#[test]
fn what_is_not_there_and_what_is_no_id_is_said() {
    let shop = Shop::of(vec![entry(7, 400, &mut Dice(3))]);
    for (language, text) in [
        ("en", "has the id unknown-1. Next:"),
        ("zh", "编号是 unknown-1 的请求"),
    ] {
        let run = find(&shop.path(), &["unknown-1"], language);
        assert_eq!((run.code, run.stdout.as_str()), (5, ""), "{run:?}");
        assert!(run.stderr.contains(text), "{run:?}");
    }
    let run = find(&shop.path(), &["unknown-1", "--json"], "en");
    assert_eq!(run.code, 5, "{run:?}");
    assert_eq!(
        serde_json::from_str::<Value>(&run.stdout).unwrap(),
        json!({"requests": []})
    );
    let run = find(&shop.path(), &["two words"], "en");
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("'two words'"), "{run:?}");
}

#[test]
fn a_journal_of_the_first_version_is_read_as_it_is_and_grows_when_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite");
    {
        let database = Connection::open(&path).unwrap();
        let first = fs::read_to_string("src/journal/1.sql").unwrap();
        database.execute_batch(&first).unwrap();
        let row = "PRAGMA application_id = 1768385132; PRAGMA user_version = 1;
            INSERT INTO request (at, request_id, protocol, decision, intent, mixed, total_us, status, outcome)
            VALUES (1795132800000000, 'old-1', 'messages', 'forward', 'refund', 0, 5, 200, 'complete')";
        database.execute_batch(row).unwrap();
    }
    let version = || -> i64 {
        let database = open_for_reading(&path).unwrap();
        let version = database.query_row("PRAGMA user_version", [], |row| row.get(0));
        version.unwrap()
    };
    let found = |id| find(&path, &[id], "en");
    assert_eq!((found("old-1").code, found("new-1").code), (0, 5));
    assert_eq!(version(), 1);
    let database = open_for_writing(&path).unwrap();
    let id = "UPDATE request SET upstream_id = 'new-1' WHERE gate_id IS NULL";
    assert_eq!(database.execute(id, []).unwrap(), 1);
    assert_eq!((found("old-1").code, found("new-1").code), (0, 0));
    assert_eq!(version(), 2);
}
