//! `intentgate model check`: a model is loaded and tried on sentences of which it is known which say the same.

use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use serde::Deserialize;

use super::terminal::{self, plain_table, print_table};
use crate::config::Config;
use crate::embed::{Embedder, Facts};
use crate::language::{Language, say};
use crate::memory;
use crate::share::Share;
use crate::verdict::Stage;

/// A model that tells fewer of the triples apart is used wrongly, or does not know the language.
const FEWEST: f64 = 0.75;

/// Load a model, and say what it is, whether it tells known sentences apart, how fast and how large it is
#[derive(Debug, Args)]
pub(super) struct ModelCheck {
    /// bundled, configured (what config.toml says), a folder, or owner/name on the hub
    #[arg(default_value = "configured")]
    name: String,
}

/// A sentence, one that says the same, and one that does not.
#[derive(Debug, Deserialize)]
struct Triple {
    language: String,
    text: String,
    same: String,
    other: String,
}

fn triples() -> anyhow::Result<Vec<Triple>> {
    let lines = include_str!("../../models/self-test.jsonl").lines();
    lines.map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// What came of the triples.
struct Tried {
    /// By language, whether each was told apart.
    told_apart: Vec<(Language, bool)>,
    /// Of each sentence.
    times: Vec<Duration>,
}

impl ModelCheck {
    pub(super) async fn run(self, config: Config) -> anyhow::Result<()> {
        let before = memory::resident();
        let embedder = terminal::load(&terminal::named(&self.name, &config)?).await?;
        let tried = tried(&embedder).await?;
        let grown = before.zip(memory::resident());
        let grown = grown.map(|(before, now)| now.saturating_sub(before));
        let facts = embedder.facts();
        match print(facts, &tried, grown) {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            printed => printed?,
        }
        let bad = tried.languages().into_iter().find(|(language, share)| {
            let share = share.value();
            facts.knows(*language) && share.is_some_and(|share| share < FEWEST)
        });
        let Some((language, share)) = bad else {
            return Ok(());
        };
        let (right, of, name) = (share.count, share.of, terminal::language(language));
        anyhow::bail!(say(
            format!(
                "{}只分清了 {of} 组里的 {right} 组：合成向量的方法或提示语可能不对；对照模型的说明检查 model.pooling 和 model.prompt，或换一个模型",
                name.zh
            ),
            format!(
                "of {of} in {} only {right} are told apart: pooling or prompt may be wrong; hold model.pooling and model.prompt against the model's card, or choose another model",
                name.en
            ),
        ))
    }
}

async fn tried(embedder: &Embedder) -> anyhow::Result<Tried> {
    let mut tried = Tried {
        told_apart: Vec::new(),
        times: Vec::new(),
    };
    let triples = triples()?;
    // The first run of a graph allocates.
    embed(embedder, &triples[0].text).await?;
    for triple in triples {
        let mut vectors = Vec::new();
        for text in [&triple.text, &triple.same, &triple.other] {
            let start = Instant::now();
            vectors.push(embed(embedder, text).await?);
            tried.times.push(start.elapsed());
        }
        let cosine = |with: usize| -> f32 {
            let pairs = vectors[0].iter().zip(&vectors[with]);
            pairs.map(|(a, b)| a * b).sum()
        };
        let language = match triple.language.as_str() {
            "zh" => Language::Zh,
            _ => Language::En,
        };
        tried.told_apart.push((language, cosine(1) > cosine(2)));
    }
    tried.times.sort();
    Ok(tried)
}

/// The blocks as they count beside each other.
async fn embed(embedder: &Embedder, text: &str) -> anyhow::Result<Vec<f32>> {
    let embedding = embedder.embed(text.to_owned(), Stage::Encoder).await;
    let embedding =
        embedding.with_context(|| say("模型没能给出向量", "the model gives no vectors"))?;
    let blocks = &embedder.facts().layout.blocks;
    let weights = blocks
        .iter()
        .flat_map(|block| std::iter::repeat_n(block.weight, block.length));
    let weighed = embedding.vectors.iter().zip(weights);
    Ok(weighed.map(|(x, weight)| x * weight).collect())
}

impl Tried {
    fn languages(&self) -> [(Language, Share); 2] {
        [Language::Zh, Language::En].map(|language| {
            let of = self.told_apart.iter().filter(|(of, _)| *of == language);
            (language, Share::of(of.map(|(_, right)| *right)))
        })
    }

    /// The time within which this share of the sentences was embedded, in milliseconds.
    fn milliseconds(&self, share: f64) -> f64 {
        let last = self.times.len().saturating_sub(1);
        let place = (share * last as f64).round() as usize;
        1e3 * self.times[place.min(last)].as_secs_f64()
    }
}

fn print(facts: &Facts, tried: &Tried, grown: Option<u64>) -> std::io::Result<()> {
    let mut table = plain_table();
    let blocks = facts.layout.blocks.iter();
    let blocks: Vec<_> = blocks
        .map(|block| format!("{} × {}", block.length, block.weight))
        .collect();
    let unknown = || say("没有说明", "not said");
    let or_unknown = |text: String| if text.is_empty() { unknown() } else { text };
    let pooling = facts.pooling.map_or("", |pooling| pooling.as_str());
    let prompt = match facts.prompt.as_str() {
        "" => say("没有", "none"),
        prompt => format!("{prompt:?}"),
    };
    let mut rows = vec![
        (say("模型", "model"), facts.name.clone()),
        (
            say("向量（长度 × 权重）", "vectors (length × weight)"),
            blocks.join(", "),
        ),
        (say("合成方法", "pooling"), or_unknown(pooling.to_owned())),
        (say("提示语", "prompt"), prompt),
        (
            say("最多词元", "tokens at most"),
            facts
                .max_tokens
                .map_or_else(unknown, |most| most.to_string()),
        ),
        (
            say("语言", "languages"),
            or_unknown(facts.languages.join(" ")),
        ),
    ];
    for (language, share) in tried.languages() {
        let name = terminal::language(language);
        let mut found = format!("{} / {}", share.count, share.of);
        if !facts.knows(language) {
            found += &say(
                "（模型不懂这种语言）",
                " (the model does not know the language)",
            );
        }
        let title = say(
            format!("分清意思（{}）", name.zh),
            format!("meanings told apart, {}", name.en),
        );
        rows.push((title, found));
    }
    let (median, most) = (tried.milliseconds(0.5), tried.milliseconds(0.99));
    rows.push((
        say("每个问题", "a question takes"),
        say(
            format!("中位数 {median:.2} 毫秒，99 % 在 {most:.2} 毫秒内"),
            format!("{median:.2} ms in the median, 99 % of them within {most:.2} ms"),
        ),
    ));
    if let Some(grown) = grown {
        let mebibytes = grown >> 20;
        rows.push((say("内存", "memory"), format!("{mebibytes} MiB")));
    }
    for (name, value) in rows {
        table.add_row([name, value]);
    }
    let mut out = anstream::stdout().lock();
    print_table(&mut out, &mut table)?;
    out.flush()
}
