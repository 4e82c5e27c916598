//! Log events to standard error: text for people, or one JSON object a line.

use std::io::{BufWriter, IsTerminal};
use std::sync::Arc;

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::{LogFormat, Server};

/// Lines that are written together, in bytes.
const BATCH: usize = 64 << 10;

/// What is logged, to be changed while the process runs. The default changes nothing. Lines are written until
/// the last clone is dropped.
#[derive(Clone, Debug, Default)]
pub struct Level {
    filter: Option<Handle<EnvFilter, Registry>>,
    _writer: Option<Arc<WorkerGuard>>,
}

impl Level {
    /// Logs by another filter from now on; one that cannot be read changes nothing.
    pub fn set(&self, filter: &str) {
        if let (Some(handle), Ok(filter)) = (&self.filter, EnvFilter::try_new(filter)) {
            handle.reload(filter).ok();
        }
    }
}

/// Starts logging for the process.
pub fn start(config: &Server) -> Level {
    let filter = EnvFilter::try_new(&config.log).unwrap_or_default();
    let (filter, handle) = reload::Layer::new(filter);
    // A request does not wait for its line: a thread writes what has come, many lines at a time.
    let batch = BufWriter::with_capacity(BATCH, std::io::stderr());
    let (writer, guard) = NonBlockingBuilder::default().lossy(false).finish(batch);
    let lines = fmt::layer().with_writer(writer);
    let lines = match config.log_format {
        LogFormat::Text => lines
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let started = tracing_subscriber::registry().with(filter).with(lines);
    // Only a second start in one process fails, and then the first goes on.
    started.try_init().ok();
    Level {
        filter: Some(handle),
        _writer: Some(Arc::new(guard)),
    }
}
