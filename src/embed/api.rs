//! One request to an embeddings API as OpenAI's, and what it came to.

use std::error::Error as _;
use std::fmt::{self, Write as _};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use url::Url;

use super::answer::{self, Answer};
use crate::config::Model;
use crate::secret::Secret;
use crate::upstream::{is_loopback, retry_after};

/// Opening a connection, TLS included.
const CONNECT: Duration = Duration::from_secs(5);
/// A connection of HTTP/2 on which requests wait is asked so often whether it is still there.
const PING: Duration = Duration::from_secs(20);
/// An answer is read so far for each text of its request: sixteen thousand numbers with room to spare.
const ANSWER: usize = 1 << 20;
/// An error's answer is read so far.
const COMPLAINT: usize = 1 << 16;
/// Of what the API says, people are shown so many characters.
const SHOWN: usize = 200;

/// The API.
#[derive(Debug)]
pub(super) struct Api {
    client: reqwest::Client,
    url: Url,
    model: String,
    key: Option<Secret>,
    /// The length that is asked for.
    dimensions: Option<usize>,
    /// The length that vectors have, once that is known.
    pub(super) dimension: OnceLock<usize>,
    /// How vectors are asked for, once the API has answered.
    encoding: OnceLock<&'static str>,
}

/// Why there are no vectors.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// No connection, or one that broke.
    Unreached(String),
    /// The time is over.
    TimedOut,
    /// The API says no.
    Refused {
        status: StatusCode,
        /// In its own words, shortened.
        said: String,
        retry_after: Option<Duration>,
    },
    /// What came is no answer.
    Nonsense(String),
    /// It has failed before and is not asked for so long.
    LeftAlone(Duration),
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: &'a [String],
    encoding_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<usize>,
}

impl Api {
    /// `dimensions` is what vectors are to be cut to; none where they are taken as they come.
    pub(super) fn new(config: &Model, url: &Url, dimensions: Option<usize>) -> Result<Self, Fault> {
        Ok(Api {
            client: client(config, url).map_err(|error| Fault::of(&error))?,
            url: embeddings(url),
            model: config.name.clone().unwrap_or_default(),
            key: config.api_key.clone(),
            dimensions,
            dimension: OnceLock::new(),
            encoding: OnceLock::new(),
        })
    }

    /// The texts' vectors. A server that begins by refusing base64 is asked for numbers.
    pub(super) async fn embed(&self, texts: &[String]) -> Result<Answer, Fault> {
        let encoding = *self.encoding.get().unwrap_or(&"base64");
        let outcome = self.ask(texts, encoding).await;
        let may_be_refused = [StatusCode::BAD_REQUEST, StatusCode::UNPROCESSABLE_ENTITY];
        let (encoding, outcome) = match outcome {
            Err(Fault::Refused { status, .. })
                if self.encoding.get().is_none() && may_be_refused.contains(&status) =>
            {
                ("float", self.ask(texts, "float").await)
            }
            outcome => (encoding, outcome),
        };
        if outcome.is_ok() {
            self.encoding.get_or_init(|| encoding);
        }
        outcome
    }

    async fn ask(&self, texts: &[String], encoding_format: &'static str) -> Result<Answer, Fault> {
        let request = Request {
            model: &self.model,
            input: texts,
            encoding_format,
            dimensions: self.dimensions,
        };
        let body = serde_json::to_vec(&request)
            .map_err(|error| Fault::Nonsense(format!("no request could be made: {error}")))?;
        let asked = self.client.post(self.url.clone()).body(body);
        let mut asked = asked.header(CONTENT_TYPE, "application/json");
        if let Some(key) = &self.key {
            asked = asked.header(AUTHORIZATION, bearer(key)?);
        }
        let response = asked.send().await.map_err(|error| Fault::of(&error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(self.refused(response).await);
        }
        let body = read(response, ANSWER * texts.len()).await?;
        answer::read(&body, texts.len(), self.dimension.get().copied()).map_err(Fault::Nonsense)
    }

    async fn refused(&self, response: reqwest::Response) -> Fault {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read(response, COMPLAINT).await.unwrap_or_default();
        let said = complaint(&body);
        // Some repeat the key that they do not know.
        let said = match self.key.as_ref().filter(|key| !key.is_empty()) {
            Some(key) => said.replace(key.reveal(), "…"),
            None => said,
        };
        Fault::Refused {
            status,
            said: said.chars().take(SHOWN).collect(),
            retry_after: wait_of(&headers),
        }
    }
}

fn client(config: &Model, url: &Url) -> reqwest::Result<reqwest::Client> {
    let mut client = reqwest::Client::builder()
        .connect_timeout(CONNECT.min(config.timeout))
        .timeout(config.timeout)
        // Another host is given no key.
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PING)
        .http2_keep_alive_timeout(PING);
    if is_loopback(url) {
        // A proxy of the environment is for the world outside.
        client = client.no_proxy();
    }
    if !config.roots_pem.is_empty() {
        client = client.tls_certs_merge(reqwest::Certificate::from_pem_bundle(&config.roots_pem)?);
    }
    client.build()
}

