//! `intentgate model list`: the catalogue as a table.

use std::io::{ErrorKind, Write};

use clap::Args;
use comfy_table::{CellAlignment, Table};

use super::terminal::{plain_table, print_table};
use crate::catalogue::{Entry, Kind, entries};
use crate::config::{Config, Model};
use crate::hub::Hub;
use crate::language::say;

/// List the models whose facts are known
#[derive(Debug, Args)]
pub(super) struct List {}

impl List {
    pub(super) fn run(self, config: &Config) -> anyhow::Result<()> {
        let mut table = plain_table();
        table.set_header([
            say("模型", "model"),
            say("维数", "numbers"),
            say("最多词元", "tokens"),
            say("语言", "languages"),
            say("参数（百万）", "parameters (M)"),
            say("许可证", "licence"),
            say("在本机", "on this machine"),
        ]);
        align(&mut table);
        let hub = Hub::of_environment();
        for entry in entries() {
            table.add_row(row(entry, &hub, &config.model));
        }
        let mut out = anstream::stdout().lock();
        match print_table(&mut out, &mut table).and_then(|()| writeln!(out, "\n{}", notes())) {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            printed => Ok(printed?),
        }
    }
}

fn align(table: &mut Table) {
    for numbers in [1, 2, 4] {
        if let Some(column) = table.column_mut(numbers) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

fn row(entry: &Entry, hub: &Hub, config: &Model) -> [String; 7] {
    let here = match entry.kind {
        Kind::Api => "–".to_owned(),
        Kind::Encoder | Kind::Decoder if is_here(entry, hub, config) => say("是", "yes"),
        Kind::Encoder | Kind::Decoder => say("否", "no"),
    };
    [
        entry.name.clone(),
        entry.dimension.to_string(),
        entry.max_tokens.to_string(),
        entry.languages.join(" "),
        entry.parameters.map_or("–".to_owned(), |p| p.to_string()),
        entry.licence.clone(),
        here,
    ]
}

/// In the revision and with the graph that `[model]` says, where that is the model; else in those that are usual.
fn is_here(entry: &Entry, hub: &Hub, config: &Model) -> bool {
    let configured = config.hub.as_ref() == Some(&entry.name);
    let usual = Model {
        hub: Some(entry.name.clone()),
        ..Model::default()
    };
    let config = if configured { config } else { &usual };
    hub.found(config, Some(entry)).is_some()
}

fn notes() -> String {
    say(
        "自带的模型是 intfloat/multilingual-e5-small 的 int8 版，不在此列，也无需下载。别的模型也能用；见 docs/models.zh-CN.md。",
        "The bundled model, intfloat/multilingual-e5-small in int8, is always here. Others than these can be used as well: docs/models.md.",
    )
}
