//! Wellspring's log: groups of commits in append-only, checksummed segments. It is the truth of
//! the database and, read from any position, the change feed itself.
//!
//! One [`Log`] appends; any number of [`LogReader`]s read what was appended and synced, whole or
//! one collection at a time. Documents are opaque bytes here. The files are drawn byte by byte in
//! `docs/format.md`.

mod backup;
mod cache;
mod error;
mod file_system;
mod files;
mod group;
mod index;
mod options;
mod private_files;
mod read_only_files;
mod reader;
mod record;
mod recovery;
mod seeded;
mod segment;
mod shared;
mod snapshot;
mod trim;
mod varint;
mod verify;
mod window;
mod writer;

pub use backup::{
    Backup, BackupManifest, BackupOptions, BackupProgress, BackupRange, BackupSegment,
    BackupSnapshot, BackupSource, BackupTaken, Held, RestorePoint, RestoreTarget,
};
pub use error::{
    AppendError, BackupError, BackupFault, CloseError, Damage, DamageKind, Disagreement,
    GroupFault, IoError, Malformed, OpenError, ReadError, SnapshotError, SnapshotFault,
};
pub use file_system::{Access, FileSystem, LocalFileSystem, OpenFile};
pub use files::{Faults, Operation};
pub use options::{Options, Witnesses};
pub use private_files::PrivateFileSystem;
pub use read_only_files::ReadOnlyFileSystem;
pub use reader::{LogReader, Records, RecordsBackwards};
pub use record::{Before, ChangeRecord, ChangeRef, ChangeRefs, CommitRecord, Mutation, RecordRef};
pub use seeded::{Bugs, SeededBug};
pub use snapshot::{
    Snapshot, SnapshotDocument, SnapshotDocuments, SnapshotMutation, SnapshotMutations,
    SnapshotOptions, SnapshotPlan, Snapshots,
};
pub use trim::{SegmentSpan, Trimmer};
pub use verify::{
    DatabaseFiles, FINDINGS_MAX, Finding, Findings, Severity, VERIFY_DOCUMENTS_MAX, Verified,
    VerifyProgress, Watch,
};
pub use writer::Log;

/// Bytes of a group's body at most: the records of the commits that are appended together, each
/// of [`CommitRecord::encoded_bytes`].
pub const GROUP_BYTES_MAX: usize = 32 << 20;

const _: () = {
    use wellspring_types::limits::RECORD_BYTES_MAX;
    assert!(
        RECORD_BYTES_MAX <= GROUP_BYTES_MAX,
        "every record fits into a group"
    );
    assert!(
        GROUP_BYTES_MAX < u32::MAX as usize,
        "a group's header has its length as u32"
    );
};
