//! Writing JSON: documents go out as the bytes that were written.

use std::fmt::{Display, Write as _};

use wellspring_types::feed::{Cause, Change, FeedCommit, How, Op, ResetReason};
use wellspring_types::json::write_string;
use wellspring_types::{Document, Timestamp};

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
    out.push_str("{\"seq\":");
    push_number(out, commit.seq.0);
    out.push_str(",\"time\":");
    push_time(out, commit.time);
    if let Some(actor) = &commit.actor {
        push_text_member(out, "actor", actor);
    }
    if let Some(mutation_id) = &commit.mutation_id {
        push_text_member(out, "mutation_id", mutation_id.as_str());
    }
    if commit.conflated {
        out.push_str(",\"conflated\":true");
    }
    out.push_str(",\"changes\":[");
}

/// Whether a change's `patch` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patch {
    Kept,
    Dropped,
}

pub(super) fn push_change(out: &mut String, change: &Change, patch: Patch) {
    out.push_str("{\"op\":\"");
    out.push_str(op_name(change.op));
    out.push('"');
    if let Some(cause) = change.cause {
        out.push_str(",\"cause\":\"");
        out.push_str(cause_name(cause));
        out.push('"');
    }
    push_text_member(out, "path", change.path.as_str());
    out.push_str(",\"version\":");
    push_number(out, change.version.0);
    let patch = change.patch.as_ref().filter(|_| patch == Patch::Kept);
    let members = [
        ("data", change.data.as_ref()),
        ("old", change.old.as_ref()),
        ("patch", patch),
    ];
    for (name, data) in members {
        if let Some(data) = data {
            push_name(out, name);
            out.push_str(data.as_str());
        }
    }
    out.push('}');
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
