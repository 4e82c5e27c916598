//! The text of a TOML file → a typed value, with every problem at once.
//!
//! serde stops at the first value it cannot take. So that an operator hears of all of them, the value
//! that was refused is noted, taken out of the table, and the rest is read again.

mod message;
mod table;

use std::fmt;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use crate::language::Phrase;
use crate::problem::Problem;
use message::explain;
pub use message::{nearest, shorten, unknown_key};
use table::{Place, dotted, find, locate, put, respan, take, write_out};

/// A value from the environment that goes over the file's: the variable's name and value, and the key it
/// stands for.
#[derive(Clone, PartialEq, Eq)]
pub struct Override {
    /// `INTENTGATE_UPSTREAM__URL`.
    pub variable: String,
    /// `["upstream", "url"]`.
    pub path: Vec<String>,
    /// The value as it stands in the environment.
    pub value: String,
}

impl fmt::Debug for Override {
    /// Without the value, which may be a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Override({})", self.variable)
    }
}

/// Reads `text` as a `T`. `file` names it in problems. What could not be read keeps `T`'s default. Of a `short`
/// section and key, the section may be written as a text: it is that key's.
pub fn read<T: DeserializeOwned + Default>(
    file: &str,
    text: &str,
    overrides: &[Override],
    short: Option<(&str, &str)>,
) -> (T, Vec<Problem>) {
    let source = Source {
        file,
        text,
        overrides,
    };
    let (mut table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return (
            T::default(),
            errors.iter().map(|e| source.syntax(e)).collect(),
        );
    }
    if let Some((section, key)) = short {
        write_out(table.get_mut(), section, key);
    }
    for (index, entry) in overrides.iter().enumerate() {
        let span = source.override_span(index);
        put(
            table.get_mut(),
            &entry.path,
            span,
            source.override_value(index),
        );
    }
    source.typed(table)
}

/// The line of a byte offset, from 1.
pub fn line_of(text: &str, offset: usize) -> usize {
    let end = offset.min(text.len());
    1 + text.as_bytes()[..end]
        .iter()
        .filter(|b| **b == b'\n')
        .count()
}

struct Source<'a> {
    file: &'a str,
    text: &'a str,
    overrides: &'a [Override],
}

impl<'a> Source<'a> {
    fn typed<T: DeserializeOwned + Default>(
        &self,
        mut table: Spanned<DeTable<'a>>,
    ) -> (T, Vec<Problem>) {
        let mut problems = Vec::new();
        loop {
            let error = match T::deserialize(toml::de::Deserializer::from(table.clone())) {
                Ok(value) => return (value, problems),
                Err(error) => error,
            };
            let place = error.span().and_then(|span| locate(table.get_ref(), &span));
            let Some(place) = place else {
                problems.push(self.problem(&error, None));
                return (T::default(), problems);
            };
            let overridden = self.override_at(&place.span);
            if error.message().starts_with("invalid type: string")
                && overridden.is_some_and(|index| self.reread_override(&mut table, index))
            {
                continue;
            }
            let problem = self.problem(&error, Some(&place));
            if !problems.contains(&problem) {
                problems.push(problem);
            }
            let own = overridden.map_or(&place.path, |index| &self.overrides[index].path);
            if !take(table.get_mut(), own) {
                take(table.get_mut(), &place.path);
            }
        }
    }

