//! Messages of a subscription. One that would be larger than [`MESSAGE_BYTES_MAX`] becomes
//! several, split as in JSON (see [`crate::json::feed`]); a part that the message's token does
//! not stand for has an empty one.

use std::sync::Arc;

use prost::Message as _;
use wellspring_types::feed::{Cause, Change, FeedCommit, FeedMessage, Form, How, Op, ResetReason};
use wellspring_types::limits::MESSAGE_BYTES_MAX;
use wellspring_types::{Document, DocumentPath, ResumeToken};

use super::batch::{ChangeBatch, SharedCommit};
use super::generated as pb;
use super::generated::subscribe_response::Message;
use super::response::time;
use super::struct_form::{ContentForm, content};
use crate::error::{Retry, WireError};
use crate::size;

/// Bytes of the tags, lengths and numbers around what a message holds.
const TAGS_BYTES: usize = 64;

/// What one message of a subscription becomes, in order.
#[must_use]
pub fn responses(message: &FeedMessage, form: ContentForm) -> Vec<pb::SubscribeResponse> {
    let single = |message| vec![response(message)];
    match message {
        FeedMessage::Subscribed {
            how,
            seq,
            token,
            known,
        } => single(Message::Subscribed(pb::Subscribed {
            how: how_value(*how).into(),
            seq: seq.0,
            token: text(token.as_ref()),
            known: *known,
        })),
        FeedMessage::Snapshot {
            documents,
            removed,
            token,
        } => {
            let room = room(token);
            let mut parts = SnapshotParts {
                room,
                form,
                ..SnapshotParts::default()
            };
            documents
                .iter()
                .for_each(|document| parts.document(document));
            removed.iter().for_each(|path| parts.removed(path));
            parts.finish(token)
        }
        FeedMessage::Current { seq, token } => single(Message::Current(pb::Current {
            seq: seq.0,
            token: text(Some(token)),
        })),
        FeedMessage::Changes { commits, token } => {
            let room = room(token);
            let mut parts = ChangesParts {
                room,
                form,
                ..ChangesParts::default()
            };
            commits.iter().for_each(|commit| parts.commit(commit));
            parts.finish(token)
        }
        FeedMessage::Checkpoint { seq, token } => single(Message::Checkpoint(pb::Checkpoint {
            seq: seq.0,
            token: text(Some(token)),
        })),
        FeedMessage::Reset { reason, known } => {
            let (reason, known) = (reason_value(*reason).into(), *known);
            single(Message::Reset(pb::Reset { reason, known }))
        }
    }
}

/// The last message of a subscription, which ends by an error. With a token it can go on
/// elsewhere.
#[must_use]
pub fn ended(error: &WireError, token: Option<&ResumeToken>) -> pb::SubscribeResponse {
    let retry = match error.retry() {
        Retry::Never => pb::Retry::Never,
        Retry::Now => pb::Retry::Now,
        Retry::Backoff => pb::Retry::Backoff,
        Retry::Reauth => pb::Retry::Reauth,
        Retry::Resync => pb::Retry::Resync,
    };
    response(Message::Ended(pb::Ended {
        code: error.code.as_str().to_owned(),
        message: error.message.clone(),
        retry: retry.into(),
        after_ms: error.after_ms,
        token: text(token),
    }))
}

fn response(message: Message) -> pb::SubscribeResponse {
    pb::SubscribeResponse {
        message: Some(message),
    }
}

fn text(token: Option<&ResumeToken>) -> String {
    token
        .map(|token| token.as_str().to_owned())
        .unwrap_or_default()
}

/// Bytes that a message has room for beside its token.
fn room(token: &ResumeToken) -> usize {
    MESSAGE_BYTES_MAX.saturating_sub(TAGS_BYTES + token.as_str().len())
}

/// Bytes of an element of a list: its own, its tag and its length.
fn element_bytes(bytes: usize) -> usize {
    1 + prost::length_delimiter_len(bytes) + bytes
}

/// A snapshot's documents on their way into as few messages as hold them.
#[derive(Default)]
struct SnapshotParts {
    form: ContentForm,
    room: usize,
    used: usize,
    open: pb::Snapshot,
    done: Vec<pb::SubscribeResponse>,
}

impl SnapshotParts {
    fn document(&mut self, document: &Document) {
        let mut written = pb::Document::of(document, self.form);
        if element_bytes(written.encoded_len()) > self.room {
            written = pb::Document::of(document, ContentForm::Json);
        }
        self.make_room(element_bytes(written.encoded_len()));
        self.open.documents.push(written);
    }

    fn removed(&mut self, path: &DocumentPath) {
        self.make_room(element_bytes(path.as_str().len()));
        self.open.removed.push(path.as_str().to_owned());
    }

    fn make_room(&mut self, bytes: usize) {
        if self.used > 0 && self.used + bytes > self.room {
            let full = std::mem::take(&mut self.open);
            self.done.push(response(Message::Snapshot(full)));
            self.used = 0;
        }
        self.used += bytes;
    }

