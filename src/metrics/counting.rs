//! What a decision and a request are counted as.

use super::Metrics;
use crate::chat::Protocol;
use crate::intent::Action;
use crate::record::{Decided, Record};
use crate::verdict::{Decision, Reason, Topic};

impl Metrics {
    /// Counts a decision, acted upon or not.
    pub fn count_decision(&self, decision: &Decision, decided: &Decided) {
        let reason = decision.reason;
        self.decisions.with_label_values(&[reason.as_str()]).inc();
        if let Some(bypass) = reason.bypass() {
            self.gate_bypassed.with_label_values(&[bypass]).inc();
        }
        if let Some((would_be, waiver)) = decided.waived {
            let intent = decision.topic.as_ref().map_or("none", Topic::label);
            let labels = [would_be.as_str(), intent, waiver.as_str()];
            self.gate_waived.with_label_values(&labels).inc();
        }
        if let Reason::Grey { .. } = reason {
            let action = match decision.action {
                Action::Answer => "clarify",
                action => action.as_str(),
            };
            self.grey.with_label_values(&[action]).inc();
        }
        self.mixed.inc_by(decision.mixed.into());
        if let Some(judgement) = &decision.judgement {
            self.gate_log_odds.observe(judgement.log_odds);
            self.truncated.inc_by(judgement.truncated.into());
            self.left_out.inc_by(judgement.left_out as u64);
        }
    }

    /// Counts a request of a judged protocol that has ended.
    pub fn count_request(&self, record: &Record) {
        let (decision, intent) = (record.decision(), record.intent());
        let protocol = record.protocol.map_or("none", Protocol::as_str);
        self.requests
            .with_label_values(&[decision, intent, protocol])
            .inc();
        self.request_duration
            .with_label_values(&[decision])
            .observe(record.took.as_secs_f64());
    }

    /// Counts a request that needed no LLM, and whether it is only the repeat of another.
    pub fn count_saved(&self, record: &Record, is_repeat: bool) {
        let counter = match is_repeat {
            true => &self.repeats,
            false => &self.llm_calls_saved,
        };
        let labels = [record.decision(), record.intent()];
        counter.with_label_values(&labels).inc();
    }
}
