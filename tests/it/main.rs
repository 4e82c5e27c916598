//! Integration tests.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot go on fails its test"
)]

mod check;
mod commands;
mod eval;
mod faults;
mod files;
mod kit;
mod layers;
mod limits;
mod model;
mod proxy;
mod reload;
mod streams;
