//! Appending.

use crate::{AppendError, CloseError, CommitRecord, LogReader, OpenError, Options, Witnesses};

/// The log, open for appending.
#[derive(Debug)]
pub struct Log(());

impl Log {
    /// Opens.
    ///
    /// # Errors
    /// If damaged.
    pub fn open(_options: Options, _witnesses: Witnesses) -> Result<Log, OpenError> {
        unimplemented!()
    }

    /// Appends.
    ///
    /// # Errors
    /// If it fails.
    pub fn append(&mut self, _commits: &[CommitRecord]) -> Result<(), AppendError> {
        unimplemented!()
    }

    /// Reads.
    #[must_use]
    pub fn reader(&self) -> LogReader {
        unimplemented!()
    }

    /// Closes.
    ///
    /// # Errors
    /// If it fails.
    pub fn close(self) -> Result<(), CloseError> {
        unimplemented!()
    }
}
