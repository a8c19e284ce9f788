//! Why something was not checked.

use std::io;
use std::path::PathBuf;

/// Why something was not checked. What is wrong with files is no reason: that is in the report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// There is no database in the directory, and no backup.
    #[error("{} is neither a data directory nor a backup", path.display())]
    Neither {
        /// The directory.
        path: PathBuf,
    },
    /// A server, or something else, has the database open, and changes its files.
    #[error("{} is in use by another process", data_dir.display())]
    InUse {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// The backup went away.
    #[error(transparent)]
    Backup(wellspring_log::BackupError),
    /// The directory could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