/// `BASE` → `BASE/embeddings`.
fn embeddings(base: &Url) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/embeddings", base.path().trim_end_matches('/')));
    url
}

fn bearer(key: &Secret) -> Result<HeaderValue, Fault> {
    let value = HeaderValue::try_from(format!("Bearer {}", key.reveal()));
    let mut value =
        value.map_err(|_| Fault::Unreached("model.api_key is no header's value".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The body, which may have so many bytes at most.
async fn read(mut response: reqwest::Response, most: usize) -> Result<Vec<u8>, Fault> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| Fault::of(&error))? {
        if body.len() + piece.len() > most {
            return Err(Fault::Nonsense(format!(
                "the answer is longer than {most} bytes"
            )));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// What an error's body says, on one line.
fn complaint(body: &[u8]) -> String {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Said {
        Message { message: String },
        Text(String),
    }
    #[derive(Deserialize)]
    struct Body {
        #[serde(alias = "detail", alias = "message")]
        error: Said,
    }
    let said = match serde_json::from_slice(body) {
        Ok(Body {
            error: Said::Message { message } | Said::Text(message),
        }) => message,
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let said: String = said.chars().map(plain).collect();
    said.trim().to_owned()
}

fn wait_of(headers: &HeaderMap) -> Option<Duration> {
    retry_after(headers, SystemTime::now())
}

impl Fault {
    fn of(error: &reqwest::Error) -> Fault {
        if error.is_timeout() {
            return Fault::TimedOut;
        }
        // The last source says what happened; what is before it says that something did, and where.
        let mut source = error.source();
        let mut said = String::new();
        while let Some(inner) = source {
            said = inner.to_string();
            source = inner.source();
        }
        match said.is_empty() {
            true => Fault::Unreached("the request could not be sent".to_owned()),
            false => Fault::Unreached(said),
        }
    }

    /// Whether the same request may fare better in a moment.
    pub(super) fn passes(&self) -> bool {
        match self {
            Fault::Unreached(_) | Fault::TimedOut => true,
            Fault::Refused { status, .. } => {
                status.is_server_error()
                    || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(status)
            }
            Fault::Nonsense(_) | Fault::LeftAlone(_) => false,
        }
    }

    /// Whether it is about this request's texts, and says nothing of the API.
    pub(super) fn is_of_request(&self) -> bool {
        let of_request = [
            StatusCode::BAD_REQUEST,
            StatusCode::PAYLOAD_TOO_LARGE,
            StatusCode::UNPROCESSABLE_ENTITY,
        ];
        matches!(self, Fault::Refused { status, .. } if of_request.contains(status))
    }

    /// How long the API wants to be left alone.
    pub(super) fn wait(&self) -> Option<Duration> {
        match self {
            Fault::Refused { retry_after, .. } => *retry_after,
            Fault::LeftAlone(wait) => Some(*wait),
            _ => None,
        }
    }

    /// What happened, without the API's own words: they may repeat a customer's.
    pub(super) fn outline(&self) -> String {
        match self {
            Fault::Refused { status, .. } => format!("HTTP {}", status.as_u16()),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Unreached(error) => write!(f, "no connection: {error}"),
            Fault::TimedOut => f.write_str("no answer in time (model.timeout)"),
            Fault::Refused { status, said, .. } => {
                write!(f, "HTTP {}", status.as_u16())?;
                if !said.is_empty() {
                    f.write_char(' ')?;
                    f.write_str(said)?;
                }
                Ok(())
            }
            Fault::Nonsense(error) => f.write_str(error),
            Fault::LeftAlone(wait) => write!(
                f,
                "it keeps failing and is left alone for {} ms",
                wait.as_millis()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_say_of_errors_is_read_out_of_their_json() {
        for (body, said) in [
            (
                r#"{"error":{"message":"no such model","type":"x"}}"#,
                "no such model",
            ),
            (
                r#"{"error":"model \"m\" not found"}"#,
                "model \"m\" not found",
            ),
            (r#"{"detail":"Not Found"}"#, "Not Found"),
            (r#"{"message":"slow\ndown"}"#, "slow down"),
            ("502 Bad Gateway\r\n", "502 Bad Gateway"),
            (
                r#"{"detail":[{"loc":["body"]}]}"#,
                r#"{"detail":[{"loc":["body"]}]}"#,
            ),
            ("", ""),
        ] {
            assert_eq!(complaint(body.as_bytes()), said);
        }
    }

    #[test]
    fn the_path_goes_on_from_the_base_urls_own() {
        for (base, expected) in [
            ("https://a.example/v1", "https://a.example/v1/embeddings"),
            ("https://a.example/v1/", "https://a.example/v1/embeddings"),
            ("http://127.0.0.1:9", "http://127.0.0.1:9/embeddings"),
        ] {
            assert_eq!(embeddings(&Url::parse(base).unwrap()).as_str(), expected);
        }
    }

    #[test]
    fn a_key_is_shown_nowhere() {
        let value = bearer(&Secret::new("sk-1234")).ok().unwrap();
        assert!(!format!("{value:?}").contains("1234"));
    }
}
