//! # intentgate
//!
//! A reverse proxy in front of a shop's LLM. It embeds each customer question on the CPU, compares it with
//! the intents that the shop's operators describe by example, answers or declines locally what needs no LLM,
//! and forwards the rest untouched.
//!
//! ## The journey of a request
//!
//! ```text
//! bytes → Prompt → Embedding → Verdict → Evidence → Decision → response
//! ```
//!
//! 1. [`server`] accepts the connection, [`proxy`] admits the request (key, rate, path, room);
//! 2. [`chat`] reads the text to judge out of the client's protocol: a [`Prompt`](chat::Prompt), and [`wrapping`] finds
//!    the customer's words in it;
//! 3. what is [`Serving`](proxy::serving::Serving), settings and [`Snapshot`](snapshot::Snapshot), is taken once;
//! 4. [`text`] gives the text its normal form, and [`embed`] makes it vectors, in two stages;
//! 5. [`judge::Judge`] says what they mean: a [`Verdict`](verdict::Verdict), kept in the snapshot's cache;
//! 6. [`gate::Gate`] brings verdicts on the question, on what was said before it and on its clauses together as
//!    [`Evidence`](gate::policy::Evidence), and [`gate::policy::decide`] says what is done: a
//!    [`Decision`](verdict::Decision) with its reason, and [`Gate::course`](gate::Gate::course) what comes of it by mode;
//! 7. [`upstream`] carries the request through, or [`chat`] phrases the reply in the client's protocol;
//! 8. the exchange rides in the response's body; when that is gone a [`Record`](record::Record) says what the request
//!    came to. Metrics and the log have it at once; the [`ledger`] puts prices to it and the [`journal`] keeps it,
//!    beside the requests.
//!
//! Each type is made from the one before; no step calls back. [`proxy::Proxy`] holds all of it on one screen.
//!
//! ## The other one-way street
//!
//! ```text
//! file text → Intent → embedded, fitted Snapshot → published in one swap
//! ```
//!
//! What any shop is asked, and what none is, was learned before: the [general evidence](embed::General) comes with the
//! bundled model, and the shop's examples add what is theirs.
//!
//! [`reload`] drives it at the start and at every edit, and publishes what the configuration says in the same
//! swap. A bad file never replaces what serves.
//!
//! ## Layers
//!
//! Rows use rows below them, never above; `tests/it/layers.rs` holds the table.
//!
//! ```text
//! process     main · cli {serve: the only wiring, check, expected, findings, ask, eval, figures, model, models, pull, self_test, compare, report, review, find, forget, wrappings, exit, terminal}
//! time        reload {intents, watch} · server {tasks: the only place that spawns, tls, files, places, connection, head, activity} · admin
//! http        proxy {serving, access, route, body, passing, headers, ids, exchange, shares, unflushed, refusal: the only table of errors}
//! judgement   report {span, tally, cell, spread, savings, rejections, groups, headline, sections, summary, accounts, figures, look, numbers, document, sheet, page, pictures} · ledger {clerk, terms, entry, saving, expected, following, recent, repeats, again} · eval {labels, figures, comparison, document, report} · findings {misjudged, columns} · gate {reading, policy, polarity, asking, course, notices, learning, kept, telling} · snapshot {material, verdicts} · judge {space, cholesky, density, head, calibration, sharpness, thresholds, promise, side_by_side}
//! engines     embed {bundled, manifest, tokens, unigram, charsmap, double_array, static_stage, tensors, encoder, general, examples, local, card, checkpoint, prescription, graph, batch, pooling, sparse, remote, api, answer, dispatch, health, facts, queue, store, runtime, error} · hub {listing, graph, cache, fetch, error} · upstream {connection, carry, retry, keys, reply, demo} · journal {open, rows, completions, retention, reviews, find, forget, trouble, file, error, read} · traces {context, spans, attributes, export} · metrics {register, counting, expected, embeddings} · logging
//! vocabulary  chat {chat_completions, responses, response, completions, messages, turn, fault, stream, whole, ending, line, json, names, billed, usage, keyed, words, unpack, chained} · intent {file} · verdict {reason} · record · config {a file a section}
//! leaf        catalogue · vector · text {characters, excerpt, faces, layout, reading, sound, shop_words, spelling} · wrapping {template, envelope, tags, labels, lines, pieces, fields, mail, stamps, instructions, tasks, cuts, learned, sketch, seen, replies} · clause {wishes} · bare {codes, words} · breaker · source {message, table} · problem · language {code, script, told, guess, localized} · memory · page {charts} · panics · secret · share · tokenizer
//! ```
//!
//! ## Invariants
//!
//! - Deciding is pure and synchronous; only the edges await.
//! - A gate that cannot judge forwards, and counts why.
//! - A request sees one snapshot and one configuration from its first byte to its last.
//! - Every request of a judged protocol is recorded exactly once.
//! - No path reaches the upstream that is neither judged nor listed as passing.
//! - No key of the gateway's own reaches the upstream.
//!
//! What is absent: no call leaves the host but those to the upstream and to what the operator names besides: a
//! collector in `[traces]`, an embeddings API or a model of the hub in `[model]`; no question and no key is written to a log, a metric or a span, and no question to the journal unless
//! the operator says so; no score is shown to callers; no mutable global but the one ONNX Runtime demands and the count of caught panics.

pub mod admin;
pub mod bare;
pub mod breaker;
pub mod catalogue;
pub mod chat;
pub mod clause;
pub mod cli;
pub mod config;
pub mod embed;
pub mod eval;
pub mod findings;
pub mod gate;
pub mod hub;
pub mod intent;
pub mod journal;
pub mod judge;
pub mod language;
pub mod ledger;
pub mod logging;
pub mod memory;
pub mod metrics;
pub mod page;
pub mod panics;
pub mod problem;
pub mod proxy;
pub mod record;
pub mod reload;
pub mod report;
pub mod secret;
pub mod server;
pub mod share;
pub mod snapshot;
pub mod source;
pub mod text;
pub mod tokenizer;
pub mod traces;
pub mod upstream;
pub mod vector;
pub mod verdict;
pub mod wrapping;
