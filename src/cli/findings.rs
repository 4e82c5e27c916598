//! What `check` prints of [`Findings`]: a section a kind, the most important first.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::terminal::{BOLD, DIM, colour, paint, shortened};
use crate::eval::wording;
use crate::findings::{Cited, Collision, FEW, Findings, Misjudged, Nearer, TOO_FEW};
use crate::intent::{Action, Intent};
use crate::language::{Language, Phrase, say};

/// Columns of an example.
const TEXT_WIDTH: usize = 44;

/// Findings of a kind.
struct Section {
    title: Phrase,
    /// The same behind the number of those that are not shown.
    short: Phrase,
    /// What they mean and what to do.
    advice: Phrase,
    rows: Vec<Row>,
    /// So many are shown.
    shown: usize,
}

/// One finding: where it is, what it is about, what to look at beside it.
struct Row {
    action: Action,
    place: String,
    text: String,
    beside: String,
}

/// Prints all of them, or as many as a screen takes.
///
/// # Errors
/// Those of `out`.
pub(super) fn print(out: &mut impl Write, findings: &Findings<'_>, all: bool) -> io::Result<()> {
    let sections = sections(findings).into_iter();
    let mut hidden = Vec::new();
    for section in sections.filter(|section| !section.rows.is_empty()) {
        let count = section.rows.len();
        let shown = if all { count } else { section.shown.min(count) };
        let (title, advice) = (section.title.here(), section.advice.here());
        let title = say(format!("{title}：{count}"), format!("{title}: {count}"));
        writeln!(out, "\n{}", paint(BOLD, &title))?;
        writeln!(out, "  {}", paint(DIM, advice))?;
        print_rows(out, &section.rows[..shown])?;
        if shown < count {
            let more = count - shown;
            let Phrase { zh, en } = section.short;
            hidden.push(say(format!("{zh} {more} 条"), format!("{more} {en}")));
        }
    }
    if hidden.is_empty() {
        return Ok(());
    }
    let hidden = hidden.join(&say("，", ", "));
    let line = say(
        format!("没有列出的还有：{hidden}。`intentgate check --all` 列出全部。"),
        format!("Not shown: {hidden}. `intentgate check --all` shows all."),
    );
    writeln!(out, "\n{line}")
}

