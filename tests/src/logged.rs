//! Everything that is logged on this thread, at the finest level: by the test, and by a server in it that has one thread.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::filter::LevelFilter;

/// Listens as long as it is kept.
pub struct Logged {
    lines: Lines,
    _second: tracing::Dispatch,
    _listening: DefaultGuard,
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Logged {
    pub fn listen() -> Self {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        // Whether anybody listens is asked once at each place that logs. With a single dispatcher it is asked on the thread
        // that comes there first, which may be another test's; with two, all are asked.
        let _second = tracing::Dispatch::new(tracing_subscriber::registry());
        Self { lines, _second, _listening: tracing::subscriber::set_default(subscriber) }
    }

    /// What was logged since the last time.
    pub fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.lines.0.lock().unwrap())).unwrap()
    }
}
