//! What is known of a question once it is judged, and what is done about it.

mod reason;

use std::sync::Arc;
use std::time::Duration;

use crate::intent::{Action, IntentName};
use crate::language::Localized;
pub use reason::Reason;

/// What a text may be about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topic {
    /// An intent of the shop.
    Intent(IntentName),
    /// What no shop is asked, as far as the [general evidence](crate::embed::General) goes.
    OffTopic,
}

impl Topic {
    /// The shop's intent, where it is one.
    pub fn intent(&self) -> Option<&IntentName> {
        match self {
            Topic::Intent(name) => Some(name),
            Topic::OffTopic => None,
        }
    }

    /// The word in metrics.
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
    /// Among all topics, the general off-topic one included.
    pub probability: f64,
}

/// What the judgement says of one text.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Log-odds (natural) that the text is the shop's business rather than off-topic.
    pub log_odds: f64,
    /// The same, if it was said in a conversation about the shop's business.
    pub as_follow_up: f64,
    /// Whether it asks for nothing: a greeting, thanks, a remark.
    pub small_talk: bool,
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
    /// Whether the model knows enough of them to tell what it is about.
    pub readable: bool,
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
    pub reply: Option<Localized>,
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
    /// Whether it is longer than what is read of a question.
    pub truncated: bool,
    /// The bytes of it that were not read.
    pub left_out: usize,
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

/// Why a decision is not acted upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiver {
    /// `gate.mode` is `shadow`.
    Shadow,
    /// It is in the sample of `gate.audit_share`.
    Audit,
}

impl Waiver {
    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Waiver::Shadow => "shadow",
            Waiver::Audit => "audit",
        }
    }
}
