//! Messages of a subscription. On a WebSocket they carry the subscription's `id`; in SSE, NDJSON
//! and polls they are the same without it.
//!
//! A message that would be larger than [`MESSAGE_BYTES_MAX`] is sent as several: commits are
//! split between changes, with `more` on every part but the last, and a snapshot between
//! documents. A part that the message's token does not stand for has none.

use std::sync::Arc;

use wellspring_types::feed::{FeedCommit, FeedMessage, Form};
use wellspring_types::json::write_string;
use wellspring_types::limits::MESSAGE_BYTES_MAX;
use wellspring_types::{Document, DocumentPath, ResumeToken};

use super::text::{
    COMMITS, Patch, begin, how_name, push, push_change, push_commit_head, push_document,
    push_text_member, reason_name,
};
use crate::error::WireError;
use crate::size;

/// Takes the messages that one [`FeedMessage`] becomes, in order, each with the resume token that
/// is in it.
pub type Sink<'a> = dyn FnMut(String, Option<&ResumeToken>) + 'a;

/// Writes a message of the subscription `id`.
pub fn write(id: Option<&str>, message: &FeedMessage, sink: &mut Sink<'_>) {
    match message {
        FeedMessage::Subscribed {
            how,
            seq,
            token,
            known,
        } => {
            let mut out = begin("subscribed", id);
            push(
                &mut out,
                format_args!(",\"how\":\"{}\",\"seq\":{seq}", how_name(*how)),
            );
            push_known(&mut out, *known);
            sink(finish(out, token.as_ref()), token.as_ref());
        }
        FeedMessage::Snapshot {
            documents,
            removed,
            token,
        } => {
            let mut parts = SnapshotParts::new(id, token);
            documents
                .iter()
                .for_each(|document| parts.document(document, sink));
            removed.iter().for_each(|path| parts.removed(path, sink));
            parts.emit(Some(token), sink);
        }
        FeedMessage::Current { seq, token } => {
            let mut out = begin("current", id);
            push(&mut out, format_args!(",\"seq\":{seq}"));
            sink(finish(out, Some(token)), Some(token));
        }
        FeedMessage::Changes { commits, token } => {
            let mut parts = ChangesParts::new(id, token, commits);
            commits.iter().for_each(|commit| parts.commit(commit, sink));
            parts.emit(Some(token), sink);
        }
        FeedMessage::Checkpoint { seq, token } => {
            let mut out = begin("checkpoint", id);
            push(&mut out, format_args!(",\"seq\":{seq}"));
            sink(finish(out, Some(token)), Some(token));
        }
        FeedMessage::Reset { reason, known } => {
            let mut out = begin("reset", id);
            push_text_member(&mut out, "reason", reason_name(*reason));
            push_known(&mut out, *known);
            sink(finish(out, None), None);
        }
    }
}

fn push_known(out: &mut String, known: bool) {
    if known {
        out.push_str(",\"known\":true");
    }
}

/// Writes the last message of a subscription, which ends by an error. With a token it can go on
/// elsewhere.
#[must_use]
pub fn ended(id: Option<&str>, error: &WireError, token: Option<&ResumeToken>) -> String {
    let mut out = begin("ended", id);
    out.push(',');
    error.write_members(&mut out);
    finish(out, token)
}

/// Writes a page of a feed for a poll: `{"messages":[…],"token":…,"more":…}`.
#[must_use]
pub fn page(messages: &[FeedMessage], token: &ResumeToken, more: bool) -> String {
    let mut out = String::from("{\"messages\":[");
    let mut separator = "";
    for message in messages {
        write(None, message, &mut |text, _token| {
            out.push_str(separator);
            out.push_str(&text);
            separator = ",";
        });
    }
    out.push(']');
    push_text_member(&mut out, "token", token.as_str());
    push(&mut out, format_args!(",\"more\":{more}}}"));
    out
}

fn finish(mut out: String, token: Option<&ResumeToken>) -> String {
    if let Some(token) = token {
        push_text_member(&mut out, "token", token.as_str());
    }
    out.push('}');
    out
}

/// Bytes that a message has room for beside its names, its id and its token.
fn room(id: Option<&str>, token: &ResumeToken) -> usize {
    const NAMES_BYTES: usize = 96;
    let texts = id.map_or(0, str::len) + token.as_str().len();
    MESSAGE_BYTES_MAX.saturating_sub(NAMES_BYTES + size::ESCAPE_MAX * texts)
}

/// A snapshot's documents on their way into as few messages as hold them.
struct SnapshotParts<'a> {
    id: Option<&'a str>,
    /// Bytes of documents and paths that a message has room for.
    room: usize,
    documents: String,
    removed: String,
}

