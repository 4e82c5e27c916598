//! `intentgate ask`: one question explained to a person, or many judged for a program.

use std::future::ready;
use std::io::{ErrorKind, Write};
use std::pin::pin;

use anstream::println;
use anyhow::Context as _;
use clap::Args;
use futures_util::{StreamExt, stream};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::terminal::{self, BOLD, DIM, colour, paint};
use crate::chat::line::Line;
use crate::chat::{Text, language};
use crate::config::Config;
use crate::gate::{Gate, policy};
use crate::intent::Action;
use crate::language::{Localized, say};
use crate::reload::Intents;
use crate::snapshot::{Snapshot, Vectors};
use crate::verdict::{Decision, Judgement, Reason, Topic};

/// Intents shown to a person.
const SHOWN_INTENTS: usize = 5;
/// Examples shown to a person.
const SHOWN_EXAMPLES: usize = 5;

/// Judge a question and explain the verdict.
#[derive(Debug, Args)]
pub(super) struct Ask {
    /// The question
    #[arg(required_unless_present = "jsonl", conflicts_with = "jsonl")]
    text: Option<String>,
    /// Read questions as JSON Lines on standard input, {"text": …} or {"messages": […]}, and write one
    /// verdict a line
    #[arg(long)]
    jsonl: bool,
}

impl Ask {
    pub(super) async fn run(self, config: Config) -> anyhow::Result<()> {
        let embedder = terminal::load(&config.model).await?;
        let intents = Intents::new(&config, &embedder)?;
        let (snapshot, review) = terminal::prepare(&intents, &intents.read()?, &embedder).await?;
        let gate = Gate::new(embedder, &config.gate);
        match self.text {
            Some(text) if text.trim().is_empty() => {
                print_decision(&snapshot, &Decision::unjudged(Reason::NoText), &text);
            }
            Some(text) => explain(&snapshot, &review.vectors, &gate, &text).await?,
            None => judge_lines(&snapshot, &gate).await?,
        }
        Ok(())
    }
}

async fn explain(
    snapshot: &Snapshot,
    vectors: &Vectors,
    gate: &Gate,
    text: &str,
) -> anyhow::Result<()> {
    let line = Line {
        text: Some(text.to_owned()),
        messages: None,
    };
    let prompt = line
        .prompt()
        .map_err(|phrase| anyhow::anyhow!("{}", phrase.here()))?;
    let prompt = gate.unwrapped(snapshot, prompt, None);
    let Text::Question(words) = &prompt.text else {
        let decision = gate.judge(snapshot, &prompt).await;
        print_decision(snapshot, &decision, text);
        return Ok(());
    };
    let evidence = gate.evidence(snapshot, words, &prompt.context).await?;
    let decision = policy::decide(snapshot, gate.policy(), &evidence);
    print_decision(snapshot, &decision, words);
    if prompt.wrapping.is_some() {
        println!(
            "  {}",
            say(
                format!("顾客的话：{words}"),
                format!("the customer's words: {words}")
            )
        );
    }
    if let Some(judgement) = &decision.judgement {
        print_intents(snapshot, judgement);
        let stage = snapshot.judge.stage();
        let embedding = gate.embedder().embed(evidence.text, stage).await?;
        print_examples(snapshot, vectors, &embedding.vectors);
        print_timings(judgement);
    }
    Ok(())
}

fn print_decision(snapshot: &Snapshot, decision: &Decision, text: &str) {
    let word = match decision.action {
        Action::Forward => say("转发给大模型", "forward"),
        Action::Answer => say("直接回答", "answer"),
        Action::Reject => say("婉拒", "reject"),
    };
    let intent = decision.intent().and_then(|name| snapshot.intent(name));
    let title = intent.map(|intent| format!("  {} ({})", intent.title.here(), intent.name));
    println!(
        "{}{}",
        paint(colour(decision.action), &word),
        title.unwrap_or_default()
    );
    println!("  {}", decision.reason.explain().here());
    if let Some(judgement) = &decision.judgement {
        let (on_topic, log_odds) = (100.0 * judgement.on_topic(), judgement.log_odds);
        let line = say(
            format!("是店里的事的可能性 {on_topic:.1} %（对数几率 {log_odds:+.2}）"),
            format!("{on_topic:.1} % likely to be the shop's business (log-odds {log_odds:+.2})"),
        );
        println!("  {line}");
    }
    if let Some(reply) = &decision.reply {
        println!("  {}", reply_line(reply, text));
    }
}

/// The reply as the customer reads it, with its language where more than Chinese and English are written.
fn reply_line(reply: &Localized, text: &str) -> String {
    let code = language(&[text], reply);
    let said = reply.text(code);
    match reply.spoken(code).filter(|_| reply.goes_further()) {
        Some(code) => say(
            format!("答复（{code}）：{said}"),
            format!("reply ({code}): {said}"),
        ),
        None => say(format!("答复：{said}"), format!("reply: {said}")),
    }
}

fn print_intents(snapshot: &Snapshot, judgement: &Judgement) {
    println!(
        "\n{}",
        paint(BOLD, &say("最接近的意图", "likeliest intents"))
    );
    let candidates = &judgement.assessment.verdict.candidates;
    for candidate in candidates.iter().take(SHOWN_INTENTS) {
        let percent = 100.0 * candidate.probability;
        let (name, title) = match &candidate.topic {
            Topic::Intent(name) => {
                let title = snapshot.intent(name).map(|intent| intent.title.here());
                (name.as_str(), title.unwrap_or_default().to_owned())
            }
            Topic::OffTopic => (
                candidate.topic.label(),
                say("哪家店都不管的", "what no shop is asked"),
            ),
        };
        println!(
            "  {percent:>5.1} %  {}  {title}",
            paint(colour(candidate.action), name)
        );
    }
}