    /// Overrides are text, unless they are written as a TOML list or table.
    fn override_value(&self, index: usize) -> DeValue<'a> {
        let text = self.overrides[index].value.as_str();
        match DeValue::parse(text) {
            Ok(value) if text.starts_with(['[', '{']) => {
                respan(value.into_inner(), &self.override_span(index))
            }
            _ => DeValue::String(text.into()),
        }
    }

    /// Overrides are tried as text first; what wants a number or a flag is then read as TOML.
    fn reread_override(&self, table: &mut Spanned<DeTable<'a>>, index: usize) -> bool {
        let entry = &self.overrides[index];
        let is_text = find(table.get_ref(), &entry.path).is_some_and(DeValue::is_str);
        match DeValue::parse(&entry.value) {
            Ok(value) if is_text && !value.get_ref().is_str() => {
                let span = self.override_span(index);
                put(
                    table.get_mut(),
                    &entry.path,
                    span.clone(),
                    respan(value.into_inner(), &span),
                );
                true
            }
            _ => false,
        }
    }

    /// Overrides have places behind the end of the text, so that an error tells which one it means.
    fn override_span(&self, index: usize) -> Range<usize> {
        let start = self.text.len() + 1 + 2 * index;
        start..start + 1
    }

    fn override_at(&self, span: &Range<usize>) -> Option<usize> {
        let past = span.start.checked_sub(self.text.len() + 1)?;
        (past / 2 < self.overrides.len()).then_some(past / 2)
    }

    fn problem(&self, error: &Error, place: Option<&Place>) -> Problem {
        let overridden = place.and_then(|p| self.override_at(&p.span));
        let entry = overridden.map(|index| &self.overrides[index]);
        let is_secret =
            |key: &String| key != "tokenizer" && (key.contains("key") || key.contains("token"));
        let secret = place.is_some_and(|p| {
            // A collector's headers have names of their own.
            p.path.last().is_some_and(is_secret) || dotted(&p.path).starts_with("traces.headers")
        });
        let value = match (entry, error.span()) {
            (Some(entry), _) => Some(entry.value.as_str()),
            (None, Some(span)) => self.text.get(span),
            (None, None) => None,
        };
        // A table may hold a key, and a URL a password.
        let value = match value {
            Some(value) if secret || value.contains("_key") || value.contains('@') => Some("…"),
            shown => shown,
        };
        Problem {
            file: entry.map_or(self.file, |_| "environment").to_owned(),
            line: match (entry, error.span()) {
                (None, Some(span)) => Some(line_of(self.text, span.start)),
                _ => None,
            },
            key: match entry {
                Some(entry) => Some(entry.variable.clone()),
                None => place.map(|p| dotted(&p.path)),
            },
            message: explain(error.message(), value),
        }
    }

    fn syntax(&self, error: &Error) -> Problem {
        let start = error.span().map(|span| span.start);
        let line = start.map(|start| line_of(self.text, start));
        let content = line
            .and_then(|n| self.text.lines().nth(n - 1))
            .unwrap_or("");
        let full_width = content
            .chars()
            .find(|c| "“”‘’＝［］｛｝，＃＂".contains(*c));
        let hint = match full_width {
            Some(c) => Phrase::new(
                format!("；这一行有全角的 {c} ：引号、等号、括号和逗号请用半角（英文输入法）"),
                format!(
                    "; this line has a full-width `{c}`: type quotes, =, brackets and commas in half width"
                ),
            ),
            None if is_unquoted(content) => Phrase::new(
                "；文字要写在引号里，如 name = \"…\"",
                "; a text stands in quotes, such as name = \"…\"",
            ),
            None => Phrase::default(),
        };
        Problem {
            file: self.file.to_owned(),
            line,
            key: None,
            message: Phrase::new(
                format!("不是合法的 TOML：{}{}", error.message(), hint.zh),
                format!("is not TOML: {}{}", error.message(), hint.en),
            ),
        }
    }
}

