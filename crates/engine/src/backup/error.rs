//! Why a backup was not taken or restored.

use std::io;
use std::path::PathBuf;

use wellspring_types::Epoch;

use crate::open::MetaError;

/// Why a backup was not taken or restored. The backup, and the database, are as they were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// There is no database to take a backup of.
    #[error("there is no database in {}", data_dir.display())]
    NoDatabase {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// The backup is of another database, or of another history of this one.
    #[error(
        "the backup is of epoch {backup}, the database of {database}: another database, or restored \
         since; take the backup into a new directory"
    )]
    OtherHistory {
        /// The epoch of the backup's tokens.
        backup: Epoch,
        /// That of the database's.
        database: Epoch,
    },
    /// There is something where the database was to be restored.
    #[error("{} is not empty: restore into a new or empty directory", data_dir.display())]
    NotEmpty {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// Another process uses the data directory.
    #[error("{} is in use by another process", data_dir.display())]
    InUse {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// A restore into the data directory was cut short.
    #[error("{} was not restored to the end: restore it again", data_dir.display())]
    RestoreUnfinished {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// META, of the database or in the backup, cannot be used.
    #[error(transparent)]
    Meta(#[from] MetaError),
    /// The log, the snapshots or the backup.
    #[error(transparent)]
    Files(#[from] wellspring_log::BackupError),
    /// The system has no random numbers.
    #[error("the system gives no random bytes")]
    Random,
    /// A file or directory could not be read or made.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
