//! How a log is opened.

use std::path::PathBuf;
use std::sync::Arc;

use wellspring_types::{Epoch, Sequence};

use crate::file_system::{FileSystem, LocalFileSystem};
use crate::files::Faults;
use crate::seeded::Bugs;

/// Where a log is and how it is cut into segments.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory of the segments; made when it is missing.
    pub dir: PathBuf,
    /// The database's history. Segments of another are refused.
    pub epoch: Epoch,
    /// A segment that has grown to this many bytes is followed by a new one. A group larger than
    /// this has a segment of its own.
    pub segment_bytes: u64,
    /// Where the directory is; the machine's file system, unless a simulation says otherwise.
    pub file_system: Arc<dyn FileSystem>,
    /// Operations on disk that are to fail; none unless a test says so.
    pub faults: Faults,
    /// Bugs that are in it; none unless a test has put them in.
    pub bugs: Bugs,
}

impl Options {
    /// Bytes of a segment, unless told otherwise.
    pub const SEGMENT_BYTES_DEFAULT: u64 = 64 << 20;

    /// The defaults, for a log in `dir`.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, epoch: Epoch) -> Options {
        Options {
            dir: dir.into(),
            epoch,
            segment_bytes: Self::SEGMENT_BYTES_DEFAULT,
            file_system: Arc::new(LocalFileSystem),
            faults: Faults::default(),
            bugs: Bugs::default(),
        }
    }
}

/// What others prove about the log's head. A log that ends before any of them has lost commits
/// that were acknowledged, however much its end looks like a write that a crash has cut short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Witnesses {
    /// The last sequence that a trusted store has applied; zero without one.
    pub applied: Sequence,
    /// The sequence of the newest snapshot; zero without one.
    pub snapshot: Sequence,
    /// The head when the log was last closed cleanly, if it has not been opened since.
    pub clean_close: Option<Sequence>,
}

impl Witnesses {
    /// The highest head that any of them proves.
    pub(crate) fn head(&self) -> Sequence {
        self.applied
            .max(self.snapshot)
            .max(self.clean_close.unwrap_or(Sequence::ZERO))
    }
}
