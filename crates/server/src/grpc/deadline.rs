//! `grpc-timeout`: how long a client waits (gRPC over HTTP/2, "Requests"). tonic honours it only
//! in its own server.

use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;
use wellspring_protocol::error::{Code, WireError};

/// When a client stops waiting; found among its request's extensions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(pub(super) Option<Instant>);

impl Deadline {
    /// # Errors
    /// If the header is not a timeout.
    pub(super) fn of(headers: &HeaderMap) -> Result<Deadline, WireError> {
        let Some(header) = headers.get("grpc-timeout") else {
            return Ok(Deadline(None));
        };
        let timeout = header.to_str().ok().and_then(parse);
        let told = || WireError::invalid_argument("grpc-timeout must be up to 8 digits and a unit");
        Ok(Deadline(Some(Instant::now() + timeout.ok_or_else(told)?)))
    }

    /// Runs `work` until the deadline.
    ///
    /// # Errors
    /// [`Code::DeadlineExceeded`].
    pub(super) async fn bound<T>(self, work: impl Future<Output = T>) -> Result<T, WireError> {
        let Deadline(Some(deadline)) = self else {
            return Ok(work.await);
        };
        tokio::time::timeout_at(deadline, work)
            .await
            .map_err(|_elapsed| {
                WireError::new(
                    Code::DeadlineExceeded,
                    "the deadline of the request has passed",
                )
            })
    }
}

fn parse(text: &str) -> Option<Duration> {
    let unit_at = text.len().checked_sub(1)?;
    let (digits, unit) = text.split_at_checked(unit_at)?;
    let is_number = (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let amount: u64 = if is_number {
        digits.parse().ok()?
    } else {
        return None;
    };
    match unit {
        "H" => Some(Duration::from_secs(amount * 3600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_have_a_unit() {
        assert_eq!(parse("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(parse("3M"), Some(Duration::from_secs(180)));
        assert_eq!(parse("10S"), Some(Duration::from_secs(10)));
        assert_eq!(parse("1500m"), Some(Duration::from_millis(1500)));
        assert_eq!(parse("7u"), Some(Duration::from_micros(7)));
        assert_eq!(parse("99999999n"), Some(Duration::from_nanos(99_999_999)));
        for refused in ["", "S", "10", "-1S", "123456789S", "1s", "1 S", "1é"] {
            assert_eq!(parse(refused), None, "{refused}");
        }
    }
}
