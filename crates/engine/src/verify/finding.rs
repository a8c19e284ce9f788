//! What checking a database has found.

use std::io;
use std::path::{Path, PathBuf};

use wellspring_log::Severity;
use wellspring_store::StoreError;
use wellspring_types::Sequence;

use crate::backup::BackupError;
use crate::open::MetaError;

/// Something that checking has found, in one file or directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// In the log, in a snapshot, or in a backup of these.
    #[error(transparent)]
    Files(wellspring_log::Finding),
    /// META is not what was written.
    #[error("{error}")]
    Meta {
        /// META.
        file: PathBuf,
        /// What is wrong.
        error: MetaError,
    },
    /// There is a log but no META.
    #[error("META is missing; in a backup, its manifest")]
    MetaMissing {
        /// META.
        file: PathBuf,
    },
    /// A restore into the directory was cut short.
    #[error("the directory was not restored to the end")]
    RestoreUnfinished {
        /// The mark.
        file: PathBuf,
    },
    /// A backup's manifest cannot be used: what should be in the backup is not known.
    #[error("{error}")]
    Manifest {
        /// The manifest.
        file: PathBuf,
        /// What is wrong.
        error: wellspring_log::BackupError,
    },
    /// META, as a backup has it, cannot be used.
    #[error("{error}")]
    KeptMeta {
        /// The manifest that has it.
        file: PathBuf,
        /// What is wrong.
        error: Box<BackupError>,
    },
    /// The store is not what the log comes to.
    #[error("{error}")]
    Store {
        /// Its directory.
        file: PathBuf,
        /// What is wrong.
        error: StoreError,
    },
    /// The store is not used by the next opening, and was not looked into.
    #[error("the store was not closed, and the machine or the directory is another since")]
    StoreUntrusted {
        /// Its directory.
        file: PathBuf,
    },
    /// The store has not taken from the log what the log does not have any more.
    #[error("the store ends at commit {applied}, before the log begins")]
    StoreBehind {
        /// Its directory.
        file: PathBuf,
        /// The last commit that it has.
        applied: Sequence,
    },
    /// There is no store, or one of an earlier number beside the current one.
    #[error("there is no store of the number that META says")]
    StoreMissing {
        /// Where it would be.
        file: PathBuf,
    },
    /// A document of the database's own says something about a floor that cannot be.
    #[error("commit {sequence}: {fault}")]
    Floor {
        /// The segment or snapshot that it is in.
        file: PathBuf,
        /// The group or block that it is in.
        offset: u64,
        /// The commit that wrote it.
        sequence: Sequence,
        /// What is wrong.
        fault: FloorFault,
    },
    /// The log begins later than what is offered, as in a database that was restored from a backup
    /// that begins there.
    #[error(
        "the log begins at commit {oldest}, though only changes through {floor} are not offered any \
         more"
    )]
    BeginsLater {
        /// The first segment's directory.
        file: PathBuf,
        /// The first commit.
        oldest: Sequence,
        /// The floor.
        floor: Sequence,
    },
    /// It could not be read.
    #[error("{source}")]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What is wrong with a floor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FloorFault {
    /// It says nothing of a floor.
    #[error("the floor {name:?} cannot be read")]
    Unreadable {
        /// The document's id.
        name: Box<str>,
    },
    /// It is of a collection that there is not, or of another than it says.
    #[error("the floor {name:?} is of another collection than it says, or of none")]
    Collection {
        /// The document's id.
        name: Box<str>,
    },
    /// It has moved back.
    #[error("the floor {name:?} moves back from {from} to {to}")]
    Back {
        /// The document's id.
        name: Box<str>,
        /// Where it was.
        from: Sequence,
        /// Where it is.
        to: Sequence,
    },
    /// It withholds commits that were not there.
    #[error("the floor {name:?} is at {through}, beyond the commits before")]
    Ahead {
        /// The document's id.
        name: Box<str>,
        /// Where it is.
        through: Sequence,
    },
}

impl Finding {
    /// The file or directory that it is about.
    #[must_use]
    pub fn file(&self) -> &Path {
        match self {
            Finding::Files(finding) => finding.file(),
            Finding::Manifest { file, error } => match error {
                wellspring_log::BackupError::Damaged(damage) => &damage.file,
                _ => file,
            },
            Finding::Meta { file, .. }
            | Finding::MetaMissing { file }
            | Finding::RestoreUnfinished { file }
            | Finding::KeptMeta { file, .. }
            | Finding::Store { file, .. }
            | Finding::StoreUntrusted { file }
            | Finding::StoreBehind { file, .. }
            | Finding::StoreMissing { file }
            | Finding::Floor { file, .. }
            | Finding::BeginsLater { file, .. }
            | Finding::Unreadable { file, .. } => file,
        }
    }

    /// The first byte that is wrong, or of what is wrong, where that is known.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        match self {
            Finding::Files(finding) => finding.offset(),
            Finding::Floor { offset, .. } => Some(*offset),
            Finding::Meta { .. } => Some(0),
            Finding::Manifest {
                error: wellspring_log::BackupError::Damaged(damage),
                ..
            } => Some(damage.offset),
            _ => None,
        }
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Finding::Files(finding) => finding.severity(),
            Finding::Manifest {
                error: wellspring_log::BackupError::Io(_),
                ..
            }
            | Finding::Store {
                error: StoreError::File { .. } | StoreError::NoThread { .. },
                ..
            }
            | Finding::Unreadable { .. } => Severity::Unreadable,
            Finding::Meta { .. }
            | Finding::MetaMissing { .. }
            | Finding::RestoreUnfinished { .. }
            | Finding::Manifest { .. }
            | Finding::KeptMeta { .. }
            | Finding::Floor { .. } => Severity::Damage,
            Finding::Store { .. } => Severity::Derived,
            Finding::StoreUntrusted { .. }
            | Finding::StoreBehind { .. }
            | Finding::StoreMissing { .. }
            | Finding::BeginsLater { .. } => Severity::Note,
        }
    }
}
