//! All pages of a query, or of the collections.

use wellspring_client::Client;
use wellspring_types::limits::PAGE_DOCUMENTS_MAX;
use wellspring_types::listing::CollectionsQuery;
use wellspring_types::query::{Page, Query};
use wellspring_types::{CollectionPath, DocumentPath, Filter, Select};

use crate::failure::Failure;

/// A query whose pages are read one after another, all as of the first one's sequence.
pub(crate) struct Pages<'a> {
    client: &'a Client,
    query: Option<Query>,
}

impl<'a> Pages<'a> {
    pub(crate) fn new(client: &'a Client, query: Query) -> Pages<'a> {
        Pages {
            client,
            query: Some(query),
        }
    }

    /// The next page; `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Page>, Failure> {
        let Some(query) = self.query.take() else {
            return Ok(None);
        };
        let page = self.client.query(query.clone()).await?;
        if page.cursor.is_some() {
            self.query = Some(Query {
                cursor: page.cursor.clone(),
                ..query
            });
        }
        Ok(Some(page))
    }
}

/// A query of a collection in the largest pages, in the order of ids.
pub(crate) fn whole(
    collection: CollectionPath,
    filter: Option<Filter>,
    select: Option<Select>,
) -> Query {
    Query {
        collection,
        filter,
        select,
        order_by: Vec::new(),
        limit: PAGE_DOCUMENTS_MAX,
        cursor: None,
        at: None,
    }
}

/// The collections, in the largest pages.
pub(crate) fn whole_listing(below: Option<DocumentPath>) -> CollectionsQuery {
    CollectionsQuery {
        below,
        limit: PAGE_DOCUMENTS_MAX,
        cursor: None,
    }
}
