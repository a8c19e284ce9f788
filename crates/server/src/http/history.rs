//! `/v1/history/…`: the versions of a document.

use axum::extract::State;
use axum::response::Response;
use http::Uri;
use wellspring_protocol::json::reply;
use wellspring_protocol::request;
use wellspring_types::history::HistoryQuery;

use super::address::Address;
use super::parameters::Parameters;
use super::problem::Problem;
use super::reply::json;
use crate::reads;
use crate::shared::Shared;

const PREFIX: &str = "/v1/history/";

/// A page of a document's history.
pub(super) async fn get(State(shared): State<Shared>, uri: Uri) -> Result<Response, Problem> {
    let parameters = Parameters::read(uri.query(), &["limit", "cursor"])?;
    let query = HistoryQuery {
        path: Address::after(PREFIX, uri.path())?.document()?,
        limit: request::page_limit(parameters.parsed("limit")?)?,
        cursor: parameters.text("cursor").map(str::to_owned),
    };
    let database = shared.phase.database()?;
    let page = reads::history(&database, query).await?;
    Ok(json(reply::history_body(&page)))
}
