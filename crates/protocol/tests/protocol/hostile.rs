//! Any bytes at all: an error or a value, never a panic.

use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use wellspring_protocol::error::WireError;
use wellspring_protocol::json::client::{self, ServerMessage};
use wellspring_protocol::json::{ClientMessage, feed, parse_commit, parse_query};
use wellspring_protocol::pb;
use wellspring_protocol::strict::check_request;
use wellspring_types::feed::SubscribeRequest;
use wellspring_types::query::Query;
use wellspring_types::write::CommitRequest;

use crate::samples::{any_client_message, any_feed_message, any_object, any_value};

const REQUESTS: [&str; 8] = [
    "GetDocumentRequest",
    "ListDocumentsRequest",
    "CreateDocumentRequest",
    "UpdateDocumentRequest",
    "DeleteDocumentRequest",
    "QueryRequest",
    "CommitRequest",
    "SubscribeRequest",
];

/// Every parser of the crate.
fn parse_all(bytes: &[u8]) {
    let _refused = ClientMessage::parse(bytes);
    let _refused = ServerMessage::parse(bytes);
    let _refused = parse_commit(bytes);
    let _refused = parse_query(bytes);
    let _refused = WireError::from_problem_json(bytes);
    for request in REQUESTS {
        let _refused = check_request(&format!("wellspring.v1.{request}"), bytes);
    }
    if let Ok(request) = pb::CommitRequest::decode(bytes) {
        let _refused = CommitRequest::try_from(request);
    }
    if let Ok(request) = pb::SubscribeRequest::decode(bytes) {
        let _refused = SubscribeRequest::try_from(request);
    }
    if let Ok(request) = pb::QueryRequest::decode(bytes) {
        let _refused = Query::try_from(request);
    }
    if let Ok(request) = pb::UpdateDocumentRequest::decode(bytes) {
        let _refused = CommitRequest::try_from(request);
    }
}

proptest! {
    #[test]
    fn random_bytes(bytes in vec(any::<u8>(), 0..200)) {
        parse_all(&bytes);
    }

    #[test]
    fn requests_with_one_byte_changed(
        message in any_client_message(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = client::write(&message).into_bytes();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        parse_all(&bytes);
        parse_all(&bytes[..place]);
    }

    #[test]
    fn feeds_with_one_byte_changed(
        message in any_feed_message(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        feed::write(None, &message, &mut |text, _token| {
            let mut bytes = text.into_bytes();
            let place = place.index(bytes.len());
            bytes[place] = byte;
            parse_all(&bytes);
        });
        for response in pb::feed::responses(&message, pb::ContentForm::Struct) {
            let mut bytes = response.encode_to_vec();
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            let _refused = pb::SubscribeResponse::decode(bytes.as_slice());
            parse_all(&bytes);
        }
    }

    #[test]
    fn messages_of_known_types_with_any_fields(
        kind in prop::sample::select(vec!["commit", "query", "subscribe", "result", "changes", "ended"]),
        mut fields in any_object(),
        value in any_value(),
    ) {
        fields.insert("type", kind);
        fields.insert("id", "x");
        for name in ["writes", "from", "where", "commits", "reads"] {
            fields.insert(name, value.clone());
            let mut text = String::new();
            fields.write(&mut text);
            parse_all(text.as_bytes());
        }
    }
}
