//! What services say about themselves: lines on standard error, as text or JSON, at a level that can be changed while they run.

use tracing::Level;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry, fmt};

/// How lines are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people, and for journald, which has the time already.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Changes the level while the service runs.
#[derive(Debug, Clone)]
pub struct LogLevel {
    handle: Option<Handle<LevelFilter, Registry>>,
}

impl LogLevel {
    /// Begins to write lines of this level and above. A second call in one process changes nothing and controls nothing.
    pub fn begin(level: Level, format: LogFormat) -> Self {
        let (filter, handle) = reload::Layer::new(LevelFilter::from_level(level));
        let lines = match format {
            LogFormat::Text => {
                fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_target(false).boxed()
            }
            LogFormat::Json => fmt::layer().with_writer(std::io::stderr).json().flatten_event(true).boxed(),
        };
        let began = tracing_subscriber::registry().with(filter).with(lines).try_init().is_ok();
        Self { handle: began.then_some(handle) }
    }

    /// A level that belongs to nobody: for services inside tests.
    pub fn detached() -> Self {
        Self { handle: None }
    }

    /// Returns the level's name in lower case.
    pub fn current(&self) -> String {
        let filter = self.handle.as_ref().and_then(Handle::clone_current);
        filter.map_or_else(|| "info".to_owned(), |filter| filter.to_string().to_lowercase())
    }

    /// Sets the level: `error`, `warn`, `info`, `debug` or `trace`.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn set(&self, level: &str) -> Result<(), String> {
        let level: Level =
            level.trim().parse().map_err(|_| format!("no level is called `{}`", level.trim()))?;
        if let Some(handle) = &self.handle {
            // It fails only once the subscriber is gone, with the process.
            let _ = handle.modify(|filter| *filter = LevelFilter::from_level(level));
        }
        Ok(())
    }
}
