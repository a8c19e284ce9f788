//! What a client sends on a WebSocket.

use wellspring_types::Value;
use wellspring_types::feed::SubscribeRequest;
use wellspring_types::history::HistoryQuery;
use wellspring_types::json::Minified;
use wellspring_types::limits::REQUEST_ID_BYTES_MAX;
use wellspring_types::listing::CollectionsQuery;
use wellspring_types::query::{Get, Query};
use wellspring_types::write::CommitRequest;

use super::commit::{parse_with_documents, read_commit};
use super::consumers::ConsumerRequest;
use super::fields::{Fields, clip};
use super::query::{read_collections, read_get, read_history, read_query};
use super::recover;
use super::subscribe::read_subscribe;
use crate::error::WireError;
use crate::request;

/// A message of a client. An `id` is the client's own name for a request or a subscription.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientMessage {
    /// The first message.
    Hello(Hello),
    /// Asks for documents to be changed.
    Commit {
        /// The request's id.
        id: String,
        /// What is asked for.
        request: CommitRequest,
    },
    /// Asks for one document.
    Get {
        /// The request's id.
        id: String,
        /// What is asked for.
        get: Get,
    },
    /// Asks for documents.
    Query {
        /// The request's id.
        id: String,
        /// What is asked for.
        query: Query,
    },
    /// Asks for the versions of a document.
    History {
        /// The request's id.
        id: String,
        /// What is asked for.
        query: HistoryQuery,
    },
    /// Asks which collections there are.
    Collections {
        /// The request's id.
        id: String,
        /// What is asked for.
        query: CollectionsQuery,
    },
    /// Asks something of consumers.
    Consumers {
        /// The request's id.
        id: String,
        /// What is asked for.
        request: ConsumerRequest,
    },
    /// Asks for the changes of a collection.
    Subscribe {
        /// The subscription's id.
        id: String,
        /// What is asked for.
        request: SubscribeRequest,
    },
    /// Ends a subscription.
    Unsubscribe {
        /// The subscription's id.
        id: String,
    },
    /// Asks for a `pong`.
    Ping {
        /// Comes back in it.
        n: u64,
    },
}

/// The first message of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// Who it is.
    pub access_token: Option<String>,
    /// What it is, such as `notes/1.0`.
    pub client: Option<String>,
}

/// Why a message of a client is refused, and which one it was.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{error}")]
pub struct RequestError {
    /// The message's id, wherever it has a usable one.
    pub id: Option<String>,
    /// Why.
    pub error: WireError,
}

impl ClientMessage {
    /// Reads a message strictly.
    ///
    /// # Errors
    /// If it is not a message of this version of the protocol, naming the field and what is
    /// expected of it.
    pub fn parse(text: &[u8]) -> Result<ClientMessage, RequestError> {
        let refused = |error: WireError| RequestError {
            id: recover::id(text).filter(|id| check_id(id).is_ok()),
            error,
        };
        let parsed = parse_with_documents(text).map_err(|error| refused(error.into()))?;
        let (value, documents) = parsed;
        read(value, documents).map_err(refused)
    }
}

fn read(value: Value, documents: Vec<Minified>) -> Result<ClientMessage, WireError> {
    let mut fields = Fields::of("a message", value)?;
    let kind = fields.string("type")?;
    let kind = fields.required("type", kind)?;
    match kind.as_ref() {
        "hello" => Ok(ClientMessage::Hello(read_hello(fields.called("hello"))?)),
        "commit" => {
            let (id, fields) = take_id(fields.called("commit"))?;
            Ok(ClientMessage::Commit {
                id,
                request: read_commit(fields, documents)?,
            })
        }
        "get" => {
            let (id, fields) = take_id(fields.called("get"))?;
            Ok(ClientMessage::Get {
                id,
                get: read_get(fields)?,
            })
        }
        "query" => {
            let (id, fields) = take_id(fields.called("query"))?;
            Ok(ClientMessage::Query {
                id,
                query: read_query(fields)?,
            })
        }
        "history" => {
            let (id, fields) = take_id(fields.called("history"))?;
            Ok(ClientMessage::History {
                id,
                query: read_history(fields)?,
            })
        }
        "collections" => {
            let (id, fields) = take_id(fields.called("collections"))?;
            Ok(ClientMessage::Collections {
                id,
                query: read_collections(fields)?,
            })
        }
        "ack" => of_consumers("ack", fields),
        "consumers" => of_consumers("consumers", fields),
        "delete_consumer" => of_consumers("delete_consumer", fields),
        "subscribe" => {
            let (id, fields) = take_id(fields.called("subscribe"))?;
            Ok(ClientMessage::Subscribe {
                id,
                request: read_subscribe(fields)?,
            })
        }
        "unsubscribe" => {
            let (id, fields) = take_id(fields.called("unsubscribe"))?;
            fields.finish()?;
            Ok(ClientMessage::Unsubscribe { id })
        }
        "ping" => read_ping(fields.called("ping")),
        "auth" => Err(refuse_auth(fields.called("auth"))),
        other => Err(WireError::invalid_argument(format!(
            "there is no message of type {:?}",
            clip(other)
        ))
        .detail("field", "type")),
    }
}

fn of_consumers(kind: &'static str, fields: Fields) -> Result<ClientMessage, WireError> {
    let (id, fields) = take_id(fields.called(kind))?;
    let request = ConsumerRequest::read(kind, fields)?;
    Ok(ClientMessage::Consumers { id, request })
}

/// Takes the id of a message that must have one.
fn take_id(mut fields: Fields) -> Result<(String, Fields), WireError> {
    let id = fields.string("id")?;
    let id = fields.required("id", id)?;
    check_id(&id)?;
    Ok((id.into(), fields))
}

fn check_id(id: &str) -> Result<(), WireError> {
    if (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) {
        return Ok(());
    }
    let message = format!(
        "id must have 1 to {REQUEST_ID_BYTES_MAX} bytes, not {}",
        id.len()
    );
    Err(WireError::invalid_argument(message).detail("field", "id"))
}

fn read_hello(mut fields: Fields) -> Result<Hello, WireError> {
    let access_token = fields.string("access_token")?.map(String::from);
    let client = fields.string("client")?.map(String::from);
    fields.finish()?;
    Ok(Hello {
        access_token,
        client,
    })
}

fn read_ping(mut fields: Fields) -> Result<ClientMessage, WireError> {
    let n = fields.integer("n")?;
    let n = fields.required("n", n)?;
    fields.finish()?;
    Ok(ClientMessage::Ping { n })
}

/// The error for a message that is not implemented yet, or what is wrong with it.
fn refuse_auth(fields: Fields) -> WireError {
    let check = || {
        let (_id, mut fields) = take_id(fields)?;
        let text = fields.string("access_token")?;
        fields.required("access_token", text)?;
        fields.finish()
    };
    check().err().unwrap_or_else(|| request::not_yet("auth"))
}
