//! Why a decision fell as it did, in words for people and for metrics.

use crate::language::Phrase;

/// Why a decision fell as it did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reason {
    /// The log-odds are not below the threshold.
    OnTopic {
        /// The threshold.
        threshold: f64,
    },
    /// Said in a conversation about business, and as such not below the threshold.
    FollowsOn {
        /// The threshold for what follows on.
        threshold: f64,
    },
    /// A number, a link, a yes or no in a conversation about business.
    Bare,
    /// Read by its sound, or with its slips of spelling mended, it is not below the threshold.
    SecondReading {
        /// The threshold.
        threshold: f64,
    },
    /// As a whole it looks off-topic, but one of its clauses is plainly the shop's business.
    BusinessClause {
        /// The threshold for a clause.
        threshold: f64,
    },
    /// It is word for word an example of the shop's business.
    Example,
    /// An `answer` intent is likeliest by its lead.
    Answered {
        /// The lead that an answer needs.
        lead: f64,
    },
    /// An `answer` intent is likeliest, but not by its lead.
    AnswerUnsure {
        /// The lead that an answer needs.
        lead: f64,
    },
    /// An `answer` intent is likeliest, but its reply would pass over something that is open.
    AnswerOpen,
    /// An `answer` intent is likeliest, but the client parses what the model says, and its reply is prose.
    AnswerStructured,
    /// An `answer` intent is likeliest, but the question may mean its opposite.
    AnswerReversed,
    /// The log-odds lie between off-topic and business: grey.
    Grey {
        /// Below it a question is off-topic.
        threshold: f64,
        /// From it on a question is business.
        sure: f64,
    },
    /// The log-odds are below the threshold.
    OffTopic {
        /// The threshold.
        threshold: f64,
    },
    /// A clause is off-topic, and `gate.mixed` rejects such questions.
    Mixed,
    /// The shop has no reject intents and no background, so there is nothing to tell its business from.
    NothingRejects,
    /// The request holds no text to judge.
    NoText,
    /// Something that a front end wants to know about a chat, such as its title.
    Task,
    /// Text in a shape that the gateway does not read.
    UnknownShape,
    /// Too many questions wait for the model.
    QueueFull,
    /// The decision took longer than `gate.budget`.
    OverBudget,
    /// The model failed.
    ModelFailed,
    /// The examples are not all embedded yet.
    NotReady,
    /// The body is no request of its protocol, and the gate only watches.
    Unreadable,
    /// The text is in letters that the model does not know, in emoji alone, or too little to tell.
    UnreadableText,
    /// `gate.mode` is `off`.
    GateOff,
}

