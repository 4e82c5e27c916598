//! What a label says stands behind it.

use crate::text::{Pattern, compiled, matches};

/// What stands behind a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// The customer's question.
    Question,
    /// What the customer says.
    Customer,
    /// What the shop or its assistant says.
    Agent,
    /// What is to be written.
    Answer,
    /// Passages to answer from.
    Source,
    /// Anything else: a profile, a name.
    Other,
}

/// Who asks, in the languages of front ends.
const ASKER: &str = "用户|用戶|顾客|顧客|客户|客戶|买家|買家|访客|訪客|游客|客人|消费者|消費者|会员|會員|咨询者|提问者|对方|来访者|お客様|ユーザー|고객|사용자|\
    user|customer|client|visitor|buyer|guest|shopper|human|caller|member|end[- ]?user|requester|\
    cliente|usuario|usuário|kunden?|kundin|nutzer|benutzer|utilisat(?:eur|rice)|acheteu(?:r|se)|client[ea]?|клиент[а-я]*|покупател[а-я]*|пользовател[а-я]*|العميل|الزبون|عميل";
/// Who answers.
const ANSWERER: &str = "客服|商家|店家|卖家|賣家|店铺|店小二|小二|机器人|機器人|助手|助理|系统|坐席|掌柜|店主|店员|オペレーター|スタッフ|상담원|\
    assistant|agent|bot|support|seller|shop|store|operator|representative|rep|csr?|staff|advisor|adviser|ai|chatbot|model|helper|merchant|system|team|service|sales associate|associate|\
    asistente|agente|tienda|loja|担当|mitarbeiter|berater|vendeur|conseiller|оператор|магазин|менеджер";
/// What a question is called wherever it stands.
const QUESTION: &str = "问题|問題|提问|提問|追问|问句|咨询|諮詢|咨询内容|留言|原话|输入|輸入|任务输入|消息|訊息|句子|语句|文本|查询|问题描述|识别结果|質問|質問内容|問い合わせ|질문|문의|\
    question|query|message|msg|input|request|inquiry|enquiry|utterance|sentence|text|body|正文|邮件正文|pregunta|consulta|mensaje|pergunta|mensagem|frage|anfrage|nachricht|domanda|demande|вопрос|сообщение|запрос|سؤال|رسالة";
/// What it is called where it is said whose it is.
const SAYING: &str = "话|話|说|說|问|問|目标|需求|发言|發言|发来|发来一句话|一句话|写道|原文|原句|诉求|请求|询问|詢問|内容|来信|说的话|听到|想知道|\
    prompt|says?|said|asks?|asked|writes?|wrote|replied|typed|types|entered|sent|wants to know|ask|words|comment|turn|act|line|email|post|answer|heard|écrit|escribe|schreibt";
const NEWEST: &str = "当前|目前|最新|最后|最近|本轮|本次|这次|这条|现在|新|实际|原始|原|真实|待回答|待处理|以下是|下面是|以下为|\
    chat|current|latest|last|newest|new|next|final|original|actual|raw|incoming|follow[- ]?up|this|the|here is|actual|begin|start";
/// Who is spoken of where a sentence leads to the words.
const SPOKEN_OF: &str = "他|她|此人|有人|he|she|they|somebody|someone";
/// What a label speaks of that is not said now.
const PAST: &str = "历史|记录|信息|资料|画像|昵称|之前|以前|此前|上一|上次|编号|姓名|分类|类别|意图|等级|结束|\
    history|profile|info|previous|earlier|before|name|\\bid\\b|tier|tags?|intent|categor|summary|locale|langu|\\bend\\b|history";

static IS_QUESTION: Pattern = Pattern::new(|| {
    let newest = format!("(?:(?:{NEWEST})(?:的|の)?[ _-]?){{0,3}}");
    let of = "(?:'s|’s|的|所|の|の最新の)?[ _-]?";
    let tail = "(?:内容|文本|如下|是|为|は|내용|[ _-]?(?:is|text|content|below|to (?:answer|classify|handle|reply to)|as follows|is as follows))?";
    compiled(&format!(
        "^(?i:{newest}(?:(?:{ASKER}){of}{newest}(?:一句|一条|一个)?(?:{QUESTION}|{SAYING})|(?:{QUESTION}|提问内容)){tail}|says|(?:{NEWEST})(?:的|の)?[ _-]?(?:{SAYING}))$"
    ))
});
/// Somebody, and something said, in a label of whatever words.
static SOMEBODY: Pattern = Pattern::new(|| {
    compiled(&format!(
        "(?i:{ASKER}|(?:^|\\P{{L}})(?:{SPOKEN_OF})(?:$|\\P{{L}}|\\p{{Han}}))"
    ))
});
static SOMETHING: Pattern = Pattern::new(|| compiled(&format!("(?i:{QUESTION}|{SAYING})")));
static IS_PAST: Pattern = Pattern::new(|| compiled(&format!("(?i:{PAST})")));
/// A sentence that leads to a question without saying whose it is.
static LEADS: Pattern = Pattern::new(|| {
    compiled(
        "(?i:(?:original|user|following|final|current|new|latest|actual) (?:question|query|message|input|request)|(?:原始|以下|下面的?|当前|最终)(?:问题|提问|消息|输入))$",
    )
});
static IS_CUSTOMER: Pattern = Pattern::new(|| {
    compiled(&format!(
        "^(?i:(?:{ASKER}|我|me|q|问)(?:[ _#-]?[0-9*]{{1,12}})?)$"
    ))
});
static IS_AGENT: Pattern = Pattern::new(|| {
    compiled(&format!(
        "^(?i:(?:(?:智能|在线|人工|官方|售后|售前|ai|shop|our|customer|live|virtual)[ -]?)?(?:{ANSWERER}|答|a)(?:[ _#-]?[0-9*]{{1,12}}|(?-i: [A-Z][a-z]{{1,15}})|\\p{{Han}}{{1,4}})?)$"
    ))
});
static IS_ANSWER: Pattern = Pattern::new(|| {
    compiled(
        "^(?i:(?:(?:你的|您的|请给出|最终|标准|your|the|final|helpful|rewritten|rephrased|refined|best|short|detailed|suggested)[ _-]?)?\
     (?:回答|回复|回覆|答复|答案|输出|分类|类别|意图|结果|判断|改写|改写后的?问题|独立问题|标题|标签|思考|检索词|选择|回答如下|\
     answer|reply|response|output|label|category|intent|class|classification|result|thought|action(?: input)?|observation|\
     standalone question|search query|title|tags?|json|summary|sentiment|translation|score|回答要求|respuesta|antwort|réponse|resposta|ответ|답변|回答文|الفئة)\
     (?:是|为|如下|format| \\(.{0,40}\\))?)$",
    )
});
static IS_SOURCE: Pattern = Pattern::new(|| {
    compiled(
        "^(?i:(?:以下为?|下面是|系统|自动|参考|参考的?|检索到的|相关|已知|背景|引用|上下文|仅供|[,，])*(?:资料|资料库|信息|知识|知识库|内容|文档|文献|片段|上下文|背景|商品信息|店铺政策|参考|参考情報|\
     (?:(?:retrieved|relevant|reference|background|search|additional|product|store|shop|given|related|begin|the|our|following)[ _-]?)*\
     (?:context|contexts|knowledge|knowledge base|documents?|docs?|passages?|references?|sources?|results?|excerpts?|snippets?|faqs?|policy|policies|articles?|information|chunks?|material|facts))\
     (?:如下|仅供参考|[,， ])*[ \\d]{0,4})$",
    )
});

