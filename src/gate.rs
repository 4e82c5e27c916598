//! Snapshot and prompt → decision.
//!
//! [`decide`] is the policy, a pure function; [`Gate::judge`] brings it the vectors it needs. A gate that
//! cannot judge forwards, and says why.

use std::time::Instant;

use crate::chat::{Prompt, Text};
use crate::embed::{EmbedError, Embedder, Embedding};
use crate::intent::{Action, IntentName};
use crate::snapshot::Snapshot;
use crate::verdict::{Decision, Judgement, Reason, Timings};

/// Judges prompts.
#[derive(Debug)]
pub struct Gate {
    embedder: Embedder,
}

impl Gate {
    /// A gate over a loaded model.
    pub fn new(embedder: Embedder) -> Self {
        Gate { embedder }
    }

    /// The model, which also embeds examples.
    pub fn embedder(&self) -> &Embedder {
        &self.embedder
    }

    /// The decision on a prompt. It never fails: what cannot be judged is forwarded.
    pub async fn judge(&self, snapshot: &Snapshot, prompt: &Prompt) -> Decision {
        match &prompt.text {
            Text::Question(text) => match self.embedder.embed(text.clone(), snapshot.stage).await {
                Ok(embedding) => decide(snapshot, &embedding),
                Err(EmbedError::QueueFull) => Decision::unjudged(Reason::QueueFull),
                Err(EmbedError::Failed(error)) => {
                    tracing::error!(%error, "a question could not be embedded and is forwarded");
                    Decision::unjudged(Reason::ModelFailed)
                }
            },
            Text::None => Decision::unjudged(Reason::NoText),
            Text::UnknownShape => Decision::unjudged(Reason::UnknownShape),
        }
    }
}

/// The policy: an answer where its intent leads clearly, a rejection below the threshold, else forward.
pub fn decide(snapshot: &Snapshot, embedding: &Embedding) -> Decision {
    let start = Instant::now();
    let judge = &snapshot.judge;
    let (verdict, scores) = judge.verdict(&embedding.vectors);
    let likeliest = |action| judge.likeliest(&scores, action);

    let (threshold, margin) = (judge.threshold, judge.answer_margin);
    let (action, reason) = if judge.rejects() && verdict.log_odds < threshold {
        (Action::Reject, Reason::OffTopic { threshold })
    } else {
        match likeliest(Action::Answer) {
            Some((_, lead)) if lead > margin => (Action::Answer, Reason::Answered { margin }),
            Some((_, lead)) if lead > 0.0 => (Action::Forward, Reason::AnswerUnsure { margin }),
            _ if judge.rejects() => (Action::Forward, Reason::OnTopic { threshold }),
            _ => (Action::Forward, Reason::NothingRejects),
        }
    };
    let intent: Option<IntentName> = likeliest(action).map(|(name, _)| name.clone());
    let reply = intent
        .as_ref()
        .and_then(|name| snapshot.intent(name)?.reply.clone());
    Decision {
        action,
        intent,
        reply,
        reason,
        judgement: Some(Judgement {
            verdict,
            stage: embedding.stage,
            tokens: embedding.tokens,
            truncated: embedding.truncated,
            timings: Timings {
                static_stage: embedding.static_time,
                encoder: embedding.encoder_time,
                verdict: start.elapsed(),
            },
        }),
    }
}
