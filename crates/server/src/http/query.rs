//! `POST /v1/query`: documents that match a filter too long for a URL.

use axum::extract::{Request, State};
use axum::response::Response;
use wellspring_protocol::json::{parse_query, reply};

use super::body;
use super::parameters::Parameters;
use super::problem::Problem;
use super::reply::json;
use crate::reads;
use crate::shared::Shared;

pub(super) async fn post(
    State(shared): State<Shared>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    Parameters::read(parts.uri.query(), &[])?;
    let body = body::read_json(&parts.headers, body, shared.body_timeout()).await?;
    let query = parse_query(&body)?;
    let database = shared.phase.database()?;
    let page = reads::query(&database, query).await?;
    Ok(json(reply::page_body(&page)))
}
