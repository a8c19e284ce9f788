//! Requests, as a client writes them.

use wellspring_types::consumer::Consuming;
use wellspring_types::feed::{From, Known, SubscribeRequest};
use wellspring_types::history::HistoryQuery;
use wellspring_types::json::write_string;
use wellspring_types::limits::{
    ACK_TIMEOUT_MS, CHECKPOINT_INTERVAL_MS, PAGE_DOCUMENTS_DEFAULT, UNACKED_DEFAULT,
};
use wellspring_types::listing::CollectionsQuery;
use wellspring_types::query::Query;
use wellspring_types::write::{
    CommitRequest, Precondition, Read, Transform, TransformOperation, Write, WriteAction,
};
use wellspring_types::{At, Data, Filter, Select, Value};

use crate::json::consumers::ConsumerRequest;
use crate::json::text::{begin, push, push_list, push_text_member, push_time};
use crate::json::{ClientMessage, Hello};

/// A message as it goes to the server. What has its default is left out.
#[must_use]
pub fn write(message: &ClientMessage) -> String {
    let mut out = match message {
        ClientMessage::Hello(hello) => hello_text(hello),
        ClientMessage::Commit { id, request } => commit_text(id, request),
        ClientMessage::Get { id, get } => {
            let mut out = begin("get", Some(id));
            push_text_member(&mut out, "path", get.path.as_str());
            push_at(&mut out, get.at.as_ref());
            out
        }
        ClientMessage::History { id, query } => history_text(id, query),
        ClientMessage::Query { id, query } => query_text(id, query),
        ClientMessage::Collections { id, query } => collections_text(id, query),
        ClientMessage::Consumers { id, request } => consumers_text(id, request),
        ClientMessage::Subscribe { id, request } => subscribe_text(id, request),
        ClientMessage::Unsubscribe { id } => begin("unsubscribe", Some(id)),
        ClientMessage::Ping { n } => {
            let mut out = begin("ping", None);
            push(&mut out, format_args!(",\"n\":{n}"));
            out
        }
    };
    out.push('}');
    out
}

fn hello_text(hello: &Hello) -> String {
    let mut out = begin("hello", None);
    if let Some(access_token) = &hello.access_token {
        push_text_member(&mut out, "access_token", access_token);
    }
    if let Some(client) = &hello.client {
        push_text_member(&mut out, "client", client);
    }
    out
}

fn commit_text(id: &str, request: &CommitRequest) -> String {
    let mut out = begin("commit", Some(id));
    if let Some(mutation_id) = &request.mutation_id {
        push_text_member(&mut out, "mutation_id", mutation_id.as_str());
    }
    out.push_str(",\"writes\":");
    push_list(&mut out, &request.writes, push_write);
    if !request.reads.is_empty() {
        out.push_str(",\"reads\":");
        push_list(&mut out, &request.reads, push_read);
    }
    out
}

fn push_write(out: &mut String, write: &Write) {
    let op = match write.action {
        WriteAction::Insert(_) => "insert",
        WriteAction::Set(_) => "set",
        WriteAction::Update { .. } => "update",
        WriteAction::Delete => "delete",
    };
    push(out, format_args!("{{\"op\":\"{op}\""));
    push_text_member(out, "path", write.path.as_str());
    match &write.action {
        WriteAction::Insert(data) | WriteAction::Set(data) => push_data(out, data),
        WriteAction::Update { patch, transforms } => {
            out.push_str(",\"patch\":");
            patch.write(out);
            if !transforms.is_empty() {
                out.push_str(",\"transforms\":");
                push_list(out, transforms, push_transform);
            }
        }
        WriteAction::Delete => {}
    }
    match write.precondition {
        None => {}
        Some(Precondition::Version(version)) => {
            push(out, format_args!(",\"if_version\":{version}"))
        }
        Some(Precondition::Absent) => out.push_str(",\"if_absent\":true"),
        Some(Precondition::Exists) => out.push_str(",\"if_exists\":true"),
    }
    out.push('}');
}

fn push_data(out: &mut String, data: &Data) {
    out.push_str(",\"data\":");
    out.push_str(data.as_str());
}

fn push_transform(out: &mut String, transform: &Transform) {
    out.push_str("{\"field\":");
    write_string(out, transform.field.as_str());
    let push_elements = |out: &mut String, elements: &[Value]| {
        push_list(out, elements, |out, element| element.write(out));
    };
    match &transform.operation {
        TransformOperation::Increment(number) => push(out, format_args!(",\"increment\":{number}")),
        TransformOperation::ArrayUnion(elements) => {
            out.push_str(",\"array_union\":");
            push_elements(out, elements);
        }
        TransformOperation::ArrayRemove(elements) => {
            out.push_str(",\"array_remove\":");
            push_elements(out, elements);
        }
        TransformOperation::ServerTime => out.push_str(",\"server_time\":true"),
        TransformOperation::Remove => out.push_str(",\"remove\":true"),
    }
    out.push('}');
}

fn push_read(out: &mut String, read: &Read) {
    match read {
        Read::Document { path, version } => {
            out.push_str("{\"path\":");
            write_string(out, path.as_str());
            push(out, format_args!(",\"version\":{version}}}"));
        }
        Read::Query {
            collection,
            filter,
            at,
        } => {
            out.push_str("{\"collection\":");
            write_string(out, collection.as_str());
            push_filter(out, filter.as_ref());
            push(out, format_args!(",\"at\":{at}}}"));
        }
    }
}

fn push_filter(out: &mut String, filter: Option<&Filter>) {
    if let Some(filter) = filter {
        push(out, format_args!(",\"where\":{filter}"));
    }
}

