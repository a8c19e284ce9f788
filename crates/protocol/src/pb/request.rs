//! Reads and subscriptions of protobuf as the words of the domain.

use wellspring_types::consumer::{ConsumerName, ConsumersQuery};
use wellspring_types::feed::{SubscribeRequest, View};
use wellspring_types::history::HistoryQuery;
use wellspring_types::listing::CollectionsQuery;
use wellspring_types::query::{Get, Query};
use wellspring_types::{
    At, CollectionSet, Filter, ResumeToken, Select, Sequence, Timestamp, Value,
};

use super::generated::{self as pb, at, from};
use super::struct_form::read_object;
use crate::error::WireError;
use crate::request;

impl TryFrom<pb::GetDocumentRequest> for Get {
    type Error = WireError;

    fn try_from(request: pb::GetDocumentRequest) -> Result<Get, WireError> {
        Ok(Get {
            path: request.path.parse()?,
            at: at(request.at)?,
        })
    }
}

impl TryFrom<pb::GetHistoryRequest> for HistoryQuery {
    type Error = WireError;

    fn try_from(request: pb::GetHistoryRequest) -> Result<HistoryQuery, WireError> {
        Ok(HistoryQuery {
            path: request.path.parse()?,
            limit: limit(request.limit)?,
            cursor: unless_empty(request.cursor),
        })
    }
}

impl TryFrom<pb::ListCollectionsRequest> for CollectionsQuery {
    type Error = WireError;

    fn try_from(request: pb::ListCollectionsRequest) -> Result<CollectionsQuery, WireError> {
        let below = unless_empty(request.below);
        Ok(CollectionsQuery {
            below: below.map(|below| below.parse()).transpose()?,
            limit: limit(request.limit)?,
            cursor: unless_empty(request.cursor),
        })
    }
}

impl TryFrom<pb::ListConsumersRequest> for ConsumersQuery {
    type Error = WireError;

    fn try_from(request: pb::ListConsumersRequest) -> Result<ConsumersQuery, WireError> {
        Ok(ConsumersQuery {
            limit: limit(request.limit)?,
            cursor: unless_empty(request.cursor),
        })
    }
}

impl TryFrom<pb::DeleteConsumerRequest> for ConsumerName {
    type Error = WireError;

    fn try_from(request: pb::DeleteConsumerRequest) -> Result<ConsumerName, WireError> {
        request::consumer_name(&request.name)
    }
}

impl TryFrom<pb::AcknowledgeRequest> for ResumeToken {
    type Error = WireError;

    fn try_from(request: pb::AcknowledgeRequest) -> Result<ResumeToken, WireError> {
        request::token(&request.token)
    }
}

impl TryFrom<pb::ListDocumentsRequest> for Query {
    type Error = WireError;

    fn try_from(request: pb::ListDocumentsRequest) -> Result<Query, WireError> {
        Ok(Query {
            collection: request.collection.parse()?,
            filter: None,
            select: select(&request.select)?,
            order_by: Vec::new(),
            limit: limit(request.limit)?,
            cursor: unless_empty(request.cursor),
            at: at(request.at)?,
        })
    }
}

impl TryFrom<pb::QueryRequest> for Query {
    type Error = WireError;

    fn try_from(request: pb::QueryRequest) -> Result<Query, WireError> {
        Ok(Query {
            collection: request.collection.parse()?,
            filter: filter(request.r#where)?,
            select: select(&request.select)?,
            order_by: request::order_by(request.order_by.iter().map(String::as_str))?,
            limit: limit(request.limit)?,
            cursor: unless_empty(request.cursor),
            at: at(request.at)?,
        })
    }
}

impl TryFrom<pb::SubscribeRequest> for SubscribeRequest {
    type Error = WireError;

