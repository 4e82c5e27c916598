//! Which paths are judged, which pass, and that there is no third way in.

use std::sync::Arc;

use http::{Method, Request};

use super::refusal::Refusal;
use crate::chat::Protocol;

/// What is done with a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Its question is judged.
    Judge(Protocol),
    /// The gateway says what it is.
    Welcome,
    /// It goes upstream as it is. The configured path that it is, or is below.
    PassThrough(Arc<str>),
}

/// The configured paths.
#[derive(Clone, Debug)]
pub(super) struct Routes {
    pass_through: Vec<Passing>,
}

/// A path that passes.
#[derive(Clone, Debug)]
struct Passing {
    path: Arc<str>,
    methods: &'static [Method],
    /// Whether what is below it passes too.
    below: bool,
}

/// What the paths are for that most upstreams have: their models are looked at, the rest is asked one thing. Of
/// models some upstreams are asked by a POST below their names, and a DELETE is the end of one.
const KNOWN: [(&str, &[Method], bool); 4] = [
    ("/v1/models", &[Method::GET, Method::HEAD], true),
    ("/v1/embeddings", &[Method::POST], false),
    ("/v1/moderations", &[Method::POST], false),
    ("/v1/messages/count_tokens", &[Method::POST], false),
];
/// What passes of a path that only its operator knows.
const OTHERS: &[Method] = &[Method::GET, Method::HEAD, Method::POST];

impl Routes {
    /// `pass_through` holds paths that pass.
    pub(super) fn new(pass_through: &[String]) -> Self {
        let passing = pass_through.iter().map(|path| {
            let path = path.trim_end_matches('/');
            let known = KNOWN.iter().find(|(known, ..)| *known == path);
            let (_, methods, below) = known.copied().unwrap_or((path, OTHERS, true));
            Passing {
                path: path.into(),
                methods,
                below,
            }
        });
        Routes {
            pass_through: passing.collect(),
        }
    }

    /// A judged path with any method but POST is refused: nothing but a question belongs there.
    pub(super) fn route(&self, method: &Method, path: &str) -> Result<Route, Refusal> {
        if let Some(protocol) = Protocol::of_path(path) {
            return match *method == Method::POST {
                true => Ok(Route::Judge(protocol)),
                false => Err(Refusal::Method {
                    allowed: Method::POST.to_string(),
                }),
            };
        }
        if path == "/" && [Method::GET, Method::HEAD].contains(method) {
            return Ok(Route::Welcome);
        }
        let passing = self.pass_through.iter().find(|passing| passing.holds(path));
        let passing = passing.ok_or_else(|| Refusal::NotServed(path.to_owned()))?;
        match passing.methods.contains(method) {
            true => Ok(Route::PassThrough(passing.path.clone())),
            false => Err(Refusal::Method {
                allowed: passing.allowed(),
            }),
        }
    }
}

impl Passing {
    fn holds(&self, path: &str) -> bool {
        let rest = path.strip_prefix(&*self.path);
        rest.is_some_and(|rest| {
            rest.is_empty() || self.below && rest.starts_with('/') && is_plain(rest)
        })
    }

    fn allowed(&self) -> String {
        let methods: Vec<_> = self.methods.iter().map(Method::as_str).collect();
        methods.join(", ")
    }
}

/// A request at the path that its protocol has, however its client wrote it.
pub(super) fn at<B>(protocol: Protocol, mut request: Request<B>) -> Request<B> {
    if request.uri().path() != protocol.path() {
        let query = request.uri().query();
        let path = query.map_or_else(
            || protocol.path().to_owned(),
            |query| format!("{}?{query}", protocol.path()),
        );
        *request.uri_mut() = path.parse().unwrap_or_default();
    }
    request
}

