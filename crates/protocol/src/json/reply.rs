//! What a server answers: on a WebSocket, and as bodies of HTTP responses.

use wellspring_types::history::{DocumentVersion, HistoryPage};
use wellspring_types::json::write_string;
use wellspring_types::listing::CollectionsPage;
use wellspring_types::query::Page;
use wellspring_types::write::CommitResult;
use wellspring_types::{Document, Epoch, Sequence};

use super::text::{begin, op_name, push, push_document, push_list, push_text_member, push_time};
use crate::error::WireError;

/// The server's first message on a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// Names the connection, in logs and to support.
    pub session: String,
    /// Names this history of the database.
    pub epoch: Epoch,
    /// The newest commit.
    pub seq: Sequence,
    /// Milliseconds between the server's pings.
    pub heartbeat_ms: u64,
    /// Abilities beyond the first version of the protocol.
    pub features: Vec<String>,
    /// What a connection may do.
    pub limits: WelcomeLimits,
}

/// What a connection may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WelcomeLimits {
    /// Bytes of a message from the client.
    pub message_bytes: u64,
    /// Subscriptions at a time.
    pub subscriptions: u64,
}

/// The server's first message.
#[must_use]
pub fn welcome(welcome: &Welcome) -> String {
    let mut out = begin("welcome", None);
    push_text_member(&mut out, "session", &welcome.session);
    push(
        &mut out,
        format_args!(",\"epoch\":\"{}\",\"seq\":{}", welcome.epoch, welcome.seq),
    );
    push(
        &mut out,
        format_args!(",\"heartbeat_ms\":{},\"features\":", welcome.heartbeat_ms),
    );
    push_list(&mut out, &welcome.features, |out, feature| {
        write_string(out, feature)
    });
    let WelcomeLimits {
        message_bytes,
        subscriptions,
    } = welcome.limits;
    push(
        &mut out,
        format_args!(
            ",\"limits\":{{\"message_bytes\":{message_bytes},\"subscriptions\":{subscriptions}}}}}"
        ),
    );
    out
}

/// The result of a `commit`.
#[must_use]
pub fn commit_result(id: &str, result: &CommitResult) -> String {
    let mut out = begin("result", Some(id));
    out.push(',');
    push_commit_members(&mut out, result);
    out.push('}');
    out
}

/// The result of a `get`: the document as it was at `seq`; without `at`, or later.
#[must_use]
pub fn document_result(id: &str, seq: Sequence, document: &Document) -> String {
    let mut out = begin("result", Some(id));
    push(&mut out, format_args!(",\"seq\":{seq},\"document\":"));
    push_document(&mut out, document);
    out.push('}');
    out
}

/// The result of a `query`.
#[must_use]
pub fn page_result(id: &str, page: &Page) -> String {
    let mut out = begin("result", Some(id));
    out.push(',');
    push_page_members(&mut out, page);
    out.push('}');
    out
}

/// The result of a `history`.
#[must_use]
pub fn history_result(id: &str, page: &HistoryPage) -> String {
    let mut out = begin("result", Some(id));
    out.push(',');
    push_history_members(&mut out, page);
    out.push('}');
    out
}

/// The result of a `collections`.
#[must_use]
pub fn collections_result(id: &str, page: &CollectionsPage) -> String {
    let mut out = begin("result", Some(id));
    out.push(',');
    push_collections_members(&mut out, page);
    out.push('}');
    out
}

/// The result of an `unsubscribe`.
#[must_use]
pub fn done(id: &str, seq: Sequence) -> String {
    let mut out = begin("result", Some(id));
    push(&mut out, format_args!(",\"seq\":{seq}}}"));
    out
}

/// A request failed; `None`: nobody knows which.
#[must_use]
pub fn error(id: Option<&str>, error: &WireError) -> String {
    let mut out = begin("error", id);
    out.push(',');
    error.write_members(&mut out);
    out.push('}');
    out
}

/// The answer to a `ping`.
#[must_use]
pub fn pong(n: u64) -> String {
    let mut out = begin("pong", None);
    push(&mut out, format_args!(",\"n\":{n}}}"));
    out
}

