//! What a request without an LLM saved: once, however often it is repeated, and with the completion tokens that
//! replies turn out to have.

use std::mem::take;

use super::again::Caller;
use super::clerk::prompt_tokens;
use super::repeats::{Call, Repeat};
use super::{Asked, Clerk, Note};
use crate::journal::{Entry, Owed};

impl Clerk {
    /// Whether a saved call is the repeat of one, and counts it as what it is.
    pub(super) fn counted(&mut self, caller: Option<Caller>, note: &Note) -> Option<Repeat> {
        let record = &note.record;
        if !record.is_saved() {
            return None;
        }
        let asked = caller.zip(note.asked.as_ref());
        let repeat = asked.and_then(|(caller, asked)| self.repeated(caller, note, asked));
        self.metrics.count_saved(record, repeat.is_some());
        repeat
    }

    fn repeated(&mut self, caller: Caller, note: &Note, asked: &Asked) -> Option<Repeat> {
        let record = &note.record;
        self.repeats.enter(Call {
            request_id: &record.request_id,
            at: record.at,
            ended: record.at + record.took,
            marks: self.salt.marks(caller, note, asked),
            replied: asked.conversation.replied.as_deref(),
        })
    }

    /// The tokens and the money that a request without an LLM saved.
    pub(super) fn saved(&mut self, note: &Note, entry: &mut Entry) {
        let (record, terms) = (&note.record, &note.terms);
        let Some(body) = note.request.as_ref().filter(|_| record.is_saved()) else {
            return;
        };
        let prompt = prompt_tokens(note, body);
        let completion = self.expected.is_known();
        let completion = completion.then(|| self.expected.of(&record.model));
        if completion.is_none() {
            let token_cost = terms.expected_cost(&record.model, 0, 1.0);
            self.unknown.add(token_cost, &terms.prices.currency);
        }
        let saved = &self.metrics.tokens_saved;
        saved.with_label_values(&["prompt"]).inc_by(prompt as f64);
        let expected = completion.unwrap_or_default();
        saved.with_label_values(&["completion"]).inc_by(expected);
        entry.saved_prompt_tokens = Some(prompt.cast_signed());
        entry.saved_completion_tokens = completion;
        entry.saved_cost = terms.expected_cost(&record.model, prompt, expected);
        self.price(entry.saved_cost, &self.metrics.cost_saved, terms, entry);
    }

    /// Gives calls that were saved before any reply was known the tokens that are expected now: the counters at
    /// once, the journal's rows once they are written.
    pub(super) fn make_up(&mut self) {
        if self.unknown.calls <= 0.0 {
            return;
        }
        let unknown = take(&mut self.unknown);
        let tokens = self.expected.all().mean;
        let saved = &self.metrics.tokens_saved;
        let completion = saved.with_label_values(&["completion"]);
        completion.inc_by(unknown.calls * tokens);
        for (currency, cost) in unknown.token_costs {
            let sum = &self.metrics.cost_saved;
            sum.with_label_values(&[&*currency]).inc_by(cost * tokens);
        }
        self.owes = true;
    }

    /// Writes down what waits; and, where rows are owed their completions, these.
    pub(super) fn write_down(&mut self) {
        self.journal.flush();
        if !self.owes {
            return;
        }
        let (expected, terms) = (&self.expected, &self.terms);
        let owed = |model: &str| {
            let tokens = expected.of(model);
            Owed {
                tokens,
                cost: terms.expected_cost(model, 0, tokens).unwrap_or_default(),
                currency: terms.prices.currency.clone(),
            }
        };
        self.owes = !self.journal.make_up(owed);
    }
}
