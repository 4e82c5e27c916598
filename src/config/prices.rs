//! `[prices]` and `[[prices.model]]`: what tokens cost, and how they are counted.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Deserializer};

use super::units;
use crate::chat::Usage;
use crate::language::Phrase;
use crate::problem::{Problem, Problems};
use crate::tokenizer::{Choice, Tokenizer};

/// Prices are for so many tokens.
const PER: f64 = 1e6;

/// What models cost. By default none has a price.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Prices {
    /// The currency of all prices: three letters of ISO 4217.
    #[serde(deserialize_with = "currency")]
    pub currency: String,
    /// Counts the tokens of models that have no tokenizer of their own.
    pub tokenizer: Choice,
    /// The models; of those that a name fits the first counts.
    pub model: Vec<ModelPrice>,
}

/// What one model costs, or those whose names begin alike. One without a name or a price is refused.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct ModelPrice {
    /// The name that clients ask for; `*` at its end stands for any ending.
    #[serde(deserialize_with = "name")]
    pub name: String,
    /// A million tokens of requests.
    #[serde(deserialize_with = "price")]
    pub input: Option<f64>,
    /// A million tokens of requests that came from the upstream's cache. None: as others.
    #[serde(deserialize_with = "price")]
    pub cached_input: Option<f64>,
    /// A million tokens of replies.
    #[serde(deserialize_with = "price")]
    pub output: Option<f64>,
    /// Counts its tokens.
    pub tokenizer: Option<Choice>,
}

/// The tokenizers of all models, loaded.
#[derive(Clone, Debug)]
pub struct Tokenizers {
    /// Names as [`ModelPrice::name`] has them; the first that fits counts.
    models: Vec<(String, Tokenizer)>,
    others: Tokenizer,
}

impl Prices {
    pub(super) fn root_paths(&mut self, folder: &Path) {
        let own = self.model.iter_mut().filter_map(|m| m.tokenizer.as_mut());
        for choice in own.chain([&mut self.tokenizer]) {
            if let Choice::File(path) = choice {
                *path = folder.join(&*path);
            }
        }
    }

    /// What serde cannot see: the key of the problem, and what is wrong.
    pub(super) fn check(&self) -> Vec<(String, Phrase)> {
        let missing = self.model.iter().enumerate().flat_map(|(index, model)| {
            let keys = [
                ("name", model.name.is_empty()),
                ("input", model.input.is_none()),
                ("output", model.output.is_none()),
            ];
            let missing = keys.into_iter().filter(|(_, missing)| *missing);
            missing.map(move |(key, _)| format!("prices.model[{index}].{key}"))
        });
        let needed = || {
            Phrase::new(
                "没有写；模型要有名字 name，以及每一百万 token 的价钱 input 和 output",
                "is missing; a model has its name, and input and output, what a million tokens cost",
            )
        };
        missing.map(|key| (key, needed())).collect()
    }

    /// The price of a model, by the name that a client asked for.
    pub fn price_of(&self, model: &str) -> Option<&ModelPrice> {
        self.model.iter().find(|price| fits(&price.name, model))
    }

    /// Loads the tokenizers that are named, each file once.
    ///
    /// # Errors
    /// Every file that cannot be used.
    pub fn tokenizers(&self) -> Result<Tokenizers, Problems> {
        let (mut loaded, mut problems) = (HashMap::new(), Vec::new());
        let mut load = |key: String, choice: &Choice| {
            let known = loaded.entry(choice.clone());
            let tokenizer = known.or_insert_with(|| Tokenizer::load(choice));
            tokenizer.clone().unwrap_or_else(|message| {
                problems.push(problem(key, choice, message));
                Tokenizer::default()
            })
        };
        let others = load("prices.tokenizer".to_owned(), &self.tokenizer);
        let models = self.model.iter().enumerate().map(|(index, model)| {
            let own = model.tokenizer.as_ref();
            let own = own.map(|own| load(format!("prices.model[{index}].tokenizer"), own));
            (model.name.clone(), own.unwrap_or_else(|| others.clone()))
        });
        let models = models.collect();
        Problems(problems).or(Tokenizers { models, others })
    }
}

impl ModelPrice {
    /// What an upstream takes for a usage.
    pub fn cost(&self, usage: &Usage) -> f64 {
        let cached = usage.cached.min(usage.prompt);
        let fresh = self.expected(usage.prompt - cached, usage.completion as f64);
        let price = self.cached_input.or(self.input).unwrap_or(0.0);
        fresh + cached as f64 * price / PER
    }

    /// What an upstream would take for a request with nothing in its cache, and for a reply that is expected.
    pub fn expected(&self, prompt: u64, completion: f64) -> f64 {
        let (input, output) = (self.input.unwrap_or(0.0), self.output.unwrap_or(0.0));
        (prompt as f64 * input + completion * output) / PER
    }
}

impl Tokenizers {
    /// The tokenizer of a model, by the name that a client asked for.
    pub fn of(&self, model: &str) -> &Tokenizer {
        let own = self.models.iter().find(|(name, _)| fits(name, model));
        own.map_or(&self.others, |(_, tokenizer)| tokenizer)
    }
}

