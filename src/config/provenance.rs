//! Where a configuration comes from, so that it can be read again.

use std::path::{Path, PathBuf};

use super::{Config, read_text};
use crate::problem::Problems;
use crate::source::Override;

/// Looked for in the working directory where no file is named.
const STANDING: &str = "config.toml";

/// Where a configuration comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Provenance {
    /// A text that is in no file.
    #[default]
    Text,
    /// A file, the environment, the command line.
    Files {
        /// The file that is named; none: the standing one, where there is one.
        path: Option<PathBuf>,
        /// The folder of intents on the command line.
        intents: Option<PathBuf>,
        /// The environment's.
        overrides: Vec<Override>,
    },
}

impl Provenance {
    /// The file, where there is one.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Provenance::Text => None,
            Provenance::Files { path, .. } => {
                let standing = Path::new(STANDING);
                let standing = standing.is_file().then_some(standing);
                path.as_deref().or(standing)
            }
        }
    }

    /// The configuration as it stands there now.
    pub(super) fn read(&self) -> Result<Config, Problems> {
        let Provenance::Files {
            intents, overrides, ..
        } = self
        else {
            return Ok(Config::default());
        };
        let path = self.file();
        let text = path.map(read_text).transpose()?.unwrap_or_default();
        let folder = path.and_then(Path::parent).unwrap_or(Path::new(""));
        let file = path.map_or(STANDING.into(), |path| path.display().to_string());
        let mut config = Config::parse(&file, &text, folder, overrides.clone())?;
        if intents.is_some() {
            config.gate.intents.clone_from(intents);
        }
        config.provenance = self.clone();
        Ok(config)
    }
}
