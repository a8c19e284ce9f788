//! `wellspring query`

mod table;

use clap::Args;
use wellspring_protocol::json::reply::document_body;
use wellspring_types::limits::{PAGE_DOCUMENTS_DEFAULT, PAGE_DOCUMENTS_MAX};
use wellspring_types::query::{OrderBy, Query as Request};
use wellspring_types::{At, CollectionPath, Document, FieldPath, Filter, Select};

use super::pages::Pages;
use crate::arguments::Target;
use crate::connection::connect;
use crate::failure::Failure;
use crate::output::{Output, documents, tell};

/// Find documents.
#[derive(Debug, Args)]
#[command(after_help = "\
On a terminal the documents are shown as a table; otherwise, or with --json, as one document a
line with its envelope.

  wellspring query rooms --where '{\"open\":true,\"votes\":{\"gte\":3}}' --order-by -votes,topic")]
pub(crate) struct Query {
    /// The collection, such as `rooms`.
    collection: CollectionPath,
    /// Only documents that match this filter, such as `{"open":true}`.
    #[arg(long = "where", value_name = "JSON", value_parser = Filter::parse)]
    filter: Option<Filter>,
    /// Fields to sort by, the largest first after a `-`; ties by id.
    #[arg(
        long,
        value_name = "FIELDS",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    order_by: Vec<OrderBy>,
    /// Only these fields.
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    select: Vec<FieldPath>,
    /// At most this many documents.
    #[arg(long, value_name = "COUNT", default_value_t = u64::from(PAGE_DOCUMENTS_DEFAULT))]
    limit: u64,
    /// All documents, however many.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// As of a sequence, a time like 2026-11-24T09:00:00Z, or a token.
    #[arg(long, value_name = "WHEN")]
    at: Option<At>,
    /// One document a line, with its envelope.
    #[arg(long)]
    json: bool,
}

impl Query {
    pub(crate) async fn run(self, target: &Target) -> Result<(), Failure> {
        let limit = if self.all { u64::MAX } else { self.limit };
        let request = self.request(limit)?;
        let client = connect(target).await?;
        let mut output = Output::new();
        let as_table = output.is_terminal() && !self.json;
        let mut pages = Pages::new(&client, request);
        let mut rows: Vec<Document> = Vec::new();
        let mut shown = 0_u64;
        let mut more = false;
        while let Some(page) = pages.next().await? {
            for document in page.documents {
                more = shown == limit;
                if more {
                    break;
                }
                shown += 1;
                if as_table {
                    rows.push(document);
                } else {
                    output.line(document_body(&document))?;
                }
            }
            more |= shown == limit && page.cursor.is_some();
            if more {
                break;
            }
        }
        if as_table && !rows.is_empty() {
            output.line(table::table(&rows, &self.order_by))?;
        }
        output.flush()?;
        client.close().await;
        if as_table {
            let rest = if more {
                "; there are more: see --limit and --all"
            } else {
                ""
            };
            tell(format_args!("{}{rest}", documents(shown)));
        }
        Ok(())
    }

    fn request(&self, limit: u64) -> Result<Request, Failure> {
        let select = match self.select.as_slice() {
            [] => None,
            fields => Some(Select::new(fields.to_vec())?),
        };
        let page = u32::try_from(limit)
            .unwrap_or(u32::MAX)
            .clamp(1, PAGE_DOCUMENTS_MAX);
        Ok(Request {
            collection: self.collection.clone(),
            filter: self.filter.clone(),
            select,
            order_by: self.order_by.clone(),
            limit: page,
            cursor: None,
            at: self.at.clone(),
        })
    }
}
