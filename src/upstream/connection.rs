//! One upstream: its pool of connections, its key, the times it has, and whether it is well.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use http::request::Parts;
use http::{Response, Uri};
use tokio::time::{Instant, timeout};
use url::Url;

use super::keys::{self, Key};
use super::reply::ReplyBody;
use super::{Carry, UpstreamError, retry};
use crate::breaker::{Admission, Breaker};
use crate::config::Endpoint;
use crate::language::say;
use crate::metrics::Metrics;

/// A path as clients know it begins with this; the base URL has its own.
const CLIENT_BASE: &str = "/v1";
/// A connection of HTTP/2 on which requests wait is asked so often whether it is still there.
const PING: Duration = Duration::from_secs(20);

/// One upstream.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) config: Endpoint,
    client: reqwest::Client,
    carrier: Arc<dyn Carry>,
    key: Option<Key>,
    breaker: Mutex<Breaker>,
    metrics: Metrics,
}

impl Upstream {
    /// Requests are carried by the carrier, where there is one, else by reqwest.
    pub(super) fn new(
        config: Endpoint,
        metrics: &Metrics,
        carrier: Option<&Arc<dyn Carry>>,
    ) -> anyhow::Result<Self> {
        let name = &config.name;
        let client = client(&config).with_context(|| format!("the upstream {name}"))?;
        metrics.upstream_open.with_label_values(&[name]).set(0);
        Ok(Upstream {
            carrier: carrier.map_or_else(|| Arc::new(client.clone()) as _, Arc::clone),
            client,
            key: config.api_key.as_ref().map(Key::new).transpose()?,
            breaker: Mutex::new(Breaker::default()),
            metrics: metrics.clone(),
            config,
        })
    }

    /// Leave to send one request; else for how long there is none.
    pub(super) fn admit(&self) -> Result<Leave<'_>, Duration> {
        let admission = self.breaker().admit(Instant::now());
        if let Admission::Refused(wait) = admission {
            return Err(wait);
        }
        Ok(Leave {
            upstream: self,
            admission,
            settled: false,
            result: None,
        })
    }

    fn request(&self, head: &Parts, body: reqwest::Body) -> reqwest::RequestBuilder {
        let mut headers = head.headers.clone();
        match &self.key {
            Some(key) => key.replace(&mut headers, head.uri.path()),
            None => keys::hide(&mut headers),
        }
        let url = self.url(&head.uri);
        let request = self.client.request(head.method.clone(), url);
        request.headers(headers).body(body)
    }

    /// `/v1/models?x` of the client → `BASE/models?x`. reqwest takes no address but a [`Url`], which writes a `'`
    /// in the query as `%27`.
    fn url(&self, uri: &Uri) -> Url {
        let path = uri.path().strip_prefix(CLIENT_BASE).unwrap_or(uri.path());
        let mut url = self.config.url.clone();
        url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
        url.set_query(uri.query());
        url
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn succeeded(&self) {
        if !self.breaker().succeeded() {
            return;
        }
        let name = &self.config.name;
        self.metrics.upstream_open.with_label_values(&[name]).set(0);
        tracing::info!(
            upstream = name,
            "{}",
            say("上游恢复了", "the upstream is back")
        );
    }

    fn failed(&self, admission: Admission, why: &str) {
        let Some(wait) = self.breaker().failed(admission, Instant::now()) else {
            return;
        };
        let name = &self.config.name;
        self.metrics.upstream_open.with_label_values(&[name]).set(1);
        tracing::warn!(
            upstream = name,
            why,
            wait = %humantime::format_duration(wait),
            "{}",
            say(
                "上游接连失败，暂停使用；到时间再试",
                "the upstream keeps failing and is left alone for a while",
            )
        );
    }
}

fn client(config: &Endpoint) -> reqwest::Result<reqwest::Client> {
    let mut client = reqwest::Client::builder()
        .connect_timeout(config.connect_timeout)
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PING)
        .http2_keep_alive_timeout(PING);
    if is_loopback(&config.url) {
        // A proxy of the environment is for the world outside.
        client = client.no_proxy();
    }
    if !config.roots_pem.is_empty() {
        client = client.tls_certs_merge(reqwest::Certificate::from_pem_bundle(&config.roots_pem)?);
    }
    client.build()
}

