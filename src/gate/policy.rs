//! Evidence → decision: the policy, pure.

use super::Assessed;
use super::asking::gives_details;
use super::polarity::reversals;
use crate::bare::{is_bare, is_opening};
use crate::config::{Grey, Mixed};
use crate::intent::{Action, Example, Intent};
use crate::judge::Thresholds;
use crate::language::{Localized, Phrase};
use crate::snapshot::Snapshot;
use crate::verdict::{Candidate, Decision, Judgement, Reason, Timings, Topic, Verdict};

/// A lead in nats that leaves no doubt which of two topics is meant: of twenty to one.
const CLEARLY: f64 = 3.0;

/// A clause speaks for a whole text that looks off-topic, a long story with an order in it, where it is so far
/// above what is sure for a question.
const PLAINLY: f64 = 2.0;

/// A story of a customer's looks no more off-topic than this as a whole; below it only a clause that asks for something
/// speaks for the text.
const LEAST_OF_STORY: f64 = -2.0;

/// What gives a detail that was asked for is off-topic below this only: names, titles and what is to be engraved are
/// about anything.
const LEAST_OF_DETAIL: f64 = -4.5;

/// Letters or characters of an example that tell what is meant where they stand in a short turn.
const LEAST_SAID: usize = 2;

/// What the operator wants done where it is not plain.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// About a question that is neither clearly business nor clearly off-topic.
    pub grey: Grey,
    /// About a question of which a part is off-topic.
    pub mixed: Mixed,
}

/// A part of a text.
#[derive(Clone, Debug)]
pub struct Clause {
    /// The verdict on it.
    pub assessed: Assessed,
    /// Whether it asks for something, or may.
    pub asks: bool,
}

impl Clause {
    fn verdict(&self) -> &Verdict {
        &self.assessed.assessment.verdict
    }
}

/// What a decision rests on.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The question, as the model reads it.
    pub text: String,
    /// Whether that is nothing but marks, emoji and faces.
    pub says_nothing: bool,
    /// The verdict on it.
    pub question: Assessed,
    /// Whether parts of it were read, since it is long.
    pub cut: bool,
    /// The bytes of it that nobody read.
    pub left_out: usize,
    /// Whether the turn before it was declined.
    pub declined: bool,
    /// Whether it was said in a conversation about the shop's business.
    pub follows_on: bool,
    /// Whether it is a number, a link, a yes or no.
    pub bare: bool,
    /// Whether anything was said before it.
    pub in_conversation: bool,
    /// Whether the turn before it asks the customer for something.
    pub asked: bool,
    /// What may have been meant by it, by its sound or its spelling, and the verdict on that.
    pub second: Option<(String, Assessed)>,
    /// Its clauses.
    pub clauses: Vec<Clause>,
}

impl Evidence {
    /// Of a question by itself.
    pub fn of(question: Assessed, text: &str, says_nothing: bool) -> Evidence {
        Evidence {
            text: text.to_owned(),
            says_nothing,
            question,
            cut: false,
            left_out: 0,
            declined: false,
            follows_on: false,
            bare: false,
            in_conversation: false,
            asked: false,
            second: None,
            clauses: Vec::new(),
        }
    }

    /// Whether nothing can be told of the question: emoji and marks alone, one letter, letters that the model does
    /// not know.
    fn says_little(&self, thresholds: &Thresholds) -> bool {
        let one_letter = self.text.len() == 1;
        let unreadable = one_letter || !self.question.assessment.readable;
        // What is hidden among characters that nobody reads is read.
        let hidden = self.clauses.iter().any(|clause| {
            let readable = clause.assessed.assessment.readable;
            readable && clause.verdict().log_odds < thresholds.clause
        });
        unreadable && !hidden || self.says_nothing
    }

    /// Below it the question is off-topic. Most of those who were declined go on about it, and what could be said in
    /// any conversation belongs to theirs.
    fn threshold(&self, thresholds: &Thresholds) -> f64 {
        match self.declined {
            true => thresholds.sure,
            false => thresholds.reject,
        }
    }

    fn verdict(&self) -> &Verdict {
        &self.question.assessment.verdict
    }
}

