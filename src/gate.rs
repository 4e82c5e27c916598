//! Snapshot and prompt → decision.
//!
//! [`Gate::judge`] brings together what a decision needs: verdicts on the question, on what was said before it
//! and on its clauses, each from the cache where the text was judged before. [`policy::decide`] decides, and
//! is a pure function. A gate that cannot judge forwards, and says why.

mod asking;
pub mod course;
pub mod kept;
pub mod learning;
mod notices;
mod polarity;
pub mod policy;
mod reading;
mod telling;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use futures_util::stream::{self, StreamExt};
use tokio::time::{timeout, timeout_at};

use crate::bare::is_bare;
use crate::chat::{Context, Prompt, Text};
use crate::clause::asks;
use crate::config::{self, Mode, Stages};
use crate::embed::{EmbedError, Embedder, Embedding, TokenVectors};
use crate::intent::Action;
use crate::judge::Judge;
use crate::snapshot::Snapshot;
use crate::text::normalise;
use crate::verdict::{Assessment, Decision, Reason, Stage, Timings};
use crate::wrapping::{Known, Learned};
use learning::{Learning, Origin};
use notices::Notices;
use policy::{Clause, Evidence, Policy};
use reading::Readings;

/// Judges prompts, and says what is done about the decision.
#[derive(Clone, Debug)]
pub struct Gate {
    embedder: Arc<Embedder>,
    notices: Arc<Notices>,
    readings: Readings,
    learning: Arc<Learning>,
    config: config::Gate,
}

/// A verdict, and what it cost this question.
#[derive(Clone, Debug)]
pub struct Assessed {
    /// The verdict and how it first came about.
    pub assessment: Arc<Assessment>,
    /// Where it came from this time.
    pub stage: Stage,
    /// What it took this time.
    pub timings: Timings,
}

impl Gate {
    /// A gate over a loaded model.
    pub fn new(embedder: impl Into<Arc<Embedder>>, config: &config::Gate) -> Self {
        Gate {
            embedder: embedder.into(),
            notices: Arc::default(),
            readings: Readings::new(),
            learning: Arc::default(),
            config: config.clone(),
        }
    }

    /// The same gate by another configuration.
    #[must_use]
    pub fn configured(&self, config: &config::Gate) -> Self {
        Gate {
            config: config.clone(),
            ..self.clone()
        }
    }

    /// Whether decisions are acted upon.
    pub fn mode(&self) -> Mode {
        self.config.mode
    }

    /// The model, which also embeds examples.
    pub fn embedder(&self) -> &Embedder {
        &self.embedder
    }

    /// The same gate with what was learned of front ends.
    #[must_use]
    pub fn with(self, learning: Arc<Learning>) -> Self {
        Gate { learning, ..self }
    }

    /// What was learned of front ends.
    pub fn learning(&self) -> &Learning {
        &self.learning
    }

    /// The prompt with the customer's words alone, as far as the operator wants them looked for. What was learned is
    /// of the front end that sends it, where that is known.
    pub fn unwrapped(
        &self,
        snapshot: &Snapshot,
        prompt: Prompt,
        origin: Option<&Origin>,
    ) -> Prompt {
        if !self.config.unwrap {
            return prompt;
        }
        let origin = origin.filter(|_| self.config.learn_wrappings);
        let learned = origin.and_then(|origin| self.learning.of(origin));
        prompt.unwrapped(Known {
            templates: &self.config.question,
            learned: learned.as_deref().unwrap_or_default(),
            replies: Some(&snapshot.replies),
        })
    }

    /// Notes what is judged of a message, and returns the wrapping that it shares with others of its front end, where
    /// that is new.
    pub fn observe(
        &self,
        origin: &Origin,
        prompt: &Prompt,
        address: Option<IpAddr>,
    ) -> Option<Learned> {
        let learns = self.config.unwrap && self.config.learn_wrappings;
        learns.then(|| self.learning.observe(origin, prompt, address))?
    }

    /// Takes a wrapping off from here on, unless it may be what customers ask.
    pub async fn learn(&self, snapshot: &Snapshot, origin: &Origin, learned: Learned) {
        if learned.could_be_said() {
            let text = normalise(&learned.text()).into_owned();
            let assessed = self.assess(snapshot, &text, self.config.stages).await;
            // What cannot be judged now is met again.
            let Ok(assessed) = assessed else { return };
            if assessed.assessment.verdict.log_odds >= snapshot.judge.thresholds.sure {
                return self.learning.refuse(learned);
            }
        }
        self.learning.add(origin, learned);
    }

    /// What the operator wants done where it is not plain.
    pub fn policy(&self) -> Policy {
        Policy {
            grey: self.config.grey,
            mixed: self.config.mixed,
        }
    }

    /// The decision on a prompt, within `gate.budget`; that there was none is said in the log.
    pub async fn judge_in_time(&self, snapshot: &Snapshot, prompt: &Prompt) -> Decision {
        let judging = timeout(self.config.budget, self.judge(snapshot, prompt));
        let decision = judging.await;
        let decision = decision.unwrap_or_else(|_| Decision::unjudged(Reason::OverBudget));
        if decision.reason.is_failure() {
            self.notices.note(decision.reason);
        }
        decision
    }

