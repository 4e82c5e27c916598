//! The layers that `src/lib.rs` draws, held against what the source uses.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rows, the highest first: each uses itself and the rows below it.
const ROWS: [(&str, &[&str]); 7] = [
    ("process", &["main", "cli"]),
    ("time", &["reload", "server", "admin"]),
    ("http", &["proxy"]),
    (
        "judgement",
        &[
            "report", "ledger", "eval", "findings", "gate", "snapshot", "judge",
        ],
    ),
    (
        "engines",
        &[
            "embed", "hub", "upstream", "journal", "traces", "metrics", "logging",
        ],
    ),
    (
        "vocabulary",
        &["chat", "intent", "verdict", "record", "config"],
    ),
    (
        "leaf",
        &[
            "catalogue",
            "vector",
            "text",
            "wrapping",
            "clause",
            "bare",
            "breaker",
            "source",
            "problem",
            "language",
            "memory",
            "page",
            "panics",
            "secret",
            "share",
            "tokenizer",
        ],
    ),
];

/// The only files that start tasks and threads.
const SPAWNERS: [&str; 3] = [
    "src/server/tasks.rs",
    "src/embed/queue.rs",
    "src/judge/side_by_side.rs",
];

/// What starts a task or a thread.
const SPAWNING: [&str; 9] = [
    "tokio::spawn",
    "task::spawn",
    "task::spawn_blocking",
    "task::spawn_local",
    "task::JoinSet",
    "thread::spawn",
    "thread::Builder",
    "thread::scope",
    "TaskTracker",
];

const MOST_LINES: usize = 460;

#[test]
fn a_module_uses_only_its_own_row_and_rows_below() {
    let upward: Vec<_> = uses()
        .into_iter()
        .filter(|used| row(&used.module) < row(&used.by))
        .map(|used| format!("{} uses {}", used.file, used.module))
        .collect();
    assert!(upward.is_empty(), "upward uses:\n  {}", upward.join("\n  "));
}

#[test]
fn no_two_modules_need_each_other() {
    let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for used in uses().into_iter().filter(|used| used.by != used.module) {
        needs.entry(used.by).or_default().insert(used.module);
    }
    let back = |from: &str, to: &str| reached(&needs, from).contains(to);
    let cycles: Vec<_> = needs
        .iter()
        .flat_map(|(by, modules)| modules.iter().map(move |module| (by, module)))
        .filter(|(by, module)| back(module, by))
        .map(|(by, module)| format!("{by} → {module}"))
        .collect();
    assert!(
        cycles.is_empty(),
        "uses that close a cycle:\n  {}",
        cycles.join("\n  ")
    );
}

#[test]
fn every_module_has_its_row() {
    let exist: BTreeSet<_> = sources().iter().map(|source| source.top()).collect();
    let placed: BTreeSet<_> = ROWS
        .iter()
        .flat_map(|(_, modules)| modules.iter().map(|module| (*module).to_owned()))
        .collect();
    let exist: BTreeSet<_> = exist.into_iter().filter(|module| module != "lib").collect();
    assert_eq!(exist, placed, "left: src/, right: the table of this test");
}

#[test]
fn the_documentation_draws_the_same_table() {
    let drawn: Vec<_> = drawn_rows()
        .into_iter()
        .map(|(name, modules)| (name, modules.into_iter().map(|m| m.name).collect()))
        .collect();
    let held: Vec<(String, Vec<String>)> = ROWS
        .iter()
        .map(|(name, modules)| {
            let modules = modules.iter().map(|module| (*module).to_owned()).collect();
            ((*name).to_owned(), modules)
        })
        .collect();
    assert_eq!(
        drawn, held,
        "left: src/lib.rs, right: the table of this test"
    );
}

#[test]
fn the_documentation_names_no_part_that_is_not_there() {
    for module in drawn_rows().into_iter().flat_map(|(_, modules)| modules) {
        for part in module.parts {
            let path = format!("src/{}/{part}.rs", module.name);
            assert!(Path::new(&path).is_file(), "src/lib.rs names {path}");
        }
    }
}

#[test]
fn tasks_and_threads_start_in_two_files_only() {
    let mut strays = Vec::new();
    for source in sources() {
        if SPAWNERS.contains(&source.file.as_str()) {
            continue;
        }
        for path in paths(&source.code) {
            let path = path.join("::");
            if SPAWNING.iter().any(|spawning| names(&path, spawning)) {
                strays.push(format!("{}: {path}", source.file));
            }
        }
    }
    assert!(strays.is_empty(), "{strays:#?}");
}

