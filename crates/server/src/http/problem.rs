//! Errors as HTTP responses: problem details (RFC 9457).

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use wellspring_protocol::error::{Code, WireError};

/// An error on its way to an HTTP client.
#[derive(Debug)]
pub(crate) struct Problem {
    error: WireError,
    status: Option<StatusCode>,
    allow: Option<&'static str>,
}

impl Problem {
    /// The path is known, but not with this method.
    pub(crate) fn method_not_allowed(allow: &'static str) -> Problem {
        let error = WireError::invalid_argument(format!("only {allow} are known here"));
        let status = Some(StatusCode::METHOD_NOT_ALLOWED);
        Problem {
            error,
            status,
            allow: Some(allow),
        }
    }

    /// A body of a type that is not understood.
    pub(crate) fn unsupported_media_type(expected: &str) -> Problem {
        let error =
            WireError::invalid_argument(format!("the body's Content-Type must be {expected}"));
        Problem {
            error,
            status: Some(StatusCode::UNSUPPORTED_MEDIA_TYPE),
            allow: None,
        }
    }

    /// Nothing has this path.
    pub(crate) fn no_such_path() -> Problem {
        WireError::new(Code::NotFound, "nothing is served under this path").into()
    }
}

impl<E: Into<WireError>> From<E> for Problem {
    fn from(error: E) -> Problem {
        Problem {
            error: error.into(),
            status: None,
            allow: None,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let of_code = StatusCode::from_u16(self.error.code.http_status());
        let status = self
            .status
            .or(of_code.ok())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response =
            Response::new(Body::from(self.error.to_problem_json_with(status.as_u16())));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let content_type = HeaderValue::from_static(WireError::PROBLEM_CONTENT_TYPE);
        headers.insert(CONTENT_TYPE, content_type);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(after_ms) = self.error.after_ms {
            headers.insert(RETRY_AFTER, HeaderValue::from(after_ms.div_ceil(1000)));
        }
        // For whoever counts errors.
        response.extensions_mut().insert(self.error.code);
        response
    }
}
