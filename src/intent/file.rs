//! `intents/*.toml` → intents, with every problem of every file at once.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;
use unicode_normalization::UnicodeNormalization;

use super::{Action, Example, Intent, IntentName};
use crate::config::{Shop, read_text};
use crate::language::{Localized, Phrase};
use crate::problem::{Problem, Problems};
use crate::source::{self, line_of};
use crate::text::normalise;

/// What intent files need from the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Fills the words of replies.
    pub shop: &'a Shop,
    /// The reply of reject intents without one.
    pub reject_reply: &'a Localized,
}

impl Context<'_> {
    /// The reply where no intent has one, as customers get it.
    pub fn default_reply(&self) -> Localized {
        // The configuration has been checked.
        let filled = self.shop.fill(self.reject_reply);
        filled.unwrap_or_else(|_| self.reject_reply.clone())
    }
}

/// A file as it stands in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntentFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

/// The intent files of a folder, by name. Hidden files and what does not end in `.toml` are no intents.
///
/// # Errors
/// The folder or a file that cannot be read.
pub fn read_folder(folder: &Path) -> Result<Vec<IntentFile>, Problems> {
    let unreadable = |error: std::io::Error| {
        let message = Phrase::new(
            format!("意图文件夹读不了：{error}；用 --intents 或 gate.intents 指定"),
            format!(
                "the folder of intents cannot be read: {error}; name it with --intents or gate.intents"
            ),
        );
        Problems(vec![Problem::of_file(
            &folder.display().to_string(),
            message,
        )])
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if is_intent_file(&path) {
            paths.push(path);
        }
    }
    paths.sort();
    let mut files = Vec::with_capacity(paths.len());
    let mut problems = Vec::new();
    for path in paths {
        match read_text(&path) {
            Ok(text) => files.push(IntentFile { path, text }),
            Err(Problems(found)) => problems.extend(found),
        }
    }
    Problems(problems).or(files)
}

/// Whether a file in the folder is an intent.
pub fn is_intent_file(path: &Path) -> bool {
    let hidden = path
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with('.'));
    !hidden
        && path
            .extension()
            .is_some_and(|extension| extension == "toml")
        && path.is_file()
}

/// Parses and checks the files of one folder together.
///
/// # Errors
/// Every problem of every file.
pub fn parse(
    folder: &Path,
    files: &[IntentFile],
    context: Context<'_>,
) -> Result<Vec<Intent>, Problems> {
    let mut problems = Vec::new();
    let mut intents = Vec::with_capacity(files.len());
    for file in files {
        let mut reader = Reader {
            file,
            problems: Vec::new(),
        };
        intents.push((file, reader.intent(context)));
        problems.append(&mut reader.problems);
    }
    problems.extend(duplicates(&intents));
    if files.is_empty() {
        let message = Phrase::new(
            "里面没有意图文件；至少放一个 名字.toml",
            "holds no intent files; put at least one NAME.toml there",
        );
        problems.push(Problem::of_file(&folder.display().to_string(), message));
    }
    problems.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    Problems(problems).or(intents.into_iter().map(|(_, intent)| intent).collect())
}

/// The file's keys as they stand.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawIntent {
    title: Option<Phrase>,
    action: Action,
    reply: Option<Spanned<Localized>>,
    first_turn_only: bool,
    examples: Option<Spanned<Examples>>,
}

/// One a line, or a list.
#[derive(Debug)]
enum Examples {
    Lines(String),
    List(Vec<Spanned<String>>),
}