impl<'a> SnapshotParts<'a> {
    fn new(id: Option<&'a str>, token: &ResumeToken) -> SnapshotParts<'a> {
        let room = room(id, token);
        SnapshotParts {
            id,
            room,
            documents: String::new(),
            removed: String::new(),
        }
    }

    fn document(&mut self, document: &Document, sink: &mut Sink<'_>) {
        let mut text = String::new();
        push_document(&mut text, document);
        self.make_room(text.len(), sink);
        push_element(&mut self.documents, &text);
    }

    fn removed(&mut self, path: &DocumentPath, sink: &mut Sink<'_>) {
        let mut text = String::new();
        write_string(&mut text, path.as_str());
        self.make_room(text.len(), sink);
        push_element(&mut self.removed, &text);
    }

    fn make_room(&mut self, bytes: usize, sink: &mut Sink<'_>) {
        let used = self.documents.len() + self.removed.len();
        if used > 0 && used + 1 + bytes > self.room {
            self.emit(None, sink);
        }
    }

    fn emit(&mut self, token: Option<&ResumeToken>, sink: &mut Sink<'_>) {
        let mut out = begin("snapshot", self.id);
        push(
            &mut out,
            format_args!(",\"documents\":[{}]", self.documents),
        );
        if !self.removed.is_empty() {
            push(&mut out, format_args!(",\"removed\":[{}]", self.removed));
        }
        self.documents.clear();
        self.removed.clear();
        sink(finish(out, token), token);
    }
}

fn push_element(list: &mut String, text: &str) {
    if !list.is_empty() {
        list.push(',');
    }
    list.push_str(text);
}

/// Commits on their way into as few messages as hold them.
struct ChangesParts<'a> {
    id: Option<&'a str>,
    /// Bytes of commits that a message has room for.
    room: usize,
    /// About how many bytes all messages take together.
    bytes: usize,
    /// The message so far, up to its last commit; empty before its first.
    out: String,
    /// Where in it the commits begin.
    begin: usize,
}

impl<'a> ChangesParts<'a> {
    fn new(id: Option<&'a str>, token: &ResumeToken, commits: &[Arc<FeedCommit>]) -> Self {
        let room = room(id, token);
        ChangesParts {
            id,
            room,
            bytes: commits
                .iter()
                .map(|commit| size::commit_max(commit, 1))
                .sum(),
            out: String::new(),
            begin: 0,
        }
    }

    fn commit(&mut self, commit: &Arc<FeedCommit>, sink: &mut Sink<'_>) {
        if size::commit_max(commit, size::ESCAPE_MAX) > self.room {
            self.split(commit, sink);
            return;
        }
        self.element(sink, |out| {
            if Arc::strong_count(commit) == 1 {
                // Nobody else has it: an encoding of its own would only be copied.
                push_commit(out, commit);
                return;
            }
            let encoded = commit.encoded.get_or_encode(Form::Json, || {
                let mut text = String::with_capacity(size::commit_max(commit, 1));
                push_commit(&mut text, commit);
                text.into()
            });
            // What `push_commit` made is UTF-8.
            out.push_str(std::str::from_utf8(encoded).unwrap_or_default());
        });
    }

    /// A commit that may be larger than a message is not worth sharing: its parts differ.
    fn split(&mut self, commit: &FeedCommit, sink: &mut Sink<'_>) {
        const TAIL: &str = "],\"more\":true}";
        let mut head = String::new();
        push_commit_head(&mut head, commit);
        let room = self.room.saturating_sub(head.len() + TAIL.len());
        let mut changes = String::new();
        for change in &commit.changes {
            let mut text = String::new();
            push_change(&mut text, change, Patch::Kept);
            if text.len() > room {
                text.clear();
                push_change(&mut text, change, Patch::Dropped);
            }
            if !changes.is_empty() && changes.len() + 1 + text.len() > room {
                let part = format!("{head}{changes}{TAIL}");
                self.element(sink, |out| out.push_str(&part));
                // It ends inside a commit: the next part is another message.
                self.emit(None, sink);
                changes.clear();
            }
            push_element(&mut changes, &text);
        }
        let part = format!("{head}{changes}]}}");
        self.element(sink, |out| out.push_str(&part));
    }

    /// Writes a commit, or a part of one, behind those that are there; into the next message where
    /// this one has no room for it.
    fn element(&mut self, sink: &mut Sink<'_>, write: impl FnOnce(&mut String)) {
        if self.out.is_empty() {
            self.begin();
        }
        let before = self.out.len();
        if before > self.begin {
            self.out.push(',');
        }
        let start = self.out.len();
        write(&mut self.out);
        if before > self.begin && self.out.len() - self.begin > self.room {
            let element = self.out.split_off(start);
            self.out.truncate(before);
            self.emit(None, sink);
            self.begin();
            self.out.push_str(&element);
        }
    }

    fn begin(&mut self) {
        self.out = begin("changes", self.id);
        self.out.reserve(self.bytes.min(self.room));
        self.out.push_str(COMMITS);
        self.begin = self.out.len();
    }

    fn emit(&mut self, token: Option<&ResumeToken>, sink: &mut Sink<'_>) {
        if self.out.is_empty() {
            self.begin();
        }
        let mut out = std::mem::take(&mut self.out);
        self.bytes = self.bytes.saturating_sub(out.len());
        out.push(']');
        sink(finish(out, token), token);
    }
}

/// A whole commit.
fn push_commit(out: &mut String, commit: &FeedCommit) {
    push_commit_head(out, commit);
    for (index, change) in commit.changes.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_change(out, change, Patch::Kept);
    }
    out.push_str("]}");
}
