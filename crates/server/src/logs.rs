//! Logs: structured, on standard error. They have no tokens and no content of documents.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Config, LogFormat};

/// Why logs cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The filter does not parse.
    #[error("setting log_filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Somebody else writes this process's logs already.
    #[error("logs: {0}")]
    Taken(#[from] tracing_subscriber::util::TryInitError),
}

/// Writes this process's logs as the configuration says.
///
/// # Errors
/// If that was done before, or the filter does not parse.
pub fn write_logs(config: &Config) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(&config.log_filter)?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match config.log_format {
        LogFormat::Json => logs.json().finish().try_init()?,
        LogFormat::Text => logs
            .with_ansi(io::stderr().is_terminal())
            .finish()
            .try_init()?,
    }
    Ok(())
}
