//! That questions cannot be judged is said in the log: at once, and then once a minute with how many they were.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::language::say;
use crate::verdict::Reason;

/// Between two lines about the same reason.
const PAUSE: Duration = Duration::from_secs(60);

/// What was said of each reason, by its metric label.
#[derive(Debug, Default)]
pub(super) struct Notices(Mutex<HashMap<&'static str, Notice>>);

#[derive(Debug)]
struct Notice {
    said: Instant,
    since: u64,
}

impl Notices {
    /// Notes one question that could not be judged.
    pub(super) fn note(&self, reason: Reason) {
        let Some(label) = reason.bypass() else { return };
        if let Some(questions) = self.due(label, Instant::now()) {
            let explained = reason.explain();
            let line = say(
                format!(
                    "有问题无法判断：{}；怎么办由 gate.on_failure 决定",
                    explained.zh
                ),
                format!(
                    "questions cannot be judged: {}; gate.on_failure says what is done",
                    explained.en
                ),
            );
            match reason {
                Reason::ModelFailed => tracing::error!(reason = label, questions, "{line}"),
                _ => tracing::warn!(reason = label, questions, "{line}"),
            }
        }
    }

    /// How many questions a line now would stand for; none where the last one was less than a minute ago.
    fn due(&self, label: &'static str, now: Instant) -> Option<u64> {
        let mut notices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match notices.get_mut(label) {
            Some(notice) if now - notice.said < PAUSE => {
                notice.since += 1;
                None
            }
            Some(notice) => {
                let questions = notice.since + 1;
                (notice.said, notice.since) = (now, 0);
                Some(questions)
            }
            None => {
                let notice = Notice {
                    said: now,
                    since: 0,
                };
                notices.insert(label, notice);
                Some(1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_said_at_once_and_then_once_a_minute() {
        let notices = Notices::default();
        let begun = Instant::now();
        for (label, seconds, due) in [
            ("queue_full", 0, Some(1)),
            ("model_failed", 0, Some(1)),
            ("queue_full", 1, None),
            ("queue_full", 59, None),
            ("queue_full", 60, Some(3)),
            ("queue_full", 61, None),
            ("model_failed", 180, Some(1)),
            ("queue_full", 180, Some(2)),
        ] {
            let now = begun + Duration::from_secs(seconds);
            assert_eq!(notices.due(label, now), due, "{label} after {seconds} s");
        }
    }
}