/// Why a question is not rejected; none where it is.
pub fn passes(snapshot: &Snapshot, evidence: &Evidence) -> Option<Reason> {
    let (thresholds, verdict) = (&snapshot.judge.thresholds, evidence.verdict());
    let threshold = evidence.threshold(thresholds);
    if !snapshot.judge.rejects() {
        return Some(Reason::NothingRejects);
    }
    if evidence.follows_on && evidence.bare {
        return Some(Reason::Bare);
    }
    if evidence.says_little(thresholds) {
        return Some(Reason::UnreadableText);
    }
    if verdict.log_odds >= threshold {
        return Some(Reason::OnTopic { threshold });
    }
    let given = || evidence.asked && gives_details(&evidence.text);
    let follow_up = match evidence.follows_on && given() {
        true => thresholds.follow_up.min(LEAST_OF_DETAIL),
        false => thresholds.follow_up,
    };
    if evidence.follows_on && verdict.as_follow_up >= follow_up {
        return Some(Reason::FollowsOn {
            threshold: follow_up,
        });
    }
    let second = evidence.second.as_ref();
    let second = second.map(|(_, second)| second.assessment.verdict.log_odds);
    if second.is_some_and(|second| second >= threshold) {
        return Some(Reason::SecondReading { threshold });
    }
    let threshold = thresholds.sure + PLAINLY;
    // What is stated in a task, and in a text that is plainly something else, is no wish of the customer's.
    let is_story = verdict.log_odds >= LEAST_OF_STORY;
    let mut clauses = evidence.clauses.iter();
    if clauses.any(|clause| clause.verdict().log_odds >= threshold && (clause.asks || is_story)) {
        return Some(Reason::BusinessClause { threshold });
    }
    // Whoever begins with a greeting or a number has asked nothing yet.
    if !evidence.in_conversation && is_opening(&evidence.text) {
        return Some(Reason::Bare);
    }
    // The operator's word goes over what is like it.
    let example = snapshot.with_example(&evidence.text);
    example.map(|_| Reason::Example)
}

/// A rejection where nothing lets the question pass, an answer where its intent leads clearly, else forward.
pub fn decide(snapshot: &Snapshot, policy: Policy, evidence: &Evidence) -> Decision {
    let mixed = evidence
        .clauses
        .iter()
        .any(|clause| strays(snapshot, evidence, clause));
    let thresholds = &snapshot.judge.thresholds;
    let passes = passes(snapshot, evidence);
    let (text, read) = match (&evidence.second, passes) {
        (Some((text, second)), Some(Reason::SecondReading { .. })) => (text, second),
        _ => (&evidence.text, &evidence.question),
    };
    let outcome = |action, reason| outcome(snapshot, evidence, read, action, reason, mixed);
    let Some(passes) = passes else {
        let threshold = evidence.threshold(thresholds);
        return outcome(Action::Reject, Reason::OffTopic { threshold });
    };
    if mixed && policy.mixed == Mixed::Reject {
        return outcome(Action::Reject, Reason::Mixed);
    }
    let verdict = &read.assessment.verdict;
    let (lead, needed) = (verdict.lead_of(Action::Answer), thresholds.answer_lead);
    let readable = passes != Reason::UnreadableText;
    // What is word for word an example is answered as its operator says, whatever else is like it.
    let example = snapshot.with_example(text);
    let exact = example.filter(|intent| intent.action == Action::Answer);
    let answers = exact.is_some() || lead > 0.0 && example.is_none();
    let beside = mixed || evidence.clauses.iter().any(says_other);
    let beside = exact.is_none() && beside;
    if readable && answers && !(mixed && beside) && !evidence.follows_on {
        let likeliest = verdict.likeliest(Action::Answer);
        let answering = exact.or_else(|| intent(snapshot, likeliest?));
        let reversed = |text: &String| exact.is_none() && reversed(snapshot, verdict, text);
        return if exact.is_none() && lead <= needed {
            outcome(Action::Forward, Reason::AnswerUnsure { lead: needed })
        } else if beside || answering.is_some_and(|intent| is_open(intent, verdict, evidence)) {
            outcome(Action::Forward, Reason::AnswerOpen)
        } else if reversed(&evidence.text) || reversed(text) {
            outcome(Action::Forward, Reason::AnswerReversed)
        } else {
            let answered = outcome(Action::Answer, Reason::Answered { lead: needed });
            match exact {
                Some(intent) => Decision {
                    topic: Some(Topic::Intent(intent.name.clone())),
                    reply: intent.reply.clone(),
                    ..answered
                },
                None => answered,
            }
        };
    }
    let grey = Reason::Grey {
        threshold: thresholds.reject,
        sure: thresholds.sure,
    };
    let unclear = matches!(passes, Reason::OnTopic { .. })
        && !evidence.follows_on
        && verdict.log_odds < thresholds.sure;
    match policy.grey {
        Grey::Reject if unclear => outcome(Action::Reject, grey),
        Grey::Clarify if unclear => clarify(snapshot, verdict, outcome(Action::Forward, grey)),
        _ if unclear => outcome(Action::Forward, grey),
        _ => outcome(Action::Forward, passes),
    }
}

/// Whether a clause is about something that has no fixed reply.
fn says_other(clause: &Clause) -> bool {
    clause.verdict().lead_of(Action::Answer) <= 0.0
}

/// Whether something is left open that a fixed reply would pass over: a question of the assistant's, or a conversation
/// that has long begun.
fn is_open(answering: &Intent, verdict: &Verdict, evidence: &Evidence) -> bool {
    if evidence.asked {
        return true;
    }
    // "Well." closes nothing, "thanks, now change it" opens something, "well, thanks" closes.
    let says = |example: &Example| says_no_more(&evidence.text, &example.read);
    let beyond_doubt = verdict.lead_of(Action::Answer) > CLEARLY && !is_bare(&evidence.text);
    let closes = beyond_doubt || answering.examples.iter().any(says);
    evidence.in_conversation && (answering.first_turn_only || !closes)
}

