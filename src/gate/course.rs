//! Decision → what the gateway does about it, by mode. Pure.

use super::Gate;
use crate::config::{self, Mode, OnFailure, UnknownShape};
use crate::intent::Action;
use crate::language::Localized;
use crate::verdict::{Decision, Reason, Waiver};

/// What the gateway does about a decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Course<'d> {
    /// The upstream answers.
    Forward {
        /// Why a decision to answer or to reject is not acted upon.
        waived: Option<Waiver>,
    },
    /// The gateway says this.
    Reply(&'d Localized),
    /// The client gets an error: the question was not judged, and the operator wants none of those forwarded.
    Refuse(Reason),
}

impl Gate {
    /// What is done about a decision. `draw`, at random from 0 to 1, says whether a rejection is in the sample.
    pub fn course<'d>(&self, decision: &'d Decision, draw: f64) -> Course<'d> {
        course(&self.config, decision, draw)
    }
}

fn course<'d>(config: &config::Gate, decision: &'d Decision, draw: f64) -> Course<'d> {
    let waived = |waiver| Course::Forward {
        waived: (decision.action != Action::Forward).then_some(waiver),
    };
    let refused = match decision.reason {
        Reason::UnknownShape => config.unknown_shape == UnknownShape::Refuse,
        reason => reason.is_failure() && config.on_failure == OnFailure::Reject,
    };
    match &decision.reply {
        _ if config.mode != Mode::Enforce => waived(Waiver::Shadow),
        _ if refused => Course::Refuse(decision.reason),
        _ if decision.action == Action::Reject && draw < config.audit_share => {
            waived(Waiver::Audit)
        }
        Some(reply) => Course::Reply(reply),
        None => Course::Forward { waived: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(action: Action, reason: Reason) -> Decision {
        Decision {
            action,
            reply: (action != Action::Forward).then(Localized::default),
            ..Decision::unjudged(reason)
        }
    }

    #[test]
    fn each_mode_has_its_course() {
        let enforce = config::Gate {
            audit_share: 0.1,
            ..config::Gate::default()
        };
        let shadow = config::Gate {
            mode: Mode::Shadow,
            ..enforce.clone()
        };
        let strict = config::Gate {
            on_failure: OnFailure::Reject,
            unknown_shape: UnknownShape::Refuse,
            ..enforce.clone()
        };
        let strict_shadow = config::Gate {
            mode: Mode::Shadow,
            ..strict.clone()
        };
        let reply = Localized::default();
        let forward = |waived| Course::Forward { waived };
        let off_topic = Reason::OffTopic { threshold: 0.0 };
        let answered = Reason::Answered { lead: 1.0 };
        let busy = Reason::QueueFull;
        for (config, action, reason, draw, expected) in [
            (&enforce, Action::Forward, Reason::Bare, 0.0, forward(None)),
            (
                &enforce,
                Action::Reject,
                off_topic,
                0.1,
                Course::Reply(&reply),
            ),
            (
                &enforce,
                Action::Reject,
                off_topic,
                0.09,
                forward(Some(Waiver::Audit)),
            ),
            (
                &enforce,
                Action::Answer,
                answered,
                0.0,
                Course::Reply(&reply),
            ),
            (&enforce, Action::Forward, busy, 0.0, forward(None)),
            (
                &enforce,
                Action::Forward,
                Reason::UnknownShape,
                0.0,
                forward(None),
            ),
            (
                &shadow,
                Action::Reject,
                off_topic,
                0.5,
                forward(Some(Waiver::Shadow)),
            ),
            (
                &shadow,
                Action::Answer,
                answered,
                0.5,
                forward(Some(Waiver::Shadow)),
            ),
            (&shadow, Action::Forward, Reason::Bare, 0.5, forward(None)),
            (&strict, Action::Forward, busy, 0.5, Course::Refuse(busy)),
            (&strict, Action::Forward, Reason::NoText, 0.5, forward(None)),
            (
                &strict,
                Action::Forward,
                Reason::UnknownShape,
                0.5,
                Course::Refuse(Reason::UnknownShape),
            ),
            (&strict_shadow, Action::Forward, busy, 0.5, forward(None)),
        ] {
            let decision = decided(action, reason);
            assert_eq!(
                course(config, &decision, draw),
                expected,
                "{config:?} {decision:?}"
            );
        }
    }
}
