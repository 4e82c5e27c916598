//! What is known of a question once it is judged, and what is done about it.

use std::sync::Arc;
use std::time::Duration;

use crate::intent::{Action, IntentName};
use crate::language::Phrase;

/// What a text may be about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topic {
    /// An intent of the shop.
    Intent(IntentName),
    /// A kind of off-topic questions of the [`background`](crate::background).
    Background(&'static str),
}

impl Topic {
    /// The shop's intent, where it is one.
    pub fn intent(&self) -> Option<&IntentName> {
        match self {
            Topic::Intent(name) => Some(name),
            Topic::Background(_) => None,
        }
    }

    /// The word in metrics: all kinds of the background are one.
    pub fn label(&self) -> &str {
        self.intent().map_or("background", IntentName::as_str)
    }
}

/// What a text may be about, and how likely.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What.
    pub topic: Topic,
    /// What is done about it.
    pub action: Action,
    /// The log density of its examples around the text, without the terms that all candidates share.
    pub score: f64,
    /// Among all topics, the background's included.
    pub probability: f64,
}

/// What the judgement says of one text.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Log-odds (natural) that the text is the shop's business rather than off-topic.
    pub log_odds: f64,
    /// The same, if it was said in a conversation about the shop's business.
    pub as_follow_up: f64,
    /// The likeliest topics, the likeliest first; among them the likeliest of each action.
    pub candidates: Vec<Candidate>,
}

impl Verdict {
    /// The likeliest topic of an action.
    pub fn likeliest(&self, action: Action) -> Option<&Candidate> {
        self.candidates
            .iter()
            .find(|candidate| candidate.action == action)
    }

    /// How far the likeliest topic is above the next, in nats.
    pub fn lead(&self) -> f64 {
        self.lead_over(|_| true)
    }

    /// How far the likeliest topic of an action is above every topic of another action, in nats; below zero
    /// where it is not the likeliest.
    pub fn lead_of(&self, action: Action) -> f64 {
        match self.candidates.first() {
            Some(first) if first.action == action => self.lead_over(|other| other.action != action),
            Some(first) => self
                .likeliest(action)
                .map_or(f64::NEG_INFINITY, |own| own.score - first.score),
            None => f64::NEG_INFINITY,
        }
    }

    /// The likeliest intents of the shop, the likeliest first.
    pub fn intents(&self) -> impl Iterator<Item = (&IntentName, f64)> {
        self.candidates
            .iter()
            .filter_map(|candidate| Some((candidate.topic.intent()?, candidate.probability)))
    }

    fn lead_over(&self, other: impl Fn(&Candidate) -> bool) -> f64 {
        let mut candidates = self.candidates.iter();
        let Some(first) = candidates.next() else {
            return f64::NEG_INFINITY;
        };
        let next = candidates.find(|candidate| other(candidate));
        next.map_or(f64::INFINITY, |next| first.score - next.score)
    }
}

/// Where a verdict came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The same text was judged before.
    Cache,
    /// Static vectors alone.
    Static,
    /// Static and contextual vectors, the transformer run.
    Encoder,
}

impl Stage {
    /// The word in metrics and in `ask --jsonl`.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Cache => "cache",
            Stage::Static => "static",
            Stage::Encoder => "encoder",
        }
    }
}

/// A verdict and how it came about.
#[derive(Clone, Debug)]
pub struct Assessment {
    /// The verdict.
    pub verdict: Verdict,
    /// What it rests on.
    pub stage: Stage,
    /// Tokens of the text as the model saw it.
    pub tokens: usize,
    /// Whether the text was longer than the model reads.
    pub truncated: bool,
    /// How long the parts took.
    pub timings: Timings,
}

impl Assessment {
    /// About how many bytes it takes.
    pub fn size(&self) -> usize {
        size_of_val(self) + size_of_val(&*self.verdict.candidates)
    }
}

/// How long the parts of a judgement took; waiting for a thread is in none of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timings {
    /// Text to tokens to static vectors.
    pub static_stage: Duration,
    /// Static to contextual vectors.
    pub encoder: Duration,
    /// Vectors to verdict.
    pub verdict: Duration,
}

impl Timings {
    /// All parts together.
    pub fn total(&self) -> Duration {
        self.static_stage + self.encoder + self.verdict
    }

    /// These and others together.
    #[must_use]
    pub fn plus(self, other: Timings) -> Timings {
        Timings {
            static_stage: self.static_stage + other.static_stage,
            encoder: self.encoder + other.encoder,
            verdict: self.verdict + other.verdict,
        }
    }
}

