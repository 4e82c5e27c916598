//! `[model]`: what embeds the questions, and with how much of the machine.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::root;

/// The embedding model.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Model {
    /// The model's folder. None: the bundled one.
    pub path: Option<PathBuf>,
    /// ONNX Runtime's shared library. None: looked for, see [`super::find_default`].
    pub runtime: Option<PathBuf>,
    /// Threads that run the encoder, each with a session of its own.
    pub threads: NonZeroUsize,
    /// Questions that may wait for a thread; more are forwarded unjudged.
    pub queue: NonZeroUsize,
    /// Where vectors of examples are kept between starts. None: the user's cache folder.
    pub cache: Option<PathBuf>,
}

impl Model {
    pub(super) fn root_paths(&mut self, folder: &Path) {
        root(&mut self.path, folder);
        root(&mut self.runtime, folder);
        root(&mut self.cache, folder);
    }
}

impl Default for Model {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let at_least_one = |n| NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN);
        Model {
            path: None,
            runtime: None,
            threads: at_least_one(cores.min(2)),
            queue: at_least_one(256),
            cache: None,
        }
    }
}
