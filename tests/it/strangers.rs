//! The checks of every parser of strangers' bytes, on some thousand inputs each: as they come, and the seeds of the
//! fuzz targets with a few bytes changed. `scripts/fuzz.sh` looks further.

use std::fs;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

#[expect(unreachable_pub, reason = "the fuzz targets use it from another crate")]
mod checks;

use checks::Check;

/// Inputs for each check: together a few seconds in a debug build.
const INPUTS: u32 = 4_000;

/// What parsers look for; a third of the changes put one in.
const WORDS: [&str; 26] = [
    "\"",
    "\\",
    "\\ud83d",
    "\\ude00",
    "\\u0000",
    "{",
    "}",
    "[",
    "null",
    "1e15",
    "\"role\":\"tool\",",
    "\"content\":[",
    "\"text\":",
    "退款",
    "另外",
    "btw ",
    "https://",
    "(T_T)",
    "[流泪]",
    "著",
    "\u{fdfa}",
    "\u{301}",
    "。",
    "</s>",
    "\"usage\":{",
    "\n\ndata: ",
];

#[test]
fn whatever_a_client_sends_is_read_safely() {
    run(&checks::OF_BODIES, &seeds("fuzz/seeds/bodies"));
}

#[test]
fn whatever_an_upstream_replies_is_read_safely() {
    run(&checks::OF_REPLIES, &seeds("fuzz/seeds/replies"));
}

#[test]
fn whatever_a_customer_types_is_read_safely() {
    let files = [
        "fuzz/seeds/texts.txt",
        "tests/pairs/variants.tsv",
        "tests/pairs/reversed.tsv",
    ];
    let texts = files
        .map(|file| fs::read_to_string(file).unwrap())
        .join("\n");
    let seeds: Vec<_> = texts.split(['\t', '\n']).map(Vec::from).collect();
    run(&checks::OF_TEXTS, &seeds);
}

#[test]
fn every_check_has_its_fuzz_target() {
    let replies = checks::OF_REPLIES.iter();
    for (name, _) in replies.chain(&checks::OF_BODIES).chain(&checks::OF_TEXTS) {
        let target = format!("fuzz/src/bin/{name}.rs");
        assert!(Path::new(&target).is_file(), "{target}");
    }
}

/// What the files of a folder hold, by name.
fn seeds(folder: &str) -> Vec<Vec<u8>> {
    let files = fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort_unstable();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Runs each check on the seeds, then on what is made of them. The same inputs each time.
fn run(checks: &[Check], seeds: &[Vec<u8>]) {
    for (name, check) in checks {
        seeds.iter().for_each(|seed| check(seed));
        let config = Config {
            cases: INPUTS,
            failure_persistence: None,
            ..Config::default()
        };
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let result = TestRunner::new_with_rng(config, rng).run(&input(seeds), |bytes| {
            check(&bytes);
            Ok::<_, TestCaseError>(())
        });
        if let Err(error) = result {
            panic!("{name}: {error}");
        }
    }
}

/// A seed with a few changes, or bytes of no pattern.
fn input(seeds: &[Vec<u8>]) -> impl Strategy<Value = Vec<u8>> {
    let change = prop_oneof![
        select(&WORDS[..]).prop_map(|word| word.as_bytes().to_vec()),
        any::<char>().prop_map(|c| c.to_string().into_bytes()),
        vec(any::<u8>(), 0..4),
    ];
    let changes = vec((any::<Index>(), 0..4_usize, change), 0..6);
    let changed = (select(seeds.to_vec()), changes).prop_map(|(mut bytes, changes)| {
        for (at, cut, put) in changes {
            let at = at.index(bytes.len() + 1);
            let end = bytes.len().min(at + cut);
            bytes.splice(at..end, put);
        }
        bytes
    });
    prop_oneof![9 => changed, 1 => vec(any::<u8>(), 0..200)]
}