fn print_examples(snapshot: &Snapshot, vectors: &Vectors, question: &[f32]) {
    println!("\n{}", paint(BOLD, &say("最像的例句", "nearest examples")));
    let mut examples: Vec<_> = snapshot
        .intents
        .iter()
        .flat_map(|intent| intent.examples.iter().map(move |example| (intent, example)))
        .filter_map(|(intent, example)| {
            let vectors = vectors.get(&example.read)?;
            let similarity = snapshot.judge.similarity(question, vectors);
            Some((similarity, intent, example))
        })
        .collect();
    examples.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (similarity, intent, example) in examples.into_iter().take(SHOWN_EXAMPLES) {
        let place = format!("{}.toml:{}", intent.name, example.line);
        println!(
            "  {similarity:.3}  {}  {}",
            example.text,
            paint(DIM, &place)
        );
    }
}

fn print_timings(judgement: &Judgement) {
    let ms = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    let (tokens, timings) = (judgement.assessment.tokens, &judgement.timings);
    let (first, second, third) = (
        ms(timings.static_stage),
        ms(timings.encoder),
        ms(timings.verdict),
    );
    let line = say(
        format!("{tokens} 个词元：静态级 {first:.2} ms，编码器 {second:.2} ms，判断 {third:.2} ms"),
        format!(
            "{tokens} tokens: static stage {first:.2} ms, encoder {second:.2} ms, verdict {third:.2} ms"
        ),
    );
    println!("\n{}", paint(DIM, &line));
    if judgement.truncated {
        let left_out = judgement.left_out;
        println!(
            "{}",
            say(
                format!("文字太长，只看了开头、结尾和中间的几段；{left_out} 字节没有看。"),
                format!(
                    "The text is long; it was judged by its beginning, its end and parts between; {left_out} bytes were not read."
                )
            )
        );
    }
}

/// Lines in order; as many at a time as keep every thread of the model busy. A verdict does not wait for the
/// line behind its own.
async fn judge_lines(snapshot: &Snapshot, gate: &Gate) -> anyhow::Result<()> {
    let lines = BufReader::new(tokio::io::stdin()).lines();
    let lines = stream::unfold(lines, |mut lines| async {
        let line = lines.next_line().await.transpose()?;
        Some((line, lines))
    });
    let written = |(_, line): &(usize, std::io::Result<String>)| {
        ready(!matches!(line, Ok(line) if line.trim().is_empty()))
    };
    let verdicts = lines
        .enumerate()
        .filter(written)
        .map(|(number, line)| async move {
            let read = async { judge_line(snapshot, gate, &line?).await };
            read.await
                .with_context(|| format!("line {} of standard input", number + 1))
        })
        .buffered(2 * gate.embedder().threads());
    let mut verdicts = pin!(verdicts);
    let mut out = std::io::stdout().lock();
    while let Some(verdict) = verdicts.next().await {
        match writeln!(out, "{}", verdict?).and_then(|()| out.flush()) {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
            written => written?,
        }
    }
    Ok(())
}

async fn judge_line(
    snapshot: &Snapshot,
    gate: &Gate,
    line: &str,
) -> anyhow::Result<serde_json::Value> {
    let line: Line =
        serde_json::from_str(line).with_context(|| Line::accepted().here().to_owned())?;
    let prompt = line
        .prompt()
        .map_err(|phrase| anyhow::anyhow!("{}", phrase.here()))?;
    let prompt = gate.unwrapped(snapshot, prompt, None);
    let decision = gate.judge(snapshot, &prompt).await;
    anyhow::ensure!(
        decision.judgement.is_some() || !matches!(prompt.text, Text::Question(_)),
        "{}",
        decision.reason.explain().here()
    );
    let mut line = verdict_line(&decision);
    if let (Some(_), Text::Question(words)) = (prompt.wrapping, &prompt.text) {
        line["question"] = json!(words);
    }
    Ok(line)
}

/// The format that other programs rely on.
fn verdict_line(decision: &Decision) -> serde_json::Value {
    let judgement = decision.judgement.as_ref();
    let verdict = judgement.map(|j| &j.assessment.verdict);
    let intents = verdict.iter().flat_map(|v| v.intents()).take(SHOWN_INTENTS);
    let intents: Vec<_> = intents
        .map(|(name, probability)| json!({"name": name.as_str(), "probability": probability}))
        .collect();
    json!({
        "decision": decision.action.as_str(),
        "intent": decision.topic.as_ref().map(Topic::label),
        "on_topic": judgement.map(Judgement::on_topic),
        "log_odds": judgement.map(|j| j.log_odds),
        "mixed": decision.mixed,
        "truncated": judgement.is_some_and(|j| j.truncated),
        "left_out": judgement.map_or(0, |j| j.left_out),
        "reason": decision.reason.explain().en,
        "stage": judgement.map(|j| j.stage.as_str()),
        "intents": intents,
        "micros": judgement.map(|j| u64::try_from(j.timings.total().as_micros()).unwrap_or(u64::MAX)),
    })
}