/// Whether a URL's host is this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Leave to send one request. What it comes to is counted, and told to the breaker, also where the client leaves
/// and this is dropped.
#[derive(Debug)]
pub(super) struct Leave<'a> {
    pub(super) upstream: &'a Upstream,
    admission: Admission,
    settled: bool,
    /// What is counted; none where nothing was sent.
    result: Option<&'static str>,
}

impl Leave<'_> {
    /// Sends the request and waits for the reply's headers.
    pub(super) async fn send(
        mut self,
        head: &Parts,
        body: reqwest::Body,
    ) -> Result<Response<ReplyBody>, UpstreamError> {
        let config = &self.upstream.config;
        let request = self.upstream.request(head, body);
        self.result = Some("client_left");
        let sent = Instant::now();
        let allowed = config.first_byte_timeout.min(config.total_timeout);
        let carrying = async { self.upstream.carrier.carry(request.build()?).await };
        let outcome = timeout(allowed, carrying).await;
        let outcome = outcome.unwrap_or(Err(UpstreamError::TimedOut(allowed)));
        self.settle(&outcome);
        let (silence, total) = (config.idle_timeout, config.total_timeout);
        outcome.map(|reply| ReplyBody::of(reply, sent, silence, total))
    }

    fn settle<B>(&mut self, outcome: &Result<Response<B>, UpstreamError>) {
        self.result = Some(label(outcome));
        match outcome {
            // The client's doing says nothing of the upstream.
            Err(UpstreamError::RequestBroke(_)) => return,
            Ok(reply) if !retry::is_failure(reply.status()) => self.upstream.succeeded(),
            Ok(reply) => self
                .upstream
                .failed(self.admission, reply.status().as_str()),
            Err(error) => self.upstream.failed(self.admission, &error.to_string()),
        }
        self.settled = true;
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        let upstream = self.upstream;
        if !self.settled {
            let now = Instant::now();
            upstream.breaker().abandoned(self.admission, now);
        }
        if let Some(result) = self.result {
            let labels = [upstream.config.name.as_str(), result];
            let requests = &upstream.metrics.upstream_requests;
            requests.with_label_values(&labels).inc();
        }
    }
}

/// What a request came to, as metrics call it.
pub(super) fn label<B>(outcome: &Result<Response<B>, UpstreamError>) -> &'static str {
    match outcome {
        Ok(reply) => match reply.status().as_u16() {
            ..400 => "ok",
            429 => "status_429",
            400..500 => "status_4xx",
            503 => "status_503",
            529 => "status_529",
            500.. => "status_5xx",
        },
        Err(UpstreamError::Unreachable(_)) => "connect_failed",
        Err(UpstreamError::BrokeOff(_)) => "broke_off",
        Err(UpstreamError::TimedOut(_)) => "timed_out",
        Err(UpstreamError::RequestBroke(_) | UpstreamError::Unavailable { .. }) => "client_left",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn the_clients_v1_is_the_base_urls_own_path() {
        for (base, path, expected) in [
            (
                "https://a.example/v1",
                "/v1/models",
                "https://a.example/v1/models",
            ),
            (
                "https://a.example/api/v4",
                "/v1/chat/completions?x=1",
                "https://a.example/api/v4/chat/completions?x=1",
            ),
            (
                "http://127.0.0.1:9",
                "/v1/models",
                "http://127.0.0.1:9/models",
            ),
        ] {
            let config = config::Upstream {
                url: Some(Url::parse(base).unwrap()),
                ..config::Upstream::default()
            };
            let endpoint = config.endpoints().remove(0);
            let upstream = Upstream::new(endpoint, &Metrics::new().unwrap(), None).unwrap();
            assert_eq!(upstream.url(&path.parse().unwrap()).as_str(), expected);
        }
    }
}
