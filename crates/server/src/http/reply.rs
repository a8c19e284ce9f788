//! JSON responses.

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, LOCATION};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use wellspring_protocol::json::reply;
use wellspring_types::DocumentPath;
use wellspring_types::write::CommitResult;

use super::etag::etag;

/// What a segment of a URL's path may not have unencoded (RFC 3986, section 3.3), and `%`.
const NOT_IN_SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A body of JSON. It is of this moment, so that nobody may keep it without asking.
pub(crate) fn json(text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// What became of a commit of one document.
pub(crate) fn written(result: &CommitResult) -> Response {
    let mut response = json(reply::commit_body(result));
    response.headers_mut().insert(ETAG, etag(result.seq));
    response
}

/// What became of a commit that inserted a document.
pub(crate) fn created(result: &CommitResult, path: &DocumentPath) -> Response {
    let mut response = written(result);
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(location) = HeaderValue::try_from(location(path)) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

fn location(path: &DocumentPath) -> String {
    let mut location = String::from("/v1/documents");
    for segment in path.as_str().split('/') {
        location.push('/');
        location.extend(utf8_percent_encode(segment, NOT_IN_SEGMENT));
    }
    location
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_valid_path_of_a_url() {
        let path = "röoms/a b?c#d%".parse().unwrap();
        assert_eq!(location(&path), "/v1/documents/r%C3%B6oms/a%20b%3Fc%23d%25");
    }
}