/// Whether a path means the same to whoever reads it next: no dot segments, no parameters, nothing encoded but what
/// is neither a mark of a path nor a mark of an encoding.
fn is_plain(path: &str) -> bool {
    let marks = |byte: u8| byte.is_ascii_control() || b"%./\\;?#".contains(&byte);
    let encoded = |hex: &str| {
        let digits = hex.get(..2).filter(|hex| hex.is_ascii());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        byte.is_none_or(marks)
    };
    !path.contains(['\\', ';'])
        && !path.split('%').skip(1).any(encoded)
        && !path.split('/').any(|name| name == "." || name == "..")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    #[test]
    fn only_known_paths_are_served() {
        let paths = ["/v1/models", "/v1/embeddings/", "/v1/own"];
        let routes = Routes::new(&paths.map(str::to_owned));
        let judged = |protocol| Some(Route::Judge(protocol));
        let passes = |path: &str| Some(Route::PassThrough(path.into()));
        for (method, path, expected) in [
            (
                Method::POST,
                "/v1/chat/completions",
                judged(Protocol::ChatCompletions),
            ),
            (Method::POST, "/v1/responses", judged(Protocol::Responses)),
            (
                Method::POST,
                "/v1/completions",
                judged(Protocol::Completions),
            ),
            (Method::POST, "/v1/messages", judged(Protocol::Messages)),
            (Method::GET, "/v1/chat/completions", None),
            (
                Method::POST,
                "/v1/chat/completions/",
                judged(Protocol::ChatCompletions),
            ),
            (
                Method::POST,
                "//v1/chat/completions",
                judged(Protocol::ChatCompletions),
            ),
            (
                Method::POST,
                "/chat/completions",
                judged(Protocol::ChatCompletions),
            ),
            (Method::POST, "/v1/v1/messages", judged(Protocol::Messages)),
            (Method::GET, "/v1/models", passes("/v1/models")),
            (Method::GET, "/v1/models/gpt-4o", passes("/v1/models")),
            (
                Method::GET,
                "/v1/models/ft:gpt-4o:shop::1",
                passes("/v1/models"),
            ),
            (Method::GET, "/v1/models/%E6%A8%A1", passes("/v1/models")),
            (Method::POST, "/v1/models", None),
            (Method::POST, "/v1/models/gemini-pro:generateContent", None),
            (Method::DELETE, "/v1/models/ft:gpt-4o:shop::1", None),
            (Method::POST, "/v1/embeddings", passes("/v1/embeddings")),
            (Method::POST, "/v1/embeddings/x", None),
            (Method::GET, "/v1/embeddings", None),
            (Method::GET, "/v1/own/x", passes("/v1/own")),
            (Method::POST, "/v1/own", passes("/v1/own")),
            (Method::DELETE, "/v1/own", None),
            (Method::CONNECT, "/v1/models", None),
            (Method::TRACE, "/v1/models", None),
            (Method::GET, "/v1/models/..;/chat/completions", None),
            (Method::GET, "/v1/models/%252e%252e/chat/completions", None),
            (Method::GET, "/v1/models/%3b", None),
            (Method::GET, "/v1/modelsx", None),
            (Method::POST, "/v1/models/../chat/completions", None),
            (Method::POST, "/v1/models/%2e%2E/chat/completions", None),
            (Method::POST, "/v1/models/..%2fchat/completions", None),
            (Method::POST, "/v1/models\\..\\chat\\completions", None),
            (Method::GET, "/v1/responses", None),
            (Method::POST, "/v1/responses/resp_1/cancel", None),
            (Method::POST, "/v1/messages/count_tokens", None),
            (Method::POST, "/v1/messages/batches", None),
            (Method::GET, "/", Some(Route::Welcome)),
            (Method::POST, "/", None),
        ] {
            assert_eq!(
                routes.route(&method, path).ok(),
                expected,
                "{method} {path}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_passes_is_below_its_prefix_however_it_is_read(
            path in "(/v1/models)?(/|\\.|\\\\|%2[eEfF]|%5[cC]|%[0-9a-f]{2}|v1|models|chat|[a-z;]|\\PC){0,12}"
        ) {
            let routes = Routes::new(&["/v1/models".to_owned()]);
            if path == "/" {
                return Ok(());
            }
            if let Ok(route) = routes.route(&Method::GET, &path) {
                prop_assert_eq!(route, Route::PassThrough("/v1/models".into()));
                prop_assert!(path == "/v1/models" || path.starts_with("/v1/models/"));
                // As browsers and the upstream's client read it: encoded dots and backslashes as well.
                let url = Url::parse("http://upstream").unwrap().join(&path).unwrap();
                let segments: Vec<_> = url.path_segments().unwrap().take(2).collect();
                prop_assert_eq!(segments, ["v1", "models"]);
            }
        }

        #[test]
        fn a_path_that_climbs_does_not_pass(
            below in "(/[a-z]{1,3}){0,3}",
            dots in "(\\.|%2e|%2E){1,2}",
            mark in "/|%2f|%2F|\\\\|%5c|%5C",
        ) {
            let routes = Routes::new(&["/v1/models".to_owned()]);
            let path = format!("/v1/models{below}/{dots}{mark}chat/completions");
            for method in [Method::GET, Method::POST] {
                prop_assert!(routes.route(&method, &path).is_err(), "{path}");
            }
        }

        #[test]
        fn only_a_post_to_the_path_is_judged(
            at in 0..Protocol::ALL.len(),
            method in "GET|HEAD|PUT|PATCH|DELETE|OPTIONS|post",
            more in "\\PC{1,5}",
        ) {
            let routes = Routes::new(&[]);
            let protocol = Protocol::ALL[at];
            let judged = routes.route(&Method::POST, protocol.path()).ok();
            prop_assert_eq!(judged, Some(Route::Judge(protocol)));
            let method = method.parse().unwrap();
            prop_assert!(routes.route(&method, protocol.path()).is_err());
            let longer = format!("{}{more}", protocol.path());
            let longer_is = routes.route(&Method::POST, &longer).ok();
            let meant = more.chars().all(|c| c == '/').then_some(Route::Judge(protocol));
            prop_assert_eq!(longer_is, meant);
        }
    }
}
