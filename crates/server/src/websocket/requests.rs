//! What clients ask on a WebSocket, as commands to their session.

use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::{Error, Message};
use wellspring_engine::Database;
use wellspring_protocol::error::{Code, WireError};
use wellspring_protocol::json::{ClientMessage, RequestError, reply};

use super::framing::text;
use crate::errors;
use crate::session::{Answer, Command, Framed};

/// Makes a command of what was received.
pub(super) fn command(received: Result<Message, Error>, database: &Database) -> Command<Message> {
    match received {
        Ok(Message::Text(message)) => match ClientMessage::parse(message.as_bytes()) {
            Ok(message) => of_message(message, database),
            // The request failed, not the connection.
            Err(RequestError { id, error }) => {
                Command::Reply(text(reply::error(id.as_deref(), &error)))
            }
        },
        Ok(Message::Binary(_)) => Command::Leave(not_text()),
        Ok(Message::Close(_)) => Command::Gone,
        Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => Command::Alive,
        Err(error) => why(&error).map_or(Command::Gone, Command::Leave),
    }
}

/// A message of the wrong kind.
pub(super) fn not_text() -> WireError {
    WireError::invalid_argument("messages are text, not binary")
}

/// What a client is told of a connection that failed; `None` where it has left.
pub(super) fn why(error: &Error) -> Option<WireError> {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { max_size, .. }) => {
            let told = format!("a message has at most {max_size} bytes");
            Some(WireError::new(Code::TooLarge, told))
        }
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Capacity(_) | Error::Protocol(_) | Error::Utf8(_) => {
            Some(WireError::invalid_argument(error.to_string()))
        }
        _ => None,
    }
}

fn of_message(message: ClientMessage, database: &Database) -> Command<Message> {
    let database = database.clone();
    match message {
        ClientMessage::Hello(_) => {
            Command::Leave(WireError::invalid_argument("hello is said once, and first"))
        }
        ClientMessage::Subscribe { id, request } => {
            Command::Subscribe(id.into(), Box::new(request))
        }
        ClientMessage::Unsubscribe { id } => {
            let done = text(reply::done(&id, database.visible()));
            Command::Unsubscribe(id.into(), done)
        }
        ClientMessage::Ping { n } => Command::Reply(text(reply::pong(n))),
        ClientMessage::Commit { id, request } => Command::Request(Box::pin(async move {
            match database.commit(request).await {
                Ok(result) => {
                    let framed = text(reply::commit_result(&id, &result));
                    Answer {
                        framed,
                        after: Some(result.seq),
                    }
                }
                Err(error) => failed(&id, &errors::commit(&error)),
            }
        })),
        ClientMessage::Get { id, path } => Command::Request(Box::pin(async move {
            // The document is as it was at this sequence, or later.
            let seq = database.visible();
            match database.get(&path).await {
                Ok(Some(document)) => done(text(reply::document_result(&id, seq, &document))),
                Ok(None) => failed(&id, &errors::no_document(&path)),
                Err(error) => failed(&id, &errors::read(&error)),
            }
        })),
        ClientMessage::Query { id, query } => Command::Request(Box::pin(async move {
            match database.query(query).await {
                Ok(page) => done(text(reply::page_result(&id, &page))),
                Err(error) => failed(&id, &errors::read(&error)),
            }
        })),
    }
}

fn done(framed: Framed<Message>) -> Answer<Message> {
    Answer {
        framed,
        after: None,
    }
}

fn failed(id: &str, why: &WireError) -> Answer<Message> {
    done(text(reply::error(Some(id), why)))
}