#[test]
fn every_file_says_what_it_is_and_stays_short() {
    for source in sources() {
        let first = source.text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! "), "{}: {first}", source.file);
        let lines = source.text.lines().count();
        assert!(lines <= MOST_LINES, "{}: {lines} lines", source.file);
    }
}

#[test]
fn modules_are_flat_and_named_after_what_they_hold() {
    for source in sources() {
        assert!(source.module.len() <= 2, "{}: too deep", source.file);
        for part in &source.module {
            let vague = [
                "util", "utils", "helper", "helpers", "common", "misc", "mod",
            ];
            assert!(!vague.contains(&part.as_str()), "{}: {part}", source.file);
        }
    }
}

#[test]
fn the_scanner_reads_code_and_nothing_else() {
    let text = r##"
        //! crate::comment
        use crate::one::{self, Two};
        use crate::{three, four::Five as crate_five};
        use super::sibling;
        use super::super::six;
        /* crate::comment */
        fn f<'a>(x: &'a str) -> char { let s = "\"crate::text"; seven(s); '"' }
        fn g() { crate::eight::run::<crate::nine::T>(r#""crate::text"#) }
        #[cfg(test)]
        mod tests { use crate::test; fn h() { "}" } }
        fn i() { crate::ten() }
    "##;
    let source = Source::new("src/a/b.rs", text);
    let found: Vec<_> = source.used().into_iter().collect();
    let expected = ["a", "eight", "four", "nine", "one", "six", "ten", "three"];
    assert_eq!(found, expected);
}

/// The row's place in the table, the highest 0. What has none is below everything and may use nothing.
fn row(module: &str) -> usize {
    ROWS.iter()
        .position(|(_, modules)| modules.contains(&module))
        .unwrap_or(ROWS.len())
}

/// That a file uses a module.
struct Use {
    file: String,
    by: String,
    module: String,
}

fn uses() -> Vec<Use> {
    let mut uses = Vec::new();
    for source in sources() {
        uses.extend(source.used().into_iter().map(|module| Use {
            file: source.file.clone(),
            by: source.top(),
            module,
        }));
    }
    assert!(uses.len() > 50, "the scanner found only {}", uses.len());
    uses
}

/// Every module that `from` needs, its own needs' needs included.
fn reached(needs: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(module) = open.pop() {
        for next in needs.get(&module).into_iter().flatten() {
            if reached.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    reached
}

/// A module as the documentation draws it: `name {part, part: remark}`.
struct Drawn {
    name: String,
    parts: Vec<String>,
}

/// The table under the heading `Layers` in `src/lib.rs`.
fn drawn_rows() -> Vec<(String, Vec<Drawn>)> {
    let text = fs::read_to_string("src/lib.rs").unwrap();
    let table = text
        .lines()
        .map(|line| line.trim_start_matches("//!").trim())
        .skip_while(|line| *line != "## Layers")
        .skip_while(|line| *line != "```text")
        .skip(1)
        .take_while(|line| *line != "```");
    let rows: Vec<_> = table
        .map(|line| {
            let (name, modules) = line.split_once(' ').unwrap();
            (name.to_owned(), modules.split(" · ").map(drawn).collect())
        })
        .collect();
    assert!(!rows.is_empty(), "src/lib.rs draws no layers");
    rows
}

fn drawn(text: &str) -> Drawn {
    let (name, parts) = text.split_once('{').unwrap_or((text, ""));
    let parts = parts.trim().trim_end_matches('}').split(',');
    Drawn {
        name: name.trim().to_owned(),
        parts: parts
            .map(|part| part.split(':').next().unwrap_or_default().trim())
            // A remark such as "a file a section" is several words.
            .filter(|part| !part.is_empty() && !part.contains(' '))
            .map(str::to_owned)
            .collect(),
    }
}

/// A source file.
struct Source {
    file: String,
    /// Its module's path: `["config", "units"]`.
    module: Vec<String>,
    text: String,
    /// The text without comments, strings and what is compiled for tests only.
    code: String,
}

impl Source {
    fn new(file: &str, text: &str) -> Self {
        let inside = file.trim_start_matches("src/").trim_end_matches(".rs");
        Source {
            file: file.to_owned(),
            module: inside.split('/').map(str::to_owned).collect(),
            text: text.to_owned(),
            code: without_tests(&bare(text)),
        }
    }

    /// The top-level module that the file belongs to.
    fn top(&self) -> String {
        self.module[0].clone()
    }

    /// The top-level modules that the code names.
    fn used(&self) -> BTreeSet<String> {
        paths(&self.code)
            .into_iter()
            .filter_map(|path| self.module_of(&path))
            .collect()
    }

    fn module_of(&self, path: &[String]) -> Option<String> {
        let ups = path.iter().take_while(|part| *part == "super").count();
        match path.first()?.as_str() {
            "crate" | "intentgate" => path.get(1).cloned(),
            "super" if ups >= self.module.len() => path.get(ups).cloned(),
            "super" => Some(self.top()),
            _ => None,
        }
    }
}

fn sources() -> Vec<Source> {
    let mut open = vec![PathBuf::from("src")];
    let mut sources = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = path.to_str().unwrap().replace('\\', "/");
                sources.push(Source::new(&file, &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    sources.sort_by(|a, b| a.file.cmp(&b.file));
    sources
}

/// Whether a path ends in, or goes through, the parts of `wanted`.
fn names(path: &str, wanted: &str) -> bool {
    format!("::{path}::").contains(&format!("::{wanted}::"))
}

/// The code with blanks for comments and for what stands in strings and characters.
fn bare(text: &str) -> String {
    let mut bare = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = skipped(rest);
        let taken = if skipped > 0 {
            skipped
        } else {
            first.len_utf8()
        };
        bare.push_str(if skipped > 0 { " " } else { &rest[..taken] });
        rest = &rest[taken..];
    }
    bare
}

/// How many bytes at the beginning of `rest` are no code.
fn skipped(rest: &str) -> usize {
    let to = |found: Option<usize>, length| found.map_or(rest.len(), |at| at + length);
    if rest.starts_with("//") {
        to(rest.find('\n'), 0)
    } else if rest.starts_with("/*") {
        to(rest.find("*/"), 2)
    } else if rest.starts_with("r\"") || rest.starts_with("r#") {
        let marks = rest[1..].chars().take_while(|c| *c == '#').count();
        if !rest[1 + marks..].starts_with('"') {
            return 0;
        }
        let end = format!("\"{}", "#".repeat(marks));
        let start = 2 + marks;
        to(rest[start..].find(&end).map(|at| start + at), end.len())
    } else if rest.starts_with('"') {
        quoted(rest, '"')
    } else if let Some(inside) = rest.strip_prefix('\'') {
        // A lifetime has no closing quote behind one character.
        let character = inside.starts_with('\\') || inside.chars().nth(1) == Some('\'');
        if character { quoted(rest, '\'') } else { 0 }
    } else {
        0
    }
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The code without the items behind `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some((before, item)) = rest.split_once("#[cfg(test)]") {
        kept.push_str(before);
        let mut depth = 0;
        let end = item.char_indices().find(|(_, c)| {
            depth += i32::from(*c == '{') - i32::from(*c == '}');
            depth == 0 && matches!(c, '}' | ';')
        });
        rest = end.map_or("", |(at, _)| &item[at + 1..]);
    }
    kept.push_str(rest);
    kept
}

/// Every path of two parts or more, those in groups written out: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut words = words(code);
    words.reverse();
    let mut found = Vec::new();
    while let Some(word) = words.pop() {
        if is_name(&word) {
            follow(vec![word], &mut words, &mut found);
        }
    }
    found
}

/// Goes on from `path`; `words` has the next word last.
fn follow(mut path: Vec<String>, words: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    while words.last().is_some_and(|word| word == "::") {
        words.pop();
        match words.last() {
            Some(word) if is_name(word) => path.extend(words.pop()),
            Some(word) if word == "{" => {
                words.pop();
                return group(&path, words, found);
            }
            _ => break,
        }
    }
    if path.len() > 1 {
        found.push(path);
    }
}

fn group(path: &[String], words: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    while let Some(word) = words.pop() {
        match word.as_str() {
            "}" => return,
            // The new name of a member is no member.
            "as" => drop(words.pop()),
            _ if is_name(&word) => follow([path, &[word]].concat(), words, found),
            _ => {}
        }
    }
}

/// Names, `::`, and every other mark by itself.
fn words(code: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut joined = false;
    for c in code.chars() {
        let in_name = c.is_alphanumeric() || c == '_';
        match words.last_mut() {
            Some(last) if joined && in_name && is_name(last) => last.push(c),
            Some(last) if joined && c == ':' && last == ":" => last.push(c),
            _ if c.is_whitespace() => {}
            _ => words.push(c.to_string()),
        }
        joined = !c.is_whitespace();
    }
    words
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}
