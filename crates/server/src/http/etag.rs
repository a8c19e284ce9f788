//! Versions as entity tags (RFC 9110, section 8.8.3), and preconditions on them.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use wellspring_protocol::error::WireError;
use wellspring_types::Sequence;
use wellspring_types::write::Precondition;

/// The entity tag of a version.
pub(crate) fn etag(version: Sequence) -> HeaderValue {
    let text = format!("\"{version}\"");
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("\"\""))
}

/// What a write's headers ask for: `If-Match: "42"`, `If-Match: *`, `If-None-Match: *`.
///
/// # Errors
/// If they ask for something else.
pub(crate) fn write_precondition(headers: &HeaderMap) -> Result<Option<Precondition>, WireError> {
    let if_match = text(headers, &IF_MATCH)?;
    let if_none_match = text(headers, &IF_NONE_MATCH)?;
    match (if_match, if_none_match) {
        (None, None) => Ok(None),
        (Some("*"), None) => Ok(Some(Precondition::Exists)),
        (None, Some("*")) => Ok(Some(Precondition::Absent)),
        (Some(tag), None) => match version(tag) {
            Some(version) => Ok(Some(Precondition::Version(version))),
            None => Err(WireError::invalid_argument(
                "If-Match must be one version in quotation marks, such as \"42\", or *",
            )),
        },
        (None, Some(_)) => Err(WireError::invalid_argument(
            "If-None-Match of a write must be *",
        )),
        (Some(_), Some(_)) => Err(WireError::invalid_argument(
            "If-Match and If-None-Match cannot both be asked of one document",
        )),
    }
}

/// Whether a reader has this version already (`If-None-Match` of a GET).
///
/// # Errors
/// If the header is given twice or is no text.
pub(crate) fn is_known(headers: &HeaderMap, current: Sequence) -> Result<bool, WireError> {
    let Some(tags) = text(headers, &IF_NONE_MATCH)? else {
        return Ok(false);
    };
    let matches = |tag: &str| {
        let tag = tag.trim();
        tag == "*" || version(tag.strip_prefix("W/").unwrap_or(tag)) == Some(current)
    };
    Ok(tags.split(',').any(matches))
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, WireError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match value.to_str() {
            Ok(text) => Ok(Some(text.trim())),
            Err(_) => Err(WireError::invalid_argument(format!("{name} is not text"))),
        },
        _ => Err(WireError::invalid_argument(format!(
            "{name} is given twice"
        ))),
    }
}

fn version(tag: &str) -> Option<Sequence> {
    let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
    // `+42` would parse, but is no tag of ours.
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain {
        digits.parse().ok().map(Sequence)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: HeaderName, value: &str) -> Option<Option<Precondition>> {
        let headers = HeaderMap::from_iter([(name, value.parse().unwrap())]);
        write_precondition(&headers).ok()
    }

    #[test]
    fn headers_become_preconditions() {
        assert_eq!(write_precondition(&HeaderMap::new()), Ok(None));
        let version = Some(Some(Precondition::Version(Sequence(42))));
        assert_eq!(asked(IF_MATCH, "\"42\""), version);
        assert_eq!(asked(IF_MATCH, "*"), Some(Some(Precondition::Exists)));
        assert_eq!(asked(IF_NONE_MATCH, "*"), Some(Some(Precondition::Absent)));
    }

    #[test]
    fn a_precondition_that_is_not_understood_is_refused_and_not_dropped() {
        for value in ["42", "W/\"42\"", "\"42\", \"43\"", "\"x\"", "\"+42\"", ""] {
            assert_eq!(asked(IF_MATCH, value), None, "{value}");
        }
        assert_eq!(asked(IF_NONE_MATCH, "\"42\""), None);
    }

    #[test]
    fn a_reader_that_has_the_version_is_told_so() {
        let headers = HeaderMap::from_iter([(IF_NONE_MATCH, "\"7\", W/\"42\"".parse().unwrap())]);
        assert_eq!(is_known(&headers, Sequence(42)), Ok(true));
        assert_eq!(is_known(&headers, Sequence(43)), Ok(false));
    }
}
