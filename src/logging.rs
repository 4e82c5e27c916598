//! Log events to standard error: text for people, or one JSON object a line.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, Server};
use crate::language::Phrase;

/// Starts logging for the process.
///
/// # Errors
/// A filter that cannot be read.
pub fn start(config: &Server) -> Result<(), Phrase> {
    let filter = EnvFilter::try_new(&config.log).map_err(|error| {
        Phrase::new(
            format!("server.log：“{}”不是日志级别（{error}）；请写 error、warn、info、debug 或如 info,intentgate=debug", config.log),
            format!("server.log: \"{}\" is no log level ({error}); write error, warn, info, debug or such as info,intentgate=debug", config.log),
        )
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match config.log_format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    // Only a second start in one process fails, and then the first goes on.
    started.ok();
    Ok(())
}
