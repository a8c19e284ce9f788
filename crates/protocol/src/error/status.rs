//! An error as a gRPC status with details (google.rpc.Status: `ErrorInfo`, `RetryInfo`).

use std::collections::HashMap;
use std::time::Duration;

use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};
use wellspring_types::{Value, json};

use super::{Code, WireError};

/// `ErrorInfo.domain` of our errors.
const DOMAIN: &str = "wellspring";
/// Key of `ErrorInfo.metadata`: what to do.
const RETRY: &str = "retry";
/// Key of `ErrorInfo.metadata`: the details as a JSON object.
const DETAILS: &str = "details";
/// Bytes of details that are sent. Many clients take 8 KiB of headers, base64 included.
const DETAILS_BYTES_MAX: usize = 1024;

impl WireError {
    /// As a gRPC status. The code is the `reason` of its `ErrorInfo`, whose `metadata` has `retry`
    /// and, unless they are too long for a header, `details`.
    #[must_use]
    pub fn to_status(&self) -> Status {
        let mut metadata = HashMap::from([(RETRY.to_owned(), self.retry().as_str().to_owned())]);
        if let Some(details) = &self.details {
            let mut text = String::new();
            details.write(&mut text);
            if text.len() <= DETAILS_BYTES_MAX {
                metadata.insert(DETAILS.to_owned(), text);
            }
        }
        let mut details = ErrorDetails::with_error_info(self.code.as_str(), DOMAIN, metadata);
        if let Some(after_ms) = self.after_ms {
            details.set_retry_info(Some(Duration::from_millis(after_ms)));
        }
        Status::with_error_details(self.code.grpc(), &self.message, details)
    }

    /// From a gRPC status. One that has no `ErrorInfo` of ours came from a proxy or from the gRPC
    /// library, and gets the code that is nearest.
    #[must_use]
    pub fn from_status(status: &Status) -> WireError {
        let details = status.get_error_details();
        let info = details.error_info().filter(|info| info.domain == DOMAIN);
        let mut error = match info {
            None => WireError::new(Code::from_grpc(status.code()), status.message()),
            Some(info) => {
                let text = |key: &str| info.metadata.get(key).map(String::as_str);
                let retry = text(RETRY).unwrap_or_default();
                let mut error = WireError::received(&info.reason, retry, status.message());
                let details =
                    text(DETAILS).and_then(|text| json::parse_message(text.as_bytes()).ok());
                for (name, value) in details.iter().filter_map(Value::as_object).flatten() {
                    error = error.detail(name, value.clone());
                }
                error
            }
        };
        error.after_ms = details
            .retry_info()
            .and_then(|info| info.retry_delay)
            .map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
        error
    }

    /// Whether a status has an `ErrorInfo` of ours already.
    #[must_use]
    pub fn is_in_status(status: &Status) -> bool {
        status
            .get_error_details()
            .error_info()
            .is_some_and(|info| info.domain == DOMAIN)
    }
}

impl From<WireError> for Status {
    fn from(error: WireError) -> Status {
        error.to_status()
    }
}
