//! Errors in the shapes of the two APIs that clients know.

use http::StatusCode;
use serde_json::{Value, json};

/// What went wrong, before it is phrased for a protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The status; in a stream, the one that it would have had.
    pub status: StatusCode,
    /// A word for programs, in OpenAI's `code`.
    pub code: &'static str,
    /// What happened and what to do, for whoever runs the client.
    pub message: String,
}

impl Fault {
    /// OpenAI's error object.
    pub(super) fn openai(&self) -> Value {
        json!({"error": self.openai_inner()})
    }

    pub(super) fn openai_inner(&self) -> Value {
        let kind = match self.status {
            // Its kinds of rate limits are counted things: requests here, tokens elsewhere.
            StatusCode::TOO_MANY_REQUESTS => "requests",
            status if status.is_server_error() => "server_error",
            // A wrong key and a forbidden path are told apart by their codes.
            _ => "invalid_request_error",
        };
        json!({"message": self.message, "type": kind, "param": null, "code": self.code})
    }

    /// Anthropic's error object.
    pub(super) fn anthropic(&self, request_id: Option<&str>) -> Value {
        let error = json!({"type": self.anthropic_kind(), "message": self.message});
        let mut object = json!({"type": "error", "error": error});
        if let Some(id) = request_id {
            object["request_id"] = id.into();
        }
        object
    }

    fn anthropic_kind(&self) -> &'static str {
        match self.status {
            StatusCode::UNAUTHORIZED => "authentication_error",
            StatusCode::FORBIDDEN => "permission_error",
            StatusCode::NOT_FOUND => "not_found_error",
            StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => "timeout_error",
            StatusCode::PAYLOAD_TOO_LARGE => "request_too_large",
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            StatusCode::SERVICE_UNAVAILABLE => "overloaded_error",
            status if status.is_server_error() => "api_error",
            _ => "invalid_request_error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Protocol;
    use super::*;

    fn fault(status: u16) -> Fault {
        Fault {
            status: StatusCode::from_u16(status).unwrap(),
            code: "a_code",
            message: "what to do".to_owned(),
        }
    }

    #[test]
    fn each_status_has_the_type_that_its_api_gives_it() {
        for (status, openai, anthropic) in [
            (400, "invalid_request_error", "invalid_request_error"),
            (401, "invalid_request_error", "authentication_error"),
            (403, "invalid_request_error", "permission_error"),
            (404, "invalid_request_error", "not_found_error"),
            (405, "invalid_request_error", "invalid_request_error"),
            (408, "invalid_request_error", "timeout_error"),
            (413, "invalid_request_error", "request_too_large"),
            (429, "requests", "rate_limit_error"),
            (500, "server_error", "api_error"),
            (502, "server_error", "api_error"),
            (503, "server_error", "overloaded_error"),
            (504, "server_error", "timeout_error"),
        ] {
            let fault = fault(status);
            let openai = json!({"error": {"message": "what to do", "type": openai, "param": null, "code": "a_code"}});
            let anthropic = json!({"type": "error", "error": {"type": anthropic, "message": "what to do"}, "request_id": "r-1"});
            for protocol in Protocol::ALL {
                let body = protocol.error(&fault, "r-1");
                let body: Value = serde_json::from_slice(&body).unwrap();
                let expected = match protocol {
                    Protocol::Messages => &anthropic,
                    _ => &openai,
                };
                assert_eq!(body, *expected, "{status}");
            }
        }
    }

    #[test]
    fn a_stream_ends_with_an_event_that_is_an_error() {
        let openai =
            r#"{"message":"what to do","type":"server_error","param":null,"code":"a_code"}"#;
        let data = format!("data: {{\"error\":{openai}}}\n\n");
        let flat = r#""code":"a_code","message":"what to do","param":null"#;
        for (protocol, expected) in [
            (Protocol::ChatCompletions, data.clone()),
            (Protocol::Completions, data),
            (
                Protocol::Responses,
                format!(
                    "event: error\ndata: {{\"type\":\"error\",{flat},\"error\":{openai},\"sequence_number\":0}}\n\n"
                ),
            ),
            (
                Protocol::Messages,
                "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"what to do\"}}\n\n"
                    .to_owned(),
            ),
        ] {
            assert_eq!(protocol.stream_error(&fault(502)), expected);
        }
    }
}
