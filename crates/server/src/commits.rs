//! Commits, whatever the transport.

use wellspring_engine::Database;
use wellspring_protocol::error::WireError;
use wellspring_types::write::{CommitRequest, CommitResult};

use crate::errors;
use crate::metrics::Metrics;

/// Commits, and counts a refusal.
///
/// # Errors
/// What the client is told.
pub(crate) async fn commit(
    database: &Database,
    metrics: &Metrics,
    request: CommitRequest,
) -> Result<CommitResult, WireError> {
    database.commit(request).await.map_err(|error| {
        let told = errors::commit(&error);
        metrics.refused_commit(told.code);
        told
    })
}
