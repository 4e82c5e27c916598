//! Sentences to an assistant, profiles and passages around the words, without a label on them.

use super::labels::{self, Label, label};
use super::{Part, Wrapping, fields, has_words};
use crate::text::{Pattern, compiled, matches};

/// Bytes of a block's beginning that tell what it is.
const LONGEST_HEAD: usize = 600;
/// Bytes of a message in which a customer is quoted.
const LONGEST_QUOTED: usize = 600;
/// Blocks of one message that are looked at.
const MOST_BLOCKS: usize = 200;

/// What an assistant is told to do with what a customer says.
static TASK: Pattern = Pattern::new(|| {
    compiled(concat!(
        r"(?i)(?:回答|回复|回覆|答复|回应|解答|处理|判断|分类|识别|改写|归类|作答|压缩|翻译)[^\n]{0,60}(?:用户|用戶|顾客|客户|买家|访客|问题|消息|对话|资料|知识库|上下文|提问|这句|下面|以下|一句|阅读|标签|意图)|",
        r"(?:用户|用戶|顾客|客户|买家|访客|下面|以下|上面|上述|根据|依据|基于|参考|结合|使用)[^\n]{0,80}(?:回答|回复|答复|回应|解答|作答|分类|改写|判断|纠正)|",
        r"(?:answer|reply|respond|responding|classify|categori[sz]e|rewrite|rephrase|handle|help|translate|turn|pick|decide)\b[^\n]{0,160}\b(?:customer|user|visitor|shopper|question|query|message|following|below|above|context|conversation|documents|information provided|knowledge)|",
        r"(?:given|using|based on|use|from|read|consider|with)\b[^\n]{0,160}\b(?:answer|reply|respond|classify|rephrase|help|context|knowledge)\b|",
        r"(?:réponds|répondez|responde|responda|antworte|beantworte|ответь|ответьте|お答え|回答して|답변)",
    ))
});
/// What an assistant is told to be, and how to speak.
static MANNER: Pattern = Pattern::new(|| {
    compiled(concat!(
        r"(?im)^[\s#*\-\d.、）)]*(?:你(?:是|现在是|将扮演|的身份是|作为)[^\n]{0,80}(?:客服|助手|助理|机器人|顾问|专员|导购|检索|专家)|作为[^\n]{0,40}(?:客服|助手|助理)|",
        r"(?:you are|you're|act as|as)\b[^\n]{0,160}\b(?:assistant|agent|bot|chatbot|representative|helper|advisor|talking with)|",
        r"(?:请)?(?:用|以|保持)[^\n]{0,30}(?:语气|中文|英文|简洁|口吻|不超过|字以内)|(?:回答|回复|语气)(?:要|请|时|应|需|控制|不要|不超过|亲切|之前)[^\n]{0,60}|不(?:知道|清楚|确定)(?:就|则|请)[^\n]{0,40}|(?:再次)?提醒[:：][^\n]{0,80}|只能回答[^\n]{0,60}|",
        r"(?:when (?:you )?answer|note|your task|rules?|tone|format)\b[^\n]{0,200}$|(?:注意|要求|规则|说明|提示|回答要求|instructions?|rules?|guidelines?|notes?|requirements?)\s*[:：]?\s*$|",
        r"(?:today is|the current|current (?:date|time)|it is now|现在是|今天是|当前时间)[^\n]{0,160}$|(?:now )?(?:decide|draft|compose|produce|write)\b[^\n]{0,120}\b(?:repl(?:y|ies)|response|answer|function)|",
        r"(?:please )?(?:be|keep|stay|use|answer|reply|respond|do not|don't|never|always|make sure|if you|avoid|and answer)\b[^\n]{0,160}\b(?:answers?|repl(?:y|ies)|respon[sd]es?|tone|concise|polite|friendly|brief|short|words|sentences|make (?:it|anything) up|know|language|english|mention\w*|markdown))",
    ))
});
/// A customer is quoted.
static QUOTES: Pattern = Pattern::new(|| {
    compiled(
        r#"(?is)(?:用户|顾客|客户|买家|访客|customer|user|visitor|shopper|buyer|client[ea]?|kunde|kundin)[^\n"“「『«]{0,60}(?:说|问|发来|留言|写道|表示|提问|says?|said|asks?|asked|writes?|wrote|typed|message|question|écrit|schreibt|escribe)[^\n"“「『«]{0,30}["“「『«]"#,
    )
});

pub(super) fn unwrap(text: &str) -> Option<Part<'_>> {
    quoted(text)
        .or_else(|| between_marks(text))
        .or_else(|| behind_colon(text))
        .or_else(|| of_blocks(text))
        .map(|words| Part::new(Wrapping::Instructions, words))
}

