//! The bundled model's tokenizer, held against Hugging Face's with the same vocabulary, which takes 290 MiB.

use std::fs;
use std::path::Path;

use intentgate::config;
use intentgate::embed::Tokenizer;
use intentgate::intent::file::{self, Context};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use safetensors::SafeTensors;
use tokenizers::models::unigram::Unigram;
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{Precompiled, Replace, Sequence};
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};

const FOLDER: &str = "models/multilingual-e5-small";
const UNKNOWN: usize = 3;

/// Texts that are made up.
const MADE_UP: u32 = 5_000;

#[test]
fn ids_are_those_of_hugging_faces() {
    let vocabulary = Vocabulary::read();
    let hugging_face = vocabulary.hugging_face();
    let ours = Tokenizer::load(Path::new(FOLDER), "", 1 << 20).unwrap();
    let agree = |text: &str| {
        let encoding = hugging_face.encode_fast(text, false).unwrap();
        let ids = [&[0], encoding.get_ids(), &[2]].concat();
        assert_eq!(ours.encode(text).ids, ids, "{text:?}");
    };
    let examples = examples();
    assert!(examples.len() > 3000, "{} examples", examples.len());
    examples.iter().for_each(|text| agree(text));

    let config = Config {
        cases: MADE_UP,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let texts = text(vocabulary.pieces());
    let result = runner.run(&texts, |text| {
        agree(&text);
        Ok(())
    });
    result.unwrap();
}

/// What changes the form of what is beside it, or is changed itself.
const JOINING: [&str; 25] = [
    " ", "  ", "\u{3000}", "\u{a0}", "▁", "\r\n", "\t", "\0", "\u{200b}", "\u{200d}", "\u{feff}",
    "\u{fe0f}", "\u{301}", "\u{3099}", "\u{e33}", "\u{94d}", "\u{651}", "\u{fdfa}", "ﬁ", "①",
    "<s>", "<unk>", "👩", "🏽", "🇩",
];

/// Words of all languages, characters of none, what joins them, and each of them many times.
fn text(pieces: Vec<String>) -> impl Strategy<Value = String> {
    let part = prop_oneof![
        select(pieces),
        select(&JOINING[..]).prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
        "[a-z]{1,9}",
    ];
    let times = prop_oneof![9 => Just(1), 1 => 2_usize..200];
    let repeated = (part, times).prop_map(|(part, times)| part.repeat(times));
    vec(repeated, 0..12).prop_map(|parts| parts.concat())
}

/// The questions that come with the project.
fn examples() -> Vec<String> {
    let files = file::read_folder(Path::new("intents")).unwrap();
    let context = Context {
        shop: &config::Shop::default(),
        reject_reply: &config::Gate::default().reject_reply,
    };
    let intents = file::parse(Path::new("intents"), &files, context).unwrap();
    let examples = intents.into_iter().flat_map(|intent| intent.examples);
    examples.map(|example| example.text).collect()
}

/// What the tokenizer's file holds, in Hugging Face's shape.
struct Vocabulary {
    /// With their scores. Special tokens, which are not in the file, are words that no text has.
    pieces: Vec<(String, f64)>,
    charsmap: Vec<u8>,
}

impl Vocabulary {
    fn read() -> Self {
        let bytes = fs::read(Path::new(FOLDER).join("tokenizer.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let numbers = |name: &str| file.tensor(name).unwrap().data().as_chunks().0.to_vec();
        let scores = numbers("scores").into_iter().map(f32::from_le_bytes);
        let mut pieces: Vec<_> = scores
            .enumerate()
            .map(|(id, score)| (format!("\u{10fffe}{id}"), f64::from(score)))
            .collect();
        let units: Vec<_> = numbers("trie")
            .into_iter()
            .map(u32::from_le_bytes)
            .collect();
        for (piece, id) in keys(&units) {
            pieces[id as usize].0 = piece;
        }
        Vocabulary {
            pieces,
            charsmap: file.tensor("charsmap").unwrap().data().to_vec(),
        }
    }

    fn pieces(&self) -> Vec<String> {
        let pieces = self.pieces.iter().map(|(piece, _)| piece.replace('▁', " "));
        pieces
            .filter(|piece| !piece.starts_with('\u{10fffe}'))
            .collect()
    }

    fn hugging_face(&self) -> tokenizers::Tokenizer {
        let unigram = Unigram::from(self.pieces.clone(), Some(UNKNOWN), false).unwrap();
        let charsmap = Precompiled::from(&self.charsmap).unwrap();
        let spaces = Replace::new(ReplacePattern::Regex(" {2,}".to_owned()), " ").unwrap();
        let normalizer = Sequence::new(vec![charsmap.into(), spaces.into()]);
        let mut tokenizer = tokenizers::Tokenizer::new(unigram);
        tokenizer.with_normalizer(Some(normalizer)).unwrap();
        let metaspace = Metaspace::new('▁', PrependScheme::Always, true);
        tokenizer.with_pre_tokenizer(Some(metaspace));
        tokenizer
    }
}

/// All that a double array holds.
fn keys(units: &[u32]) -> Vec<(String, u32)> {
    let mut found = Vec::new();
    let mut nodes = vec![(0, Vec::new())];
    while let Some((node, key)) = nodes.pop() {
        let around = node ^ (units[node] >> 10) as usize;
        if units[node] & 1 << 8 != 0 {
            found.push((
                String::from_utf8(key.clone()).unwrap(),
                units[around] & !(1 << 31),
            ));
        }
        for label in 1..=255_u8 {
            let child = around ^ usize::from(label);
            if units
                .get(child)
                .is_some_and(|unit| unit & (1 << 31 | 0xff) == u32::from(label))
            {
                nodes.push((child, [&key[..], &[label]].concat()));
            }
        }
    }
    found
}