    /// The decision on a prompt. It never fails: what cannot be judged is a decision as well.
    pub async fn judge(&self, snapshot: &Snapshot, prompt: &Prompt) -> Decision {
        let text = match &prompt.text {
            Text::Question(text) => text,
            Text::None => return Decision::unjudged(Reason::NoText),
            Text::UnknownShape => return Decision::unjudged(Reason::UnknownShape),
            Text::Task => return Decision::unjudged(Reason::Task),
        };
        if !snapshot.judge.is_fitted() {
            return Decision::unjudged(Reason::NotReady);
        }
        match self.evidence(snapshot, text, &prompt.context).await {
            Ok(evidence) => {
                let decision = policy::decide(snapshot, self.policy(), &evidence);
                let decision = unless_structured(decision, prompt.reply.structured);
                match prompt.unread && decision.action != Action::Reject {
                    // The words that were read pass; others may stand beside them.
                    true => Decision {
                        judgement: decision.judgement,
                        topic: decision.topic,
                        mixed: decision.mixed,
                        ..Decision::unjudged(Reason::UnknownShape)
                    },
                    false => decision,
                }
            }
            Err(EmbedError::QueueFull) => Decision::unjudged(Reason::QueueFull),
            Err(EmbedError::Failed(error)) => {
                tracing::debug!(%error, "a question could not be embedded");
                Decision::unjudged(Reason::ModelFailed)
            }
        }
    }

    /// What a decision on a text rests on. What is said before it, its sound, its spelling and its clauses are looked at
    /// only where they can change something.
    ///
    /// # Errors
    /// The model is busy or fails.
    pub async fn evidence(
        &self,
        snapshot: &Snapshot,
        text: &str,
        context: &Context,
    ) -> Result<Evidence, EmbedError> {
        let reading = self.readings.of(text);
        let read = &reading.normal;
        let stages = self.config.stages;
        let question = self.assess(snapshot, read, stages).await?;
        let mut evidence = Evidence::of(question, read, reading.says_nothing);
        evidence.cut = reading.cut;
        if reading.cut {
            evidence.left_out = text.len().saturating_sub(reading.seen);
        }
        let before = context.assistant.as_ref();
        evidence.in_conversation =
            before.is_some() || context.user.is_some() || context.kept_upstream;
        evidence.asked = before.is_some_and(|said| asking::asks(said));
        evidence.declined = before.is_some_and(|said| snapshot.declined(said));
        let rejected = policy::passes(snapshot, &evidence).is_none();
        if !evidence.declined
            && (rejected || reading.parted)
            && self.follows_on(snapshot, context).await?
        {
            evidence.follows_on = true;
            evidence.bare = is_bare(read);
            if rejected && !evidence.bare {
                // The static stage is sure of questions, not of what follows on them.
                evidence.question = self.assess(snapshot, read, Stages::Full).await?;
            }
        }
        if policy::passes(snapshot, &evidence).is_none()
            && let Some(second) = reading.second(text, &snapshot.vocabulary)
        {
            let assessed = self.assess(snapshot, &second, stages).await?;
            evidence.second = Some((second.into_owned(), assessed));
        }
        if !evidence.question.assessment.readable
            && let Some(latin) = reading.latin()
        {
            let latin = self.assess(snapshot, latin, stages).await?;
            evidence.clauses.push(Clause {
                assessed: latin,
                asks: true,
            });
        }
        // Two at a time, so that one long text does not fill the queue before others' questions; and what there is no
        // time for decides nothing.
        let deadline = tokio::time::Instant::now() + self.config.budget / 2;
        let clauses = reading.clauses.iter();
        let clauses = clauses.map(async |clause| {
            let assessed = self.assess(snapshot, clause, stages).await?;
            let asks = asks(clause);
            Ok::<_, EmbedError>(Clause { assessed, asks })
        });
        let mut clauses = stream::iter(clauses.collect::<Vec<_>>()).buffered(2);
        while let Ok(Some(clause)) = timeout_at(deadline, clauses.next()).await {
            evidence.clauses.push(clause?);
        }
        if reading.cut && policy::passes(snapshot, &evidence).is_none() && !telling::is_work(text) {
            self.look_through(snapshot, text, &mut evidence).await?;
        }
        Ok(evidence)
    }

    /// Looks for what a long text is about in all of it: of its passages the likeliest are judged as clauses.
    async fn look_through(
        &self,
        snapshot: &Snapshot,
        text: &str,
        evidence: &mut Evidence,
    ) -> Result<(), EmbedError> {
        let score = |passage: &str| {
            let read = self.embedder.read(&normalise(passage)).ok().flatten()?;
            Some(snapshot.judge.verdict(Stage::Static, &read.mean).log_odds)
        };
        let (told, seen) = telling::telling(text, score);
        if !told.is_empty() {
            let left_out = text.len().saturating_sub(seen);
            evidence.left_out = evidence.left_out.min(left_out);
        }
        for passage in told {
            let passage = normalise(&passage).into_owned();
            let assessed = self.assess(snapshot, &passage, self.config.stages).await?;
            let asks = asks(&passage);
            evidence.clauses.push(Clause { assessed, asks });
        }
        Ok(())
    }