impl Default for Prices {
    fn default() -> Self {
        Prices {
            currency: "CNY".to_owned(),
            tokenizer: Choice::default(),
            model: Vec::new(),
        }
    }
}

fn problem(key: String, choice: &Choice, message: Phrase) -> Problem {
    let file = match choice {
        Choice::File(path) => path.display().to_string(),
        Choice::Family(name) => (*name).to_owned(),
    };
    Problem {
        key: Some(key),
        ..Problem::of_file(&file, message)
    }
}

fn fits(name: &str, model: &str) -> bool {
    match name.strip_suffix('*') {
        Some(beginning) => model.starts_with(beginning),
        None => model == name,
    }
}

fn currency<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let accepted = || {
        Phrase::new(
            "不是货币代码；请写三个大写字母，如 \"CNY\"、\"USD\"",
            "is no currency; write three capital letters, such as \"CNY\" or \"USD\"",
        )
    };
    units::text(deserializer, accepted, |text| {
        let is_code = text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase());
        is_code.then(|| text.to_owned())
    })
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let accepted = || {
        Phrase::new(
            "不是模型名；请写客户端请求里的名字，如 \"gpt-5\"，* 只能在末尾，如 \"gpt-5*\"",
            "is no model; write the name that clients ask for, such as \"gpt-5\", with * at its end only, such as \"gpt-5*\"",
        )
    };
    units::text(deserializer, accepted, |text| {
        let star = text.find('*').is_none_or(|at| at + 1 == text.len());
        (star && !text.is_empty()).then(|| text.to_owned())
    })
}

fn price<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let price = f64::deserialize(deserializer)?;
    if price.is_finite() && price >= 0.0 {
        return Ok(Some(price));
    }
    Err(Phrase::new(
        "不是价格；请写每一百万 token 的价钱，0 或以上，如 2.5",
        "is no price; write what a million tokens cost, 0 or more, such as 2.5",
    )
    .into_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices(text: &str) -> Prices {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn what_comes_from_the_cache_has_its_own_price() {
        let usage = |prompt, cached, completion| Usage {
            prompt,
            cached,
            completion,
            ..Usage::default()
        };
        let plain = "[[model]]\nname = 'm'\ninput = 2\noutput = 8\n";
        let cached = format!("{plain}cached_input = 0.5\n");
        for (text, usage, cost) in [
            (plain, usage(1_000_000, 0, 0), 2.0),
            (plain, usage(1_000_000, 600_000, 500_000), 6.0),
            (&cached, usage(1_000_000, 600_000, 500_000), 5.1),
            // No upstream caches more than it was sent.
            (&cached, usage(1_000_000, 2_000_000, 0), 0.5),
            (plain, usage(0, 0, 0), 0.0),
        ] {
            let prices = prices(text);
            let found = prices.price_of("m").unwrap().cost(&usage);
            assert!((found - cost).abs() < 1e-9, "{text} {usage:?}: {found}");
        }
        let prices = prices(&cached);
        let expected = prices.price_of("m").unwrap().expected(1_000, 62.5);
        assert!((expected - 0.0025).abs() < 1e-12, "{expected}");
    }

    #[test]
    fn the_first_name_that_fits_counts() {
        let prices = prices(
            "[[model]]\nname = 'a-1'\ninput = 1\noutput = 0\n[[model]]\nname = 'a*'\ninput = 2\noutput = 0\n[[model]]\nname = '*'\ninput = 3\noutput = 0\n",
        );
        for (model, input) in [
            ("a-1", 1.0),
            ("a-12", 2.0),
            ("a", 2.0),
            ("A-1", 3.0),
            ("", 3.0),
        ] {
            let found = prices.price_of(model).unwrap().input.unwrap();
            assert!((found - input).abs() < 1e-9, "{model}: {found}");
        }
        assert_eq!(Prices::default().price_of("a-1"), None);
    }

    #[test]
    fn each_model_is_counted_by_its_own_tokenizer() {
        let prices = prices(
            "tokenizer = 'cl100k_base'\n[[model]]\nname = 'q*'\ninput = 1\noutput = 1\ntokenizer = 'qwen2'\n",
        );
        let tokenizers = prices.tokenizers().unwrap();
        let count = |model| tokenizers.of(model).count("1234567");
        // Qwen's has a token a digit, OpenAI's one for up to three.
        assert_eq!((count("qwen-plus"), count("gpt-4")), (7, 3));
    }

    #[test]
    fn every_file_that_is_no_tokenizer_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.json"), "{}").unwrap();
        let mut prices = prices(
            "tokenizer = 'a.json'\n[[model]]\nname = 'q'\ninput = 1\noutput = 1\ntokenizer = 'o200k'\n",
        );
        prices.root_paths(folder.path());
        let problems = prices.tokenizers().unwrap_err().0;
        let places: Vec<_> = problems
            .iter()
            .map(|p| (p.file.as_str(), p.key.as_deref()))
            .collect();
        let file = |name: &str| folder.path().join(name).display().to_string();
        let expected = [
            (&*file("a.json"), Some("prices.tokenizer")),
            (&*file("o200k"), Some("prices.model[0].tokenizer")),
        ];
        assert_eq!(places, expected);
        assert!(
            problems[1]
                .message
                .en
                .contains("o200k_base, cl100k_base, qwen2")
        );
    }
}
