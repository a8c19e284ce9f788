//! Changes on their way from the log into a message, without becoming a [`FeedCommit`] in between:
//! for who is sent a long part of the log, one that costs little more than its bytes.
//!
//! [`FeedCommit`]: super::FeedCommit

use super::Op;
use crate::{ResumeToken, Sequence, Timestamp};

/// Writes messages of changes as a transport sends them, each a text. It is asked on the thread
/// that reads the log.
pub trait ChangesWriter: Send + Sync {
    /// What a message begins with.
    fn begin(&self) -> String;

    /// Adds a commit, with at least one change, to a message. Where the message has no room for it
    /// nothing is added, and what is left of `changes` is of no use.
    fn push(
        &self,
        out: &mut String,
        commit: CommitRef<'_>,
        changes: &mut dyn Iterator<Item = ChangeRef<'_>>,
    ) -> Room;

    /// Ends a message: the token is the position of its last commit.
    fn end(&self, out: &mut String, token: &ResumeToken);
}

/// Whether a message had room for a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Room {
    /// The commit is in it.
    Enough,
    /// The message is as it was.
    TooLittle,
}

/// What a [`FeedCommit`](super::FeedCommit) has beside its changes, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitRef<'a> {
    /// Its place in the order.
    pub seq: Sequence,
    /// Its time.
    pub time: Timestamp,
    /// Who committed it; `None` without authentication.
    pub actor: Option<&'a str>,
    /// The committing client's name for it.
    pub mutation_id: Option<&'a str>,
}

/// A [`Change`](super::Change) through a view that all documents are in, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeRef<'a> {
    /// What happened to the document.
    pub op: Op,
    /// The path of the document's collection.
    pub collection: &'a str,
    /// The document's id in it.
    pub id: &'a str,
    /// The document's data after, as JSON text; `None` with [`Op::Delete`].
    pub data: Option<&'a str>,
    /// The document's data before, if asked for; `None` with [`Op::Insert`].
    pub old: Option<&'a str>,
}

/// A message of changes, as a [`ChangesWriter`] has written it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenChanges {
    /// The whole message.
    pub text: String,
    /// Its first commit.
    pub first: Sequence,
    /// The position of its last commit, as it is in the text.
    pub token: ResumeToken,
}
