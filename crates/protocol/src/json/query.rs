//! `get`, `query`, `history` and `collections`: one document, documents that match, versions of one
//! document, which collections there are.

use wellspring_types::history::HistoryQuery;
use wellspring_types::listing::CollectionsQuery;
use wellspring_types::query::{Get, Query};
use wellspring_types::{At, Sequence, json};

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
    let at = read_at(&mut fields)?;
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
        at,
    })
}

pub(super) fn read_get(mut fields: Fields) -> Result<Get, WireError> {
    let path = fields.string("path")?;
    let path = fields.required("path", path)?.parse()?;
    let at = read_at(&mut fields)?;
    fields.finish()?;
    Ok(Get { path, at })
}

pub(super) fn read_history(mut fields: Fields) -> Result<HistoryQuery, WireError> {
    let path = fields.string("path")?;
    let path = fields.required("path", path)?.parse()?;
    let limit = fields.integer("limit")?;
    let cursor = fields.string("cursor")?.map(String::from);
    fields.finish()?;
    Ok(HistoryQuery {
        path,
        limit: request::page_limit(limit)?,
        cursor,
    })
}

pub(super) fn read_collections(mut fields: Fields) -> Result<CollectionsQuery, WireError> {
    let below = fields.string("below")?;
    let limit = fields.integer("limit")?;
    let cursor = fields.string("cursor")?.map(String::from);
    fields.finish()?;
    Ok(CollectionsQuery {
        below: below.map(|below| below.parse()).transpose()?,
        limit: request::page_limit(limit)?,
        cursor,
    })
}

fn read_at(fields: &mut Fields) -> Result<Option<At>, WireError> {
    let Some(value) = fields.any("at") else {
        return Ok(None);
    };
    let mut fields = Fields::of("at", value)?;
    let candidates = [
        fields.integer("seq")?.map(Sequence).map(At::Sequence),
        fields
            .string("token")?
            .map(|text| request::token(&text))
            .transpose()?
            .map(At::Token),
        fields
            .string("time")?
            .map(|text| text.parse())
            .transpose()?
            .map(At::Time),
    ];
    fields.finish()?;
    let mut given = candidates.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(at), None) => Ok(Some(at)),
        _ => Err(
            WireError::invalid_argument("at needs one of seq, token and time")
                .detail("field", "at"),
        ),
    }
}
