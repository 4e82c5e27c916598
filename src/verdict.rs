//! What is known of a question once it is judged, and what is done about it.

use std::time::Duration;

use crate::intent::{Action, IntentName};
use crate::language::Phrase;

/// What the judgement says of one text.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Log-odds (natural) that the text is the shop's business rather than off-topic.
    pub log_odds: f64,
    /// Every intent with its probability, the likeliest first; they add up to one.
    pub intents: Vec<(IntentName, f64)>,
}

impl Verdict {
    /// The probability that the text is the shop's business.
    pub fn on_topic(&self) -> f64 {
        1.0 / (1.0 + (-self.log_odds).exp())
    }
}

/// Where a verdict came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Static vectors alone.
    Static,
    /// Static and contextual vectors, the transformer run.
    Encoder,
}

impl Stage {
    /// The word in metrics and in `ask --jsonl`.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Static => "static",
            Stage::Encoder => "encoder",
        }
    }
}

/// What is done with a question, and why.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What is done.
    pub action: Action,
    /// The intent it is done for.
    pub intent: Option<IntentName>,
    /// What is said, where the gateway answers itself.
    pub reply: Option<Phrase>,
    /// Why.
    pub reason: Reason,
    /// What it rests on; none where nothing was judged.
    pub judgement: Option<Judgement>,
}

impl Decision {
    /// A question that goes upstream without a verdict.
    pub fn unjudged(reason: Reason) -> Self {
        Decision {
            action: Action::Forward,
            intent: None,
            reply: None,
            reason,
            judgement: None,
        }
    }
}

/// A verdict and how it came about.
#[derive(Clone, Debug)]
pub struct Judgement {
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
}

/// Why a decision fell as it did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reason {
    /// The log-odds are not below the threshold.
    OnTopic {
        /// The threshold.
        threshold: f64,
    },
    /// An `answer` intent is likeliest by its margin.
    Answered {
        /// The margin that an answer needs.
        margin: f64,
    },
    /// An `answer` intent is likeliest, but not by its margin.
    AnswerUnsure {
        /// The margin that an answer needs.
        margin: f64,
    },
    /// The log-odds are below the threshold.
    OffTopic {
        /// The threshold.
        threshold: f64,
    },
    /// The shop has no reject intents, so there is nothing to tell its business from.
    NothingRejects,
    /// The request holds no text to judge.
    NoText,
    /// Text in a shape that the gateway does not read.
    UnknownShape,
    /// Too many questions wait for the model.
    QueueFull,
    /// The model failed.
    ModelFailed,
}

impl Reason {
    /// The metric label of a question that went upstream unjudged; none where it was judged.
    pub fn bypass(self) -> Option<&'static str> {
        match self {
            Reason::NoText => Some("no_text"),
            Reason::UnknownShape => Some("unknown_shape"),
            Reason::QueueFull => Some("queue_full"),
            Reason::ModelFailed => Some("model_failed"),
            _ => None,
        }
    }

    /// Every [`Reason::bypass`] label.
    pub const BYPASSES: [&'static str; 4] =
        ["no_text", "unknown_shape", "queue_full", "model_failed"];

    /// For operators.
    pub fn explain(self) -> Phrase {
        match self {
            Reason::OnTopic { threshold } => Phrase::new(
                format!("对数几率不低于阈值 {threshold:.2}，不拒绝"),
                format!(
                    "the log-odds are not below the threshold {threshold:.2}, so it is not rejected"
                ),
            ),
            Reason::Answered { margin } => Phrase::new(
                format!("有固定答复的意图领先其他意图超过 {margin:.2}"),
                format!("an intent with a fixed reply leads the others by more than {margin:.2}"),
            ),
            Reason::AnswerUnsure { margin } => Phrase::new(
                format!("有固定答复的意图最接近，但领先不到 {margin:.2}，所以转发"),
                format!(
                    "an intent with a fixed reply is likeliest, but leads by less than {margin:.2}, so it is forwarded"
                ),
            ),
            Reason::OffTopic { threshold } => Phrase::new(
                format!("对数几率低于阈值 {threshold:.2}：与店无关"),
                format!("the log-odds are below the threshold {threshold:.2}: off-topic"),
            ),
            Reason::NothingRejects => Phrase::new(
                "没有 action = \"reject\" 的意图，所以全部转发",
                "no intent has action = \"reject\", so everything is forwarded",
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
            Reason::ModelFailed => Phrase::new("模型出错，未判断", "the model failed; not judged"),
        }
    }
}
