//! What becomes of acknowledgements and of consumers, for whichever transport asks.

use wellspring_engine::Database;
use wellspring_protocol::error::WireError;
use wellspring_types::consumer::ConsumerName;
use wellspring_types::{ResumeToken, Sequence};

use crate::errors;

/// # Errors
/// Why it was not accepted.
pub(crate) async fn ack(database: &Database, token: &ResumeToken) -> Result<Sequence, WireError> {
    let acked = database.ack(token).await;
    acked.map_err(|error| errors::consumer(&error))
}

/// # Errors
/// Why it was not deleted.
pub(crate) async fn delete(
    database: &Database,
    name: &ConsumerName,
) -> Result<Sequence, WireError> {
    let deleted = database.delete_consumer(name).await;
    deleted.map_err(|error| errors::consumer(&error))
}
