//! What can go wrong, one enum for each family of operations.

use std::io;
use std::path::PathBuf;

use wellspring_types::limits::RECORD_BYTES_MAX;
use wellspring_types::{Epoch, Sequence, Timestamp};

use crate::GROUP_BYTES_MAX;
use crate::backup::{Held, RestorePoint};

/// Why a log did not open. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Bytes that were acknowledged are not what they were.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// A segment was written by a later release.
    #[error("{} has format {found}, this release knows up to {known}", file.display())]
    NewerFormat {
        /// The segment.
        file: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that can be read.
        known: u32,
    },
    /// A segment belongs to another history of the database, or to another database.
    #[error("{} is of epoch {found}, the database of {expected}", file.display())]
    WrongEpoch {
        /// The segment.
        file: PathBuf,
        /// Its epoch.
        found: Epoch,
        /// The database's.
        expected: Epoch,
    },
    /// The file system failed.
    #[error(transparent)]
    Io(#[from] IoError),
}

/// Why commits were not appended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// One commit is too large. Nothing was written.
    #[error("commit {sequence} takes {bytes} bytes, a record has at most {RECORD_BYTES_MAX}")]
    RecordTooLarge {
        /// The commit.
        sequence: Sequence,
        /// Bytes of its record.
        bytes: usize,
    },
    /// The commits together are too large for a group. Nothing was written.
    #[error("the commits take {bytes} bytes, a group has at most {GROUP_BYTES_MAX}")]
    GroupTooLarge {
        /// Bytes of the group's body.
        bytes: usize,
    },
    /// A commit is not the next one. Nothing was written.
    #[error("commit {found} was given where {expected} is next")]
    NotNext {
        /// The next sequence.
        expected: Sequence,
        /// The commit that was given.
        found: Sequence,
    },
    /// A commit's time is before that of an earlier one. Nothing was written.
    #[error("commit {sequence} has time {time}, before {last} of an earlier one")]
    TimeBackwards {
        /// The commit.
        sequence: Sequence,
        /// Its time.
        time: Timestamp,
        /// The time of the one before it.
        last: Timestamp,
    },
    /// A change has a document neither before nor after. Nothing was written.
    #[error("commit {sequence} changes {id:?}, which is absent before and after")]
    EmptyChange {
        /// The commit.
        sequence: Sequence,
        /// The document's id.
        id: Box<str>,
    },
    /// The write or the sync failed: whether the commits will be there after the next open is
    /// unknown, and nothing more is appended.
    #[error(transparent)]
    Io(#[from] IoError),
    /// An earlier append failed, with its outcome unknown. Nothing was written.
    #[error("the log takes no more commits, as an earlier append failed")]
    Poisoned,
}

/// Why commits could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The commits that were asked for are not kept any more.
    #[error("commit {wanted} is before {oldest}, the oldest that is kept")]
    BeforeOldest {
        /// The first commit that was asked for.
        wanted: Sequence,
        /// The first that is kept.
        oldest: Sequence,
    },
    /// Bytes that were acknowledged are not what they were.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The file system failed.
    #[error(transparent)]
    Io(#[from] IoError),
}

/// Why a snapshot was not made, found or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// A snapshot's bytes are not what they were.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// A snapshot was written by a later release.
    #[error("{} has format {found}, this release knows up to {known}", file.display())]
    NewerFormat {
        /// Its manifest.
        file: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that can be read.
        known: u32,
    },
    /// A snapshot belongs to another history of the database, or to another database.
    #[error("{} is of epoch {found}, the database of {expected}", file.display())]
    WrongEpoch {
        /// Its manifest.
        file: PathBuf,
        /// Its epoch.
        found: Epoch,
        /// The database's.
        expected: Epoch,
    },
    /// There is nothing to make a snapshot of: the commit is not after that of the one before, or
    /// not in the log.
    #[error("there is no commit {through} to make a snapshot of")]
    NothingNew {
        /// The commit that the snapshot was to be of.
        through: Sequence,
    },
    /// It was told to stop.
    #[error("the snapshot was given up")]
    Stopped,
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// The file system failed.
    #[error(transparent)]
    Io(#[from] IoError),
}

/// Why a backup was not made, read or restored. What it held before is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// Bytes of the database, or of the backup, are not what they were: the file says of which.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// A file was written by a later release.
    #[error("{} has format {found}, this release knows up to {known}", file.display())]
    NewerFormat {
        /// The file.
        file: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that can be read.
        known: u32,
    },
    /// A file belongs to another history of the database, or to another database.
    #[error("{} is of epoch {found}, and should be of {expected}", file.display())]
    WrongEpoch {
        /// The file.
        file: PathBuf,
        /// Its epoch.
        found: Epoch,
        /// The one that belongs there.
        expected: Epoch,
    },
    /// There is no backup in the directory.
    #[error("there is no backup in {}", dir.display())]
    Missing {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory holds something else than a backup.
    #[error("{} is not empty, and not a backup", dir.display())]
    NotABackup {
        /// The directory.
        dir: PathBuf,
    },
    /// The backup holds what the database does not: its disk was rolled back, or another database
    /// has taken its place.
    #[error(
        "the database and the backup are not of one history from commit {commit} on: \
         keep this backup, and begin another in a new directory"
    )]
    Diverged {
        /// The first commit, as far as is known, that they do not have in common.
        commit: Sequence,
    },
    /// What was to be copied went away again and again.
    #[error("the database drops its log faster than it can be copied: keep more of it")]
    Restless,
    /// Another process takes a backup into the directory.
    #[error("another process takes a backup into {}", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// What was asked for is not in the backup.
    #[error("{wanted} cannot be restored: the backup holds {held}")]
    OutOfRange {
        /// What was asked for.
        wanted: RestorePoint,
        /// What can be restored.
        held: Held,
    },
    /// A snapshot could not be read, for a reason that reading alone does not have.
    #[error(transparent)]
    Snapshot(Box<SnapshotError>),
    /// The file system failed.
    #[error(transparent)]
    Io(#[from] IoError),
}