    /// Whether what the customer said before is the shop's business, or no clear stray from a conversation about it.
    async fn follows_on(&self, snapshot: &Snapshot, context: &Context) -> Result<bool, EmbedError> {
        let Some(user) = &context.user else {
            if context.kept_upstream {
                return Ok(true);
            }
            // What the shop's own assistant asks for opens a conversation about its business.
            return Ok(context.assistant.as_deref().is_some_and(asking::asks));
        };
        if self.is_business(snapshot, user).await? {
            return Ok(true);
        }
        let turn = self.readings.of(user);
        let turn = self.assess(snapshot, &turn.normal, Stages::Full).await?;
        if turn.assessment.verdict.as_follow_up >= snapshot.judge.thresholds.clause {
            return Ok(true);
        }
        // One odd turn ends no matter.
        for earlier in &context.earlier {
            if self.is_business(snapshot, earlier).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether what was said is the shop's business, or says nothing by itself.
    async fn is_business(&self, snapshot: &Snapshot, said: &str) -> Result<bool, EmbedError> {
        let reading = self.readings.of(said);
        let said = &reading.normal;
        let verdict = self.assess(snapshot, said, self.config.stages).await?;
        let turn = Evidence::of(verdict, said, reading.says_nothing);
        Ok(policy::passes(snapshot, &turn).is_some() || is_bare(said))
    }

    /// The verdict on one text, as far as `stages` says. A repeated text is not embedded again.
    async fn assess(
        &self,
        snapshot: &Snapshot,
        text: &str,
        stages: Stages,
    ) -> Result<Assessed, EmbedError> {
        let depth = match (stages, snapshot.judge.stage()) {
            (Stages::Full, Stage::Encoder) => Stages::Full,
            _ => Stages::Auto,
        };
        let known = |assessment| Assessed {
            assessment,
            stage: Stage::Cache,
            timings: Timings::default(),
        };
        if let Some(assessment) = snapshot.verdicts.get(depth, text) {
            return Ok(known(assessment));
        }
        let read = self.embedder.read(text)?;
        let mut timings = Timings::default();
        if let Some(read) = &read {
            timings.static_stage = read.time;
        }
        if depth == Stages::Auto {
            let assessment = read
                .as_ref()
                .and_then(|read| by_static(&snapshot.judge, read, &mut timings));
            if let Some(assessment) = assessment {
                return Ok(assessed(snapshot, &[depth], text, assessment));
            }
            // What the static stage leaves to the encoder is as well known by it.
            if let Some(assessment) = snapshot.verdicts.get(Stages::Full, text) {
                return Ok(known(assessment));
            }
        }
        let embedding = self.embedder.encode(text.to_owned(), read).await?;
        let assessment = encoded(&snapshot.judge, embedding, timings);
        let depths = match depth {
            Stages::Auto => &[Stages::Auto, Stages::Full][..],
            Stages::Full => &[Stages::Full],
        };
        Ok(assessed(snapshot, depths, text, assessment))
    }
}

/// A greeting is no JSON: a client that parses what the model says gets it from the model.
fn unless_structured(decision: Decision, structured: bool) -> Decision {
    match decision.action {
        Action::Answer if structured => Decision {
            action: Action::Forward,
            reply: None,
            reason: Reason::AnswerStructured,
            ..decision
        },
        _ => decision,
    }
}

/// A verdict that is new, and kept for those who ask the same.
fn assessed(
    snapshot: &Snapshot,
    depths: &[Stages],
    text: &str,
    assessment: Assessment,
) -> Assessed {
    let assessment = Arc::new(assessment);
    for depth in depths {
        let verdicts = &snapshot.verdicts;
        verdicts.keep(*depth, text, assessment.clone());
    }
    Assessed {
        stage: assessment.stage,
        timings: assessment.timings,
        assessment,
    }
}

/// The verdict of the static stage, where it is beyond doubt.
fn by_static(judge: &Judge, read: &TokenVectors, timings: &mut Timings) -> Option<Assessment> {
    let start = Instant::now();
    let verdict = judge.static_verdict(&read.mean);
    timings.verdict = start.elapsed();
    Some(Assessment {
        verdict: verdict?,
        stage: Stage::Static,
        tokens: read.tokens.ids.len(),
        readable: read.tokens.readable(),
        truncated: read.tokens.truncated,
        timings: *timings,
    })
}

/// The verdict on all that the model makes of a text, after `timings`.
fn encoded(judge: &Judge, embedding: Embedding, mut timings: Timings) -> Assessment {
    timings.encoder = embedding.encoder_time;
    let start = Instant::now();
    let verdict = judge.verdict(Stage::Encoder, &embedding.vectors);
    timings.verdict += start.elapsed();
    Assessment {
        verdict,
        stage: Stage::Encoder,
        tokens: embedding.tokens,
        readable: embedding.readable,
        truncated: embedding.truncated,
        timings,
    }
}