/// Whether a text holds an example, and nothing beside it that says something by itself.
fn says_no_more(text: &str, example: &str) -> bool {
    let words = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).count();
    let Some((before, behind)) = text.split_once(example) else {
        return false;
    };
    let nothing = |rest: &str| words(rest) < LEAST_SAID || is_bare(rest);
    words(example) >= LEAST_SAID && nothing(before) && nothing(behind)
}

/// Whether a clause is off-topic, and more than small talk.
fn strays(snapshot: &Snapshot, evidence: &Evidence, clause: &Clause) -> bool {
    let verdict = clause.verdict();
    let threshold = snapshot.judge.thresholds.clause;
    let follows_on = evidence.follows_on && verdict.as_follow_up >= threshold;
    verdict.log_odds < threshold && !verdict.small_talk && !follows_on
}

/// Whether the question turns something around that no example of the answering intent does.
fn reversed(snapshot: &Snapshot, verdict: &Verdict, text: &str) -> bool {
    let asked = reversals(text);
    let answering = verdict.likeliest(Action::Answer);
    let Some(intent) = answering.and_then(|candidate| intent(snapshot, candidate)) else {
        return false;
    };
    let said = |reversal: &String| {
        let mut examples = intent.examples.iter();
        examples.any(|example| reversals(&example.text).contains(reversal))
    };
    !asked.iter().all(said)
}

/// The likeliest topic of an action: an intent of the shop, whose reply its operator wrote, where what no shop is
/// asked does not lead it clearly.
fn named(verdict: &Verdict, action: Action) -> Option<&Candidate> {
    let likeliest = verdict.likeliest(action)?;
    let mut candidates = verdict.candidates.iter();
    let own = candidates.find(|own| own.action == action && own.topic.intent().is_some());
    own.filter(|own| likeliest.score - own.score <= CLEARLY)
        .or(Some(likeliest))
}

fn intent<'s>(snapshot: &'s Snapshot, candidate: &Candidate) -> Option<&'s Intent> {
    snapshot.intent(candidate.topic.intent()?)
}

/// Asks which of the two likeliest intents is meant; forwards where there are no two.
fn clarify(snapshot: &Snapshot, verdict: &Verdict, decision: Decision) -> Decision {
    let business = verdict.candidates.iter();
    let mut titles = business
        .filter(|candidate| candidate.action != Action::Reject)
        .filter_map(|candidate| Some(&intent(snapshot, candidate)?.title));
    let (Some(one), Some(other)) = (titles.next(), titles.next()) else {
        return decision;
    };
    Decision {
        action: Action::Answer,
        // In the languages of titles.
        reply: Some(Localized::from(Phrase::new(
            format!("您是想问{}，还是{}？", one.zh, other.zh),
            format!("Is your question about “{}” or “{}”?", one.en, other.en),
        ))),
        ..decision
    }
}

/// What is done by the verdict on the question as it was read.
fn outcome(
    snapshot: &Snapshot,
    evidence: &Evidence,
    read: &Assessed,
    action: Action,
    reason: Reason,
    mixed: bool,
) -> Decision {
    let verdict = &read.assessment.verdict;
    let log_odds = match reason {
        Reason::FollowsOn { .. } => verdict.as_follow_up,
        Reason::Bare if evidence.follows_on => verdict.as_follow_up,
        Reason::OffTopic { .. } if evidence.follows_on => verdict.as_follow_up,
        _ if evidence.follows_on => verdict.log_odds.max(verdict.as_follow_up),
        _ => verdict.log_odds,
    };
    let candidate = named(verdict, action);
    let reply = match (
        action,
        candidate.and_then(|candidate| intent(snapshot, candidate)),
    ) {
        (Action::Forward, _) => None,
        (_, Some(intent)) => intent.reply.clone(),
        (_, None) => Some(snapshot.reject_reply.clone()),
    };
    let second = evidence.second.as_ref().map(|(_, second)| second);
    let looked_at = [Some(&evidence.question), second];
    let clauses = evidence.clauses.iter().map(|clause| &clause.assessed);
    let looked_at = looked_at.into_iter().flatten().chain(clauses);
    Decision {
        action,
        topic: candidate.map(|candidate| candidate.topic.clone()),
        reply,
        reason,
        mixed,
        judgement: Some(Judgement {
            truncated: evidence.cut || read.assessment.truncated,
            left_out: evidence.left_out,
            assessment: read.assessment.clone(),
            log_odds,
            stage: evidence.question.stage,
            timings: looked_at.fold(Timings::default(), |sum, assessed| {
                sum.plus(assessed.timings)
            }),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_closes_where_it_says_no_more_than_an_example() {
        for (text, example, no_more) in [
            ("好的,谢谢", "谢谢", true),
            ("没了,谢谢你了", "谢谢你", true),
            ("great thanks", "thanks", true),
            ("谢谢你帮忙后台处理一下", "谢谢你", false),
            ("试了一下还是不行,谢谢", "谢谢", false),
            ("好吧", "谢谢", false),
            ("哦", "哦", false),
        ] {
            assert_eq!(says_no_more(text, example), no_more, "{text}");
        }
    }
}
