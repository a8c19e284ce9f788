//! Reads, for whichever transport asks.

use wellspring_engine::Database;
use wellspring_protocol::error::WireError;
use wellspring_types::consumer::{ConsumersPage, ConsumersQuery};
use wellspring_types::history::{HistoryPage, HistoryQuery};
use wellspring_types::listing::{CollectionsPage, CollectionsQuery};
use wellspring_types::query::{Get, Page, Query};
use wellspring_types::{Document, Sequence};

use crate::errors;

/// A document, and the sequence as of which it is so; without `at` it may be newer.
///
/// # Errors
/// `not_found`, if there is none; otherwise why it was not given.
pub(crate) async fn get(database: &Database, get: &Get) -> Result<(Document, Sequence), WireError> {
    let read = match &get.at {
        None => {
            let seq = database.visible();
            let document = database.get(&get.path).await;
            document.map(|document| (document, seq))
        }
        Some(at) => {
            let found = database.get_at(&get.path, at).await;
            found.map(|found| (found.document, found.seq))
        }
    };
    let (document, seq) = read.map_err(|error| errors::read(&error))?;
    let document = document.ok_or_else(|| errors::no_document(&get.path))?;
    Ok((document, seq))
}

/// # Errors
/// Why the page was not given.
pub(crate) async fn query(database: &Database, query: Query) -> Result<Page, WireError> {
    let page = database.query(query).await;
    page.map_err(|error| errors::read(&error))
}

/// # Errors
/// Why the page was not given.
pub(crate) async fn history(
    database: &Database,
    query: HistoryQuery,
) -> Result<HistoryPage, WireError> {
    let page = database.history(query).await;
    page.map_err(|error| errors::read(&error))
}

/// # Errors
/// Why the page was not given.
pub(crate) async fn consumers(
    database: &Database,
    query: ConsumersQuery,
) -> Result<ConsumersPage, WireError> {
    let page = database.consumers(query).await;
    page.map_err(|error| errors::read(&error))
}

/// # Errors
/// Why the page was not given.
pub(crate) fn collections(
    database: &Database,
    query: &CollectionsQuery,
) -> Result<CollectionsPage, WireError> {
    let page = database.collections(query);
    page.map_err(|error| errors::read(&error))
}
