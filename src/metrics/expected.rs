//! Series that begin at zero: Prometheus takes a series that was not there before for no increase, so that the
//! first request of each intent would be missing from every sum.

use super::Metrics;
use crate::chat::Protocol;
use crate::intent::Action;
use crate::verdict::Stage;

/// The label of what no intent of the shop is meant by.
const BACKGROUND: &str = "background";

impl Metrics {
    /// Has the counters of a shop's intents, each a name and an action, begin at zero.
    pub fn expect<'a>(&self, intents: impl IntoIterator<Item = (&'a str, Action)>) {
        let background = [(BACKGROUND, Action::Reject)];
        for (intent, action) in intents.into_iter().chain(background) {
            self.expect_intent(intent, action);
        }
        for action in Action::ALL {
            self.request_duration.with_label_values(&[action.as_str()]);
        }
        for stage in [Stage::Cache, Stage::Static, Stage::Encoder] {
            self.gate_duration.with_label_values(&[stage.as_str()]);
        }
    }

    fn expect_intent(&self, intent: &str, action: Action) {
        for protocol in Protocol::ALL {
            let labels = [action.as_str(), intent, protocol.as_str()];
            self.requests.with_label_values(&labels);
        }
        if action != Action::Forward {
            let labels = [action.as_str(), intent];
            self.llm_calls_saved.with_label_values(&labels);
            self.repeats.with_label_values(&labels);
        }
        if action == Action::Reject {
            self.asked_again.with_label_values(&[intent]);
            self.handed_over.with_label_values(&[intent]);
        }
    }
}
