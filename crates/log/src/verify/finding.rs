//! What checking has found.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use wellspring_types::{Epoch, Sequence};

use crate::error::{
    BackupError, Damage, DamageKind, Disagreement, IoError, OpenError, SnapshotError,
};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing is wrong: a crash may leave it, and the next opening deals with it.
    Note,
    /// Something could not be checked.
    Unreadable,
    /// Bytes are wrong that are made again from others by the next opening. The disk may fail.
    Derived,
    /// Bytes are wrong that the database stands on.
    Damage,
}

/// Something that checking has found, in one file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// Bytes are not what was written.
    #[error("{}", damage.what)]
    Damaged {
        /// Where, and what is wrong.
        damage: Damage,
        /// The commits that cannot be read for it; `None`: none, or nobody knows which.
        commits: Option<RangeInclusive<Sequence>>,
    },
    /// A file was written by a later release, and was not looked into.
    #[error("it has format {found}, this release knows up to {known}")]
    NewerFormat {
        /// The file.
        file: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that can be read.
        known: u32,
    },
    /// A file belongs to another history of the database, or to another database.
    #[error("it is of epoch {found}, and should be of {expected}")]
    WrongEpoch {
        /// The file.
        file: PathBuf,
        /// Its epoch.
        found: Epoch,
        /// The one that belongs there.
        expected: Epoch,
    },
    /// The file system failed.
    #[error("{}: {}", .0, .0.source)]
    Unreadable(IoError),
    /// The log ends with bytes that are no group: what a crash leaves of an append that was never
    /// acknowledged.
    #[error("behind the last commit, {last}, are {bytes} bytes of an append that was cut short")]
    Torn {
        /// The last segment.
        file: PathBuf,
        /// Where they begin.
        offset: u64,
        /// How many there are, zeros at their end apart.
        bytes: u64,
        /// The last commit in the log.
        last: Sequence,
    },
    /// A full segment has no index.
    #[error("the segment's index is missing")]
    NoIndex {
        /// Where it would be.
        file: PathBuf,
    },
    /// A file or directory that a crash has left half-made.
    #[error("it was left half-made")]
    LeftOver {
        /// The file or directory.
        file: PathBuf,
    },
    /// A file or directory that does not belong there.
    #[error("it is none of the database's")]
    Stranger {
        /// The file or directory.
        file: PathBuf,
    },
    /// A backup has a gap, which its manifest says.
    #[error("the commits after {last} and before {next} are not in the backup")]
    Gap {
        /// The segment behind the gap.
        file: PathBuf,
        /// The last commit before it.
        last: Sequence,
        /// The first behind it.
        next: Sequence,
    },
}

impl Finding {
    /// The file or directory that it is about.
    #[must_use]
    pub fn file(&self) -> &Path {
        match self {
            Finding::Damaged { damage, .. } => &damage.file,
            Finding::NewerFormat { file, .. }
            | Finding::WrongEpoch { file, .. }
            | Finding::Torn { file, .. }
            | Finding::NoIndex { file }
            | Finding::LeftOver { file }
            | Finding::Stranger { file }
            | Finding::Gap { file, .. } => file,
            Finding::Unreadable(error) => &error.file,
        }
    }

    /// The first byte that is wrong, or of what is wrong, where there is one.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        match self {
            Finding::Damaged { damage, .. } => Some(damage.offset),
            Finding::Torn { offset, .. } => Some(*offset),
            _ => None,
        }
    }

    /// Whether another one tells the same of the same place.
    fn is_same(&self, other: &Finding) -> bool {
        match (self, other) {
            (Finding::Damaged { damage, .. }, Finding::Damaged { damage: other, .. }) => {
                (&damage.file, damage.offset, &damage.what)
                    == (&other.file, other.offset, &other.what)
            }
            _ => false,
        }
    }

    fn is_of_document(&self) -> bool {
        let Finding::Damaged { damage, .. } = self else {
            return false;
        };
        match &damage.what {
            DamageKind::Disagreement(disagreement) => matches!(
                disagreement,
                Disagreement::Before { .. }
                    | Disagreement::Document { .. }
                    | Disagreement::Deleted { .. }
                    | Disagreement::Unknown { .. }
                    | Disagreement::Missing { .. }
            ),
            _ => false,
        }
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Finding::Damaged { damage, .. } => match damage.what {
                DamageKind::Index => Severity::Derived,
                _ => Severity::Damage,
            },
            Finding::NewerFormat { .. } | Finding::WrongEpoch { .. } => Severity::Damage,
            Finding::Unreadable(_) => Severity::Unreadable,
            Finding::Torn { .. }
            | Finding::NoIndex { .. }
            | Finding::LeftOver { .. }
            | Finding::Stranger { .. }
            | Finding::Gap { .. } => Severity::Note,
        }
    }
}

