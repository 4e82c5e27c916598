//! Log events to standard error: text for people, or one JSON object a line.

use std::io::{BufWriter, IsTerminal};
use std::panic::{self, PanicHookInfo};
use std::sync::Arc;

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::{LogFormat, Server};

/// Lines that are written together, in bytes.
const BATCH: usize = 64 << 10;
/// Lines that may wait to be written; more are dropped.
const WAITING: usize = 16_384;

/// What is logged, to be changed while the process runs. The default changes nothing. Lines are written until
/// the last clone is dropped.
#[derive(Clone, Debug, Default)]
pub struct Level {
    filter: Option<Handle<EnvFilter, Registry>>,
    dropped: Option<ErrorCounter>,
    _writer: Option<Arc<WorkerGuard>>,
}

impl Level {
    /// Logs by another filter from now on; one that cannot be read changes nothing.
    pub fn set(&self, filter: &str) {
        if let (Some(handle), Ok(filter)) = (&self.filter, EnvFilter::try_new(filter)) {
            handle.reload(filter).ok();
        }
    }

    /// Lines that were dropped, since too many waited to be written.
    pub fn dropped(&self) -> usize {
        self.dropped.as_ref().map_or(0, ErrorCounter::dropped_lines)
    }
}

/// The standard hook writes to standard error by itself, and waits for it. What a panic says may hold what it was
/// at, a customer's words among it, so that its place is all that is told.
fn say_panic(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string);
    tracing::error!(place, "a panic");
}

/// Starts logging for the process.
pub fn start(config: &Server) -> Level {
    let filter = EnvFilter::try_new(&config.log).unwrap_or_default();
    let (filter, handle) = reload::Layer::new(filter);
    // A request does not wait for its line: a thread writes what has come, many lines at a time. Where nobody reads
    // them, lines are dropped and counted: a log is worth less than the requests that it is about.
    let batch = BufWriter::with_capacity(BATCH, std::io::stderr());
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(WAITING)
        .finish(batch);
    let dropped = writer.error_counter();
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
    panic::set_hook(Box::new(say_panic));
    Level {
        filter: Some(handle),
        dropped: Some(dropped),
        _writer: Some(Arc::new(guard)),
    }
}
