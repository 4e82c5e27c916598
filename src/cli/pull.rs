//! `intentgate model pull`: a model of the hub comes to this machine.

use anstream::println;
use clap::Args;

use super::terminal::{self, DIM, paint};
use crate::catalogue::{self, Kind};
use crate::config::{Config, Model};
use crate::language::{Language, Phrase, say};
use crate::problem::{Problem, Problems};

/// Pull a model of the hub into this machine's cache; a second run goes on where one ended
#[derive(Debug, Args)]
pub(super) struct Pull {
    /// The model: owner/name on the hub, or a name of `intentgate model list`; default: what model.hub says
    name: Option<String>,
    /// Its branch, tag or commit; default: main
    #[arg(long, requires = "name")]
    revision: Option<String>,
    /// The ONNX graph in its repository, such as onnx/model.onnx; default: the usual names
    #[arg(long, requires = "name")]
    file: Option<String>,
}

impl Pull {
    pub(super) async fn run(self, config: Config) -> anyhow::Result<()> {
        let named = self.name.is_some();
        let model = self.model(&config)?;
        let folder = terminal::pull(&model).await?;
        println!("{}", folder.display());
        if named {
            println!("\n{}", paint(DIM, &lines(&model)));
        }
        Ok(())
    }

    fn model(self, config: &Config) -> anyhow::Result<Model> {
        let Some(name) = self.name else {
            anyhow::ensure!(
                config.model.hub.is_some(),
                "{}",
                say(
                    "没有要下载的：config.toml 里没有 model.hub。请写出模型名，如 `intentgate model pull BAAI/bge-m3`；已知的模型见 `intentgate model list`",
                    "nothing to pull: config.toml has no model.hub. Name a model, as in `intentgate model pull BAAI/bge-m3`; `intentgate model list` says which are known",
                )
            );
            return Ok(config.model.clone());
        };
        let model = Model {
            hub: Some(repository(name)?),
            revision: self.revision,
            file: self.file,
            ..Model::default()
        };
        let wrong: Vec<_> = model.check_names().into_iter().map(problem).collect();
        if wrong.is_empty() {
            Ok(model)
        } else {
            Err(Problems(wrong).into())
        }
    }
}

/// What is to be pulled of a model that is named.
fn repository(name: String) -> anyhow::Result<String> {
    let known = catalogue::find(&name);
    match known {
        Some(entry) if entry.kind == Kind::Api => anyhow::bail!(
            "{}",
            say(
                format!(
                    "{} 只能通过厂商的接口使用；请设置 model.url 和 model.name",
                    entry.name
                ),
                format!(
                    "{} is to be had behind its maker's interface only; set model.url and model.name",
                    entry.name
                ),
            )
        ),
        Some(entry) if !entry.is_exported_as(&name) => Ok(entry.name.clone()),
        _ => Ok(name),
    }
}

fn problem((key, message): (&'static str, Phrase)) -> Problem {
    let file = match Language::of_environment() {
        Language::Zh => "命令行",
        Language::En => "command line",
    };
    let mut problem = Problem::of_file(file, message);
    problem.key = Some(if key == "hub" { "NAME" } else { key }.to_owned());
    problem
}

/// The configuration that uses the model.
fn lines(model: &Model) -> String {
    let keys = [
        ("hub", &model.hub),
        ("revision", &model.revision),
        ("file", &model.file),
    ];
    let set = keys
        .into_iter()
        .filter_map(|(key, value)| Some(format!("\n{key} = \"{}\"", value.as_ref()?)));
    format!("[model]{}", set.collect::<String>())
}