/// The server is about to close the connection.
#[must_use]
pub fn closing(error: &WireError) -> String {
    let mut out = begin("closing", None);
    push(&mut out, format_args!(",\"code\":\"{}\"", error.code));
    error.write_retry(&mut out);
    out.push('}');
    out
}

/// The access token expires in `in_ms` milliseconds.
#[must_use]
pub fn auth_expiring(in_ms: u64) -> String {
    let mut out = begin("auth_expiring", None);
    push(&mut out, format_args!(",\"in_ms\":{in_ms}}}"));
    out
}

/// The body that answers a write over HTTP.
#[must_use]
pub fn commit_body(result: &CommitResult) -> String {
    let mut out = String::from("{");
    push_commit_members(&mut out, result);
    out.push('}');
    out
}

/// The body that answers a read of one document over HTTP.
#[must_use]
pub fn document_body(document: &Document) -> String {
    let mut out = String::new();
    push_document(&mut out, document);
    out
}

/// The body that answers a list or a query over HTTP.
#[must_use]
pub fn page_body(page: &Page) -> String {
    let mut out = String::from("{");
    push_page_members(&mut out, page);
    out.push('}');
    out
}

/// The body that says over HTTP that something is done, and as of which sequence.
#[must_use]
pub fn done_body(seq: Sequence) -> String {
    format!("{{\"seq\":{seq}}}")
}

/// The body that answers for a document's history over HTTP.
#[must_use]
pub fn history_body(page: &HistoryPage) -> String {
    let mut out = String::from("{");
    push_history_members(&mut out, page);
    out.push('}');
    out
}

/// The body that says over HTTP which collections there are.
#[must_use]
pub fn collections_body(page: &CollectionsPage) -> String {
    let mut out = String::from("{");
    push_collections_members(&mut out, page);
    out.push('}');
    out
}

/// One version of a history.
#[must_use]
pub fn version_body(version: &DocumentVersion) -> String {
    let mut out = String::new();
    push_version(&mut out, version);
    out
}

fn push_commit_members(out: &mut String, result: &CommitResult) {
    push(out, format_args!("\"seq\":{},\"time\":", result.seq));
    push_time(out, result.time);
    out.push_str(",\"paths\":");
    push_list(out, &result.paths, |out, path| {
        write_string(out, path.as_str())
    });
}

fn push_page_members(out: &mut String, page: &Page) {
    push(out, format_args!("\"seq\":{},\"documents\":", page.seq));
    push_list(out, &page.documents, push_document);
    if let Some(cursor) = &page.cursor {
        push_text_member(out, "cursor", cursor);
    }
}

fn push_collections_members(out: &mut String, page: &CollectionsPage) {
    push(out, format_args!("\"seq\":{},\"collections\":", page.seq));
    push_list(out, &page.collections, |out, path| {
        write_string(out, path.as_str())
    });
    if let Some(cursor) = &page.cursor {
        push_text_member(out, "cursor", cursor);
    }
}

fn push_history_members(out: &mut String, page: &HistoryPage) {
    push(out, format_args!("\"seq\":{},\"versions\":", page.seq));
    push_list(out, &page.versions, push_version);
    if let Some(cursor) = &page.cursor {
        push_text_member(out, "cursor", cursor);
    }
    if page.truncated {
        out.push_str(",\"truncated\":true");
    }
}

fn push_version(out: &mut String, version: &DocumentVersion) {
    push(
        out,
        format_args!("{{\"version\":{},\"time\":", version.version),
    );
    push_time(out, version.time);
    if let Some(actor) = &version.actor {
        push_text_member(out, "actor", actor);
    }
    if let Some(mutation_id) = &version.mutation_id {
        push_text_member(out, "mutation_id", mutation_id.as_str());
    }
    if let Some(op) = version.op {
        push_text_member(out, "op", op_name(op));
    }
    if let Some(data) = &version.data {
        out.push_str(",\"data\":");
        out.push_str(data.as_str());
    }
    out.push('}');
}
