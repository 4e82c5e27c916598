//! The key that an upstream asks for, in the header that its protocol has for it.

use http::header::{AUTHORIZATION, HeaderName, InvalidHeaderValue};
use http::{HeaderMap, HeaderValue};

use crate::chat::Protocol;
use crate::secret::Secret;

/// Where Anthropic's clients put their key.
pub const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// One upstream's key in both forms.
#[derive(Clone, Debug)]
pub(super) struct Key {
    bearer: HeaderValue,
    plain: HeaderValue,
}

impl Key {
    pub(super) fn new(key: &Secret) -> Result<Self, InvalidHeaderValue> {
        let sensitive = |text: &str| {
            let mut value = HeaderValue::from_str(text)?;
            value.set_sensitive(true);
            Ok(value)
        };
        Ok(Key {
            bearer: sensitive(&format!("Bearer {}", key.reveal()))?,
            plain: sensitive(key.reveal())?,
        })
    }

    /// Puts the key in place of the client's: in the header that the client used, else in the one that goes
    /// with the path. The client's own does not pass.
    pub(super) fn replace(&self, headers: &mut HeaderMap, path: &str) {
        let bearer = headers.remove(AUTHORIZATION).is_some();
        let plain = headers.remove(X_API_KEY).is_some();
        let plain = match (plain, bearer) {
            (true, false) => true,
            (false, true) => false,
            _ => is_messages(path),
        };
        match plain {
            true => headers.insert(X_API_KEY, self.plain.clone()),
            false => headers.insert(AUTHORIZATION, self.bearer.clone()),
        };
    }
}

/// The client's own key passes, but into no log and no compression table.
pub(super) fn hide(headers: &mut HeaderMap) {
    for name in [AUTHORIZATION, X_API_KEY] {
        if let Some(value) = headers.get_mut(name) {
            value.set_sensitive(true);
        }
    }
}

fn is_messages(path: &str) -> bool {
    let rest = path.strip_prefix(Protocol::Messages.path());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_goes_where_the_client_had_its_own() {
        let key = Key::new(&Secret::new("sk-1")).unwrap();
        let (bearer, plain) = (Some("Bearer sk-1"), Some("sk-1"));
        let (completions, messages) = ("/v1/chat/completions", "/v1/messages");
        for (path, sent, expected) in [
            (completions, &["authorization"][..], (bearer, None)),
            (messages, &["authorization"], (bearer, None)),
            (messages, &["x-api-key"], (None, plain)),
            (completions, &["x-api-key"], (None, plain)),
            (completions, &[], (bearer, None)),
            (messages, &[], (None, plain)),
            ("/v1/messages/count_tokens", &[], (None, plain)),
            ("/v1/messagesx", &[], (bearer, None)),
            (messages, &["authorization", "x-api-key"], (None, plain)),
            (completions, &["authorization", "x-api-key"], (bearer, None)),
        ] {
            let mut headers = HeaderMap::new();
            for name in sent {
                headers.append(*name, HeaderValue::from_static("the client's"));
                headers.append(*name, HeaderValue::from_static("the client's second"));
            }
            key.replace(&mut headers, path);
            let value = |name: HeaderName| {
                let values: Vec<_> = headers.get_all(name).iter().collect();
                assert!(values.len() <= 1 && values.iter().all(|v| v.is_sensitive()));
                values
                    .first()
                    .map(|value| value.to_str().unwrap().to_owned())
            };
            let found = (value(AUTHORIZATION), value(X_API_KEY));
            let found = (found.0.as_deref(), found.1.as_deref());
            assert_eq!(found, expected, "{path} {sent:?}");
        }
    }
}
