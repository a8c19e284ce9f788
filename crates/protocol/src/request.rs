//! Rules of requests that all transports share.

use std::collections::BTreeMap;

use wellspring_types::consumer::{ConsumerName, Consuming};
use wellspring_types::feed::Known;
use wellspring_types::limits::{
    CHECKPOINT_INTERVAL_MS, CHECKPOINT_INTERVAL_MS_MIN, COLLECTION_PATTERNS_MAX, COMMIT_READS_MAX,
    COMMIT_WRITES_MAX, KNOWN_BYTES_MAX, KNOWN_DOCUMENTS_MAX, ORDER_BY_KEYS_MAX,
    PAGE_DOCUMENTS_DEFAULT, PAGE_DOCUMENTS_MAX, SELECT_FIELDS_MAX, TRANSFORMS_MAX,
};
use wellspring_types::query::OrderBy;
use wellspring_types::{
    CollectionPath, CollectionPattern, CollectionSet, FieldPath, ResumeToken, Select, Sequence,
};

use crate::error::{Code, WireError};

/// The documents of a page: `limit`, or what counts without one.
///
/// # Errors
/// If it is 0 or larger than [`PAGE_DOCUMENTS_MAX`].
pub fn page_limit(limit: Option<u64>) -> Result<u32, WireError> {
    match limit {
        None => Ok(PAGE_DOCUMENTS_DEFAULT),
        Some(limit) => u32::try_from(limit)
            .ok()
            .filter(|limit| (1..=PAGE_DOCUMENTS_MAX).contains(limit))
            .ok_or_else(|| {
                WireError::invalid_argument(format!(
                    "limit must be 1 to {PAGE_DOCUMENTS_MAX}, not {limit}"
                ))
            }),
    }
}

/// The longest time between two checkpoints: `interval_ms`, or what counts without one.
///
/// # Errors
/// If it is out of the range that a client may ask for.
pub fn checkpoint_interval_ms(interval_ms: Option<u64>) -> Result<u64, WireError> {
    let range = CHECKPOINT_INTERVAL_MS_MIN..=CHECKPOINT_INTERVAL_MS;
    match interval_ms {
        None => Ok(CHECKPOINT_INTERVAL_MS),
        Some(interval_ms) if range.contains(&interval_ms) => Ok(interval_ms),
        Some(interval_ms) => Err(WireError::invalid_argument(format!(
            "checkpoint_interval_ms must be {} to {}, not {interval_ms}",
            range.start(),
            range.end(),
        ))),
    }
}

/// The fields that are wanted, from their paths.
///
/// # Errors
/// If there is none, there are too many, or one is not a field's path.
pub fn select<'a>(fields: impl IntoIterator<Item = &'a str>) -> Result<Select, WireError> {
    // One more than may be, so that the error says so and yet a long list is not parsed.
    let fields = fields.into_iter().take(SELECT_FIELDS_MAX + 1);
    let fields = fields
        .map(str::parse::<FieldPath>)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Select::new(fields)?)
}

/// The keys of an order, from their texts (`-year`, `title`).
///
/// # Errors
/// If there are too many, or one is not a field's path.
pub fn order_by<'a>(keys: impl IntoIterator<Item = &'a str>) -> Result<Vec<OrderBy>, WireError> {
    let keys = keys.into_iter().take(ORDER_BY_KEYS_MAX + 1);
    let keys = keys
        .map(str::parse::<OrderBy>)
        .collect::<Result<Vec<_>, _>>()?;
    at_most("order_by", keys.len(), ORDER_BY_KEYS_MAX)?;
    Ok(keys)
}

/// A resume token as a client sent it.
///
/// # Errors
/// If it is empty: a client that has no token is not to be taken for one that says so.
pub fn token(text: &str) -> Result<ResumeToken, WireError> {
    if text.is_empty() {
        return Err(WireError::new(Code::TokenInvalid, "a token is not empty"));
    }
    Ok(ResumeToken::new(text))
}

/// The collections of a subscription: one by its path, or several by patterns.
///
/// # Errors
/// If neither or both are given, or one cannot be one, or there are too many patterns.
pub fn collections<'a>(
    collection: Option<&str>,
    patterns: Option<impl IntoIterator<Item = &'a str>>,
) -> Result<CollectionSet, WireError> {
    match (collection, patterns) {
        (Some(collection), None) => Ok(collection.parse::<CollectionPath>()?.into()),
        (None, Some(patterns)) => {
            let patterns = patterns.into_iter().take(COLLECTION_PATTERNS_MAX + 1);
            let patterns: Vec<CollectionPattern> =
                patterns.map(str::parse).collect::<Result<_, _>>()?;
            CollectionSet::matching(patterns).map_err(|error| {
                WireError::invalid_argument(error.to_string()).detail("field", "collections")
            })
        }
        (None, None) => {
            let told = "a collection is required, or collections";
            Err(WireError::invalid_argument(told).detail("field", "collection"))
        }
        (Some(_), Some(_)) => {
            let told = "collection names one, collections several: give one of them";
            Err(WireError::invalid_argument(told).detail("field", "collections"))
        }
    }
}