fn print_rows(out: &mut impl Write, rows: &[Row]) -> io::Result<()> {
    let widest = |of: fn(&Row) -> &str| rows.iter().map(|row| of(row).width()).max().unwrap_or(0);
    let (places, texts) = (widest(|row| &row.place), widest(|row| &row.text));
    for row in rows {
        let fill = |text: &str, width: usize| " ".repeat(width - text.width());
        let place = paint(colour(row.action), &row.place);
        write!(out, "  {place}{}  {}", fill(&row.place, places), row.text)?;
        if !row.beside.is_empty() {
            let beside = paint(DIM, &row.beside);
            write!(out, "{}  {beside}", fill(&row.text, texts))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn sections(findings: &Findings<'_>) -> Vec<Section> {
    let rows = |misjudged: &[Misjudged<'_>]| misjudged.iter().map(self::misjudged).collect();
    vec![
        Section {
            title: Phrase::new(
                "会被婉拒的店里的例句",
                "Examples of business that would be rejected",
            ),
            short: Phrase::new("会被婉拒的", "that would be rejected"),
            advice: Phrase::new(
                "问法差不多的顾客会被拒之门外：在旁边多加几句类似的；不是店里的事就删掉。",
                "Customers who ask alike are turned away: add similar examples beside it; delete what is no business of the shop.",
            ),
            rows: rows(&findings.turned_away),
            shown: 6,
        },
        Section {
            title: Phrase::new("会被放行的婉拒例句", "Off-topic examples that would pass"),
            short: Phrase::new("会被放行的", "that would pass"),
            advice: Phrase::new(
                "类似的无关问题会转给大模型：在旁边多加几句类似的；其实是店里的事，就移过去。",
                "Questions like these reach the LLM: add similar examples beside it; move what is the shop's business after all.",
            ),
            rows: rows(&findings.let_through),
            shown: 4,
        },
        Section {
            title: Phrase::new("更像另一个意图的例句", "Examples nearer to another intent"),
            short: Phrase::new("更像另一个意图的", "nearer to another intent"),
            advice: Phrase::new(
                "放错了就移过去；没放错就在旁边多加几句类似的。",
                "Move it there if it belongs there; if not, add similar examples beside it.",
            ),
            rows: rows(&findings.astray),
            shown: 6,
        },
        Section {
            title: Phrase::new("容易认错的意图", "Intents taken for another"),
            short: Phrase::new("容易认错的意图", "intents taken for another"),
            advice: Phrase::new(
                "处理方式一样的可以合并；不一样的，把放错的例句移过去，再补上能区分两者的例句。",
                "Merge the two if the same is done about both; if not, move misplaced examples and add some that tell them apart.",
            ),
            rows: findings.collisions.iter().map(collision).collect(),
            shown: 4,
        },
        Section {
            title: Phrase::new("几乎一样的例句", "Pairs of examples that say the same"),
            short: Phrase::new("几乎一样的", "pairs that say the same"),
            advice: Phrase::new(
                "在同一个意图里，留一句就够；在两个意图里，删掉放错的那句。",
                "In one intent, one of them is enough; in two, delete the one that is misplaced.",
            ),
            rows: findings.same.iter().map(same).collect(),
            shown: 4,
        },
        Section {
            title: Phrase::new(
                format!("例句不到 {TOO_FEW} 句的意图"),
                format!("Intents with fewer than {TOO_FEW} examples"),
            ),
            short: Phrase::new("例句太少的意图", "intents with too few examples"),
            advice: Phrase::new(
                format!("这么少，认不认得出来没有把握：至少写 {FEW} 句，30 句以上更好。"),
                format!("So few promise nothing: write {FEW} at least, better 30 or more."),
            ),
            rows: findings
                .too_few
                .iter()
                .map(|intent| counted(intent))
                .collect(),
            shown: 4,
        },
        Section {
            title: Phrase::new(
                format!("例句不到 {FEW} 句的意图"),
                format!("Intents with fewer than {FEW} examples"),
            ),
            short: Phrase::new("例句不多的意图", "intents with few examples"),
            advice: Phrase::new(
                "能用，但不太准：30 句以上更好。",
                "They work, but not well: better 30 or more.",
            ),
            rows: findings.few.iter().map(|intent| counted(intent)).collect(),
            shown: 4,
        },
        Section {
            title: Phrase::new("缺一种语言的意图", "Intents that lack a language"),
            short: Phrase::new("缺一种语言的意图", "intents that lack a language"),
            advice: Phrase::new(
                "店里的例句中文、英文都有，这些意图只有一种：补上另一种语言的问法。",
                "The shop has examples in Chinese and in English, these intents in one of them: add some in the other.",
            ),
            rows: findings.silent.iter().map(silent).collect(),
            shown: 4,
        },
        Section {
            title: Phrase::new(
                "因为像店里的例句而放行的、别的店不管的问句",
                "Questions that other shops turn away, and pass since examples of the shop are like them",
            ),
            short: Phrase::new("因例句放行的", "passing by examples"),
            advice: Phrase::new(
                "不用处理；其中有判断得不对的，看看前面的例句是不是放错了。",
                "Nothing to do; where that is wrong, see whether the example before it is misplaced.",
            ),
            rows: findings.claimed.iter().map(claimed).collect(),
            shown: 3,
        },
    ]
}

/// A row stands in no file of the shop's; the example that is most like it does.
fn claimed((row, nearest): &(&str, Cited<'_>)) -> Row {
    Row {
        action: nearest.intent.action,
        place: place(*nearest),
        text: shortened(&nearest.example.text, TEXT_WIDTH),
        beside: say(
            format!("像：{}", shortened(row, TEXT_WIDTH)),
            format!("like: {}", shortened(row, TEXT_WIDTH)),
        ),
    }
}

fn misjudged(of: &Misjudged<'_>) -> Row {
    let action = of.cited.intent.action;
    let nearer = match &of.nearer {
        Some(Nearer::Intent(nearest)) => beside(*nearest, action),
        Some(Nearer::OffTopic) => say("哪家店都不管的问题", "what no shop is asked"),
        None => String::new(),
    };
    row(of.cited, nearer)
}

/// An example to look at beside another; says what is done about it where that is something else.
fn beside(cited: Cited<'_>, action: Action) -> String {
    let other = cited.intent.action;
    let done = if other == action {
        String::new()
    } else {
        format!("  {}", wording::action(other))
    };
    let (place, text) = (place(cited), shortened(&cited.example.text, TEXT_WIDTH));
    format!("{place}  {text}{done}")
}

fn same([a, b]: &[Cited<'_>; 2]) -> Row {
    row(*a, beside(*b, a.intent.action))
}

fn collision(of: &Collision<'_>) -> Row {
    let (count, all, other) = (of.count, of.intent.examples.len(), &of.taken_for.name);
    let text = say(
        format!("{all} 句里有 {count} 句更像 {other}.toml"),
        format!("{count} of {all} examples are nearer to {other}.toml"),
    );
    of_intent(of.intent, text)
}

fn counted(intent: &Intent) -> Row {
    let count = intent.examples.len();
    of_intent(
        intent,
        say(format!("{count} 句"), format!("examples: {count}")),
    )
}

fn silent((intent, language): &(&Intent, Language)) -> Row {
    let text = match language {
        Language::Zh => say("没有中文例句", "none in Chinese"),
        Language::En => say("没有英文例句", "none in English"),
    };
    of_intent(intent, text)
}

fn row(cited: Cited<'_>, beside: String) -> Row {
    Row {
        action: cited.intent.action,
        place: place(cited),
        text: shortened(&cited.example.text, TEXT_WIDTH),
        beside,
    }
}

/// A finding about an intent as a whole stands where its examples begin.
fn of_intent(intent: &Intent, text: String) -> Row {
    let line = intent.examples.first().map_or(1, |example| example.line);
    Row {
        action: intent.action,
        place: format!("{}.toml:{line}", intent.name),
        text,
        beside: String::new(),
    }
}

fn place(cited: Cited<'_>) -> String {
    format!("{}.toml:{}", cited.intent.name, cited.example.line)
}
