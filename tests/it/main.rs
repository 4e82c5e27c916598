//! Integration tests.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot go on fails its test"
)]
#![expect(
    clippy::print_stdout,
    reason = "figures that were measured are shown where a test fails, or with --nocapture"
)]

mod access;
mod broken_streams;
mod check;
mod commands;
mod conversations;
mod documents;
mod eval;
mod faults;
mod fields;
mod files;
mod forget;
mod hub;
mod ids;
mod journal;
mod journal_bounds;
mod journal_lost;
mod kit;
mod languages;
mod layers;
mod leaks;
mod learned;
mod ledger;
mod lifecycle;
mod limits;
mod local_models;
mod long;
mod metrics;
mod mixed;
mod model;
mod modes;
mod policy;
mod private;
mod protocols;
mod proxy;
mod real_models;
mod reload;
mod remote;
mod remote_gateway;
mod replies;
mod report;
mod report_figures;
mod report_headline;
mod retries;
mod review;
mod saved_once;
mod settings;
mod slips;
mod small_shops;
mod smuggling;
mod strangers;
mod streams;
mod tls;
mod tokens;
mod traces;
mod unit;
mod upstreams;
mod wire;
mod wire_forms;
mod wording;
mod wrapped;
