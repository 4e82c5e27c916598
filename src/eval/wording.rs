//! What figures are called, for the terminal and the page.

use super::{Change, Changes, Effect, Evaluation, Mistakes, Outcome, Question, Trial};
use crate::intent::Action;
use crate::language::{Phrase, say};
use crate::share::Share;

/// One figure of a trial.
#[derive(Clone, Debug)]
pub struct Told {
    /// What it is.
    pub name: Phrase,
    /// What it comes to.
    pub value: Phrase,
    /// How it is read.
    pub meaning: Phrase,
}

/// What the file holds, in a line.
pub fn counts(evaluation: &Evaluation) -> String {
    let (file, all) = (&evaluation.file, evaluation.questions.len());
    let on = evaluation.on_topic();
    let off = all - on;
    say(
        format!("{file}：{all} 个问题，店里的事 {on} 个，无关的 {off} 个"),
        format!("{file}: {all} questions, {on} on-topic, {off} off-topic"),
    )
}

/// A trial's figures in the order that people read them: what it costs, what it brings, how well it tells apart.
pub fn figures(trial: &Trial) -> Vec<Told> {
    let told = |[name_zh, name_en]: [&str; 2], value, [zh, en]: [&str; 2]| Told {
        name: Phrase::new(name_zh, name_en),
        value,
        meaning: Phrase::new(zh, en),
    };
    let figures = &trial.figures;
    vec![
        told(
            ["店里的事被婉拒", "on-topic questions rejected"],
            share(figures.on_topic_rejected),
            [
                "越少越好：这些顾客被拒之门外",
                "fewer is better: customers turned away",
            ],
        ),
        told(
            ["无关的被婉拒", "off-topic questions rejected"],
            share(figures.off_topic_rejected),
            [
                "越多越好：这些问题没有用到大模型",
                "more is better: the LLM was not needed",
            ],
        ),
        told(
            ["店里的事直接回答", "on-topic questions answered here"],
            share(figures.on_topic_answered),
            [
                "用意图的固定答复，没有用到大模型",
                "with an intent's reply: the LLM was not needed",
            ],
        ),
        told(
            ["答非所问", "answered for a wrong intent"],
            share(figures.wrongly_answered),
            [
                "越少越好：标了意图、又直接回答的问题里，用了别的意图的答复",
                "fewer is better: of the answered questions labelled with an intent",
            ],
        ),
        told(
            ["意图认对", "likeliest intent is right"],
            share(figures.intent_right),
            [
                "越多越好：标了意图的问题里，最接近的意图就是标注的",
                "more is better: of the questions labelled with an intent",
            ],
        ),
        told(
            ["AUROC", "AUROC"],
            number(figures.auroc, 4),
            [
                "越高越好，1 为完美：店里的事比无关的得分高的概率",
                "higher is better, 1 is perfect: how often an on-topic question scores above an off-topic one",
            ],
        ),
        told(
            ["FPR95", "FPR95"],
            percent(figures.fpr95),
            [
                "越低越好：如果放行 95 % 店里的事，会跟着放行多少无关的",
                "lower is better: the off-topic questions that would pass if 95 % of the on-topic ones did",
            ],
        ),
        told(
            ["阈值", "threshold"],
            number(trial.threshold, 2),
            ["对数几率低于它就婉拒", "lower log-odds are rejected"],
        ),
    ]
}

/// What the brackets of shares hold.
pub fn brackets() -> String {
    say(
        "括号里是个数，和真实比例有 95 % 把握落在的范围",
        "in brackets: how many, and where the true share lies with 95 % confidence",
    )
}

/// Each kind of mistake with its questions.
pub fn mistakes(mistakes: &Mistakes) -> [(String, &[usize]); 3] {
    [
        (
            say("店里的事，却被婉拒", "On-topic, but rejected"),
            &mistakes.rejected,
        ),
        (
            say("无关的问题，却没有婉拒", "Off-topic, but not rejected"),
            &mistakes.passed,
        ),
        (
            say("答非所问", "Answered for a wrong intent"),
            &mistakes.wrongly_answered,
        ),
    ]
}

/// What is done, in a table.
pub fn action(action: Action) -> String {
    match action {
        Action::Forward => say("转发", "forward"),
        Action::Answer => say("直接回答", "answer"),
        Action::Reject => say("婉拒", "reject"),
    }
}

/// Whether a change is for the better, in a table.
pub fn effect(effect: Effect) -> String {
    match effect {
        Effect::Worse => say("变坏", "worse"),
        Effect::Better => say("变好", "better"),
        Effect::Neither => "–".to_owned(),
    }
}

/// What a question is labelled with.
pub fn label(question: &Question) -> String {
    let side = if question.on_topic {
        say("店里的事", "on-topic")
    } else {
        say("无关", "off-topic")
    };
    match &question.intent {
        Some(intent) => format!("{side} · {intent}"),
        None => side,
    }
}

/// The likeliest intent, and how likely it is.
pub fn likeliest(outcome: &Outcome) -> String {
    let probability = 100.0 * outcome.probability;
    format!("{} {probability:.0} %", outcome.likeliest)
}

/// How many decisions change.
pub fn decisions(changes: &Changes) -> String {
    let (all, better, worse) = counted(&changes.decisions);
    say(
        format!("决定有变化：{all} 个，变好 {better} 个，变坏 {worse} 个"),
        format!("the decision changes: {all}, for the better {better}, for the worse {worse}"),
    )
}

/// How many likeliest intents change where the decision stays.
pub fn intents(changes: &Changes) -> String {
    let (all, better, worse) = counted(&changes.intents);
    say(
        format!("决定不变、最接近的意图有变化：{all} 个，变好 {better} 个，变坏 {worse} 个"),
        format!(
            "the decision stays, the likeliest intent changes: {all}, for the better {better}, for the worse {worse}"
        ),
    )
}

fn counted(changes: &[Change]) -> (usize, usize, usize) {
    let count = |effect| {
        changes
            .iter()
            .filter(|change| change.effect == effect)
            .count()
    };
    (changes.len(), count(Effect::Better), count(Effect::Worse))
}

fn share(share: Share) -> Phrase {
    let (Some(value), Some((low, high))) = (share.value(), share.interval()) else {
        return Phrase::same("–");
    };
    let (count, of) = (share.count, share.of);
    let [value, low, high] = [value, low, high].map(|share| format!("{:.1}", 100.0 * share));
    Phrase::new(
        format!("{value} %（{of} 个里有 {count} 个；{low}–{high} %）"),
        format!("{value} % ({count} of {of}; {low}–{high} %)"),
    )
}

fn percent(share: Option<f64>) -> Phrase {
    Phrase::same(share.map_or("–".to_owned(), |share| format!("{:.1} %", 100.0 * share)))
}

fn number(number: Option<f64>, digits: usize) -> Phrase {
    Phrase::same(number.map_or("–".to_owned(), |number| format!("{number:.digits$}")))
}
