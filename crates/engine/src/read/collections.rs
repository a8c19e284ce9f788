//! Which collections there are, page by page.

use std::ops::Bound;

use wellspring_types::listing::{CollectionsPage, CollectionsQuery};
use wellspring_types::{DocumentPath, Sequence, limits};

use super::{ReadError, Sources};
use crate::token::{Place, Scope, Sealer, TokenError};

/// A page of the collections that have been written to.
pub(crate) fn page(
    query: &CollectionsQuery,
    sources: &Sources,
    sealer: &Sealer,
) -> Result<CollectionsPage, ReadError> {
    if !(1..=limits::PAGE_DOCUMENTS_MAX).contains(&query.limit) {
        let reason = format!("limit is 1 to {}", limits::PAGE_DOCUMENTS_MAX);
        return Err(ReadError::InvalidQuery {
            reason: reason.into(),
        });
    }
    let below = query.below.as_ref();
    // Before the collections are: one that is visible by now is among them.
    let visible = sources.visible.sequence();
    let seen = query
        .cursor
        .as_deref()
        .map(|cursor| seen_through(cursor, below, sealer));
    let (seq, last) = match seen.transpose()? {
        Some((pin, _)) if pin > visible => return Err(ReadError::CursorExpired),
        Some((pin, last)) => (pin, Some(last)),
        None => (visible, None),
    };
    let prefix = below.map(|document| format!("{document}/"));
    let prefix = prefix.as_deref().unwrap_or_default();
    let from = match &last {
        Some(last) => Bound::Excluded(&**last),
        None => Bound::Included(prefix),
    };
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    // One more tells whether there is another page.
    let mut collections = sources.collections.named(prefix, from, limit + 1);
    let is_last = collections.len() <= limit;
    collections.truncate(limit);
    let cursor = match collections.last() {
        Some(last) if !is_last => Some(sealer.seal(&Place::InCollections {
            pin: seq,
            scope: Scope::of_collections(below),
            last: last.as_str().into(),
        })),
        _ => None,
    };
    Ok(CollectionsPage {
        collections,
        seq,
        cursor,
    })
}

/// The sequence of the first page, and the path that a cursor was given after.
fn seen_through(
    cursor: &str,
    below: Option<&DocumentPath>,
    sealer: &Sealer,
) -> Result<(Sequence, Box<str>), ReadError> {
    let opened = sealer.open(cursor)?;
    let Place::InCollections { pin, scope, last } = opened.place else {
        return Err(TokenError::WrongKind.into());
    };
    if scope != Scope::of_collections(below) {
        return Err(TokenError::OtherQuery.into());
    }
    if opened.epoch != sealer.epoch() {
        return Err(ReadError::CursorExpired);
    }
    Ok((pin, last))
}
