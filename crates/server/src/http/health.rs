//! `/healthz`: the process answers. `/readyz`: the database does.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use wellspring_engine::{Health, OpenProgress};

use super::{only_get, reply};
use crate::phase::Phase;
use crate::shared::Shared;

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/healthz", get(healthz).fallback(only_get))
        .route("/readyz", get(readyz).fallback(only_get))
}

async fn healthz() -> Response {
    plain(r#"{"status":"alive"}"#.to_owned())
}

/// Ready means that reads and feeds are served. A database that refuses writes is ready: taking
/// it out of service would take its readers along.
async fn readyz(State(shared): State<Shared>) -> Response {
    if shared.tasks.draining().is_cancelled() {
        return unready(r#"{"status":"stopping"}"#.to_owned());
    }
    match shared.phase.get() {
        Phase::Ready(database) => plain(match database.health() {
            Health::Writable => r#"{"status":"ready","writable":true}"#.to_owned(),
            Health::ReadOnly(reason) => {
                format!(
                    r#"{{"status":"ready","writable":false,"reason":"{}"}}"#,
                    reason.as_str()
                )
            }
        }),
        Phase::Opening(progress) => unready(progress_text(progress)),
        Phase::Closed => unready(r#"{"status":"stopping"}"#.to_owned()),
    }
}

fn progress_text(progress: Option<OpenProgress>) -> String {
    match progress {
        Some(OpenProgress::Applying { applied, head }) => {
            format!(r#"{{"status":"applying","applied":{applied},"head":{head}}}"#)
        }
        Some(OpenProgress::Loading { loaded, documents }) => {
            format!(r#"{{"status":"loading","loaded":{loaded},"documents":{documents}}}"#)
        }
        Some(OpenProgress::Recovering) => r#"{"status":"recovering"}"#.to_owned(),
        _ => r#"{"status":"opening"}"#.to_owned(),
    }
}

fn unready(text: String) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, plain(text)).into_response()
}

fn plain(text: String) -> Response {
    let mut response = reply::json(text);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
