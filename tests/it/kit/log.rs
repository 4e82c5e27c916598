//! Everything that the process logs, the libraries' debugging included, as the tests' gateways write it.

use std::io;
use std::sync::{Mutex, Once};

use tracing_subscriber::EnvFilter;

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static START: Once = Once::new();

struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// From now on everything is kept.
pub(super) fn start() {
    START.call_once(|| {
        let log = tracing_subscriber::fmt().with_ansi(false);
        let log = log.with_env_filter(EnvFilter::new("debug"));
        log.with_writer(|| Log).init();
    });
}

/// What was logged so far, by every test of the process.
pub(crate) fn text() -> String {
    String::from_utf8(LOG.lock().unwrap().clone()).unwrap()
}
