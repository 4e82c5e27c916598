//! Whether an embeddings API is asked, what that came to, and what the log says of it: once when it goes, once when
//! it is back.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use tokio::time::Instant;

use super::answer::Answer;
use super::api::Fault;
use crate::breaker::{Admission, Breaker};
use crate::language::say;
use crate::metrics::Embeddings;

/// Whoever asked leaves when `gate.budget` is over, or because the client has left. After so long it is the
/// former that is likely, and an API that is never in time is no better than one that is down.
const SLOW: Duration = Duration::from_millis(100);

/// The health of one API.
#[derive(Debug)]
pub(super) struct Health {
    breaker: RefCell<Breaker>,
    counts: Embeddings,
    is_up: Cell<bool>,
    url: String,
}

/// Leave for one request. What it comes to is counted, also where nobody waits for it any more and this is dropped.
#[derive(Debug)]
pub(super) struct Leave<'a> {
    health: &'a Health,
    admission: Admission,
    begun: Instant,
    settled: bool,
}

impl Health {
    pub(super) fn new(counts: Embeddings, url: String) -> Self {
        Health {
            breaker: RefCell::default(),
            counts,
            is_up: Cell::new(true),
            url,
        }
    }

    /// Leave to send one request.
    pub(super) fn admit(&self) -> Result<Leave<'_>, Fault> {
        let begun = Instant::now();
        let admission = self.breaker.borrow_mut().admit(begun);
        if let Admission::Refused(wait) = admission {
            return Err(Fault::LeftAlone(wait));
        }
        Ok(Leave {
            health: self,
            admission,
            begun,
            settled: false,
        })
    }

    fn succeeded(&self) {
        self.breaker.borrow_mut().succeeded();
        if !self.is_up.replace(true) {
            self.counts.up.set(1);
            let url = &self.url;
            tracing::info!(
                url,
                "{}",
                say("向量接口恢复了", "the embeddings API is back")
            );
        }
    }

    fn failed(&self, admission: Admission, why: &str) {
        let opened = self.breaker.borrow_mut().failed(admission, Instant::now());
        if opened.is_some() && self.is_up.replace(false) {
            self.counts.up.set(0);
            let url = &self.url;
            tracing::warn!(
                url,
                why,
                "{}",
                say(
                    "向量接口接连失败：问题暂不判断、直接转发，到时间再试",
                    "the embeddings API keeps failing: questions are forwarded unjudged, and it is tried again from time to time",
                )
            );
        }
    }

    fn count(&self, result: &str) {
        self.counts.requests.with_label_values(&[result]).inc();
    }
}

impl Leave<'_> {
    /// The request came to this.
    pub(super) fn settle(mut self, outcome: &Result<Answer, Fault>) {
        self.settled = true;
        let health = self.health;
        match outcome {
            Ok(answer) => {
                health.count("ok");
                health.counts.texts.inc_by(answer.vectors.len() as u64);
                health.counts.tokens.inc_by(answer.tokens);
                health.succeeded();
            }
            Err(fault) => {
                health.count("failed");
                match fault.is_of_request() {
                    // It works, and does not like what it was asked.
                    true => health.succeeded(),
                    false => health.failed(self.admission, &fault.outline()),
                }
            }
        }
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let now = Instant::now();
        if now - self.begun < SLOW {
            let mut breaker = self.health.breaker.borrow_mut();
            return breaker.abandoned(self.admission, now);
        }
        self.health.count("failed");
        let why = "no answer in the time that questions have (gate.budget)";
        self.health.failed(self.admission, why);
    }
}
