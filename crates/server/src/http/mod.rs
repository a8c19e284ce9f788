//! HTTP: documents, commits, queries, the feed for those without a WebSocket, health.

pub(crate) mod body;
pub(crate) mod problem;

mod address;
mod admin;
mod changes;
mod collections;
mod commit;
mod consumers;
mod documents;
mod etag;
mod floors;
mod health;
mod history;
mod parameters;
mod query;
mod reply;
mod stream;

pub(crate) use admin::admin_routes;
pub(crate) use changes::asks_for_stream;

use axum::Router;
use axum::routing::{delete, get, post};

use crate::shared::Shared;
use problem::Problem;

/// Everything that is served to clients over HTTP.
pub(crate) fn client_routes(shared: Shared) -> Router {
    let documents = get(documents::get)
        .put(documents::put)
        .patch(documents::patch)
        .delete(documents::delete)
        .post(documents::post)
        .fallback(|| async { Problem::method_not_allowed("GET, HEAD, PUT, PATCH, DELETE, POST") });
    Router::new()
        .route("/v1/documents/{*path}", documents)
        .route("/v1/commit", post(commit::post).fallback(only_post))
        .route("/v1/query", post(query::post).fallback(only_post))
        .route("/v1/changes", get(changes::get).fallback(only_get))
        .route("/v1/changes/{*path}", get(changes::get).fallback(only_get))
        .route("/v1/history/{*path}", get(history::get).fallback(only_get))
        .route("/v1/collections", get(collections::get).fallback(only_get))
        .route("/v1/consumers", get(consumers::get).fallback(only_get))
        .route(
            "/v1/consumers/{*name}",
            delete(consumers::delete).fallback(only_delete),
        )
        .route("/v1/ack", post(consumers::ack).fallback(only_post))
        .route("/v1/ws", get(crate::websocket::upgrade).fallback(only_get))
        .merge(health::routes())
        .fallback(|| async { Problem::no_such_path() })
        .with_state(shared)
}

async fn only_get() -> Problem {
    Problem::method_not_allowed("GET, HEAD")
}

async fn only_delete() -> Problem {
    Problem::method_not_allowed("DELETE")
}

async fn only_post() -> Problem {
    Problem::method_not_allowed("POST")
}

#[cfg(test)]
mod tests;
