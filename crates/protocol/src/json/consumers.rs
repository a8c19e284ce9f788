//! Consumers: what is asked of them, and how they are shown.

use wellspring_types::consumer::{ConsumerName, ConsumerState, ConsumersPage, ConsumersQuery};
use wellspring_types::json::write_string;
use wellspring_types::{ResumeToken, json};

use super::fields::Fields;
use super::text::{begin, push, push_list, push_text_member};
use crate::error::WireError;
use crate::request;

/// What is asked of consumers.
#[derive(Clone, Debug, PartialEq)]
pub enum ConsumerRequest {
    /// `ack`: everything that a subscription was sent up to this token is processed.
    Ack(ResumeToken),
    /// `consumers`: which there are.
    List(ConsumersQuery),
    /// `delete_consumer`.
    Delete(ConsumerName),
}

impl ConsumerRequest {
    /// Reads what follows the type and the id of a message.
    pub(super) fn read(kind: &str, mut fields: Fields) -> Result<ConsumerRequest, WireError> {
        match kind {
            "ack" => read_ack(fields).map(ConsumerRequest::Ack),
            "consumers" => {
                let limit = fields.integer("limit")?;
                let cursor = fields.string("cursor")?.map(String::from);
                fields.finish()?;
                let limit = request::page_limit(limit)?;
                Ok(ConsumerRequest::List(ConsumersQuery { limit, cursor }))
            }
            _ => {
                let name = fields.string("name")?;
                let name = fields.required("name", name)?;
                fields.finish()?;
                request::consumer_name(&name).map(ConsumerRequest::Delete)
            }
        }
    }
}

/// Reads the body of `POST /v1/ack`: `ack` without `type` and `id`.
///
/// # Errors
/// If it is not one, naming the field and what is expected of it.
pub fn parse_ack(text: &[u8]) -> Result<ResumeToken, WireError> {
    read_ack(Fields::of("ack", json::parse_message(text)?)?)
}

fn read_ack(mut fields: Fields) -> Result<ResumeToken, WireError> {
    let token = fields.string("token")?;
    let token = fields.required("token", token)?;
    fields.finish()?;
    request::token(&token)
}

/// The result of a `consumers`.
#[must_use]
pub fn result(id: &str, page: &ConsumersPage) -> String {
    let mut out = begin("result", Some(id));
    out.push(',');
    push_members(&mut out, page);
    out.push('}');
    out
}

/// The body that says over HTTP which consumers there are.
#[must_use]
pub fn body(page: &ConsumersPage) -> String {
    let mut out = String::from("{");
    push_members(&mut out, page);
    out.push('}');
    out
}

fn push_members(out: &mut String, page: &ConsumersPage) {
    push(out, format_args!("\"seq\":{},\"consumers\":", page.seq));
    push_list(out, &page.consumers, push_consumer);
    if let Some(cursor) = &page.cursor {
        push_text_member(out, "cursor", cursor);
    }
}

fn push_consumer(out: &mut String, consumer: &ConsumerState) {
    out.push_str("{\"name\":");
    write_string(out, consumer.name.as_str());
    out.push_str(",\"collections\":");
    push_list(out, &consumer.collections.texts(), |out, text| {
        write_string(out, text);
    });
    let view = &consumer.view;
    if let Some(filter) = &view.filter {
        push(out, format_args!(",\"where\":{}", filter.canonical()));
    }
    if let Some(select) = &view.select {
        out.push_str(",\"select\":");
        push_list(out, select.fields(), |out, field| {
            write_string(out, field.as_str());
        });
    }
    for (name, _set) in [("old", view.old), ("patch", view.patch)]
        .into_iter()
        .filter(|(_name, set)| *set)
    {
        push(out, format_args!(",\"{name}\":true"));
    }
    push(out, format_args!(",\"seq\":{}", consumer.position));
    push_text_member(out, "token", consumer.token.as_str());
    let (subscriptions, unacked) = (consumer.subscriptions, consumer.unacked);
    push(
        out,
        format_args!(",\"subscriptions\":{subscriptions},\"unacked\":{unacked}}}"),
    );
}
