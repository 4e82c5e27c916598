//! Spans of requests, exported by OTLP where the operator turned it on.
