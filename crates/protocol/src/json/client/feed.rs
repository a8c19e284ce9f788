//! Messages of a subscription, as they arrive.

use wellspring_types::feed::{Cause, Change, How, Op, ResetReason};
use wellspring_types::{
    Document, DocumentPath, MutationId, ResumeToken, Sequence, Timestamp, Value,
};

use super::lenient::{Members, ReadError, parsed_all, read_documents};

/// A message of a subscription, or a part of one that was too large.
#[derive(Clone, Debug, PartialEq)]
pub enum FeedPart {
    /// The position is pinned.
    Subscribed {
        /// How the subscription goes on.
        how: How,
        /// The pinned sequence.
        seq: Sequence,
        /// The position's token; `None` with [`How::Snapshot`].
        token: Option<ResumeToken>,
        /// The snapshot has only what differs from what was known: do not forget what you hold.
        known: bool,
    },
    /// Documents as of the pin. Of several entries for one path, the last is right.
    Snapshot {
        /// Documents that are in the view.
        documents: Vec<Document>,
        /// Documents sent before, or known, that are not in it any more.
        removed: Vec<DocumentPath>,
        /// A place inside the snapshot; `None`: the next message stands for this one too.
        token: Option<ResumeToken>,
    },
    /// The snapshot is whole.
    Current {
        /// As of this sequence.
        seq: Sequence,
        /// That position's token.
        token: ResumeToken,
    },
    /// Commits, oldest first.
    Changes {
        /// At least one commit.
        commits: Vec<ReceivedCommit>,
        /// The position of the last of them; `None` where that one goes on.
        token: Option<ResumeToken>,
    },
    /// Nothing else happened up to here.
    Checkpoint {
        /// The position.
        seq: Sequence,
        /// Its token.
        token: ResumeToken,
    },
    /// Forget what you hold: a snapshot follows.
    Reset {
        /// Why.
        reason: ResetReason,
        /// Do not forget it: only what differs from what was known follows.
        known: bool,
    },
}

/// A commit as one view sees it, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedCommit {
    /// Its place in the order.
    pub seq: Sequence,
    /// Its time.
    pub time: Timestamp,
    /// Who committed it.
    pub actor: Option<String>,
    /// The committing client's name for it.
    pub mutation_id: Option<MutationId>,
    /// What changed in the view.
    pub changes: Vec<Change>,
    /// It is what several commits come to, through this one.
    pub conflated: bool,
    /// More changes of this commit follow in the next message.
    pub more: bool,
}

/// `None`: not a message of a subscription, as far as this version knows.
pub(super) fn read_feed(kind: &str, members: Members<'_>) -> Result<Option<FeedPart>, ReadError> {
    let optional_token = || members.optional_text("token").map(ResumeToken::new);
    let token = || members.text("token").map(ResumeToken::new);
    Ok(Some(match kind {
        "subscribed" => FeedPart::Subscribed {
            how: read_how(members.text("how")?)?,
            seq: members.sequence("seq")?,
            token: optional_token(),
            known: members.flag("known"),
        },
        "snapshot" => FeedPart::Snapshot {
            documents: read_documents(members.array("documents")?)?,
            removed: parsed_all("removed", members.optional_array("removed"))?,
            token: optional_token(),
        },
        "current" => FeedPart::Current {
            seq: members.sequence("seq")?,
            token: token()?,
        },
        "changes" => FeedPart::Changes {
            commits: members
                .array("commits")?
                .iter()
                .map(read_commit)
                .collect::<Result<_, ReadError>>()?,
            token: optional_token(),
        },
        "checkpoint" => FeedPart::Checkpoint {
            seq: members.sequence("seq")?,
            token: token()?,
        },
        "reset" => FeedPart::Reset {
            reason: read_reason(members.text("reason")?),
            known: members.flag("known"),
        },
        _ => return Ok(None),
    }))
}

fn read_commit(value: &Value) -> Result<ReceivedCommit, ReadError> {
    let members = Members::of(value)?;
    let changes = members.array("changes")?.iter().map(read_change);
    Ok(ReceivedCommit {
        seq: members.sequence("seq")?,
        time: members.time("time")?,
        actor: members.optional_string("actor"),
        mutation_id: members
            .optional_text("mutation_id")
            .and_then(|text| text.parse().ok()),
        changes: changes.collect::<Result<_, ReadError>>()?,
        conflated: members.flag("conflated"),
        more: members.flag("more"),
    })
}

fn read_change(value: &Value) -> Result<Change, ReadError> {
    let members = Members::of(value)?;
    Ok(Change {
        op: read_op(members.text("op")?)?,
        cause: members.optional_text("cause").and_then(read_cause),
        path: members.parsed("path")?,
        version: members.sequence("version")?,
        data: members.optional_data("data")?,
        old: members.optional_data("old")?,
        patch: members.optional_patch("patch")?,
    })
}

fn read_how(name: &str) -> Result<How, ReadError> {
    match name {
        "live" => Ok(How::Live),
        "snapshot" => Ok(How::Snapshot),
        "resumed" => Ok(How::Resumed),
        _ => Err(ReadError::Field { field: "how" }),
    }
}

/// Every op that there will be describes an effect on the view, and there are no others.
pub(super) fn read_op(name: &str) -> Result<Op, ReadError> {
    match name {
        "insert" => Ok(Op::Insert),
        "update" => Ok(Op::Update),
        "delete" => Ok(Op::Delete),
        _ => Err(ReadError::Field { field: "op" }),
    }
}

/// A cause that is not known is as good as none: the op says what to do.
fn read_cause(name: &str) -> Option<Cause> {
    match name {
        "filter" => Some(Cause::Filter),
        "rules" => Some(Cause::Rules),
        "window" => Some(Cause::Window),
        _ => None,
    }
}

/// Whatever the reason, what to do is the same; so one that is not known may pass for another.
fn read_reason(name: &str) -> ResetReason {
    match name {
        "retention" => ResetReason::Retention,
        "rules" => ResetReason::Rules,
        _ => ResetReason::Epoch,
    }
}
