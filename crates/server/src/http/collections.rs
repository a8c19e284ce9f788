//! `/v1/collections`: which collections there are.

use axum::extract::State;
use axum::response::Response;
use http::Uri;
use wellspring_protocol::json::reply;
use wellspring_protocol::request;
use wellspring_types::listing::CollectionsQuery;

use super::parameters::Parameters;
use super::problem::Problem;
use super::reply::json;
use crate::reads;
use crate::shared::Shared;

/// A page of the collections' paths.
pub(super) async fn get(State(shared): State<Shared>, uri: Uri) -> Result<Response, Problem> {
    let parameters = Parameters::read(uri.query(), &["below", "limit", "cursor"])?;
    let query = CollectionsQuery {
        below: parameters.parsed("below")?,
        limit: request::page_limit(parameters.parsed("limit")?)?,
        cursor: parameters.text("cursor").map(str::to_owned),
    };
    let database = shared.phase.database()?;
    let page = reads::collections(&database, &query)?;
    Ok(json(reply::collections_body(&page)))
}