/// Whether the lines that follow begin with a sentence to an assistant.
pub(super) fn follow<'a>(mut lines: impl Iterator<Item = &'a str>) -> bool {
    lines.find(|line| !line.is_empty()).is_some_and(instructs)
}

fn instructs(text: &str) -> bool {
    let head = &text[..text.floor_char_boundary(LONGEST_HEAD)];
    matches(&TASK, head) || matches(&MANNER, head)
}

fn quoted(text: &str) -> Option<String> {
    let head = &text[..text.floor_char_boundary(LONGEST_QUOTED)];
    let found = QUOTES.as_ref()?.find(head)?;
    let (_, behind) = text.split_at(found.end());
    let end = behind.find(['"', '”', '」', '』', '»'])?;
    let words = behind[..end].trim();
    has_words(words).then(|| words.to_owned())
}

/// `请回答下面顾客的问题：能退吗`.
fn behind_colon(text: &str) -> Option<String> {
    let (before, behind) = text.split_once([':', '：'])?;
    // A face is none.
    let behind = Some(behind).filter(|behind| behind.trim().len() > 3)?;
    let told = !before.contains('\n') && (matches(&TASK, before) || labels::says_whose(before));
    let behind = behind.trim();
    (told && has_words(behind) && !behind.contains('\n')).then(|| behind.to_owned())
}

/// Words between two lines of marks, with sentences to an assistant around them.
fn between_marks(text: &str) -> Option<String> {
    let mark = |line: &str| {
        let line = line.trim();
        let of_one = |c: char| line.len() >= 3 && line.chars().all(|other| other == c);
        ['~', '=', '`', '"', '#', '*'].into_iter().any(of_one)
    };
    let lines: Vec<_> = text.lines().collect();
    let first = lines.iter().position(|line| mark(line))?;
    let last = lines.iter().rposition(|line| mark(line))?;
    let around = first > 0 || last + 1 < lines.len();
    let words = lines.get(first + 1..last)?.join("\n");
    (around && instructs(&lines[..first].join("\n")) && has_words(&words)).then_some(words)
}

/// What a block of lines is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Words,
    Instruction,
    Profile,
    Source,
}

/// Of blocks between empty lines, or of lines where there are none, those that are no instruction, no profile and no
/// passage. Behind instructions and passages the words come last.
fn of_blocks(text: &str) -> Option<String> {
    let filled = |part: &&str| !part.is_empty();
    let mut parts: Vec<&str> = text.split("\n\n").map(str::trim).filter(filled).collect();
    if parts.len() < 2 {
        parts = text.lines().map(str::trim).filter(filled).collect();
    } else if let Some(lines) = parts.first().map(|part| leading(part)) {
        // A profile that stands right before the words.
        parts.splice(0..1, lines);
    }
    let first = parts.len().saturating_sub(MOST_BLOCKS);
    let blocks: Vec<_> = parts
        .split_off(first)
        .into_iter()
        .map(|part| (kind(part), part))
        .collect();
    let words = |(kind, _): &(Kind, &str)| *kind == Kind::Words;
    let (first, last) = (
        blocks.iter().position(words)?,
        blocks.iter().rposition(words)?,
    );
    let told = blocks.iter().any(|(kind, _)| *kind == Kind::Instruction);
    let sourced = blocks.iter().any(|(kind, _)| *kind == Kind::Source);
    if sourced || told && first > 0 {
        return Some(blocks[last].1.to_owned());
    }
    // Fields among the words are the customer's.
    let kept = blocks[first..=last]
        .iter()
        .filter(|(kind, _)| *kind != Kind::Instruction);
    let kept: Vec<_> = kept.map(|(_, part)| *part).collect();
    (kept.len() < blocks.len()).then(|| kept.join("\n"))
}

/// The lines of a block whose first ones are fields: `昵称：小陈`.
fn leading(block: &str) -> Vec<&str> {
    let fields = block
        .lines()
        .take_while(|line| kind(line) == Kind::Profile)
        .count();
    match fields {
        0 => vec![block],
        _ => block.lines().collect(),
    }
}

fn kind(block: &str) -> Kind {
    let first = block.lines().next().unwrap_or_default().trim();
    let name = first.split([':', '：']).next().unwrap_or_default();
    let name = name.split(['(', '（']).next().unwrap_or(name);
    let name = name.trim_matches(|c: char| !c.is_alphanumeric());
    if name.len() < first.len() && label(name) == Label::Source {
        return Kind::Source;
    }
    if !has_words(block) || name.len() < first.len() && label(name) == Label::Answer {
        return Kind::Instruction;
    }
    if fields::is_profile(block) {
        return Kind::Profile;
    }
    match instructs(block) && !block.ends_with(['?', '？']) {
        true => Kind::Instruction,
        false => Kind::Words,
    }
}