struct Reader<'a> {
    file: &'a IntentFile,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn intent(&mut self, context: Context<'_>) -> Intent {
        let path = self.file.path.display().to_string();
        let (raw, problems) = source::read::<RawIntent>(&path, &self.file.text, &[], None);
        let readable = problems.is_empty();
        self.problems = problems;
        let name = self.name();
        let reply = self.reply(&raw, context, readable);
        let examples = self.examples(raw.examples.as_ref(), readable);
        Intent {
            title: raw.title.unwrap_or_else(|| Phrase::same(name.as_str())),
            name,
            action: raw.action,
            reply,
            first_turn_only: raw.first_turn_only,
            examples,
        }
    }

    fn name(&mut self) -> IntentName {
        let stem = self
            .file
            .path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy();
        IntentName::new(&stem).unwrap_or_else(|| {
            let most = IntentName::MAX_LENGTH;
            self.report(None, None, Phrase::new(
                format!("文件名“{stem}”不能作意图名；请用英文字母开头，只含字母、数字和下划线，最多 {most} 个字符"),
                format!("the file's name `{stem}` cannot name an intent; start with an ASCII letter and use letters, digits and _, {most} at most"),
            ));
            IntentName("unnamed".into())
        })
    }

    /// The reply as customers get it. `readable` is whether the rest of the file was: what an unknown action
    /// may want is not guessed at.
    fn reply(
        &mut self,
        raw: &RawIntent,
        context: Context<'_>,
        readable: bool,
    ) -> Option<Localized> {
        let place = raw
            .reply
            .as_ref()
            .map(|reply| self.line(reply.span().start));
        let written = raw.reply.as_ref().map(Spanned::get_ref);
        if readable && raw.action == Action::Forward && written.is_some() {
            self.report(place, Some("reply"), Phrase::new(
                "转发给大模型的意图不用 reply；要由网关回答，请写 action = \"answer\"",
                "has no use where the LLM answers; for the gateway to answer, write action = \"answer\"",
            ));
        }
        if readable && raw.action == Action::Answer && written.is_none() {
            self.report(
                None,
                Some("reply"),
                Phrase::new(
                    "action = \"answer\" 需要 reply = \"…\"，写明回答什么",
                    "action = \"answer\" needs a reply = \"…\" to answer with",
                ),
            );
        }
        let default = (raw.action == Action::Reject).then_some(context.reject_reply);
        let reply = written.or(default)?;
        if let Some(empty) = reply.empty() {
            let key = empty.map_or("reply".to_owned(), |code| format!("reply.{code}"));
            self.report(
                place,
                Some(&key),
                Phrase::new("是空的；请写上答复", "is empty; write what is said"),
            );
        }
        match context.shop.fill(reply) {
            Ok(filled) => Some(filled),
            // The default is the configuration's, which has been checked.
            Err(_) if written.is_none() => None,
            Err(unknown) => {
                self.report(place, Some("reply"), unknown.explain());
                None
            }
        }
    }

    fn examples(&mut self, raw: Option<&Spanned<Examples>>, readable: bool) -> Vec<Example> {
        let examples = raw.map(|raw| self.lines(raw)).unwrap_or_default();
        if examples.is_empty() && readable {
            let line = raw.map(|raw| self.line(raw.span().start));
            self.report(
                line,
                Some("examples"),
                Phrase::new(
                    "没有例句；请写 examples = \"\"\"…\"\"\"，每行一句",
                    "is empty; write examples = \"\"\"…\"\"\", one question a line",
                ),
            );
        }
        examples
    }

    fn lines(&self, raw: &Spanned<Examples>) -> Vec<Example> {
        let example = |text: &str, line| Example {
            text: text.trim().to_owned(),
            read: normalise(text.trim()).into_owned(),
            line,
        };
        let start = self.line(raw.span().start);
        match raw.get_ref() {
            Examples::List(items) => items
                .iter()
                .filter(|item| !item.get_ref().trim().is_empty())
                .map(|item| example(item.get_ref(), self.line(item.span().start)))
                .collect(),
            Examples::Lines(text) => {
                let written = &self.file.text[raw.span()];
                // A line feed behind the opening quotes is no content, so the first line is the next one.
                let first =
                    start + usize::from(written.lines().next().is_some_and(|l| l.len() <= 3));
                // Escapes may make more or fewer lines than the file has; then the key's own line serves.
                let escaped = written.starts_with('"') && written.contains('\\');
                let straight = !escaped
                    && written.lines().count() + start - first
                        == text.lines().count() + usize::from(text.ends_with('\n'));
                text.lines()
                    .enumerate()
                    .filter(|(_, line)| {
                        !line.trim().is_empty() && !line.trim_start().starts_with('#')
                    })
                    .map(|(n, line)| example(line, if straight { first + n } else { start }))
                    .collect()
            }
        }
    }

    fn line(&self, offset: usize) -> usize {
        line_of(&self.file.text, offset)
    }

    fn report(&mut self, line: Option<usize>, key: Option<&str>, message: Phrase) {
        self.problems.push(Problem {
            file: self.file.path.display().to_string(),
            line,
            key: key.map(str::to_owned),
            message,
        });
    }
}

/// Each example that stands somewhere before, in its own intent or another.
fn duplicates(intents: &[(&IntentFile, Intent)]) -> Vec<Problem> {
    let mut seen: HashMap<String, (&IntentFile, usize)> = HashMap::new();
    let mut problems = Vec::new();
    for (file, intent) in intents {
        for example in &intent.examples {
            let Some((other, line)) = seen.insert(sameness(&example.text), (file, example.line))
            else {
                continue;
            };
            let place = format!("{}:{line}", other.path.display());
            problems.push(Problem {
                file: file.path.display().to_string(),
                line: Some(example.line),
                key: Some("examples".to_owned()),
                message: Phrase::new(
                    format!("“{}”已经写在 {place}；删掉一处", example.text),
                    format!(
                        "\"{}\" stands already at {place}; delete one of the two",
                        example.text
                    ),
                ),
            });
        }
    }
    problems
}

/// Two examples that differ only in width, case or spacing are the same one.
fn sameness(text: &str) -> String {
    let folded = text.nfkc().collect::<String>().to_lowercase();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let found = Action::ALL
            .into_iter()
            .find(|action| action.as_str() == text);
        found.ok_or_else(|| {
            Phrase::new(
                "不是动作；可用：forward（转发）、answer（直接回答）、reject（婉拒）",
                "is no action; accepted: forward, answer, reject",
            )
            .into_error()
        })
    }
}

impl<'de> Deserialize<'de> for Examples {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ExamplesVisitor)
    }
}

struct ExamplesVisitor;

impl<'de> Visitor<'de> for ExamplesVisitor {
    type Value = Examples;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = Phrase::new(
            "文字（每行一句）或文字的列表",
            "a text with one question a line, or a list of texts",
        );
        f.write_str(&expected.joined())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Examples, E> {
        Ok(Examples::Lines(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Examples, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Examples::List(list))
    }
}
