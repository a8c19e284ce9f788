//! Writing JSON: documents go out as the bytes that were written.

use std::fmt::{Display, Write as _};

use wellspring_types::feed::{
    Cause, Change, ChangeRef, CommitRef, FeedCommit, How, Op, ResetReason,
};
use wellspring_types::json::{write_escaped, write_string};
use wellspring_types::{Data, Document, MutationId, Sequence, Timestamp};

pub(super) fn push(out: &mut String, value: impl Display) {
    // Writing into a String cannot fail.
    let _infallible = write!(out, "{value}");
}

/// A number, as a formatter would write it but several times as fast.
pub(super) fn push_number(out: &mut String, number: u64) {
    out.push_str(itoa::Buffer::new().format(number));
}

/// A time in quotes; it has nothing that would need an escape.
pub(super) fn push_time(out: &mut String, time: Timestamp) {
    out.push('"');
    time.push_to(out);
    out.push('"');
}

/// `{"type":…` and, where there is one, `,"id":…`.
pub(super) fn begin(kind: &str, id: Option<&str>) -> String {
    let mut out = String::from("{\"type\":\"");
    out.push_str(kind);
    out.push('"');
    if let Some(id) = id {
        out.push_str(",\"id\":");
        write_string(&mut out, id);
    }
    out
}

/// What follows in a message of changes, up to its first commit.
pub(super) const COMMITS: &str = ",\"commits\":[";

/// `,"name":`.
fn push_name(out: &mut String, name: &str) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
}

/// `,"name":"text"`.
pub(super) fn push_text_member(out: &mut String, name: &str, text: &str) {
    push_name(out, name);
    write_string(out, text);
}

/// Elements with a comma between each two.
pub(super) fn push_list<T>(
    out: &mut String,
    elements: impl IntoIterator<Item = T>,
    mut push_element: impl FnMut(&mut String, T),
) {
    out.push('[');
    for (index, element) in elements.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_element(out, element);
    }
    out.push(']');
}

pub(super) fn push_document(out: &mut String, document: &Document) {
    out.push_str("{\"path\":");
    write_string(out, document.path.as_str());
    out.push_str(",\"version\":");
    push_number(out, document.version.0);
    out.push_str(",\"created_at\":");
    push_time(out, document.created_at);
    out.push_str(",\"updated_at\":");
    push_time(out, document.updated_at);
    out.push_str(",\"data\":");
    out.push_str(document.data.as_str());
    out.push('}');
}

/// A commit's members up to the bracket that opens its changes.
pub(super) fn push_commit_head(out: &mut String, commit: &FeedCommit) {
    let head = CommitRef {
        seq: commit.seq,
        time: commit.time,
        actor: commit.actor.as_deref(),
        mutation_id: commit.mutation_id.as_ref().map(MutationId::as_str),
    };
    push_commit_names(out, head);
    if commit.conflated {
        out.push_str(",\"conflated\":true");
    }
    out.push_str(CHANGES);
}

/// The same of one that is borrowed.
pub(super) fn push_commit_ref_head(out: &mut String, commit: CommitRef<'_>) {
    push_commit_names(out, commit);
    out.push_str(CHANGES);
}

const CHANGES: &str = ",\"changes\":[";

fn push_commit_names(out: &mut String, commit: CommitRef<'_>) {
    out.push_str("{\"seq\":");
    push_number(out, commit.seq.0);
    out.push_str(",\"time\":");
    push_time(out, commit.time);
    if let Some(actor) = commit.actor {
        push_text_member(out, "actor", actor);
    }
    if let Some(mutation_id) = commit.mutation_id {
        push_text_member(out, "mutation_id", mutation_id);
    }
}

/// Whether a change's `patch` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patch {
    Kept,
    Dropped,
}

pub(super) fn push_change(out: &mut String, change: &Change, patch: Patch) {
    push_op(out, change.op);
    if let Some(cause) = change.cause {
        out.push_str(",\"cause\":\"");
        out.push_str(cause_name(cause));
        out.push('"');
    }
    let path = (change.path.collection_str(), change.path.id());
    push_place(out, path, change.version);
    let patch = change.patch.as_ref().filter(|_| patch == Patch::Kept);
    push_data(out, DATA, change.data.as_ref().map(Data::as_str));
    push_data(out, OLD, change.old.as_ref().map(Data::as_str));
    push_data(out, PATCH, patch.map(Data::as_str));
    out.push('}');
}

/// The same of one that is borrowed, of the commit `version`.
pub(super) fn push_change_ref(out: &mut String, change: ChangeRef<'_>, version: Sequence) {
    push_op(out, change.op);
    push_place(out, (change.collection, change.id), version);
    push_data(out, DATA, change.data);
    push_data(out, OLD, change.old);
    out.push('}');
}

const DATA: &str = ",\"data\":";
const OLD: &str = ",\"old\":";
const PATCH: &str = ",\"patch\":";

fn push_op(out: &mut String, op: Op) {
    out.push_str("{\"op\":\"");
    out.push_str(op_name(op));
    out.push('"');
}

fn push_place(out: &mut String, (collection, id): (&str, &str), version: Sequence) {
    out.push_str(",\"path\":\"");
    write_escaped(out, collection);
    out.push('/');
    write_escaped(out, id);
    out.push_str("\",\"version\":");
    push_number(out, version.0);
}

fn push_data(out: &mut String, name: &str, data: Option<&str>) {
    if let Some(data) = data {
        out.push_str(name);
        out.push_str(data);
    }
}

pub(super) fn op_name(op: Op) -> &'static str {
    match op {
        Op::Insert => "insert",
        Op::Update => "update",
        Op::Delete => "delete",
    }
}

pub(super) fn cause_name(cause: Cause) -> &'static str {
    match cause {
        Cause::Filter => "filter",
        Cause::Rules => "rules",
        Cause::Window => "window",
    }
}

pub(super) fn how_name(how: How) -> &'static str {
    match how {
        How::Live => "live",
        How::Snapshot => "snapshot",
        How::Resumed => "resumed",
    }
}

pub(super) fn reason_name(reason: ResetReason) -> &'static str {
    match reason {
        ResetReason::Retention => "retention",
        ResetReason::Epoch => "epoch",
        ResetReason::Rules => "rules",
    }
}
