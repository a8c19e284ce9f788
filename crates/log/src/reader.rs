//! Reading.

use wellspring_types::{CollectionId, Sequence, Timestamp};

use crate::{CommitRecord, ReadError};

/// Reads what was appended and synced. Clones are cheap.
#[derive(Clone, Debug)]
pub struct LogReader(());

/// Records of a log, ascending.
#[derive(Debug)]
pub struct Records(());

impl LogReader {
    /// The last commit.
    #[must_use]
    pub fn head(&self) -> Sequence {
        unimplemented!()
    }

    /// The first commit that is kept; 1 when there is none yet.
    #[must_use]
    pub fn oldest(&self) -> Sequence {
        unimplemented!()
    }

    /// The time of the last commit.
    #[must_use]
    pub fn last_time(&self) -> Timestamp {
        unimplemented!()
    }

    /// The first commit at or after `time`; the next one to come, if there is none.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn first_at(&self, _time: Timestamp) -> Result<Sequence, ReadError> {
        unimplemented!()
    }

    /// The commits after `after` through `through`.
    #[must_use]
    pub fn read(&self, _after: Sequence, _through: Sequence, _collection: Option<CollectionId>) -> Records {
        unimplemented!()
    }
}

impl Iterator for Records {
    type Item = Result<CommitRecord, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        unimplemented!()
    }
}
