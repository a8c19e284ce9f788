//! `subscribe`: the changes of a collection.

use wellspring_types::feed::{From, SubscribeRequest, View};

use super::commit::read_filter;
use super::fields::Fields;
use crate::error::WireError;
use crate::request;

pub(super) fn read_subscribe(mut fields: Fields) -> Result<SubscribeRequest, WireError> {
    let collection = fields.string("collection")?;
    let collection = fields.required("collection", collection)?.parse()?;
    let filter = read_filter(&mut fields)?;
    let select = fields.strings("select")?;
    let select = select
        .map(|select| request::select(select.iter().map(AsRef::as_ref)))
        .transpose()?;
    let from = fields
        .any("from")
        .map(|value| read_from(Fields::of("from", value)?))
        .transpose()?;
    let old = fields.flag("old")?.unwrap_or_default();
    let patch = fields.flag("patch")?.unwrap_or_default();
    let conflate = fields.flag("conflate")?.unwrap_or_default();
    let known = fields.array("known")?;
    let end_on_gap = fields.flag("end_on_gap")?.unwrap_or_default();
    let interval_ms = fields.integer("checkpoint_interval_ms")?;
    fields.finish()?;
    if conflate {
        return Err(request::not_yet("conflate"));
    }
    if known.is_some() {
        return Err(request::not_yet("known"));
    }
    Ok(SubscribeRequest {
        collection,
        view: View {
            filter,
            select,
            old,
            patch,
        },
        from: from.unwrap_or_default(),
        end_on_gap,
        checkpoint_interval_ms: request::checkpoint_interval_ms(interval_ms)?,
    })
}

fn read_from(mut fields: Fields) -> Result<From, WireError> {
    let candidates = [
        fields.mark("now")?.map(|()| From::Now),
        fields.mark("snapshot")?.map(|()| From::Snapshot),
        fields.mark("beginning")?.map(|()| From::Beginning),
        fields
            .string("token")?
            .map(|text| request::token(&text))
            .transpose()?
            .map(From::Token),
        fields
            .string("time")?
            .map(|text| text.parse())
            .transpose()?
            .map(From::Time),
    ];
    fields.finish()?;
    let mut given = candidates.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(from), None) => Ok(from),
        _ => Err(WireError::invalid_argument(
            "from needs one of now, snapshot, beginning, token and time",
        )
        .detail("field", "from")),
    }
}