/// Whether a line gives a key a bare word.
fn is_unquoted(line: &str) -> bool {
    let value = line.split_once('=').map_or("", |(_, value)| value.trim());
    value.starts_with(|c: char| c.is_alphanumeric()) && !["true", "false"].contains(&value)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::language::Language;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct File {
        server: Section,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Section {
        port: u16,
        name: String,
        list: Vec<String>,
    }

    fn variable(path: &str, value: &str) -> Override {
        Override {
            variable: format!("X_{}", path.to_uppercase().replace('.', "__")),
            path: path.split('.').map(str::to_owned).collect(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn every_problem_is_found_in_one_reading() {
        let text = "[server]\nport = \"no\"\nnme = 'x'\nlist = [1]\n[sever]\n";
        let (value, problems) = read::<File>("c.toml", text, &[], None);
        let mut lines: Vec<_> = problems.iter().map(|p| p.render(Language::En)).collect();
        lines.sort();
        assert_eq!(
            lines,
            [
                "c.toml:2: server.port: \"no\" is not accepted; expected a whole number above 0",
                "c.toml:3: server.nme: did you mean name? there is no such key; accepted: port, name, list",
                "c.toml:4: server.list: 1 is not accepted; expected a string",
                "c.toml:5: sever: did you mean server? there is no such key; accepted: server",
            ]
        );
        assert_eq!(value, File::default());
    }

    #[test]
    fn a_problem_in_a_list_of_tables_names_its_place() {
        #[derive(Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        struct Lists {
            server: Vec<Section>,
        }
        let text =
            "[[server]]\nport = 1\n[[server]]\nport = \"no\"\nnme = 1\n[[server]]\nlist = 1\n";
        let (value, problems) = read::<Lists>("c.toml", text, &[], None);
        let mut lines: Vec<_> = problems.iter().map(|p| p.render(Language::En)).collect();
        lines.sort();
        assert_eq!(
            lines,
            [
                "c.toml:4: server[1].port: \"no\" is not accepted; expected a whole number above 0",
                "c.toml:5: server[1].nme: did you mean name? there is no such key; accepted: port, name, list",
                "c.toml:7: server[2].list: 1 is not accepted; expected a list, such as [\"…\"]",
            ]
        );
        assert_eq!(value.server.len(), 3);
        let inline = "server = [{ port = 1 }, { port = 'no' }]\n";
        let (_, problems) = read::<Lists>("c.toml", inline, &[], None);
        assert_eq!(problems[0].key.as_deref(), Some("server[1].port"));
    }

    #[test]
    fn a_table_that_holds_a_key_is_not_shown() {
        let overrides = [variable("server", "[{ api_key = 'sk-secret' }]")];
        let (_, problems) = read::<File>("c.toml", "", &overrides, None);
        assert!(!problems.is_empty());
        for problem in problems {
            assert!(!problem.render(Language::En).contains("sk-secret"));
        }
    }

    #[test]
    fn the_environment_goes_over_the_file() {
        let overrides = [
            variable("server.port", "81"),
            variable("server.name", "82"),
            variable("server.list", "['a']"),
        ];
        let (value, problems) = read::<File>("c.toml", "[server]\nport = 80\n", &overrides, None);
        assert_eq!(problems, []);
        assert_eq!((value.server.port, value.server.name.as_str()), (81, "82"));
        assert_eq!(value.server.list, ["a"]);
    }

    #[test]
    fn a_problem_of_the_environment_names_the_variable() {
        let overrides = [
            variable("server.port", "many"),
            variable("server.prt", "1"),
            variable("nowhere.a", "1"),
            variable("nowhere.b", "2"),
            variable("server.name.x", "3"),
        ];
        let (_, problems) = read::<File>("c.toml", "", &overrides, None);
        let mut lines: Vec<_> = problems.iter().map(|p| p.render(Language::En)).collect();
        lines.sort();
        assert_eq!(
            lines,
            [
                "environment: X_NOWHERE__A: there is no such key; accepted: server",
                "environment: X_SERVER__NAME__X: 3 is not accepted; expected a string",
                "environment: X_SERVER__PORT: many is not accepted; expected a whole number above 0",
                "environment: X_SERVER__PRT: did you mean port? there is no such key; accepted: port, name, list",
            ]
        );
    }

    #[test]
    fn full_width_marks_are_pointed_out() {
        let (_, problems) = read::<File>("c.toml", "[server]\nname = “x”\n", &[], None);
        assert!(
            problems[0].render(Language::Zh).contains("半角"),
            "{problems:?}"
        );
        assert_eq!(problems[0].line, Some(2));
    }
}