impl From<Damage> for Finding {
    fn from(damage: Damage) -> Finding {
        let commits = None;
        Finding::Damaged { damage, commits }
    }
}

impl From<IoError> for Finding {
    fn from(error: IoError) -> Finding {
        Finding::Unreadable(error)
    }
}

impl From<OpenError> for Finding {
    fn from(error: OpenError) -> Finding {
        match error {
            OpenError::Damaged(damage) => damage.into(),
            OpenError::Io(error) => error.into(),
            OpenError::NewerFormat { file, found, known } => {
                Finding::NewerFormat { file, found, known }
            }
            OpenError::WrongEpoch {
                file,
                found,
                expected,
            } => Finding::WrongEpoch {
                file,
                found,
                expected,
            },
        }
    }
}

/// What is found is bounded, as a file can be wrong in every document.
pub const FINDINGS_MAX: usize = 1_000;

/// What was found, in the order of files as they are read.
#[derive(Debug, Default)]
pub struct Findings {
    listed: Vec<Finding>,
    omitted: u64,
    only_documents: bool,
}

impl Findings {
    /// Adds one; beyond [`FINDINGS_MAX`] it is only counted, unless it is worse than one of those that
    /// are listed: then that is. So the worst of all is always listed.
    pub fn add(&mut self, finding: impl Into<Finding>) {
        let finding = finding.into();
        if self.only_documents && !finding.is_of_document() {
            return;
        }
        if self.listed.len() >= FINDINGS_MAX {
            self.omitted += 1;
            let is_milder = |listed: &Finding| listed.severity() < finding.severity();
            let Some(milder) = self.listed.iter().rposition(is_milder) else {
                return;
            };
            self.listed.remove(milder);
        }
        self.listed.push(finding);
    }

    /// Adds what a snapshot's reading has failed with.
    pub(super) fn add_snapshot(&mut self, error: SnapshotError) {
        self.add_backup(error.into());
    }

    /// Adds what a backup's reading has failed with.
    pub(super) fn add_backup(&mut self, error: BackupError) {
        match error {
            BackupError::Damaged(damage) => self.add(damage),
            BackupError::Io(error) => self.add(error),
            BackupError::NewerFormat { file, found, known } => {
                self.add(Finding::NewerFormat { file, found, known });
            }
            BackupError::WrongEpoch {
                file,
                found,
                expected,
            } => self.add(Finding::WrongEpoch {
                file,
                found,
                expected,
            }),
            other => debug_assert!(false, "reading fails otherwise: {other}"),
        }
    }

    /// What a later pass finds: only what is about single documents, as the first has told all else.
    pub(super) fn of_documents() -> Findings {
        Findings {
            only_documents: true,
            ..Findings::default()
        }
    }

    /// Adds those of a later pass. One that was begun with more documents than fitted into its memory
    /// may have told some that are told again by the next; of those that are only counted this is not
    /// known.
    pub(super) fn extend(&mut self, others: Findings) {
        self.omitted += others.omitted;
        for finding in others.listed {
            if !self.listed.iter().any(|told| told.is_same(&finding)) {
                self.add(finding);
            }
        }
    }

    /// Those that are listed.
    #[must_use]
    pub fn listed(&self) -> &[Finding] {
        &self.listed
    }

    /// Those that are listed, and how many more there were.
    #[must_use]
    pub fn into_parts(self) -> (Vec<Finding>, u64) {
        (self.listed, self.omitted)
    }
}

#[cfg(test)]
mod tests {
    use wellspring_types::Sequence;

    use super::*;

    fn missing(offset: usize) -> Damage {
        let version = Sequence(1);
        Damage {
            file: "snapshots/1/documents-1".into(),
            offset: offset as u64,
            what: DamageKind::Disagreement(Disagreement::Missing { version }),
        }
    }

    #[test]
    fn a_later_pass_adds_what_it_finds_of_documents_and_counts_the_rest_of_them() {
        let mut first = Findings::default();
        first.add(missing(0));
        let mut later = Findings::of_documents();
        for n in 0..FINDINGS_MAX + 5 {
            let file = "log/stranger".into();
            later.add(Finding::Stranger { file });
            later.add(missing(n));
        }
        first.extend(later);
        let (listed, omitted) = first.into_parts();
        assert_eq!((listed.len(), omitted), (FINDINGS_MAX, 5));
        assert!(listed.iter().all(Finding::is_of_document));
    }
}