/// What is done with a question, and why.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What is done.
    pub action: Action,
    /// The topic it is done for.
    pub topic: Option<Topic>,
    /// What is said, where the gateway answers itself.
    pub reply: Option<Phrase>,
    /// Why.
    pub reason: Reason,
    /// Whether a clause beside the shop's business is off-topic.
    pub mixed: bool,
    /// What it rests on; none where nothing was judged.
    pub judgement: Option<Judgement>,
}

impl Decision {
    /// A question without a verdict: it goes upstream where nothing else is configured.
    pub fn unjudged(reason: Reason) -> Self {
        Decision {
            action: Action::Forward,
            topic: None,
            reply: None,
            reason,
            mixed: false,
            judgement: None,
        }
    }

    /// The shop's intent that it is done for.
    pub fn intent(&self) -> Option<&IntentName> {
        self.topic.as_ref()?.intent()
    }
}

/// What a decision rests on.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The verdict on the question.
    pub assessment: Arc<Assessment>,
    /// Log-odds that decided: those of a follow-up where it was judged as one.
    pub log_odds: f64,
    /// Where the verdict came from for this question.
    pub stage: Stage,
    /// What all texts that were looked at took.
    pub timings: Timings,
}

impl Judgement {
    /// The probability that the question is the shop's business.
    pub fn on_topic(&self) -> f64 {
        1.0 / (1.0 + (-self.log_odds).exp())
    }
}

/// Why a decision fell as it did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reason {
    /// The log-odds are not below the threshold.
    OnTopic {
        /// The threshold.
        threshold: f64,
    },
    /// Said in a conversation about business, and as such not below the threshold.
    FollowsOn {
        /// The threshold for what follows on.
        threshold: f64,
    },
    /// A number, a link, a yes or no in a conversation about business.
    Bare,
    /// Read by its sound, it is not below the threshold.
    SecondReading {
        /// The threshold.
        threshold: f64,
    },
    /// As a whole it looks off-topic, but one of its clauses is plainly the shop's business.
    BusinessClause {
        /// The threshold for a clause.
        threshold: f64,
    },
    /// An `answer` intent is likeliest by its lead.
    Answered {
        /// The lead that an answer needs.
        lead: f64,
    },
    /// An `answer` intent is likeliest, but not by its lead.
    AnswerUnsure {
        /// The lead that an answer needs.
        lead: f64,
    },
    /// An `answer` intent is likeliest, but the question may mean its opposite.
    AnswerReversed,
    /// The log-odds lie between off-topic and business: grey.
    Grey {
        /// Below it a question is off-topic.
        threshold: f64,
        /// From it on a question is business.
        sure: f64,
    },
    /// The log-odds are below the threshold.
    OffTopic {
        /// The threshold.
        threshold: f64,
    },
    /// A clause is off-topic, and `gate.mixed` rejects such questions.
    Mixed,
    /// The shop has no reject intents and no background, so there is nothing to tell its business from.
    NothingRejects,
    /// The request holds no text to judge.
    NoText,
    /// Text in a shape that the gateway does not read.
    UnknownShape,
    /// Too many questions wait for the model.
    QueueFull,
    /// The decision took longer than `gate.budget`.
    OverBudget,
    /// The model failed.
    ModelFailed,
    /// The body is no request of its protocol, and the gate only watches.
    Unreadable,
    /// `gate.mode` is `off`.
    GateOff,
}