/// The part that a subscription takes in a consumer, if it names one.
///
/// # Errors
/// If the name cannot be one, or there is none and yet a limit. Limits out of their ranges are for
/// the database to refuse.
pub fn consuming(
    name: Option<&str>,
    unacked_max: Option<u64>,
    ack_timeout_ms: Option<u64>,
) -> Result<Option<Consuming>, WireError> {
    let Some(name) = name else {
        if unacked_max.is_some() || ack_timeout_ms.is_some() {
            let told = "unacked_max and ack_timeout_ms go with a consumer";
            return Err(WireError::invalid_argument(told).detail("field", "consumer"));
        }
        return Ok(None);
    };
    let mut consuming = Consuming::new(consumer_name(name)?);
    if let Some(unacked_max) = unacked_max {
        consuming.unacked_max = u32::try_from(unacked_max).unwrap_or(u32::MAX);
    }
    if let Some(ack_timeout_ms) = ack_timeout_ms {
        consuming.ack_timeout_ms = ack_timeout_ms;
    }
    Ok(Some(consuming))
}

/// The name of a consumer.
///
/// # Errors
/// If it cannot be one.
pub fn consumer_name(name: &str) -> Result<ConsumerName, WireError> {
    name.parse::<ConsumerName>()
        .map_err(|error| WireError::invalid_argument(error.to_string()).detail("field", "consumer"))
}

/// What a client says that it holds of its one collection: versions by ids.
///
/// # Errors
/// If it is more than may be said, an id cannot be one, or a version is that of no document.
pub fn known<Id: AsRef<str>>(
    collections: &CollectionSet,
    token: Option<&str>,
    versions: impl ExactSizeIterator<Item = (Id, u64)>,
) -> Result<Known, WireError> {
    let Some(collection) = collections.only() else {
        let told = "known goes with a subscription to one collection";
        return Err(WireError::invalid_argument(told).detail("field", "known"));
    };
    let count = versions.len();
    if count > KNOWN_DOCUMENTS_MAX {
        let message = format!("known has at most {KNOWN_DOCUMENTS_MAX} versions, not {count}");
        return Err(WireError::new(Code::TooLarge, message));
    }
    let mut known = Known {
        token: token.map(self::token).transpose()?,
        versions: BTreeMap::new(),
    };
    let mut bytes = 0;
    for (id, version) in versions {
        let id = id.as_ref();
        collection.document(id)?;
        if version == 0 {
            let message = format!("known: a version is at least 1, that of {id:?} is 0");
            return Err(WireError::invalid_argument(message));
        }
        bytes += id.len();
        known.versions.insert(id.into(), Sequence(version));
    }
    if bytes > KNOWN_BYTES_MAX {
        let message = format!("known has at most {KNOWN_BYTES_MAX} bytes of ids, not {bytes}");
        return Err(WireError::new(Code::TooLarge, message));
    }
    Ok(known)
}

/// The error for what the protocol names and this server does not do yet.
#[must_use]
pub fn not_yet(feature: &str) -> WireError {
    WireError::unimplemented(format!("{feature} is not implemented yet")).detail("feature", feature)
}

pub(crate) fn writes_fit(count: usize) -> Result<(), WireError> {
    if count == 0 {
        return Err(WireError::invalid_argument(
            "writes must have at least one write",
        ));
    }
    fits("writes", count, COMMIT_WRITES_MAX)
}

pub(crate) fn reads_fit(count: usize) -> Result<(), WireError> {
    fits("reads", count, COMMIT_READS_MAX)
}

pub(crate) fn transforms_fit(count: usize) -> Result<(), WireError> {
    fits("transforms", count, TRANSFORMS_MAX)
}

fn fits(field: &str, count: usize, max: usize) -> Result<(), WireError> {
    if count > max {
        let message = format!("{field} has at most {max} entries, this one {count}");
        return Err(WireError::new(Code::TooLarge, message));
    }
    Ok(())
}

fn at_most(field: &str, count: usize, max: usize) -> Result<(), WireError> {
    if count > max {
        return Err(WireError::invalid_argument(format!(
            "{field} has at most {max} entries"
        )));
    }
    Ok(())
}