impl From<SnapshotError> for BackupError {
    fn from(error: SnapshotError) -> BackupError {
        match error {
            SnapshotError::Damaged(damage) => BackupError::Damaged(damage),
            SnapshotError::NewerFormat { file, found, known } => {
                BackupError::NewerFormat { file, found, known }
            }
            SnapshotError::WrongEpoch {
                file,
                found,
                expected,
            } => BackupError::WrongEpoch {
                file,
                found,
                expected,
            },
            SnapshotError::Io(error) => BackupError::Io(error),
            error => BackupError::Snapshot(Box::new(error)),
        }
    }
}

impl From<OpenError> for BackupError {
    fn from(error: OpenError) -> BackupError {
        match error {
            OpenError::Damaged(damage) => BackupError::Damaged(damage),
            OpenError::NewerFormat { file, found, known } => {
                BackupError::NewerFormat { file, found, known }
            }
            OpenError::WrongEpoch {
                file,
                found,
                expected,
            } => BackupError::WrongEpoch {
                file,
                found,
                expected,
            },
            OpenError::Io(error) => BackupError::Io(error),
        }
    }
}

/// Why a log did not close cleanly.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloseError {
    /// The file system failed.
    #[error(transparent)]
    Io(#[from] IoError),
    /// An append failed, with its outcome unknown.
    #[error("an append failed before the log was closed")]
    Poisoned,
}

/// A failed operation on disk.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {source}", file.display())]
pub struct IoError {
    /// What was tried.
    pub operation: crate::Operation,
    /// The file or directory.
    pub file: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

/// Bytes that are not what was written.
#[derive(Debug, thiserror::Error)]
#[error("{} is damaged at byte {offset}: {what}", file.display())]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// The first byte that is wrong, or of what is wrong.
    pub offset: u64,
    /// What is wrong.
    pub what: DamageKind,
}

/// What is wrong with damaged bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DamageKind {
    /// A segment's header is not one.
    #[error("the segment's header is cut short or its checksum is wrong")]
    SegmentHeader,
    /// A segment is named after another sequence than its header says.
    #[error("the segment's header says that it begins at commit {found}")]
    SegmentName {
        /// The sequence in the header.
        found: Sequence,
    },
    /// A segment does not end where the next one begins.
    #[error("the segment ends at commit {last}, the next one begins at {next}")]
    SegmentGap {
        /// The last commit of the segment; of the one before, if it has none.
        last: Sequence,
        /// The first of the next segment.
        next: Sequence,
    },
    /// A segment's last group or time is not the one that the next segment was written after.
    #[error("the segment ends otherwise than the next one says")]
    SegmentEnd,
    /// A group is not one, and it is not the end of the log.
    #[error("{0}")]
    Group(GroupFault),
    /// A group is not one, and a good one comes after it.
    #[error("{fault}, and a good group follows at byte {later}")]
    GroupBeforeAnother {
        /// What is wrong with it.
        fault: GroupFault,
        /// Where the good one is.
        later: u64,
    },
    /// A group is good, but not the one that belongs there.
    #[error("the group at commit {found} does not follow commit {last}")]
    GroupOrder {
        /// The first commit of the group.
        found: Sequence,
        /// The commit before it.
        last: Sequence,
    },
    /// A record's checksum is right and its content makes no sense.
    #[error("{0}")]
    Record(Malformed),
    /// The log begins behind what the newest snapshot holds.
    #[error("the log begins at commit {oldest}, but the newest snapshot ends at {snapshot}")]
    StartLost {
        /// The first commit that is kept.
        oldest: Sequence,
        /// The last commit of the newest snapshot; zero without one.
        snapshot: Sequence,
    },
    /// A snapshot's file is not what was written.
    #[error("{0}")]
    Snapshot(SnapshotFault),
    /// A backup's file is not what was written.
    #[error("{0}")]
    Backup(BackupFault),
    /// An index is not that of its segment.
    #[error("the index is not the one of its segment")]
    Index,
    /// What the log comes to is not what stands there.
    #[error("{0}")]
    Disagreement(Disagreement),
    /// The log ends before what others prove was there.
    #[error("the log ends at commit {head}, but commit {witnessed} was there")]
    HeadLost {
        /// The last commit in the log.
        head: Sequence,
        /// The commit that a store, a snapshot or a clean close bears witness to.
        witnessed: Sequence,
    },
}

