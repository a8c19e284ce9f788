//! The client's side of the wire, in the names of this crate.

use wellspring_protocol::json::client::{self, ServerMessage};
use wellspring_protocol::json::{ClientMessage, Hello};
use wellspring_types::feed::SubscribeRequest;
use wellspring_types::history::HistoryQuery;
use wellspring_types::listing::CollectionsQuery;
use wellspring_types::query::{Get, Query};
use wellspring_types::write::CommitRequest;

use crate::builder::Options;
use crate::connection::routes::Id;

pub(crate) use wellspring_protocol::json::client::{
    Answer, FeedPart, ReceivedCommit, ServerMessage as Incoming,
};
pub(crate) use wellspring_protocol::json::consumers::ConsumerRequest;

/// Reads a message; `None` if it is not one of a Wellspring server.
pub(crate) fn read(text: &[u8]) -> Option<Incoming> {
    ServerMessage::parse(text).ok()
}

/// The id of a request or subscription of this client.
pub(crate) fn id(text: &str) -> Option<Id> {
    text.parse().ok().map(Id)
}

/// Whether a position that has no token follows the message: further parts are needed.
pub(crate) fn is_followed_by_parts(part: &FeedPart) -> bool {
    matches!(
        part,
        FeedPart::Changes { token: None, .. } | FeedPart::Snapshot { token: None, .. }
    )
}

pub(crate) fn hello(options: &Options) -> String {
    client::write(&ClientMessage::Hello(Hello {
        access_token: options.access_token.as_deref().map(str::to_owned),
        client: Some(options.client_name.to_string()),
    }))
}

pub(crate) fn commit(id: Id, request: CommitRequest) -> String {
    client::write(&ClientMessage::Commit {
        id: id.to_string(),
        request,
    })
}

pub(crate) fn get(id: Id, get: Get) -> String {
    client::write(&ClientMessage::Get {
        id: id.to_string(),
        get,
    })
}

pub(crate) fn history(id: Id, query: HistoryQuery) -> String {
    client::write(&ClientMessage::History {
        id: id.to_string(),
        query,
    })
}

pub(crate) fn collections(id: Id, query: CollectionsQuery) -> String {
    client::write(&ClientMessage::Collections {
        id: id.to_string(),
        query,
    })
}

pub(crate) fn of_consumers(id: Id, request: ConsumerRequest) -> String {
    client::write(&ClientMessage::Consumers {
        id: id.to_string(),
        request,
    })
}

pub(crate) fn query(id: Id, query: Query) -> String {
    client::write(&ClientMessage::Query {
        id: id.to_string(),
        query,
    })
}

pub(crate) fn subscribe(id: Id, request: SubscribeRequest) -> String {
    client::write(&ClientMessage::Subscribe {
        id: id.to_string(),
        request,
    })
}

pub(crate) fn unsubscribe(id: Id) -> String {
    client::write(&ClientMessage::Unsubscribe { id: id.to_string() })
}
