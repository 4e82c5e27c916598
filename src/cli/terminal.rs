//! What commands write for people: language, colour, short lines, progress.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use anyhow::Context;
use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use unicode_width::UnicodeWidthChar;

use crate::catalogue::{self, Kind};
use crate::config::{Config, Model};
use crate::embed::Embedder;
use crate::hub::{Hub, HubError};
use crate::intent::Action;
use crate::intent::file::IntentFile;
use crate::language::{Language, Phrase, say};
use crate::reload::Intents;
use crate::snapshot::{PrepareError, Review, Snapshot};

/// Shorter work needs no bar.
const BLINK: Duration = Duration::from_millis(300);

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();

/// Green passes, yellow answers, red rejects.
pub(super) fn colour(action: Action) -> Style {
    let colour = match action {
        Action::Forward => AnsiColor::Green,
        Action::Answer => AnsiColor::Yellow,
        Action::Reject => AnsiColor::Red,
    };
    Style::new().fg_color(Some(colour.into())).bold()
}

/// A text in a style; `anstream` takes the style away where nobody sees it.
pub(super) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// What a language is called.
pub(super) fn language(language: Language) -> Phrase {
    match language {
        Language::Zh => Phrase::new("中文", "Chinese"),
        Language::En => Phrase::new("英文", "English"),
    }
}

/// The model of a name on the command line: `bundled`, `configured`, a folder, or one of the hub.
///
/// # Errors
/// A name that is none of these.
pub(super) fn named(name: &str, config: &Config) -> anyhow::Result<Model> {
    let bundled = config.model.bundled();
    if name == "bundled" {
        return Ok(bundled);
    }
    if name == "configured" {
        return Ok(config.model.clone());
    }
    if Path::new(name).is_dir() {
        return Ok(Model {
            path: Some(name.into()),
            ..bundled
        });
    }
    // What `[model]` says of this very model goes with it.
    if config.model.hub.as_deref() == Some(name) {
        return Ok(config.model.clone());
    }
    let known = catalogue::find(name).filter(|entry| entry.kind != Kind::Api);
    let repository = known.map_or(name, |entry| entry.name.as_str());
    anyhow::ensure!(
        repository.contains('/'),
        "{}",
        say(
            format!(
                "{name} 不是模型；请写 bundled、configured、文件夹或 Hugging Face 上的 owner/name（见 `intentgate model list`）"
            ),
            format!(
                "{name} is no model; write bundled, configured, a folder, or owner/name on the hub (see `intentgate model list`)"
            ),
        )
    );
    Ok(Model {
        hub: Some(repository.to_owned()),
        ..bundled
    })
}

/// The model that the configuration names; one of the hub that is not here is pulled first.
pub(super) async fn load(config: &Model) -> anyhow::Result<Embedder> {
    ensure_pulled(config).await?;
    Ok(Embedder::load(config)?)
}

/// Pulls a model of the hub that is not here.
pub(super) async fn ensure_pulled(config: &Model) -> Result<(), HubError> {
    let Some(name) = &config.hub else {
        return Ok(());
    };
    let hub = Hub::of_environment();
    if hub.found(config, catalogue::find(name)).is_none() {
        let endpoint = &hub.endpoint;
        let what = say(
            format!("模型 {name} 不在本机，正从 {endpoint} 下载"),
            format!("the model {name} is not on this machine and is pulled from {endpoint}"),
        );
        tracing::info!("{what}");
        pull(config).await?;
    }
    Ok(())
}

/// Brings a model of the hub to this machine, with a bar on standard error while it takes long.
pub(super) async fn pull(config: &Model) -> Result<PathBuf, HubError> {
    let bar = bar(config.hub.clone().unwrap_or_default());
    bar.set_style(style("{msg} {bar:40} {bytes}/{total_bytes} {eta}"));
    let known = config.hub.as_ref().and_then(|name| catalogue::find(name));
    let count = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
    let progress = |done, all| advance(&bar, count(done), count(all));
    let pulled = Hub::of_environment().pull(config, known, progress).await;
    bar.finish_and_clear();
    pulled
}

/// A snapshot of the files, with a bar on standard error while it takes long.
pub(super) async fn prepare(
    intents: &Intents,
    files: &[IntentFile],
    embedder: &Embedder,
) -> Result<(Snapshot, Review), PrepareError> {
    let bar = bar(say("计算例句向量", "embedding examples"));
    let progress = |done, all| advance(&bar, done, all);
    let prepared = intents.prepare(files, embedder, progress).await;
    bar.finish_and_clear();
    prepared
}

/// The snapshot to begin with, with the same bar.
pub(super) async fn prepare_first(
    intents: &Intents,
    files: &[IntentFile],
    embedder: &Embedder,
) -> Result<Snapshot, PrepareError> {
    let bar = bar(say("计算例句向量", "embedding examples"));
    let progress = |done, all| advance(&bar, done, all);
    let prepared = intents.prepare_first(files, embedder, progress).await;
    bar.finish_and_clear();
    prepared
}

/// A bar on standard error, not to be seen before [`advance`] finds that the work takes long.
pub(super) fn bar(message: String) -> ProgressBar {
    let bar = ProgressBar::new(0);
    bar.set_draw_target(ProgressDrawTarget::hidden());
    bar.set_style(style("{msg} {bar:40} {pos}/{len} {eta}"));
    bar.set_message(message);
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Moves a bar on: so much done, of how much.
pub(super) fn advance(bar: &ProgressBar, done: usize, all: usize) {
    if bar.is_hidden() && bar.elapsed() > BLINK {
        bar.set_draw_target(ProgressDrawTarget::stderr());
    }
    bar.set_length(all as u64);
    bar.set_position(done as u64);
}

/// One line of at most so many columns, and nothing in it that a terminal would obey.
pub(super) fn shortened(text: &str, columns: usize) -> String {
    let (mut shortened, mut width) = (String::new(), 0);
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    for c in plain {
        width += c.width().unwrap_or(0);
        if width > columns {
            shortened.push('…');
            break;
        }
        shortened.push(c);
    }
    shortened
}

/// A title above what it is about.
pub(super) fn heading(out: &mut impl Write, text: &str) -> io::Result<()> {
    writeln!(out, "\n{}", paint(BOLD, text))
}

/// Columns without lines between them.
pub(super) fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// The lines of a table, its columns two blanks apart.
pub(super) fn lines(table: &mut Table) -> Vec<String> {
    for column in table.column_iter_mut() {
        column.set_padding((2, 0));
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned());
    lines.collect()
}

/// Prints [`lines`].
pub(super) fn print_table(out: &mut impl Write, table: &mut Table) -> io::Result<()> {
    for line in lines(table) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Writes a page where `--html` says.
pub(super) fn write_page(path: &Path, page: &str) -> anyhow::Result<()> {
    std::fs::write(path, page).with_context(|| {
        let path = path.display();
        say(
            format!("{path} 写不了；请用 --html 指定别的位置"),
            format!("{path} cannot be written; name another place with --html"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_short_line_that_a_terminal_does_not_obey() {
        for (text, expected) in [
            ("我要退款".to_owned(), "我要退款".to_owned()),
            ("a\nb\x1b[31mc".to_owned(), "a b [31mc".to_owned()),
            ("x".repeat(60), "x".repeat(60)),
            ("x".repeat(61), "x".repeat(60) + "…"),
            ("退".repeat(31), "退".repeat(30) + "…"),
        ] {
            assert_eq!(shortened(&text, 60), expected);
        }
    }
}
