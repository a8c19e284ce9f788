//! What a feed shows.

use wellspring_types::feed::{Change, ResetReason};
use wellspring_types::{Document, DocumentPath, MutationId, ResumeToken, Sequence, Timestamp};

/// Something that a feed shows. Further kinds may come: ignore those that you do not know.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ChangeEvent {
    /// The documents as they are: all that is in the view. It replaces whatever you hold.
    Snapshot(Snapshot),
    /// What differs from what [`crate::ChangesBuilder::known`] said: apply it to what you hold.
    Differences(Differences),
    /// A commit that changed something in the view.
    Commit(Commit),
    /// Nothing else happened up to here. Keep the token: it is newer than the last commit's.
    Checkpoint {
        /// The position.
        seq: Sequence,
        /// Its token.
        token: ResumeToken,
    },
    /// The feed could not go on from where it was: forget what you hold, a [`Snapshot`] follows.
    Reset {
        /// Why.
        reason: ResetReason,
        /// Do not forget it: [`Differences`] follow.
        known: bool,
    },
}

/// All documents of a view, exact as of one sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The documents, by the bytes of their paths.
    pub documents: Vec<Document>,
    /// As of this sequence.
    pub seq: Sequence,
    /// Resumes after it.
    pub token: ResumeToken,
}

/// What differs from the documents that were known: with it they are exactly the view as of one
/// sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct Differences {
    /// Documents that are new or of another version, by the bytes of their paths.
    pub documents: Vec<Document>,
    /// Documents that are gone, or not in the view any more; among them some that were not known.
    pub removed: Vec<DocumentPath>,
    /// As of this sequence.
    pub seq: Sequence,
    /// Resumes after it.
    pub token: ResumeToken,
}

/// A whole commit, as the view sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    /// Its place in the order.
    pub seq: Sequence,
    /// Its time.
    pub time: Timestamp,
    /// Who committed it; `None` without authentication.
    pub actor: Option<String>,
    /// The committing client's name for it.
    pub mutation_id: Option<MutationId>,
    /// What changed in the view: at least one, each of another document.
    pub changes: Vec<Change>,
    /// It is what several commits come to, through this one, as was asked for by
    /// [`ChangesBuilder::conflate`](crate::ChangesBuilder::conflate): of each document the net
    /// change since the event before, by the versions of the documents.
    pub conflated: bool,
    /// Resumes after it. `None` where more commits arrived together with this one: the last of
    /// them has it. Whoever resumes by a token that is older than what was shown sees the commits
    /// after it again, and can tell by their `seq`.
    pub token: Option<ResumeToken>,
}

impl ChangeEvent {
    /// The token of the position after this event, where it has one.
    #[must_use]
    pub fn token(&self) -> Option<&ResumeToken> {
        match self {
            ChangeEvent::Snapshot(snapshot) => Some(&snapshot.token),
            ChangeEvent::Differences(differences) => Some(&differences.token),
            ChangeEvent::Commit(commit) => commit.token.as_ref(),
            ChangeEvent::Checkpoint { token, .. } => Some(token),
            ChangeEvent::Reset { .. } => None,
        }
    }
}
