//! The tables of metrics in the documentation, held against the source and against what a gateway shows.

use std::collections::BTreeSet;
use std::fs;

use intentgate::intent::Action;
use intentgate::metrics::Metrics;

/// The whole table, in both languages.
const TABLES: [&str; 2] = ["docs/monitoring.md", "docs/monitoring.zh-CN.md"];

#[test]
fn the_tables_name_every_metric_with_its_labels_and_no_other() {
    let registered = registered();
    for file in TABLES {
        let documented = documented(file);
        let missing: Vec<_> = registered.difference(&documented).collect();
        let strays: Vec<_> = documented.difference(&registered).collect();
        assert!(
            missing.is_empty() && strays.is_empty(),
            "{file}: missing {missing:#?}, in no registry {strays:#?}"
        );
    }
}

#[test]
fn no_metric_is_registered_elsewhere() {
    let registered = registered();
    let names: BTreeSet<_> = registered.iter().map(|row| bare(row)).collect();
    let text = Metrics::new().unwrap().render().unwrap();
    let shown: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .filter(|name| !name.starts_with("process_"))
        .collect();
    assert!(shown.len() > 10, "{shown:?}");
    for name in shown {
        assert!(names.contains(name), "{name}");
    }
}

#[test]
fn counters_of_intents_begin_at_zero() {
    let metrics = Metrics::new().unwrap();
    metrics.expect([("refund", Action::Forward), ("poem", Action::Reject)]);
    let text = metrics.render().unwrap();
    for series in [
        "requests_total{decision=\"forward\",intent=\"refund\",protocol=\"messages\"}",
        "requests_total{decision=\"reject\",intent=\"background\",protocol=\"chat_completions\"}",
        "llm_calls_saved_total{decision=\"reject\",intent=\"poem\"}",
        "repeats_total{decision=\"reject\",intent=\"poem\"}",
        "rejections_asked_again_total{intent=\"poem\"}",
        "rejections_handed_over_total{intent=\"background\"}",
        "gate_duration_seconds_count{stage=\"encoder\"}",
    ] {
        let zero = format!("intentgate_{series} 0");
        assert!(text.lines().any(|line| line == zero), "{zero}");
    }
    assert!(!text.contains("llm_calls_saved_total{decision=\"forward\""));
}

/// Every metric that the source registers, as the tables write it: `name{label,label}`.
fn registered() -> BTreeSet<String> {
    let metrics = fs::read_to_string("src/metrics.rs").unwrap();
    let serve = fs::read_to_string("src/cli/serve.rs").unwrap();
    let embeddings = fs::read_to_string("src/metrics/embeddings.rs").unwrap();
    let made = calls(&metrics, "register.");
    // Only a gateway whose model is behind an API shows these.
    let optional = calls(&embeddings, "options(");
    let made = made.chain(optional);
    // What is asked for whenever metrics are read has no labels.
    let asked = calls(&serve, "metrics.watch(").chain(calls(&metrics, "PullingGauge::new("));
    made.chain(asked).filter_map(row).collect()
}

/// What stands between `opening` and the call's end.
fn calls<'a>(source: &'a str, opening: &'a str) -> impl Iterator<Item = &'a str> {
    let behind = source.split(opening).skip(1);
    behind.map(|rest| rest.split(")?").next().unwrap_or_default())
}

/// The row of a call, whose first text is the name, and whose list of texts are the labels.
fn row(call: &str) -> Option<String> {
    let (arguments, labels) = call.split_once("&[").unwrap_or((call, ""));
    let name = texts(arguments).next()?.trim_start_matches("intentgate_");
    let labels = labels.split(']').next().unwrap_or_default();
    let labels: Vec<_> = texts(labels).collect();
    let labels = match labels[..] {
        [] => String::new(),
        _ => format!("{{{}}}", labels.join(",")),
    };
    Some(format!("intentgate_{name}{labels}"))
}

fn texts(source: &str) -> impl Iterator<Item = &str> {
    source.split('"').skip(1).step_by(2)
}

/// The metrics in the first column of a file's tables.
fn documented(file: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(file).unwrap();
    let rows = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `intentgate_"));
    rows.filter_map(|row| Some(format!("intentgate_{}", row.split_once('`')?.0)))
        .collect()
}

fn bare(row: &str) -> &str {
    row.split('{').next().unwrap_or(row)
}
