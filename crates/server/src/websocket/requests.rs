//! What clients ask on a WebSocket, as commands to their session.

use std::future::Future;

use tokio::time::Instant;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::{Error, Message};
use wellspring_engine::Database;
use wellspring_protocol::error::{Code, WireError};
use wellspring_protocol::json::consumers::ConsumerRequest;
use wellspring_protocol::json::{self, ClientMessage, RequestError, reply};

use super::framing::text;
use crate::metrics::{Metrics, Outcome, Route, Transport};
use crate::session::{Answer, Command, Framed};
use crate::{commits, consumers, reads};

/// Makes a command of what was received.
pub(super) fn command(
    received: Result<Message, Error>,
    database: &Database,
    metrics: &Metrics,
) -> Command<Message> {
    match received {
        Ok(Message::Text(message)) => match ClientMessage::parse(message.as_bytes()) {
            Ok(message) => of_message(message, database.clone(), metrics.clone()),
            // The request failed, not the connection.
            Err(RequestError { id, error }) => {
                metrics.told(error.code);
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

fn of_message(message: ClientMessage, database: Database, metrics: Metrics) -> Command<Message> {
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
            let commit = async {
                let result = commits::commit(&database, &metrics, request).await?;
                let framed = text(reply::commit_result(&id, &result));
                let after = Some(result.seq);
                Ok(Answer { framed, after })
            };
            answered(&id, Route::Commit, &metrics, commit).await
        })),
        ClientMessage::Get { id, get } => Command::Request(Box::pin(async move {
            let work = async {
                let (found, seq) = reads::get(&database, &get).await?;
                Ok(done(text(reply::document_result(&id, seq, &found))))
            };
            answered(&id, Route::Get, &metrics, work).await
        })),
        ClientMessage::Query { id, query } => Command::Request(Box::pin(async move {
            let work = async {
                let page = reads::query(&database, query).await?;
                Ok(done(text(reply::page_result(&id, &page))))
            };
            answered(&id, Route::Query, &metrics, work).await
        })),
        ClientMessage::History { id, query } => Command::Request(Box::pin(async move {
            let work = async {
                let page = reads::history(&database, query).await?;
                Ok(done(text(reply::history_result(&id, &page))))
            };
            answered(&id, Route::History, &metrics, work).await
        })),
        ClientMessage::Collections { id, query } => Command::Request(Box::pin(async move {
            let work = async {
                let page = reads::collections(&database, &query)?;
                Ok(done(text(reply::collections_result(&id, &page))))
            };
            answered(&id, Route::Collections, &metrics, work).await
        })),
        ClientMessage::Consumers { id, request } => Command::Request(Box::pin(async move {
            let route = match &request {
                ConsumerRequest::Ack(_) => Route::Ack,
                _ => Route::Consumers,
            };
            answered(&id, route, &metrics, of_consumers(&id, request, &database)).await
        })),
    }
}

async fn of_consumers(
    id: &str,
    request: ConsumerRequest,
    database: &Database,
) -> Result<Answer<Message>, WireError> {
    let result = match request {
        ConsumerRequest::Ack(token) => reply::done(id, consumers::ack(database, &token).await?),
        ConsumerRequest::Delete(name) => reply::done(id, consumers::delete(database, &name).await?),
        ConsumerRequest::List(query) => {
            json::consumers::result(id, &reads::consumers(database, query).await?)
        }
    };
    Ok(done(text(result)))
}

/// Carries a request out, counts it, and answers it whatever became of it.
async fn answered(
    id: &str,
    route: Route,
    metrics: &Metrics,
    work: impl Future<Output = Result<Answer<Message>, WireError>>,
) -> Answer<Message> {
    let began = Instant::now();
    let result = work.await;
    let outcome = match &result {
        Ok(_) => Outcome::Served,
        Err(why) => Outcome::Failed(why.code),
    };
    metrics.answered(Transport::WebSocket, route, outcome, began.elapsed());
    result.unwrap_or_else(|why| done(text(reply::error(Some(id), &why))))
}

fn done(framed: Framed<Message>) -> Answer<Message> {
    Answer {
        framed,
        after: None,
    }
}