fn push_select(out: &mut String, select: Option<&Select>) {
    if let Some(select) = select {
        out.push_str(",\"select\":");
        push_list(out, select.fields(), |out, field| {
            write_string(out, field.as_str())
        });
    }
}

fn query_text(id: &str, query: &Query) -> String {
    let mut out = begin("query", Some(id));
    push_text_member(&mut out, "collection", query.collection.as_str());
    push_filter(&mut out, query.filter.as_ref());
    push_select(&mut out, query.select.as_ref());
    if !query.order_by.is_empty() {
        out.push_str(",\"order_by\":");
        push_list(&mut out, &query.order_by, |out, key| {
            write_string(out, &key.to_string())
        });
    }
    push_page(&mut out, query.limit, query.cursor.as_deref());
    push_at(&mut out, query.at.as_ref());
    out
}

fn history_text(id: &str, query: &HistoryQuery) -> String {
    let mut out = begin("history", Some(id));
    push_text_member(&mut out, "path", query.path.as_str());
    push_page(&mut out, query.limit, query.cursor.as_deref());
    out
}

fn collections_text(id: &str, query: &CollectionsQuery) -> String {
    let mut out = begin("collections", Some(id));
    if let Some(below) = &query.below {
        push_text_member(&mut out, "below", below.as_str());
    }
    push_page(&mut out, query.limit, query.cursor.as_deref());
    out
}

fn consumers_text(id: &str, request: &ConsumerRequest) -> String {
    match request {
        ConsumerRequest::Ack(token) => {
            let mut out = begin("ack", Some(id));
            push_text_member(&mut out, "token", token.as_str());
            out
        }
        ConsumerRequest::List(query) => {
            let mut out = begin("consumers", Some(id));
            push_page(&mut out, query.limit, query.cursor.as_deref());
            out
        }
        ConsumerRequest::Delete(name) => {
            let mut out = begin("delete_consumer", Some(id));
            push_text_member(&mut out, "name", name.as_str());
            out
        }
    }
}

fn push_page(out: &mut String, limit: u32, cursor: Option<&str>) {
    if limit != PAGE_DOCUMENTS_DEFAULT {
        push(out, format_args!(",\"limit\":{limit}"));
    }
    if let Some(cursor) = cursor {
        push_text_member(out, "cursor", cursor);
    }
}

fn push_at(out: &mut String, at: Option<&At>) {
    let Some(at) = at else { return };
    out.push_str(",\"at\":{");
    match at {
        At::Sequence(sequence) => push(out, format_args!("\"seq\":{sequence}")),
        At::Token(token) => {
            out.push_str("\"token\":");
            write_string(out, token.as_str());
        }
        At::Time(time) => {
            out.push_str("\"time\":");
            push_time(out, *time);
        }
    }
    out.push('}');
}

fn subscribe_text(id: &str, request: &SubscribeRequest) -> String {
    let mut out = begin("subscribe", Some(id));
    match request.collections.only() {
        Some(collection) => push_text_member(&mut out, "collection", collection.as_str()),
        None => {
            out.push_str(",\"collections\":");
            push_list(&mut out, request.collections.patterns(), |out, pattern| {
                write_string(out, pattern.as_str());
            });
        }
    }
    push_filter(&mut out, request.view.filter.as_ref());
    push_select(&mut out, request.view.select.as_ref());
    push_from(&mut out, &request.from);
    if let Some(known) = &request.known {
        push_known(&mut out, known);
    }
    let flags = [
        ("old", request.view.old),
        ("patch", request.view.patch),
        ("conflate", request.conflate),
        ("end_on_gap", request.end_on_gap),
    ];
    for (name, _set) in flags.into_iter().filter(|(_name, set)| *set) {
        push(&mut out, format_args!(",\"{name}\":true"));
    }
    if let Some(consuming) = &request.consumer {
        push_consuming(&mut out, consuming);
    }
    if request.checkpoint_interval_ms != CHECKPOINT_INTERVAL_MS {
        let interval_ms = request.checkpoint_interval_ms;
        push(
            &mut out,
            format_args!(",\"checkpoint_interval_ms\":{interval_ms}"),
        );
    }
    out
}

fn push_consuming(out: &mut String, consuming: &Consuming) {
    push_text_member(out, "consumer", consuming.name.as_str());
    if consuming.unacked_max != UNACKED_DEFAULT {
        let unacked_max = consuming.unacked_max;
        push(out, format_args!(",\"unacked_max\":{unacked_max}"));
    }
    if consuming.ack_timeout_ms != ACK_TIMEOUT_MS {
        let timeout_ms = consuming.ack_timeout_ms;
        push(out, format_args!(",\"ack_timeout_ms\":{timeout_ms}"));
    }
}

fn push_known(out: &mut String, known: &Known) {
    out.push_str(",\"known\":{");
    if let Some(token) = &known.token {
        out.push_str("\"token\":");
        write_string(out, token.as_str());
        out.push(',');
    }
    out.push_str("\"versions\":{");
    for (index, (id, version)) in known.versions.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_string(out, id);
        push(out, format_args!(":{version}"));
    }
    out.push_str("}}");
}

fn push_from(out: &mut String, from: &From) {
    match from {
        From::Now => {}
        From::Snapshot => out.push_str(",\"from\":{\"snapshot\":true}"),
        From::Beginning => out.push_str(",\"from\":{\"beginning\":true}"),
        From::Token(token) => {
            out.push_str(",\"from\":{\"token\":");
            write_string(out, token.as_str());
            out.push('}');
        }
        From::Time(time) => {
            out.push_str(",\"from\":{\"time\":");
            push_time(out, *time);
            out.push('}');
        }
    }
}