    fn finish(mut self, token: &ResumeToken) -> Vec<pb::SubscribeResponse> {
        self.open.token = text(Some(token));
        self.done.push(response(Message::Snapshot(self.open)));
        self.done
    }
}

/// Commits on their way into as few messages as hold them.
#[derive(Default)]
struct ChangesParts {
    form: ContentForm,
    room: usize,
    used: usize,
    open: ChangeBatch,
    done: Vec<pb::SubscribeResponse>,
}

impl ChangesParts {
    fn commit(&mut self, commit: &Arc<FeedCommit>) {
        // Structs are for the few; a commit that may be too large is in parts that differ.
        if self.form == ContentForm::Struct || size::commit_max(commit, 1) > self.room {
            self.split(commit);
            return;
        }
        let encode = || whole_commit(commit).encode_to_vec().into();
        let encoded = commit.encoded.get_or_encode(Form::Protobuf, encode).clone();
        self.push(SharedCommit::Encoded(encoded));
    }

    fn split(&mut self, commit: &FeedCommit) {
        let head = commit_head(commit);
        // `more`, and the length of a message of some megabytes.
        let room = self.room.saturating_sub(head.encoded_len() + 8);
        let (mut part, mut used) = (head.clone(), 0);
        for change in &commit.changes {
            let written = change_within(room, change, self.form);
            let bytes = element_bytes(written.encoded_len());
            if used > 0 && used + bytes > room {
                part.more = true;
                self.push(SharedCommit::Decoded(std::mem::replace(
                    &mut part,
                    head.clone(),
                )));
                // It ends inside a commit: the next part is another message.
                self.emit();
                used = 0;
            }
            used += bytes;
            part.changes.push(written);
        }
        self.push(SharedCommit::Decoded(part));
    }

    fn push(&mut self, commit: SharedCommit) {
        let bytes = element_bytes(commit.encoded_len());
        if self.used > 0 && self.used + bytes > self.room {
            self.emit();
        }
        self.used += bytes;
        self.open.commits.push(commit);
    }

    fn emit(&mut self) {
        self.used = 0;
        let full = std::mem::take(&mut self.open);
        self.done.push(response(Message::Changes(full)));
    }

    fn finish(mut self, token: &ResumeToken) -> Vec<pb::SubscribeResponse> {
        self.open.token = text(Some(token));
        self.done.push(response(Message::Changes(self.open)));
        self.done
    }
}

/// A change in `form`. Where it has more than `bytes_max` bytes it loses its patch, then it is
/// text. As text, data and old fit into any message of the wire.
fn change_within(bytes_max: usize, change: &Change, form: ContentForm) -> pb::Change {
    let mut written = change_value(change, form);
    if element_bytes(written.encoded_len()) > bytes_max {
        written.patch = None;
    }
    if form == ContentForm::Struct && element_bytes(written.encoded_len()) > bytes_max {
        return change_within(bytes_max, change, ContentForm::Json);
    }
    written
}

fn whole_commit(commit: &FeedCommit) -> pb::Commit {
    let changes = commit
        .changes
        .iter()
        .map(|change| change_value(change, ContentForm::Json));
    pb::Commit {
        changes: changes.collect(),
        ..commit_head(commit)
    }
}

fn commit_head(commit: &FeedCommit) -> pb::Commit {
    pb::Commit {
        seq: commit.seq.0,
        time: Some(time(commit.time)),
        actor: commit.actor.as_deref().unwrap_or_default().to_owned(),
        mutation_id: commit
            .mutation_id
            .as_ref()
            .map_or("", |id| id.as_str())
            .to_owned(),
        changes: Vec::new(),
        more: false,
        conflated: commit.conflated,
    }
}

fn change_value(change: &Change, form: ContentForm) -> pb::Change {
    let content = |data: &Option<_>| data.as_ref().map(|data| content(data, form));
    let cause = match change.cause {
        None => pb::Cause::Unspecified,
        Some(Cause::Filter) => pb::Cause::Filter,
        Some(Cause::Rules) => pb::Cause::Rules,
        Some(Cause::Window) => pb::Cause::Window,
    };
    pb::Change {
        op: op_value(change.op).into(),
        cause: cause.into(),
        path: change.path.as_str().to_owned(),
        version: change.version.0,
        data: content(&change.data),
        old: content(&change.old),
        patch: content(&change.patch),
    }
}

pub(super) fn op_value(op: Op) -> pb::Op {
    match op {
        Op::Insert => pb::Op::Insert,
        Op::Update => pb::Op::Update,
        Op::Delete => pb::Op::Delete,
    }
}

fn how_value(how: How) -> pb::How {
    match how {
        How::Live => pb::How::Live,
        How::Snapshot => pb::How::Snapshot,
        How::Resumed => pb::How::Resumed,
    }
}

fn reason_value(reason: ResetReason) -> pb::Reason {
    match reason {
        ResetReason::Retention => pb::Reason::Retention,
        ResetReason::Epoch => pb::Reason::Epoch,
        ResetReason::Rules => pb::Reason::Rules,
    }
}
