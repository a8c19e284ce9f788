//! `subscribe`: the changes of a collection, or of several.

use wellspring_types::CollectionSet;
use wellspring_types::feed::{From, Known, SubscribeRequest, View};

use super::commit::read_filter;
use super::fields::Fields;
use crate::error::WireError;
use crate::request;

pub(super) fn read_subscribe(mut fields: Fields) -> Result<SubscribeRequest, WireError> {
    let collection = fields.string("collection")?;
    let patterns = fields.strings("collections")?;
    let patterns = patterns
        .as_ref()
        .map(|texts| texts.iter().map(AsRef::as_ref));
    let collections = request::collections(collection.as_deref(), patterns)?;
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
    let known = fields
        .any("known")
        .map(|value| read_known(&collections, Fields::of("known", value)?))
        .transpose()?;
    let end_on_gap = fields.flag("end_on_gap")?.unwrap_or_default();
    let interval_ms = fields.integer("checkpoint_interval_ms")?;
    let consumer = fields.string("consumer")?;
    let unacked_max = fields.integer("unacked_max")?;
    let ack_timeout_ms = fields.integer("ack_timeout_ms")?;
    fields.finish()?;
    Ok(SubscribeRequest {
        collections,
        view: View {
            filter,
            select,
            old,
            patch,
        },
        from: from.unwrap_or_default(),
        known,
        consumer: request::consuming(consumer.as_deref(), unacked_max, ack_timeout_ms)?,
        conflate,
        end_on_gap,
        checkpoint_interval_ms: request::checkpoint_interval_ms(interval_ms)?,
    })
}

fn read_known(collections: &CollectionSet, mut fields: Fields) -> Result<Known, WireError> {
    let token = fields.string("token")?;
    let versions = fields.object("versions")?;
    let versions = fields.required("versions", versions)?;
    fields.finish()?;
    let mut read = Vec::with_capacity(versions.len());
    for (id, version) in versions {
        let number = version.as_number().and_then(|number| number.as_u64());
        let number = number.ok_or_else(|| {
            let found = version.type_name();
            let told = format!("a version in known must be a sequence, not {found}");
            WireError::invalid_argument(told).detail("field", "known")
        })?;
        read.push((id, number));
    }
    request::known(collections, token.as_deref(), read.into_iter())
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
