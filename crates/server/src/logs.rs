//! Logs: structured, on standard error. They have no tokens and no content of documents.

use std::fmt;
use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::info;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::reload;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::{Config, LogFormat};

/// Why logs cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The filter does not parse.
    #[error("setting log_filter: {0}")]
    Filter(#[from] ParseError),
    /// Somebody else writes this process's logs already.
    #[error("logs: {0}")]
    Taken(#[from] TryInitError),
}

/// Why the filter of logs stays as it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// It says nothing.
    #[error("a log filter is a level such as info, or levels by module")]
    Empty,
    /// It does not parse.
    #[error("the log filter does not parse: {0}")]
    Invalid(#[from] ParseError),
    /// The logs are not written any more.
    #[error("the log filter cannot be changed: {0}")]
    Gone(#[from] reload::Error),
}

/// The logs of this process, whose filter can be changed. Cheap to clone.
#[derive(Clone)]
pub struct Logs(Arc<Inner>);

struct Inner {
    /// As it was given. Held while the filter is changed and never across an await.
    filter: Mutex<String>,
    reload: Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>,
}

/// Writes this process's logs as the configuration says.
///
/// # Errors
/// If that was done before, or the filter does not parse.
pub fn write_logs(config: &Config) -> Result<Logs, LogError> {
    let filter = EnvFilter::try_new(&config.log_filter)?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    let reload: Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync> =
        match config.log_format {
            LogFormat::Json => {
                let logs = logs.json().with_filter_reloading();
                let handle = logs.reload_handle();
                logs.finish().try_init()?;
                Box::new(move |filter| handle.reload(filter))
            }
            LogFormat::Text => {
                let logs = logs.with_ansi(io::stderr().is_terminal());
                let logs = logs.with_filter_reloading();
                let handle = logs.reload_handle();
                logs.finish().try_init()?;
                Box::new(move |filter| handle.reload(filter))
            }
        };
    Ok(Logs(Arc::new(Inner {
        filter: Mutex::new(config.log_filter.clone()),
        reload,
    })))
}

impl Logs {
    /// What is logged, as it was asked for last.
    #[must_use]
    pub fn filter(&self) -> String {
        let filter = self.0.filter.lock();
        filter.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Logs by `filter` from now on: a level, or levels by module, as the setting `log_filter`.
    ///
    /// # Errors
    /// If it is not a filter: then nothing changes.
    pub fn set_filter(&self, filter: &str) -> Result<(), FilterError> {
        let filter = filter.trim();
        if filter.is_empty() {
            return Err(FilterError::Empty);
        }
        let parsed = EnvFilter::try_new(filter)?;
        let mut told = self.0.filter.lock().unwrap_or_else(PoisonError::into_inner);
        (self.0.reload)(parsed)?;
        filter.clone_into(&mut told);
        drop(told);
        info!(filter, "the log filter was changed");
        Ok(())
    }
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let filter = self.filter();
        f.debug_struct("Logs").field("filter", &filter).finish()
    }
}
