//! `/v1/consumers` and `POST /v1/ack`: which consumers there are, and what they have done.

use axum::extract::{Request, State};
use axum::response::Response;
use http::Uri;
use wellspring_protocol::json::{consumers, reply};
use wellspring_protocol::request;
use wellspring_types::consumer::ConsumersQuery;

use super::address::decode_segment;
use super::body;
use super::parameters::Parameters;
use super::problem::Problem;
use super::reply::json;
use crate::reads;
use crate::shared::Shared;

const PREFIX: &str = "/v1/consumers/";

/// A page of the consumers.
pub(super) async fn get(State(shared): State<Shared>, uri: Uri) -> Result<Response, Problem> {
    let parameters = Parameters::read(uri.query(), &["limit", "cursor"])?;
    let query = ConsumersQuery {
        limit: request::page_limit(parameters.parsed("limit")?)?,
        cursor: parameters.text("cursor").map(str::to_owned),
    };
    let database = shared.phase.database()?;
    let page = reads::consumers(&database, query).await?;
    Ok(json(consumers::body(&page)))
}

/// The end of a consumer.
pub(super) async fn delete(State(shared): State<Shared>, uri: Uri) -> Result<Response, Problem> {
    Parameters::read(uri.query(), &[])?;
    let name = uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let name = request::consumer_name(&decode_segment(name)?)?;
    let database = shared.phase.database()?;
    let seq = crate::consumers::delete(&database, &name).await?;
    Ok(json(reply::done_body(seq)))
}

/// An acknowledgement.
pub(super) async fn ack(
    State(shared): State<Shared>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    Parameters::read(parts.uri.query(), &[])?;
    let body = body::read_json(&parts.headers, body, shared.body_timeout()).await?;
    let token = consumers::parse_ack(&body)?;
    let database = shared.phase.database()?;
    let seq = crate::consumers::ack(&database, &token).await?;
    Ok(json(reply::done_body(seq)))
}
