//! What no customer wrote: what front ends ask about a chat, and what frameworks say between a model and its tools.

use crate::text::{Pattern, compiled, matches};

/// A chat's title, its tags, what may be searched or asked next, its summary.
static TASK: Pattern = Pattern::new(|| {
    compiled(concat!(
        r"(?i)\b(?:generate|create|write|provide|suggest|analy[sz]e|summari[sz]e|give|predict|determine|detect)\b[^\n]{0,160}\b(?:titles?|tags?|search quer(?:y|ies)|follow[- ]?ups?|questions or prompts|summary|summari[sz]ing|topics?|likely questions)\b[^\n]{0,120}\b(?:chat|conversation|dialogue|chat history|messages above|human would ask)\b|",
        r"\bsummari[sz]e\b[^\n]{0,40}\b(?:chat|conversation|dialogue|discussion)\b[^\n]{0,80}\b(?:context|prompt|memory|title|words)\b|",
        r"(?:生成|总结|概括|提取|归纳|返回|给出|拟|起|预测|建议)[^\n]{0,40}(?:标题|主题|标签|搜索词|检索词|关键词|后续问题|追问|摘要|记忆)[^\n]{0,60}(?:对话|聊天|会话|闲聊)|",
        r"(?:对话|聊天|会话|这句话)[^\n]{0,40}(?:生成|总结|概括|提取|归纳|返回|给出|拟|起)[^\n]{0,40}(?:标题|主题|标签|搜索词|检索词|关键词|后续问题|追问|摘要|记忆)|",
        r"(?:返回|总结)[^\n]{0,12}(?:这句话|对话|会话)[^\n]{0,20}(?:主题|标题|内容，用作|内容,用作)",
    ))
});
/// A tool's result as text, what asks for the answer behind it, and what tells a model what was wrong.
static HARNESS: Pattern = Pattern::new(|| {
    compiled(concat!(
        r"(?i)^\s*(?:(?:observations?|tool (?:results?|outputs?|responses?)|function (?:results?|outputs?)|execution logs?|calling tools?|观察|工具(?:返回|结果|输出)|函数返回|调用结果)\s*[:：]|\[(?:tool|function|observation)|<(?:tool_result|tool_response|observation)\b|",
        r"(?:fix the errors and try again|validation feedback|\d+ validation errors?\b|validation error found|recall the function correctly|plain text responses are not permitted))|",
        r"^[^\n]{0,40}(?:根据|基于|结合)(?:以上|上述|上面)?[^\n]{0,8}(?:工具|查询|搜索|检索|执行|调用)[^\n]{0,12}(?:回复|回答|答复|总结)[^\n]{0,40}$|",
        r"^[^\n]{0,60}\b(?:summari[sz]e|based on|using|given)\b[^\n]{0,30}\b(?:tool|function|search|query)?\s?(?:results?|outputs?|observations?)\b[^\n]{0,60}\b(?:customer|user|answer|reply|respond)\b[^\n]{0,60}$|",
        r"^[^\n]{0,20}\bsummari[sz]e the results?\b[^\n]{0,60}$",
    ))
});
/// A sentence of more bytes asks for something of its own, unless a chat stands behind it.
const LONGEST_SENTENCE: usize = 400;

/// Whether a message is what a front end wants to know about a chat: no reply made here may become a chat's title.
pub fn is_task(message: &str) -> bool {
    let head = &message[..message.floor_char_boundary(2 * LONGEST_SENTENCE)];
    let short = || message.len() <= LONGEST_SENTENCE;
    let shows_chat = || {
        ["###", "</", "\n\n"]
            .iter()
            .any(|mark| message.contains(mark))
    };
    matches(&TASK, head) && (short() || shows_chat())
}

/// Whether a message is what a framework says in a loop of tools.
pub fn is_harness(message: &str) -> bool {
    matches(&HARNESS, message)
}
