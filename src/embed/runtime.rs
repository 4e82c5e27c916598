//! Finds ONNX Runtime's shared library and opens it, once for the process, and opens sessions.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use ort::environment::Environment;
use ort::session::Session;

use super::{EmbedError, LoadError};
use crate::config::{RUNTIME_LIBRARY, find_default};

/// The library is the process's, so its environment is too.
static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

/// The environment of the library at `configured`, else of the first found: `ORT_DYLIB_PATH`, the folder
/// `runtime` and the library beside the working directory or the executable, the system's loader.
pub(super) fn load(configured: Option<&Path>) -> Result<Environment, LoadError> {
    let mut current = ENVIRONMENT
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(environment) = &*current {
        return Ok(environment.clone());
    }
    let environment = open(configured)?;
    *current = Some(environment.clone());
    Ok(environment)
}

fn open(configured: Option<&Path>) -> Result<Environment, LoadError> {
    let from_environment = std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty());
    let named = configured
        .map(Path::to_path_buf)
        .or(from_environment.map(PathBuf::from));
    if let Some(path) = named {
        if !path.exists() {
            return Err(LoadError::NoRuntime {
                tried: vec![path.display().to_string()],
            });
        }
        return start(&path);
    }
    let fetched = format!("runtime/{RUNTIME_LIBRARY}");
    match find_default(&fetched).or_else(|| find_default(RUNTIME_LIBRARY)) {
        Some(path) => start(&path),
        // A bare name is what the system's loader searches for.
        None => start(Path::new(RUNTIME_LIBRARY)).map_err(|_| LoadError::NoRuntime {
            tried: vec![
                "model.runtime".to_owned(),
                "ORT_DYLIB_PATH".to_owned(),
                fetched,
                RUNTIME_LIBRARY.to_owned(),
            ],
        }),
    }
}

fn start(path: &Path) -> Result<Environment, LoadError> {
    let wrong = |error: String| LoadError::WrongRuntime {
        path: path.to_path_buf(),
        error,
    };
    let absolute = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let builder = ort::init_from(absolute).map_err(|error| wrong(error.to_string()))?;
    builder
        .with_name("intentgate")
        .with_telemetry(false)
        .build()
        .map_err(|error| wrong(error.to_string()))
}

/// A session that does not spin: that costs a tenth of a core while nothing is asked.
pub(super) fn open_session(
    environment: &Environment,
    path: &Path,
    threads: usize,
) -> Result<Session, LoadError> {
    let open = || -> ort::Result<Session> {
        Session::builder(environment)?
            .with_intra_threads(threads)?
            .with_inter_threads(1)?
            .with_intra_op_spinning(false)?
            .with_inter_op_spinning(false)?
            .commit_from_file(path)
    };
    open().map_err(|error| LoadError::WrongFile {
        path: path.to_path_buf(),
        error: error.to_string(),
    })
}

impl<T> From<ort::Error<T>> for EmbedError {
    fn from(error: ort::Error<T>) -> Self {
        EmbedError::Failed(error.to_string())
    }
}
