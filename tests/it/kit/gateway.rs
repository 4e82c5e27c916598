//! The real gateway, started as `serve` starts it, on ports of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use intentgate::cli::serve;
use intentgate::config::Config;
use intentgate::logging::Level;
use serde_json::Value;
use tempfile::TempDir;

use super::{Upstream, eventually, intents, log, soon};

pub(crate) struct Gateway {
    running: Arc<serve::Gateway>,
    client: reqwest::Client,
    intents: PathBuf,
    _folder: Option<TempDir>,
}

/// A reply, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Gateway {
    /// In front of `upstream`, with the kit's intents.
    pub(crate) async fn start(upstream: &Upstream) -> Gateway {
        Gateway::start_with(&upstream.url(), "").await
    }

    /// In front of `url`; `keys` are lines of configuration such as `limits.requests = 1`.
    pub(crate) async fn start_with(url: &str, keys: &str) -> Gateway {
        let folder = intents::folder();
        let gateway = Gateway::start_on(folder.path(), url, keys).await;
        Gateway {
            _folder: Some(folder),
            ..gateway
        }
    }

    /// The same with the intents of a folder that the test keeps.
    pub(crate) async fn start_on(folder: &Path, url: &str, keys: &str) -> Gateway {
        Gateway::start_by(config(folder, url, keys), folder).await
    }

    /// The same by a configuration that the test keeps in a file.
    pub(crate) async fn start_by_file(file: &Path, folder: &Path) -> Gateway {
        let config = Config::load(Some(file.to_owned()), None, std::iter::empty());
        Gateway::start_by(config.unwrap(), folder).await
    }

    async fn start_by(config: Config, folder: &Path) -> Gateway {
        log::start();
        let running = serve::Gateway::start(config, Level::default())
            .await
            .unwrap();
        Gateway {
            running: Arc::new(running),
            client: client(),
            intents: folder.to_owned(),
            _folder: None,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.running.address
    }

    pub(crate) fn admin_address(&self) -> SocketAddr {
        self.running.admin_address
    }

    /// The folder of intents.
    pub(crate) fn intents(&self) -> &Path {
        &self.intents
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.address)
    }

    pub(crate) fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(self.url(path))
    }

    pub(crate) fn post(
        &self,
        path: &str,
        body: impl Into<reqwest::Body>,
    ) -> reqwest::RequestBuilder {
        self.client
            .post(self.url(path))
            .header("content-type", "application/json")
            .body(body)
    }

    /// A chat completion request, not yet sent.
    pub(crate) fn chat(&self, request: &Value) -> reqwest::RequestBuilder {
        self.post("/v1/chat/completions", request.to_string())
    }

    /// The reply to a chat completion request.
    pub(crate) async fn ask(&self, request: &Value) -> Answer {
        Answer::to(self.chat(request)).await
    }

    /// The reply to a request of another protocol.
    pub(crate) async fn ask_at(&self, path: &str, request: &Value) -> Answer {
        Answer::to(self.post(path, request.to_string())).await
    }

    /// The reply's `x-intentgate-decision`.
    pub(crate) async fn decision(&self, question: &str) -> String {
        self.ask(&super::chat(question)).await.decision().to_owned()
    }

    /// The reply of the operators' side.
    pub(crate) async fn admin(&self, path: &str) -> Answer {
        let url = format!("http://{}{path}", self.running.admin_address);
        Answer::to(self.client.get(url)).await
    }

    /// The value of one series, such as `intentgate_intents_in_sync`; 0 where it does not exist yet.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        self.sum_where(|name| name == series).await
    }

    /// The sum over all series of one name.
    pub(crate) async fn sum(&self, name: &str) -> f64 {
        self.sum_where(|series| series.split('{').next() == Some(name))
            .await
    }

    async fn sum_where(&self, wanted: impl Fn(&str) -> bool) -> f64 {
        let text = self.admin("/metrics").await.text();
        text.lines()
            .filter_map(|line| line.rsplit_once(' '))
            .filter(|(series, _)| wanted(series))
            .map(|(_, value)| value.parse::<f64>().unwrap())
            .sum()
    }

    /// What is recorded is recorded when the last byte of a reply is gone, so a client may be earlier.
    pub(crate) async fn metric_becomes(&self, series: &str, value: f64) {
        let what = format!("{series} is {value}");
        eventually(&what, async || self.metric(series).await == value).await;
    }

    /// Stops it as SIGTERM does.
    pub(crate) fn stop(&self) -> impl Future<Output = ()> + Send + 'static {
        let running = self.running.clone();
        async move { running.stop().await }
    }
}

impl Answer {
    /// Sends a request and reads the reply to its end.
    pub(crate) async fn to(request: reqwest::RequestBuilder) -> Answer {
        let response = soon("headers", request.send()).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = soon("body", response.bytes()).await.unwrap();
        Answer {
            status,
            headers,
            body,
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn decision(&self) -> &str {
        self.header("x-intentgate-decision")
    }
}

/// Takes replies as they are.
fn client() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy();
    let client = client.redirect(reqwest::redirect::Policy::none());
    client.build().unwrap()
}

/// As an operator writes it. One cache serves all tests, so that examples are embedded once.
pub(super) fn config(intents: &Path, url: &str, keys: &str) -> Config {
    let text = config_text(intents, url, keys);
    Config::parse("config.toml", &text, Path::new(""), Vec::new()).unwrap()
}

/// The text of [`config`], for tests that edit it.
pub(crate) fn config_text(intents: &Path, url: &str, keys: &str) -> String {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
    // Thousands of rows take long to embed and to fit; tests that are about them ask for them.
    let background = match keys.contains("gate.background") {
        true => "",
        false => "gate.background = false",
    };
    // A busy machine is no reason to forward.
    let budget = match keys.contains("gate.budget") {
        true => "",
        false => "gate.budget = '20s'",
    };
    // What a developer's own gateway has recorded is no place for theirs.
    let journal = match keys.contains("journal") {
        true => "",
        false => "journal = 'off'",
    };
    format!(
        r#"
        {journal}
        server.listen = "127.0.0.1:0"
        admin.listen = "127.0.0.1:0"
        upstream.url = "{url}"
        model.threads = 1
        model.cache = '{}'
        gate.intents = '{}'
        {background}
        {budget}
        {keys}
        "#,
        cache.display(),
        intents.display(),
    )
}
