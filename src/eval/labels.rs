//! The text of a file of labelled questions → questions, with every problem at once.
//!
//! A line is what `ask --jsonl` reads, `{"text": …}` or `{"messages": […]}`, with `"intent": "…"`,
//! `"on_topic": true|false` or both beside it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Question, notes};
use crate::chat::line::Line;
use crate::chat::{Prompt, Text};
use crate::intent::{Action, Intent, IntentName};
use crate::language::Phrase;
use crate::problem::{Problem, Problems};
use crate::source::{nearest, shorten, unknown_key};

const KEYS: [&str; 4] = ["text", "messages", "intent", "on_topic"];
/// Lines that one message names.
const NAMED_LINES: usize = 5;

/// A folder whose intents labels may name.
#[derive(Clone, Copy, Debug)]
pub struct Folder<'a> {
    /// As the operator knows it.
    pub name: &'a str,
    /// What it holds.
    pub intents: &'a [Intent],
}

/// What a file holds.
#[derive(Clone, Debug)]
pub struct Labelled {
    /// At least one.
    pub questions: Vec<Question>,
    /// What the operator should know.
    pub notes: Vec<Phrase>,
}

/// Reads the text of `file`. Labels may name the intents of any of `folders`; which side an intent is on is the
/// first one's word. Without folders no name is checked.
///
/// # Errors
/// Every problem of every line.
pub fn read(file: &str, text: &str, folders: &[Folder<'_>]) -> Result<Labelled, Problems> {
    let mut reader = Reader {
        file,
        folders,
        problems: Vec::new(),
        unknown: BTreeMap::new(),
        counted_alone: BTreeMap::new(),
    };
    let lines = text.lines().enumerate();
    let written = lines.filter(|(_, line)| !line.trim().is_empty());
    let questions: Vec<_> = written
        .filter_map(|(index, line)| reader.question(index + 1, line))
        .collect();
    reader.report_unknown();
    if text.trim().is_empty() {
        let message = Phrase::new(
            "里面没有问题；每行写一个，如 {\"text\": \"我要退款\", \"on_topic\": true}",
            "holds no questions; write one a line, such as {\"text\": \"where is my refund\", \"on_topic\": true}",
        );
        reader.problems.push(Problem::of_file(file, message));
    }
    reader.problems.sort_by_key(|problem| problem.line);
    let notes = notes::of(folders, &questions, &reader.counted_alone);
    Problems(reader.problems).or(Labelled { questions, notes })
}

struct Reader<'a> {
    file: &'a str,
    folders: &'a [Folder<'a>],
    problems: Vec<Problem>,
    /// Lines whose only label is an intent that no folder has, by its name.
    unknown: BTreeMap<String, Vec<usize>>,
    /// How many lines have an intent that no folder has, but a side, by its name.
    counted_alone: BTreeMap<String, usize>,
}

