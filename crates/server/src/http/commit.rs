//! `POST /v1/commit`: several writes as one.

use axum::extract::{Request, State};
use axum::response::Response;
use wellspring_protocol::error::WireError;
use wellspring_protocol::json::parse_commit;

use super::body;
use super::documents::idempotency_key;
use super::etag::write_precondition;
use super::parameters::Parameters;
use super::problem::Problem;
use super::reply::written;
use crate::commits;
use crate::shared::Shared;

pub(super) async fn post(
    State(shared): State<Shared>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    Parameters::read(parts.uri.query(), &[])?;
    let key = idempotency_key(&parts.headers)?;
    if write_precondition(&parts.headers)?.is_some() {
        let told = "a commit has no If-Match and no If-None-Match: its writes have if_version, \
                    if_absent and if_exists";
        return Err(WireError::invalid_argument(told).into());
    }
    let body = body::read_json(&parts.headers, body, shared.body_timeout()).await?;
    let mut commit = parse_commit(&body)?;
    match (key, &commit.mutation_id) {
        (Some(key), Some(id)) if key != *id => {
            let told = "Idempotency-Key and mutation_id say different things";
            return Err(WireError::invalid_argument(told).into());
        }
        (Some(key), _) => commit.mutation_id = Some(key),
        (None, _) => {}
    }
    let database = shared.phase.database()?;
    let result = commits::commit(&database, &shared.metrics, commit).await?;
    Ok(written(&result))
}
