//! Which paths are judged, which pass, and that there is no third way in.

use http::Method;

use super::refusal::Refusal;
use crate::chat::Protocol;

/// What is done with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Its question is judged.
    Judge(Protocol),
    /// It goes upstream as it is.
    PassThrough,
}

/// The configured paths.
#[derive(Clone, Debug)]
pub(super) struct Routes {
    pass_through: Vec<String>,
}

impl Routes {
    /// `pass_through` holds paths that pass with everything below them.
    pub(super) fn new(pass_through: &[String]) -> Self {
        let trimmed = pass_through
            .iter()
            .map(|path| path.trim_end_matches('/').to_owned());
        Routes {
            pass_through: trimmed.collect(),
        }
    }

    /// A judged path with any method but POST is refused: nothing but a question belongs there.
    pub(super) fn route(&self, method: &Method, path: &str) -> Result<Route, Refusal> {
        match Protocol::of_path(path) {
            Some(protocol) if method == Method::POST => Ok(Route::Judge(protocol)),
            Some(_) => Err(Refusal::Method),
            None if self.passes(path) => Ok(Route::PassThrough),
            None => Err(Refusal::NotServed(path.to_owned())),
        }
    }

    fn passes(&self, path: &str) -> bool {
        let below = |prefix: &String| {
            let rest = path.strip_prefix(prefix.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        !climbs(path) && self.pass_through.iter().any(below)
    }
}

/// Whether a path could mean another one to whoever reads it next: dot segments and encoded marks.
fn climbs(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let hidden = ["%2e", "%2f", "%5c", "\\"]
        .iter()
        .any(|mark| lower.contains(mark));
    hidden
        || lower
            .split('/')
            .any(|segment| segment == "." || segment == "..")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    #[test]
    fn only_known_paths_are_served() {
        let routes = Routes::new(&["/v1/models".to_owned(), "/v1/embeddings/".to_owned()]);
        let judged = |protocol| Some(Route::Judge(protocol));
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
            (Method::POST, "/v1/chat/completions/", None),
            (Method::POST, "//v1/chat/completions", None),
            (Method::GET, "/v1/models", Some(Route::PassThrough)),
            (Method::GET, "/v1/models/gpt-4o", Some(Route::PassThrough)),
            (Method::POST, "/v1/embeddings", Some(Route::PassThrough)),
            (Method::GET, "/v1/modelsx", None),
            (Method::POST, "/v1/models/../chat/completions", None),
            (Method::POST, "/v1/models/%2e%2E/chat/completions", None),
            (Method::POST, "/v1/models/..%2fchat/completions", None),
            (Method::POST, "/v1/models\\..\\chat\\completions", None),
            (Method::GET, "/v1/responses", None),
            (Method::POST, "/v1/responses/resp_1/cancel", None),
            (Method::POST, "/v1/messages/count_tokens", None),
            (Method::POST, "/v1/messages/batches", None),
            (Method::GET, "/", None),
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
            if let Ok(route) = routes.route(&Method::GET, &path) {
                prop_assert_eq!(route, Route::PassThrough);
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
        fn only_a_post_to_the_very_path_is_judged(
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
            prop_assert!(routes.route(&Method::POST, &longer).is_err());
        }
    }
}