impl Reader<'_> {
    fn question(&mut self, line: usize, json: &str) -> Option<Question> {
        let object = self.object(line, json)?;
        let before = self.problems.len();
        for key in object.keys().filter(|key| !KEYS.contains(&key.as_str())) {
            self.problem(line, Some(key), unknown_key(key, &KEYS));
        }
        let string = |value: &Value| value.as_str().map(str::to_owned);
        let text = self.value(line, &object, "text", &["文字", "a text"], string);
        let intent = self.value(
            line,
            &object,
            "intent",
            &["意图名", "an intent's name"],
            string,
        );
        let truth = &[" true 或 false", "true or false"];
        let on_topic = self.value(line, &object, "on_topic", truth, Value::as_bool);
        if self.problems.len() > before {
            return None;
        }
        let messages = object.get("messages").filter(|value| !value.is_null());
        let asked = Line {
            text,
            messages: messages.cloned(),
        };
        let label = self.label(line, intent, on_topic);
        let asked = self.asked(line, asked);
        let ((intent, on_topic), (prompt, text)) = (label?, asked?);
        Some(Question {
            line,
            prompt,
            text,
            intent,
            on_topic,
        })
    }

    /// The prompt, and the customer's words in it.
    fn asked(&mut self, line: usize, asked: Line) -> Option<(Prompt, String)> {
        let prompt = asked.prompt();
        let prompt = prompt.map_err(|message| self.problem(line, None, message));
        let prompt = prompt.ok()?;
        if let Text::Question(text) = &prompt.text {
            let text = text.clone();
            return Some((prompt, text));
        }
        let message = Phrase::new(
            "没有可判断的文字；删掉这一行，或写上顾客的话",
            "has no text to judge; delete the line, or write what the customer says",
        );
        self.problem(line, None, message);
        None
    }

    fn object(&mut self, line: usize, json: &str) -> Option<Map<String, Value>> {
        match serde_json::from_str(json) {
            Ok(Value::Object(object)) => Some(object),
            Ok(other) => {
                let message = Line::refused(&other);
                self.problem(line, None, message);
                None
            }
            Err(error) => {
                let (column, whole) = (error.column(), error.to_string());
                let what = whole.split(" at line ").next().unwrap_or_default();
                let message = Phrase::new(
                    format!("不是合法的 JSON，第 {column} 列：{what}；一行写一个完整的 {{…}}"),
                    format!("is not JSON, column {column}: {what}; write one whole {{…}} a line"),
                );
                self.problem(line, None, message);
                None
            }
        }
    }

    /// A key's value; none where it is not there, is null or, which is a problem, of the wrong type.
    fn value<T>(
        &mut self,
        line: usize,
        object: &Map<String, Value>,
        key: &str,
        [zh, en]: &[&str; 2],
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        let value = object.get(key).filter(|value| !value.is_null())?;
        let read = read(value);
        if read.is_none() {
            let value = shorten(&value.to_string());
            let message = Phrase::new(
                format!("不接受 {value}；这里应当是{zh}"),
                format!("{value} is not accepted; expected {en}"),
            );
            self.problem(line, Some(key), message);
        }
        read
    }

    /// The intent where a folder has it, and the side.
    fn label(
        &mut self,
        line: usize,
        intent: Option<String>,
        on_topic: Option<bool>,
    ) -> Option<(Option<IntentName>, bool)> {
        let found = intent.as_deref().and_then(|name| self.intent(name));
        let own_side = found.map(|intent| intent.action != Action::Reject);
        let known = found.map(|intent| intent.name.clone());
        match (on_topic.or(own_side), intent) {
            (Some(side), name) => {
                if let Some(name) = name.filter(|_| known.is_none()) {
                    *self.counted_alone.entry(name).or_default() += 1;
                }
                return Some((known, side));
            }
            (None, Some(name)) => self.unknown.entry(name).or_default().push(line),
            (None, None) => {
                let message = Phrase::new(
                    "没有标注；请写 \"intent\": \"意图名\" 或 \"on_topic\": true|false",
                    "has no label; add \"intent\": \"NAME\" or \"on_topic\": true|false",
                );
                self.problem(line, None, message);
            }
        }
        None
    }

    fn intent(&self, name: &str) -> Option<&Intent> {
        let intents = self.folders.iter().flat_map(|folder| folder.intents);
        intents
            .into_iter()
            .find(|intent| intent.name.as_str() == name)
    }

    /// Each name once, at the first line that has it.
    fn report_unknown(&mut self) {
        if self.folders.is_empty() {
            return;
        }
        let folders = either(self.folders);
        let intents = self.folders.iter().flat_map(|folder| folder.intents);
        let names: Vec<_> = intents.map(|intent| intent.name.as_str()).collect();
        for (name, lines) in std::mem::take(&mut self.unknown) {
            let near = nearest(&name, &names);
            let (guess, meant) = near.map_or_else(Default::default, |near| {
                (
                    format!("您是不是想写 {near}？"),
                    format!("did you mean {near}? "),
                )
            });
            let also = also(&lines[1..]);
            let message = Phrase::new(
                format!(
                    "{guess}{} 里没有意图 \"{name}\"；请改正，或加上 \"on_topic\": true|false{}",
                    folders.zh, also.zh
                ),
                format!(
                    "{meant}{} has no intent \"{name}\"; correct it, or add \"on_topic\": true|false{}",
                    folders.en, also.en
                ),
            );
            self.problem(lines[0], Some("intent"), message);
        }
    }

    fn problem(&mut self, line: usize, key: Option<&str>, message: Phrase) {
        self.problems.push(Problem {
            file: self.file.to_owned(),
            line: Some(line),
            key: key.map(str::to_owned),
            message,
        });
    }
}

/// The folders' names, any of which might have had what none has.
pub(super) fn either(folders: &[Folder<'_>]) -> Phrase {
    let names: Vec<_> = folders.iter().map(|folder| folder.name).collect();
    Phrase::new(names.join(" 和 "), names.join(" or "))
}

/// The end of a message that holds for more lines.
fn also(lines: &[usize]) -> Phrase {
    if lines.is_empty() {
        return Phrase::default();
    }
    let named: Vec<_> = lines
        .iter()
        .take(NAMED_LINES)
        .map(usize::to_string)
        .collect();
    let (zh, en) = (named.join("、"), named.join(", "));
    match lines.len() - named.len() {
        0 => Phrase::new(format!("；还有第 {zh} 行"), format!("; so on line {en}")),
        more => Phrase::new(
            format!("；还有第 {zh} 行和另外 {more} 行"),
            format!("; so on line {en} and {more} more"),
        ),
    }
}