impl Reason {
    /// The word in metrics and in the journal.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::OnTopic { .. } => "on_topic",
            Reason::FollowsOn { .. } => "follows_on",
            Reason::Bare => "bare",
            Reason::SecondReading { .. } => "second_reading",
            Reason::BusinessClause { .. } => "business_clause",
            Reason::Example => "example",
            Reason::Answered { .. } => "answered",
            Reason::AnswerUnsure { .. } => "answer_unsure",
            Reason::AnswerOpen => "answer_open",
            Reason::AnswerStructured => "answer_structured",
            Reason::AnswerReversed => "answer_reversed",
            Reason::Grey { .. } => "grey",
            Reason::OffTopic { .. } => "off_topic",
            Reason::Mixed => "mixed",
            Reason::NothingRejects => "nothing_rejects",
            Reason::NoText => "no_text",
            Reason::Task => "task",
            Reason::UnknownShape => "unknown_shape",
            Reason::QueueFull => "queue_full",
            Reason::OverBudget => "over_budget",
            Reason::ModelFailed => "model_failed",
            Reason::NotReady => "not_ready",
            Reason::Unreadable | Reason::UnreadableText => "unreadable",
            Reason::GateOff => "gate_off",
        }
    }

    /// Below it a question is rejected, where the decision looked at one.
    pub fn threshold(self) -> Option<f64> {
        match self {
            Reason::OnTopic { threshold }
            | Reason::FollowsOn { threshold }
            | Reason::SecondReading { threshold }
            | Reason::BusinessClause { threshold }
            | Reason::Grey { threshold, .. }
            | Reason::OffTopic { threshold } => Some(threshold),
            _ => None,
        }
    }

    /// The metric label of a question that went upstream unjudged; none where it was judged.
    pub fn bypass(self) -> Option<&'static str> {
        let label = self.as_str();
        Reason::BYPASSES.into_iter().find(|bypass| *bypass == label)
    }

    /// Whether the gate should have judged and could not.
    pub fn is_failure(self) -> bool {
        matches!(
            self,
            Reason::QueueFull | Reason::OverBudget | Reason::ModelFailed | Reason::NotReady
        )
    }

    /// Every [`Reason::bypass`] label.
    pub const BYPASSES: [&'static str; 9] = [
        "no_text",
        "task",
        "unknown_shape",
        "queue_full",
        "over_budget",
        "model_failed",
        "not_ready",
        "unreadable",
        "gate_off",
    ];

    /// For operators.
    pub fn explain(self) -> Phrase {
        match self {
            Reason::OnTopic { threshold } => Phrase::new(
                format!("对数几率不低于阈值 {threshold:.2}，不拒绝"),
                format!(
                    "the log-odds are not below the threshold {threshold:.2}, so it is not rejected"
                ),
            ),
            Reason::FollowsOn { threshold } => Phrase::new(
                format!("接着店里的事往下说，对数几率不低于追问的阈值 {threshold:.2}，不拒绝"),
                format!(
                    "it follows on the shop's business, and the log-odds are not below the threshold {threshold:.2} for that, so it is not rejected"
                ),
            ),
            Reason::Bare => Phrase::new(
                "只有单号、链接、“好的”或招呼，还没有问什么：开头这样说，或者在谈店里的事时这样说，从不拒绝",
                "a number, a link, a yes or no, a greeting asks nothing yet: at the beginning, or in a conversation about the shop's business, it is never rejected",
            ),
            Reason::SecondReading { threshold } => Phrase::new(
                format!("按读音或改正拼写后理解，对数几率不低于阈值 {threshold:.2}，不拒绝"),
                format!(
                    "read by its sound, or with its spelling mended, the log-odds are not below the threshold {threshold:.2}, so it is not rejected"
                ),
            ),
            Reason::BusinessClause { threshold } => Phrase::new(
                format!(
                    "整体像与店无关，但其中一个分句明显是店里的事（不低于 {threshold:.2}），不拒绝"
                ),
                format!(
                    "as a whole it looks off-topic, but one of its clauses is plainly the shop's business (not below {threshold:.2}), so it is not rejected"
                ),
            ),
            Reason::Answered { lead } => Phrase::new(
                format!("有固定答复的意图领先其他意图超过 {lead:.2}"),
                format!("an intent with a fixed reply leads the others by more than {lead:.2}"),
            ),
            Reason::AnswerUnsure { lead } => Phrase::new(
                format!("有固定答复的意图最接近，但领先不到 {lead:.2}，所以转发"),
                format!(
                    "an intent with a fixed reply is likeliest, but leads by less than {lead:.2}, so it is forwarded"
                ),
            ),
            Reason::Example => Phrase::new(
                "和店里的一条例句一字不差，不拒绝",
                "it is word for word an example of the shop's business, so it is not rejected",
            ),
            Reason::AnswerOpen => Phrase::new(
                "固定回复的意图最可能，但还有别的事没有答复，转发",
                "an intent with a fixed reply is likeliest, but it would pass over something that is open, so it is forwarded",
            ),
            Reason::AnswerStructured => Phrase::new(
                "固定回复的意图最可能，但客户端要的是结构化的输出，固定回复给不了，转发",
                "an intent with a fixed reply is likeliest, but the client waits for structured output that no fixed reply has, so it is forwarded",
            ),
            Reason::AnswerReversed => Phrase::new(
                "有固定答复的意图最接近，但可能是相反的意思，所以转发",
                "an intent with a fixed reply is likeliest, but the question may mean its opposite, so it is forwarded",
            ),
            Reason::Grey { threshold, sure } => Phrase::new(
                format!(
                    "对数几率在 {threshold:.2} 和 {sure:.2} 之间，拿不准；怎么办由 gate.grey 决定"
                ),
                format!(
                    "the log-odds lie between {threshold:.2} and {sure:.2}, so it is unclear; gate.grey says what to do"
                ),
            ),
            Reason::OffTopic { threshold } => Phrase::new(
                format!("对数几率低于阈值 {threshold:.2}：与店无关"),
                format!("the log-odds are below the threshold {threshold:.2}: off-topic"),
            ),
            Reason::Mixed => Phrase::new(
                "有一部分与店无关，而 gate.mixed = \"reject\"",
                "a part of it is off-topic, and gate.mixed = \"reject\"",
            ),
            Reason::NothingRejects => Phrase::new(
                "没有 action = \"reject\" 的意图，gate.background 也关了，所以全部转发",
                "no intent has action = \"reject\" and gate.background is off, so everything is forwarded",
            ),
            Reason::NoText => Phrase::new("没有可判断的文字", "there is no text to judge"),
            Reason::Task => Phrase::new(
                "不是顾客写的：前端想知道这段对话的标题、摘要之类，未判断",
                "no customer wrote it: a front end asks for a chat's title, its summary or the like; not judged",
            ),
            Reason::UnknownShape => Phrase::new(
                "内容的格式网关不认识，未判断",
                "the content has a shape the gateway does not read; not judged",
            ),
            Reason::QueueFull => Phrase::new(
                "等待模型的问题太多，未判断",
                "too many questions wait for the model; not judged",
            ),
            Reason::OverBudget => Phrase::new(
                "判断超过了 gate.budget 的时限，未判断",
                "the decision took longer than gate.budget; not judged",
            ),
            Reason::ModelFailed => Phrase::new("模型出错，未判断", "the model failed; not judged"),
            Reason::NotReady => Phrase::new(
                "例句还没有全部算好向量，未判断",
                "the examples are not all embedded yet; not judged",
            ),
            Reason::Unreadable => Phrase::new(
                "请求不符合协议，未判断",
                "the body is no request of its protocol; not judged",
            ),
            Reason::UnreadableText => Phrase::new(
                "模型认不出这些文字，或只有表情，或太短：说不上与店无关，转发",
                "the model cannot read the text, or it is emoji alone, or too little to tell: that is not off-topic, so it is forwarded",
            ),
            Reason::GateOff => Phrase::new(
                "gate.mode = \"off\"，未判断",
                "gate.mode is \"off\"; not judged",
            ),
        }
    }
}