/// Why bytes are not a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupFault {
    /// The file ends inside of it.
    #[error("the group is cut short")]
    CutShort,
    /// It does not begin like one.
    #[error("no group begins here")]
    Magic,
    /// It says that it is longer or shorter than a group can be.
    #[error("the group's length is out of range")]
    Length,
    /// Its checksum is another.
    #[error("the group's checksum is wrong")]
    Checksum,
}

/// What is wrong with a file of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotFault {
    /// The manifest is not one.
    #[error("the manifest is missing or cut short, or its checksum is wrong")]
    Manifest,
    /// The manifest is of another snapshot than the directory is named after.
    #[error("the manifest is of commit {found}")]
    Name {
        /// The commit in the manifest.
        found: Sequence,
    },
    /// A file is missing.
    #[error("the file is missing")]
    Missing,
    /// A file is shorter or longer than the manifest says.
    #[error("the file has {found} bytes, and should have {expected}")]
    Length {
        /// Its length.
        found: u64,
        /// What the manifest says.
        expected: u64,
    },
    /// A file's header is not the one that belongs there.
    #[error("the file's header is wrong")]
    Header,
    /// A block is not one.
    #[error("the block is cut short or its checksum is wrong")]
    Block,
    /// A block's checksum is right and its content makes no sense.
    #[error("the block holds an entry that is none: {0}")]
    Entry(Malformed),
    /// An entry does not come after the one before it.
    #[error("the block holds an entry that is out of order")]
    Order,
    /// A file has fewer or more entries than the manifest says, or others.
    #[error("the file has other entries than the manifest says")]
    Entries,
}

/// Where the log, and what was made of it, do not say the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Disagreement {
    /// A change says that there was something else before it than the log does.
    #[error("commit {sequence} changes {id:?}, which was not what it says before")]
    Before {
        /// The commit.
        sequence: Sequence,
        /// The document's id.
        id: Box<str>,
    },
    /// A collection's number stands for another path, or for none.
    #[error("collection number {number} has another path in the log, or none")]
    Collection {
        /// The number.
        number: u32,
    },
    /// A document in a snapshot is another than in the log.
    #[error("document {id:?} is not what the log comes to")]
    Document {
        /// Its id.
        id: Box<str>,
    },
    /// A document in a snapshot is deleted in the log.
    #[error("document {id:?} is there, but commit {deleted} has deleted it")]
    Deleted {
        /// Its id.
        id: Box<str>,
        /// The commit that has deleted it.
        deleted: Sequence,
    },
    /// A document in a snapshot is not in the log.
    #[error("document {id:?} is there, but the log has no commit that wrote it")]
    Unknown {
        /// Its id.
        id: Box<str>,
    },
    /// A document in the log is not in a snapshot.
    #[error("a document that commit {version} wrote is missing")]
    Missing {
        /// The commit that last wrote it.
        version: Sequence,
    },
    /// A mutation id is another in a snapshot than in the log, or in one of them only.
    #[error("the mutation id of commit {sequence} is not what the log says")]
    Mutation {
        /// The commit.
        sequence: Sequence,
    },
    /// The mutation ids of a snapshot are not numbered one after the other, up to the newest.
    #[error("the mutation id of commit {sequence} is out of the order of their numbers")]
    MutationNumber {
        /// The commit.
        sequence: Sequence,
    },
}

/// What is wrong with a file of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackupFault {
    /// The manifest is not one.
    #[error("the manifest is cut short or its checksum is wrong")]
    Manifest,
    /// The manifest's checksum is right and its content makes no sense.
    #[error("the manifest holds an entry that is none: {0}")]
    Entry(Malformed),
    /// What the manifest says cannot be.
    #[error("the manifest's entries are out of order")]
    Order,
    /// A file that the manifest names is missing.
    #[error("the file is missing")]
    Missing,
    /// A file is shorter than the manifest says.
    #[error("the file has {found} bytes, and should have at least {expected}")]
    Length {
        /// Its length.
        found: u64,
        /// What the manifest says.
        expected: u64,
    },
    /// A file's bytes are others than the manifest says.
    #[error("the file's checksum is not the one that the manifest says")]
    Checksum,
}

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// A length reaches beyond the end.
    #[error("a length in the record reaches beyond its end")]
    CutShort,
    /// A number has more than 64 bits, or more than its field.
    #[error("a number in the record is out of range")]
    Number,
    /// A text is not UTF-8.
    #[error("a text in the record is not UTF-8")]
    NotUtf8,
    /// Flags that this format does not have, or not together.
    #[error("the record has flags {flags:#04x}")]
    Flags {
        /// The flags.
        flags: u8,
    },
    /// A collection's path is none.
    #[error("a collection's path in the record is none")]
    Path,
    /// A commit is not the next one.
    #[error("the record's sequence or time is out of order")]
    Order,
    /// Bytes are left over.
    #[error("the record has bytes left over")]
    LeftOver,
}
