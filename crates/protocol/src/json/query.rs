//! `query`: documents that match, page by page.

use wellspring_types::json;
use wellspring_types::query::Query;

use super::commit::read_filter;
use super::fields::Fields;
use crate::error::WireError;
use crate::request;

/// Reads the body of `POST /v1/query`: a `query` without `type` and `id`.
///
/// # Errors
/// If it is not one, naming the field and what is expected of it.
pub fn parse_query(text: &[u8]) -> Result<Query, WireError> {
    read_query(Fields::of("a query", json::parse_message(text)?)?)
}

pub(super) fn read_query(mut fields: Fields) -> Result<Query, WireError> {
    let collection = fields.string("collection")?;
    let collection = fields.required("collection", collection)?.parse()?;
    let filter = read_filter(&mut fields)?;
    let select = fields.strings("select")?;
    let order_by = fields.strings("order_by")?.unwrap_or_default();
    let limit = fields.integer("limit")?;
    let cursor = fields.string("cursor")?.map(String::from);
    fields.finish()?;
    Ok(Query {
        collection,
        filter,
        select: select
            .map(|select| request::select(select.iter().map(AsRef::as_ref)))
            .transpose()?,
        order_by: request::order_by(order_by.iter().map(AsRef::as_ref))?,
        limit: request::page_limit(limit)?,
        cursor,
        at: None,
    })
}