    fn try_from(request: pb::SubscribeRequest) -> Result<SubscribeRequest, WireError> {
        let collection = unless_empty(request.collection);
        let patterns = request.collections.iter().map(String::as_str);
        let patterns = (!request.collections.is_empty()).then_some(patterns);
        let collections = request::collections(collection.as_deref(), patterns)?;
        let known = request.known.map(|known| read_known(&collections, known));
        let interval_ms = u64::from(request.checkpoint_interval_ms);
        Ok(SubscribeRequest {
            known: known.transpose()?,
            collections,
            view: View {
                filter: filter(request.r#where)?,
                select: select(&request.select)?,
                old: request.old,
                patch: request.patch,
            },
            from: request.from.map(position).transpose()?.unwrap_or_default(),
            consumer: request::consuming(
                unless_empty(request.consumer).as_deref(),
                unless_zero(u64::from(request.unacked_max)),
                unless_zero(u64::from(request.ack_timeout_ms)),
            )?,
            conflate: request.conflate,
            end_on_gap: request.end_on_gap,
            checkpoint_interval_ms: request::checkpoint_interval_ms(unless_zero(interval_ms))?,
        })
    }
}

fn read_known(
    collections: &CollectionSet,
    known: pb::Known,
) -> Result<wellspring_types::feed::Known, WireError> {
    let token = unless_empty(known.token);
    request::known(collections, token.as_deref(), known.versions.into_iter())
}

fn position(from: pb::From) -> Result<wellspring_types::feed::From, WireError> {
    use wellspring_types::feed::From;
    match from.position {
        Some(from::Position::Now(given)) => marked("now", given, From::Now),
        Some(from::Position::Snapshot(given)) => marked("snapshot", given, From::Snapshot),
        Some(from::Position::Beginning(given)) => marked("beginning", given, From::Beginning),
        Some(from::Position::Token(text)) => Ok(From::Token(request::token(&text)?)),
        Some(from::Position::Time(time)) => Ok(From::Time(timestamp(time)?)),
        None => Err(WireError::invalid_argument(
            "from needs one of now, snapshot, beginning, token and time",
        )),
    }
}

fn at(given: Option<pb::At>) -> Result<Option<At>, WireError> {
    let Some(given) = given else {
        return Ok(None);
    };
    match given.position {
        Some(at::Position::Seq(seq)) => Ok(Some(At::Sequence(Sequence(seq)))),
        Some(at::Position::Token(text)) => Ok(Some(At::Token(request::token(&text)?))),
        Some(at::Position::Time(time)) => Ok(Some(At::Time(timestamp(time)?))),
        None => Err(WireError::invalid_argument(
            "at needs one of seq, token and time",
        )),
    }
}

/// Finer than a millisecond is dropped, as it is from a time in JSON.
fn timestamp(time: prost_types::Timestamp) -> Result<Timestamp, WireError> {
    let out_of_range =
        || WireError::invalid_argument("a time must be between the years 1970 and 9999");
    let seconds = u64::try_from(time.seconds).map_err(|_negative| out_of_range())?;
    let nanos = u64::try_from(time.nanos).map_err(|_negative| out_of_range())?;
    if nanos >= 1_000_000_000 {
        return Err(WireError::invalid_argument(
            "nanos of a time must be less than a second",
        ));
    }
    seconds
        .checked_mul(1000)
        .and_then(|millis| millis.checked_add(nanos / 1_000_000))
        .filter(|millis| *millis <= Timestamp::MAX.as_millis())
        .map(Timestamp::from_millis)
        .ok_or_else(out_of_range)
}

/// A `bool` of a `oneof`: which one is set says everything, so that `false` is a mistake.
pub(super) fn marked<T>(name: &str, given: bool, value: T) -> Result<T, WireError> {
    if given {
        return Ok(value);
    }
    Err(WireError::invalid_argument(format!(
        "{name} must be true, not false"
    )))
}

pub(super) fn filter(content: Option<pb::Content>) -> Result<Option<Filter>, WireError> {
    let Some(content) = content else {
        return Ok(None);
    };
    let read = || Ok(Filter::from_value(&Value::Object(read_object(content)?))?);
    read()
        .map(Some)
        .map_err(|error: WireError| error.within("where"))
}

fn select(fields: &[String]) -> Result<Option<Select>, WireError> {
    if fields.is_empty() {
        return Ok(None);
    }
    request::select(fields.iter().map(String::as_str)).map(Some)
}

fn limit(limit: u32) -> Result<u32, WireError> {
    request::page_limit(unless_zero(u64::from(limit)))
}

pub(super) fn unless_empty(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

fn unless_zero(number: u64) -> Option<u64> {
    Some(number).filter(|number| *number != 0)
}
