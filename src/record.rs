//! What one request came to: counted by metrics, priced by the ledger, kept by the journal, told by the log.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::chat::Protocol;
use crate::intent::Action;
use crate::verdict::{Decision, Judgement, Reason, Stage, Topic, Waiver};

/// One request, from its headers to the last byte of its reply.
#[derive(Clone, Debug)]
pub struct Record {
    /// When its headers were there.
    pub at: SystemTime,
    /// What its client knows it by: the client's own id where it sent one, else the gateway's.
    pub request_id: String,
    /// The gateway's own id of it, which no other request has.
    pub gate_id: String,
    /// The id that the upstream gave its reply.
    pub upstream_id: Option<String>,
    /// The trace that it is part of, where the client named one.
    pub trace_id: Option<String>,
    /// Its protocol; none where the path speaks none.
    pub protocol: Option<Protocol>,
    /// The model that the client asked for; empty where it named none, or nothing was read.
    pub model: String,
    /// The name of the client's key.
    pub client: Option<Arc<str>>,
    /// What was decided; none where the request was turned away before, or its client left.
    pub decided: Option<Decided>,
    /// The status of the reply; 0 where the client left before there was one.
    pub status: u16,
    /// The status of the upstream's reply; none where it was not asked, or gave none.
    pub upstream_status: Option<u16>,
    /// From the request sent to the upstream to its reply's headers.
    pub first_byte: Option<Duration>,
    /// From the request's headers to the end of its reply.
    pub took: Duration,
    /// `complete`, `cut` where the client left, or the code of an error.
    pub outcome: &'static str,
}

/// A decision as far as it is recorded.
#[derive(Clone, Debug)]
pub struct Decided {
    /// What was done.
    pub action: Action,
    /// What would have been done, and why it was not.
    pub waived: Option<(Action, Waiver)>,
    /// What the question is about.
    pub topic: Option<Topic>,
    /// The likeliest intent of the shop, whatever the decision.
    pub nearest: Option<String>,
    /// Why.
    pub reason: Reason,
    /// Log-odds that decided; none where nothing was judged.
    pub log_odds: Option<f64>,
    /// Whether a part of the question is off-topic.
    pub mixed: bool,
    /// Where the verdict came from.
    pub stage: Option<Stage>,
    /// From prompt to decision.
    pub time: Duration,
}

/// Of a client that left before anything was known.
impl Default for Record {
    fn default() -> Self {
        Record {
            at: SystemTime::UNIX_EPOCH,
            request_id: String::new(),
            gate_id: String::new(),
            upstream_id: None,
            trace_id: None,
            protocol: None,
            model: String::new(),
            client: None,
            decided: None,
            status: 0,
            upstream_status: None,
            first_byte: None,
            took: Duration::ZERO,
            outcome: "cut",
        }
    }
}

impl Record {
    /// The word for what was done: an action, `refused` where the gateway turned the request away, `none` where
    /// the client left first.
    pub fn decision(&self) -> &'static str {
        match &self.decided {
            Some(decided) => decided.action.as_str(),
            None if self.outcome == "cut" => "none",
            None => "refused",
        }
    }

    /// The intent's label in metrics; `none` where nothing was judged.
    pub fn intent(&self) -> &str {
        let topic = self.decided.as_ref().and_then(|d| d.topic.as_ref());
        topic.map_or("none", Topic::label)
    }

    /// Whether no LLM was needed.
    pub fn is_saved(&self) -> bool {
        let decided = self.decided.as_ref();
        decided.is_some_and(|decided| decided.action != Action::Forward)
    }
}

impl Decided {
    /// What is recorded of a decision that was acted upon, or waived.
    pub fn of(decision: &Decision, waived: Option<Waiver>, time: Duration) -> Self {
        let judgement = decision.judgement.as_ref();
        let nearest = |judgement: &Judgement| {
            let mut intents = judgement.assessment.verdict.intents();
            Some(intents.next()?.0.as_str().to_owned())
        };
        Decided {
            action: waived.map_or(decision.action, |_| Action::Forward),
            waived: waived.map(|waiver| (decision.action, waiver)),
            topic: decision.topic.clone(),
            nearest: judgement.and_then(nearest),
            reason: decision.reason,
            log_odds: judgement.map(|judgement| judgement.log_odds),
            mixed: decision.mixed,
            stage: judgement.map(|judgement| judgement.stage),
            time,
        }
    }
}
