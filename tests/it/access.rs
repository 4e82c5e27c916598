//! Who may come in, how often, and from which pages and addresses.

use http::{HeaderMap, Response};
use reqwest::RequestBuilder;

use crate::kit::intents::{GREETING, POEM, REFUND};
use crate::kit::{self, Answer, COMPLETION, Gateway, Upstream, chat, check_error, eventually};

const CHAT: &str = "/v1/chat/completions";
const MODELS: &str = "/v1/models";

/// Of `foo` and `bar`.
const KEYS: &str = "access.keys = [
    { name = 'web', sha256 = '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae' },
    { name = 'app', sha256 = 'fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9' },
]\n";

fn values<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h str> {
    let values = headers.get_all(name).iter();
    values.map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_nothing_is_answered_and_nothing_forwarded() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), KEYS).await;
    let plain = || gateway.chat(&chat(REFUND));
    for request in [
        plain(),
        gateway.chat(&chat(GREETING)),
        gateway.get(MODELS),
        gateway.get("/nowhere"),
        plain().bearer_auth("fo"),
        plain().bearer_auth(""),
        plain().header("authorization", "foo"),
        plain().header("authorization", "Basic foo"),
        plain().header("x-api-key", "Bearer foo"),
        plain().header("x-api-key", ""),
        plain().header("api-key", "foo"),
        plain().bearer_auth("2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"),
        gateway.post(&format!("{CHAT}?key=foo"), chat(REFUND).to_string()),
    ] {
        let answer = Answer::to(request).await;
        check_error(&answer, 401, "invalid_api_key");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    assert_eq!(upstream.unseen(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_the_gateways_lets_in_and_stays_here() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), KEYS).await;
    let plain = || gateway.chat(&chat(REFUND));
    let own = "Bearer sk-of-the-client";
    for (request, authorization, api_key) in [
        (plain().bearer_auth("foo"), &[][..], &[][..]),
        (plain().header("authorization", "bearer  bar "), &[], &[]),
        (plain().header("x-api-key", "foo"), &[], &[]),
        (
            plain().header("x-api-key", "foo").bearer_auth("bar"),
            &[],
            &[],
        ),
        (
            plain()
                .header("x-api-key", "foo")
                .header("authorization", own),
            &[own],
            &[],
        ),
        (
            plain().header("x-api-key", "sk-1").bearer_auth("foo"),
            &[],
            &["sk-1"],
        ),
        (
            plain()
                .header("x-api-key", "sk-1")
                .header("x-api-key", "foo"),
            &[],
            &[],
        ),
        (gateway.get(MODELS).bearer_auth("foo"), &[], &[]),
    ] {
        assert_eq!(Answer::to(request).await.body, COMPLETION);
        let headers = upstream.received().await.headers;
        assert_eq!(values(&headers, "authorization"), authorization);
        assert_eq!(values(&headers, "x-api-key"), api_key);
    }
    let answer = Answer::to(gateway.chat(&chat(POEM)).bearer_auth("foo")).await;
    assert_eq!(answer.decision(), "reject");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shops_key_takes_the_place_of_the_gateways() {
    let mut upstream = Upstream::start().await;
    let keys = format!("upstream.api_key = 'sk-of-the-shop'\n{KEYS}");
    let gateway = Gateway::start_with(&upstream.url(), &keys).await;
    for name in ["authorization", "x-api-key"] {
        let key = if name == "x-api-key" {
            "foo"
        } else {
            "Bearer foo"
        };
        Answer::to(gateway.chat(&chat(REFUND)).header(name, key)).await;
        let headers = upstream.received().await.headers;
        assert_eq!(values(&headers, "authorization"), ["Bearer sk-of-the-shop"]);
        assert_eq!(values(&headers, "x-api-key"), [""; 0]);
    }
}

/// How long a client is told to wait, in seconds.
async fn told_to_wait(request: RequestBuilder) -> u64 {
    let answer = Answer::to(request).await;
    check_error(&answer, 429, "rate_limited");
    answer.header("retry-after").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_key_has_its_own_rate() {
    let mut upstream = Upstream::start().await;
    let keys = format!("limits.per_key = '2/h'\n{KEYS}");
    let gateway = Gateway::start_with(&upstream.url(), &keys).await;
    let ask = |key: &str| gateway.chat(&chat(REFUND)).bearer_auth(key);
    for key in ["foo", "bar"] {
        for _ in 0..2 {
            assert_eq!(Answer::to(ask(key)).await.status, 200);
        }
        let wait = told_to_wait(ask(key)).await;
        assert!((1790..=1800).contains(&wait), "{wait}");
        check_error(&Answer::to(ask("baz")).await, 401, "invalid_api_key");
    }
    assert_eq!(upstream.unseen(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_as_told_is_let_in() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), "limits.per_address = '1/s'").await;
    let ask = || gateway.chat(&chat(GREETING));
    assert_eq!(Answer::to(ask()).await.status, 200);
    let wait = told_to_wait(ask()).await;
    assert_eq!(wait, 1);
    tokio::time::sleep(std::time::Duration::from_secs(wait)).await;
    assert_eq!(Answer::to(ask()).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_believed_from_a_trusted_proxy_only() {
    let upstream = Upstream::start().await;
    let rate = "limits.per_address = '1/h'\n";
    let trusting = format!("{rate}access.trusted_proxies = ['127.0.0.0/8', '10.0.0.0/8']");
    let trusting = Gateway::start_with(&upstream.url(), &trusting).await;
    for (forwarded, new) in [
        ("203.0.113.1", true),
        ("203.0.113.2", true),
        ("203.0.113.1", false),
        ("198.51.100.1, 203.0.113.1", false),
        ("203.0.113.3, 10.0.0.7", true),
        ("203.0.113.3", false),
        ("2001:db8::1", true),
        ("2001:db8::2", false),
        ("2001:db8:0:1::1", true),
        ("::ffff:203.0.113.1", false),
    ] {
        let request = trusting.chat(&chat(GREETING));
        let answer = Answer::to(request.header("x-forwarded-for", forwarded)).await;
        let expected = if new { 200 } else { 429 };
        assert_eq!(answer.status, expected, "{forwarded}");
    }
    let alone = Gateway::start_with(&upstream.url(), rate).await;
    for (forwarded, expected) in [("203.0.113.1", 200), ("203.0.113.2", 429)] {
        let request = alone.chat(&chat(GREETING));
        let answer = Answer::to(request.header("x-forwarded-for", forwarded)).await;
        assert_eq!(answer.status, expected, "{forwarded}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_named_origins_may_call() {
    let mut upstream = Upstream::start().await;
    let keys = format!("access.cors_origins = ['https://shop.example']\n{KEYS}");
    let gateway = Gateway::start_with(&upstream.url(), &keys).await;
    let shop = "https://shop.example";
    let preflight = |origin| {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.request(http::Method::OPTIONS, gateway.url(CHAT));
        request
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization,x-stainless-os",
            )
    };
    let answer = Answer::to(preflight(shop)).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
    assert_eq!(answer.header("access-control-allow-origin"), shop);
    assert_eq!(answer.header("access-control-allow-methods"), "POST");
    let allowed = answer.header("access-control-allow-headers");
    assert_eq!(allowed, "authorization,x-stainless-os");
    assert_eq!(answer.header("access-control-max-age"), "7200");
    let other = Answer::to(preflight("https://other.example")).await;
    assert!(!other.headers.contains_key("access-control-allow-origin"));

    let theirs = Response::builder().header("access-control-allow-origin", "*");
    upstream.replies(theirs.body(COMPLETION).unwrap());
    let theirs = Response::builder().header("access-control-allow-origin", "*");
    upstream.replies(theirs.body(COMPLETION).unwrap());
    for (origin, allowed) in [(shop, &[shop][..]), ("https://other.example", &[])] {
        for (question, key) in [(REFUND, "foo"), (POEM, "foo"), (POEM, "wrong")] {
            let request = gateway.chat(&chat(question)).bearer_auth(key);
            let answer = Answer::to(request.header("origin", origin)).await;
            let expected = if key == "foo" { 200 } else { 401 };
            assert_eq!(answer.status, expected);
            assert_eq!(
                values(&answer.headers, "access-control-allow-origin"),
                allowed
            );
            let exposed = answer.header("access-control-expose-headers");
            for name in [
                "x-intentgate-decision",
                "x-request-id",
                "x-intentgate-request-id",
                "x-upstream-request-id",
                "retry-after",
            ] {
                assert!(exposed.contains(name), "{exposed}");
            }
            assert!(answer.header("vary").contains("origin"));
        }
    }
    assert_eq!(upstream.unseen(), 2, "preflights are answered here");
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_are_told_nothing_where_no_origin_is_named() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let request = gateway.chat(&chat(GREETING));
    let answer = Answer::to(request.header("origin", "https://shop.example")).await;
    assert!(
        answer
            .headers
            .keys()
            .all(|n| !n.as_str().starts_with("access-control"))
    );
    let theirs = Response::builder().header("access-control-allow-origin", "*");
    upstream.replies(theirs.body(COMPLETION).unwrap());
    let answer = gateway.ask(&chat(REFUND)).await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_origin_may_call_where_the_star_stands() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), "access.cors_origins = ['*']").await;
    let request = gateway.chat(&chat(GREETING)).header("origin", "null");
    let answer = Answer::to(request).await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_names_the_client_and_the_trace_and_no_address() {
    let mut upstream = Upstream::start().await;
    let keys = format!("access.trusted_proxies = ['127.0.0.1']\n{KEYS}");
    let gateway = Gateway::start_with(&upstream.url(), &keys).await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = gateway.chat(&chat(REFUND)).bearer_auth("bar");
    let request = request
        .header("traceparent", trace)
        .header("x-forwarded-for", "203.0.113.77")
        .header("x-request-id", "named-client");
    Answer::to(request).await;
    let headers = upstream.received().await.headers;
    assert_eq!(values(&headers, "traceparent"), [trace]);
    let line = async || {
        let log = kit::log::text();
        let lines = log.lines().filter(|line| line.contains("named-client"));
        let mut lines = lines.filter(|line| line.contains("status=200"));
        lines.next().is_some_and(|line| {
            line.contains("client=\"app\"")
                && line.contains("trace_id=\"0af7651916cd43dd8448eb211c80319c\"")
                && !line.contains("203.0.113.77")
        })
    };
    eventually("the request is logged", line).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_ask_for_the_operators_token_and_probes_for_none() {
    let upstream = Upstream::start().await;
    let token = "admin.token = 'of-the-operators'";
    let gateway = Gateway::start_with(&upstream.url(), token).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = |path: &str| client.get(format!("http://{}{path}", gateway.admin_address()));
    for path in ["/healthz", "/readyz"] {
        assert_eq!(Answer::to(get(path)).await.status, 200, "{path}");
    }
    for request in [
        get("/metrics"),
        get("/metrics").bearer_auth("of-the-operator"),
        get("/metrics").bearer_auth(""),
        get("/metrics").header("authorization", "of-the-operators"),
    ] {
        let answer = Answer::to(request).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        assert!(answer.text().contains("admin.token"), "{}", answer.text());
    }
    let metrics = Answer::to(get("/metrics").bearer_auth("of-the-operators")).await;
    assert!(metrics.text().contains("intentgate_build_info"));
}
