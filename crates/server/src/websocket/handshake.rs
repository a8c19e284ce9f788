//! From an HTTP request to a WebSocket.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tracing::debug;
use wellspring_protocol::error::WireError;

use super::connection;
use crate::client::{WEBSOCKET, subscriber};
use crate::http::problem::Problem;
use crate::shared::Shared;

/// The subprotocol of this version.
const SUBPROTOCOL: &str = "wellspring.v1.json";

/// Answers the handshake and serves the connection in a task of its own.
pub(crate) async fn upgrade(
    State(shared): State<Shared>,
    mut request: Request,
) -> Result<Response, Problem> {
    if request.uri().query().is_some_and(|query| !query.is_empty()) {
        return Err(WireError::invalid_argument("/v1/ws has no parameters").into());
    }
    let subprotocol = choose_subprotocol(request.headers())?;
    let accepted = create_response_with_body(&request, Body::empty);
    let mut response = accepted.map_err(|error| {
        WireError::invalid_argument(format!("not a handshake of a WebSocket: {error}"))
    })?;
    let database = shared.phase.database()?;
    let subscriber = subscriber(WEBSOCKET, request.extensions());
    let upgrade = hyper::upgrade::on(&mut request);
    let tasks = shared.tasks.clone();
    tasks.spawn(async move {
        match upgrade.await {
            Ok(upgraded) => connection::serve(upgraded, shared, database, subscriber).await,
            Err(error) => debug!(%error, "a connection was not upgraded"),
        }
    });
    if let Some(subprotocol) = subprotocol {
        response
            .headers_mut()
            .insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
    }
    Ok(response.into_response())
}

/// Of the subprotocols that the client offers ours; `None` where it offers none, which counts as
/// this version.
fn choose_subprotocol(headers: &HeaderMap) -> Result<Option<HeaderValue>, WireError> {
    let offers = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let mut offered = false;
    for offer in offers
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
    {
        offered = true;
        if offer.trim() == SUBPROTOCOL {
            return Ok(Some(HeaderValue::from_static(SUBPROTOCOL)));
        }
    }
    if offered {
        let told = format!("none of the subprotocols offered is known; known: {SUBPROTOCOL}");
        return Err(WireError::invalid_argument(told));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(offer: &str) -> Result<Option<HeaderValue>, WireError> {
        choose_subprotocol(&HeaderMap::from_iter([(
            SEC_WEBSOCKET_PROTOCOL,
            offer.parse().unwrap(),
        )]))
    }

    #[test]
    fn ours_is_chosen_and_only_unknown_ones_are_refused() {
        assert_eq!(choose_subprotocol(&HeaderMap::new()), Ok(None));
        let ours = Ok(Some(HeaderValue::from_static(SUBPROTOCOL)));
        assert_eq!(choose(SUBPROTOCOL), ours);
        assert_eq!(choose("wellspring.v2.json, wellspring.v1.json"), ours);
        assert!(choose("wellspring.v2.json, graphql-ws").is_err());
    }
}