/// What a label says. Case, and what is put in brackets behind it, do not matter.
pub(super) fn label(name: &str) -> Label {
    let name = name.trim();
    if matches(&IS_QUESTION, name) {
        Label::Question
    } else if matches(&IS_CUSTOMER, name) {
        Label::Customer
    } else if matches(&IS_ANSWER, name) {
        Label::Answer
    } else if matches(&IS_SOURCE, name) {
        Label::Source
    } else if matches(&IS_AGENT, name) {
        Label::Agent
    } else if says_whose(name) {
        Label::Question
    } else {
        Label::Other
    }
}

/// Whether a label, or the end of a sentence, names somebody who asks and what is said, and neither what was said
/// before nor what is known of them.
pub(super) fn says_whose(name: &str) -> bool {
    matches(&SOMEBODY, name) && matches(&SOMETHING, name) && !matches(&IS_PAST, name)
        || matches(&LEADS, name)
}

/// How surely a label names the words: more where it is nothing but the question's name, and says whose it is.
pub(super) fn sureness(name: &str) -> u8 {
    match (matches(&IS_QUESTION, name), matches(&SOMEBODY, name)) {
        (true, true) => 2,
        (true, false) => 1,
        (false, _) => 0,
    }
}

/// Whether a name, of a tag or of a field in JSON, is that of the customer's words: `user_query`, `userInput`.
pub(super) fn names_question(name: &str) -> bool {
    label(&spaced(name)) == Label::Question
}

/// Whether a name is that of somebody who asks.
pub(super) fn names_customer(name: &str) -> bool {
    label(&spaced(name)) == Label::Customer
}

/// `userQuery` and `user_query` → `user query`.
fn spaced(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut lower = false;
    for c in name.chars() {
        match c {
            '_' | '-' | '.' => out.push(' '),
            c if c.is_ascii_uppercase() && lower => {
                out.push(' ');
                out.push(c.to_ascii_lowercase());
            }
            c => out.push(c),
        }
        lower = c.is_ascii_lowercase();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_says_what_stands_behind_it() {
        for (expected, names) in [
            (
                Label::Question,
                "用户问题|用户的问题|问题|当前问题|顾客最新消息|客户原话|用户输入|用户说|買家訊息|Question|User query|Customer's question|\
                 Latest customer message|Message|Follow Up Input|customer message to classify|質問|Pregunta|Frage|User's latest message|user input|the user asks",
            ),
            (
                Label::Customer,
                "用户|顾客|买家|User|Customer|Visitor|Human|USER|customer 42|买家_773|我",
            ),
            (
                Label::Agent,
                "客服|客服小美|智能客服|卖家|Assistant|AI|Agent Kim|Support|bot|Shop assistant|在线客服",
            ),
            (
                Label::Answer,
                "回答|你的回答|Answer|Helpful answer|Standalone question|Output|输出|Thought|意图",
            ),
            (
                Label::Source,
                "资料|参考资料|已知信息|Context|Retrieved documents|Knowledge base|店铺政策",
            ),
            (
                Label::Other,
                "用户信息|用户画像|会员等级|昵称|订单号|收货人|Tier|Locale|Order number|Write a reply to this message|小陈|Dana P.|用户昵称|customer name|颜色",
            ),
        ] {
            for name in names.split('|') {
                assert_eq!(label(name), expected, "{name}");
            }
        }
    }

    #[test]
    fn names_of_fields_are_read_like_labels() {
        for name in [
            "user_query",
            "userQuery",
            "question",
            "input",
            "customer-message",
            "UserInput",
        ] {
            assert!(names_question(name), "{name}");
        }
        for name in [
            "history",
            "context",
            "user_id",
            "title",
            "system-reminder",
            "url",
        ] {
            assert!(!names_question(name), "{name}");
        }
    }
}
