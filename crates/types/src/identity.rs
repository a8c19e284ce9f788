//! Small identities: sequences, epochs, collection ids, mutation ids, resume tokens.

use std::fmt;
use std::sync::Arc;

use crate::limits;

/// Position of a commit in the one order of the database. The first commit has sequence 1;
/// [`Sequence::ZERO`] stands before it, and as a document's version it means "absent".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

impl Sequence {
    /// Before the first commit.
    pub const ZERO: Sequence = Sequence(0);

    /// The sequence that follows this one.
    #[must_use]
    pub fn next(self) -> Sequence {
        Sequence(self.0 + 1)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Random id of one history of the database. It changes when history may have been rewritten
/// (a restore, a disk rolled back), so that a token of the lost future is not taken for one of
/// the new: a sequence alone cannot tell `41` of one history from `41` of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(pub u32);

impl fmt::Display for Epoch {
    /// Eight lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// Number of a collection inside one database, assigned in order at its first write, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CollectionId(pub u32);

/// The client's name for one commit, by which a repeat is recognised. 1 to
/// [`limits::MUTATION_ID_BYTES_MAX`] bytes of UTF-8 without control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MutationId(Arc<str>);

/// Why a text is not a [`MutationId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a mutation id has 1 to {} bytes and no control characters",
    limits::MUTATION_ID_BYTES_MAX
)]
pub struct MutationIdError;

impl MutationId {
    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for MutationId {
    type Err = MutationIdError;

    fn from_str(text: &str) -> Result<Self, MutationIdError> {
        let fits = (1..=limits::MUTATION_ID_BYTES_MAX).contains(&text.len());
        if fits && !text.chars().any(char::is_control) {
            Ok(MutationId(text.into()))
        } else {
            Err(MutationIdError)
        }
    }
}

/// "All up to here is seen", as it stands on the wire: opaque to everyone but the engine that
/// issued it, and valid on every transport.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResumeToken(Arc<str>);

impl ResumeToken {
    /// Wraps a token's text as it was received or issued. Only the engine can tell whether it is
    /// a good one.
    #[must_use]
    pub fn new(text: &str) -> Self {
        ResumeToken(text.into())
    }

    /// The token's text: URL-safe base64 without padding.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ResumeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
