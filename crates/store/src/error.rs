//! Why a store could not do what it was asked.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use wellspring_types::{CollectionId, Sequence};

/// Why a store could not do what it was asked. None of these says anything about the log: a store
/// can be replaced by one that is built from it anew.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file or directory of the store could not be used.
    #[error("store file {path:?}: {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The storage library could not read or write its files.
    #[error("store input or output failed: {source}")]
    Io {
        /// What the system said.
        source: io::Error,
    },
    /// An entry is not what was once written.
    #[error("store entry {key} is damaged: {damage}")]
    Damaged {
        /// The entry's key.
        key: Key,
        /// What is wrong with it.
        damage: Damage,
    },
    /// The storage library found damage, or itself in a state that it should not be in.
    #[error("store is damaged below its entries: {source}")]
    Corrupt {
        /// What the library said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The storage library panicked, which it does on some damaged files.
    #[error("store panicked: {message}")]
    Panicked {
        /// The panic's message.
        message: Box<str>,
    },
    /// Opening or closing did not end in time. The thread that tried is left to itself, and the
    /// directory must not be used again in this process.
    #[error("store did not answer within {} s", after.as_secs_f32())]
    TimedOut {
        /// How long it was waited for.
        after: Duration,
    },
    /// No thread could be started for opening or closing.
    #[error("no thread for the store: {source}")]
    NoThread {
        /// What the system said.
        source: io::Error,
    },
    /// The store was written by a newer version.
    #[error("store has format {found}, newer than {known}, the newest one known")]
    FormatUnknown {
        /// The store's format.
        found: u32,
        /// The newest format that this version reads.
        known: u32,
    },
    /// A batch does not follow what the store has applied.
    #[error("batch through {batch} after the store applied {applied}")]
    OutOfOrder {
        /// What the store has applied.
        applied: Sequence,
        /// Where the batch would have brought it.
        batch: Sequence,
    },
    /// An apply failed before, in the middle: only reads go on, until the store is opened again
    /// and the batch repeated.
    #[error("an earlier apply failed: the store must be opened again")]
    ApplyFailed,
    /// A scrub was told to stop.
    #[error("the scrub was stopped")]
    Stopped,
    /// What is there is not what was applied.
    #[error("the documents are not those that were applied")]
    Wrong,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// A document was replaced again and again while it was read.
    #[error("document {id:?} of collection {} was overtaken by writes", collection.0)]
    Overtaken {
        /// The document's collection.
        collection: CollectionId,
        /// The document's id.
        id: Box<str>,
    },
}

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// Its value is shorter or longer than it says or than any can be.
    #[error("wrong length")]
    Length,
    /// Its value begins with an unknown kind.
    #[error("unknown kind")]
    Kind,
    /// Its checksum is another one than that of its bytes.
    #[error("wrong checksum")]
    Checksum,
    /// Its text is not UTF-8, or no path where a path must be.
    #[error("bad text")]
    Text,
    /// A part of its value is missing.
    #[error("missing part")]
    MissingPart,
    /// It is not there although it must be.
    #[error("missing")]
    Missing,
    /// Others that must stand before it, or after it all, are not there.
    #[error("gap beside it")]
    Gap,
}

/// Key of an entry; shown with everything but printable ASCII escaped.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Box<[u8]>);

impl Key {
    /// The key's bytes, as the crate's documentation describes them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Damage {
    /// The error that names `key`.
    pub(crate) fn of(self, key: &[u8]) -> StoreError {
        StoreError::Damaged {
            key: Key(key.into()),
            damage: self,
        }
    }
}

/// Not a `From`: that would put sled into the crate's public signatures.
pub(crate) fn from_sled(error: sled::Error) -> StoreError {
    match error {
        sled::Error::Io(source) => StoreError::Io { source },
        other => StoreError::Corrupt {
            source: Box::new(other),
        },
    }
}