impl Reason {
    /// The metric label of a question that went upstream unjudged; none where it was judged.
    pub fn bypass(self) -> Option<&'static str> {
        match self {
            Reason::NoText => Some("no_text"),
            Reason::UnknownShape => Some("unknown_shape"),
            Reason::QueueFull => Some("queue_full"),
            Reason::OverBudget => Some("over_budget"),
            Reason::ModelFailed => Some("model_failed"),
            Reason::Unreadable => Some("unreadable"),
            Reason::GateOff => Some("gate_off"),
            _ => None,
        }
    }

    /// Whether the gate should have judged and could not.
    pub fn is_failure(self) -> bool {
        matches!(
            self,
            Reason::QueueFull | Reason::OverBudget | Reason::ModelFailed
        )
    }

    /// Every [`Reason::bypass`] label.
    pub const BYPASSES: [&'static str; 7] = [
        "no_text",
        "unknown_shape",
        "queue_full",
        "over_budget",
        "model_failed",
        "unreadable",
        "gate_off",
    ];

    /// For operators.
    pub fn explain(self) -> Phrase {
        match self {
            Reason::OnTopic { threshold } => Phrase::new(
                format!("对数几率不低于阈值 {threshold:.2}，不拒绝"),
                format!(
                    "the log-odds are not below the threshold {threshold:.2}, so it is not rejected"
                ),
            ),
            Reason::FollowsOn { threshold } => Phrase::new(
                format!("接着店里的事往下说，对数几率不低于追问的阈值 {threshold:.2}，不拒绝"),
                format!(
                    "it follows on the shop's business, and the log-odds are not below the threshold {threshold:.2} for that, so it is not rejected"
                ),
            ),
            Reason::Bare => Phrase::new(
                "在谈店里的事的对话里，只有单号、链接、“好的”之类的内容，从不单独拒绝",
                "a number, a link, a yes or no in a conversation about the shop's business is never rejected alone",
            ),
            Reason::SecondReading { threshold } => Phrase::new(
                format!("按读音理解后，对数几率不低于阈值 {threshold:.2}，不拒绝"),
                format!(
                    "read by its sound, the log-odds are not below the threshold {threshold:.2}, so it is not rejected"
                ),
            ),
            Reason::BusinessClause { threshold } => Phrase::new(
                format!(
                    "整体像与店无关，但其中一个分句明显是店里的事（不低于 {threshold:.2}），不拒绝"
                ),
                format!(
                    "as a whole it looks off-topic, but one of its clauses is plainly the shop's business (not below {threshold:.2}), so it is not rejected"
                ),
            ),
            Reason::Answered { lead } => Phrase::new(
                format!("有固定答复的意图领先其他意图超过 {lead:.2}"),
                format!("an intent with a fixed reply leads the others by more than {lead:.2}"),
            ),
            Reason::AnswerUnsure { lead } => Phrase::new(
                format!("有固定答复的意图最接近，但领先不到 {lead:.2}，所以转发"),
                format!(
                    "an intent with a fixed reply is likeliest, but leads by less than {lead:.2}, so it is forwarded"
                ),
            ),
            Reason::AnswerReversed => Phrase::new(
                "有固定答复的意图最接近，但可能是相反的意思，所以转发",
                "an intent with a fixed reply is likeliest, but the question may mean its opposite, so it is forwarded",
            ),
            Reason::Grey { threshold, sure } => Phrase::new(
                format!(
                    "对数几率在 {threshold:.2} 和 {sure:.2} 之间，拿不准；怎么办由 gate.grey 决定"
                ),
                format!(
                    "the log-odds lie between {threshold:.2} and {sure:.2}, so it is unclear; gate.grey says what to do"
                ),
            ),
            Reason::OffTopic { threshold } => Phrase::new(
                format!("对数几率低于阈值 {threshold:.2}：与店无关"),
                format!("the log-odds are below the threshold {threshold:.2}: off-topic"),
            ),
            Reason::Mixed => Phrase::new(
                "有一部分与店无关，而 gate.mixed = \"reject\"",
                "a part of it is off-topic, and gate.mixed = \"reject\"",
            ),
            Reason::NothingRejects => Phrase::new(
                "没有 action = \"reject\" 的意图，gate.background 也关了，所以全部转发",
                "no intent has action = \"reject\" and gate.background is off, so everything is forwarded",
            ),
            Reason::NoText => Phrase::new("没有可判断的文字", "there is no text to judge"),
            Reason::UnknownShape => Phrase::new(
                "内容的格式网关不认识，未判断",
                "the content has a shape the gateway does not read; not judged",
            ),
            Reason::QueueFull => Phrase::new(
                "等待模型的问题太多，未判断",
                "too many questions wait for the model; not judged",
            ),
            Reason::OverBudget => Phrase::new(
                "判断超过了 gate.budget 的时限，未判断",
                "the decision took longer than gate.budget; not judged",
            ),
            Reason::ModelFailed => Phrase::new("模型出错，未判断", "the model failed; not judged"),
            Reason::Unreadable => Phrase::new(
                "请求不符合协议，未判断",
                "the body is no request of its protocol; not judged",
            ),
            Reason::GateOff => Phrase::new(
                "gate.mode = \"off\"，未判断",
                "gate.mode is \"off\"; not judged",
            ),
        }
    }
}
