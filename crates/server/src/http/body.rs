//! Bodies of requests: bounded in size and time, and of a type that is understood.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http_body_util::BodyExt;
use wellspring_protocol::error::{Code, WireError};
use wellspring_types::limits::REQUEST_BYTES_MAX;

use super::problem::Problem;

/// Bytes beyond the limit that are read and dropped. A connection that is closed while its client
/// still writes is reset, and the answer lost with it.
const DROPPED_BYTES_MAX: usize = 4 * REQUEST_BYTES_MAX;

/// Reads a whole body.
///
/// # Errors
/// If it is larger than `bytes_max`, takes longer than `patience`, or breaks off.
pub(crate) async fn read<B>(
    body: B,
    bytes_max: usize,
    patience: Duration,
) -> Result<Bytes, WireError>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match tokio::time::timeout(patience, read_all(body, bytes_max)).await {
        Ok(read) => read,
        Err(_) => {
            let told = format!(
                "the request's body took longer than {} ms",
                patience.as_millis()
            );
            Err(WireError::new(Code::DeadlineExceeded, told))
        }
    }
}

async fn read_all<B>(body: B, bytes_max: usize) -> Result<Bytes, WireError>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if declared > DROPPED_BYTES_MAX {
        return Err(too_large(bytes_max));
    }
    let mut body = std::pin::pin!(body);
    let mut read = BytesMut::with_capacity(declared.min(bytes_max));
    let mut total = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(WireError::invalid_argument(
                "the request's body is broken off",
            ));
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        total += data.len();
        if total > DROPPED_BYTES_MAX {
            break;
        }
        if total <= bytes_max {
            read.extend_from_slice(&data);
        }
    }
    if total > bytes_max {
        Err(too_large(bytes_max))
    } else {
        Ok(read.freeze())
    }
}

fn too_large(bytes_max: usize) -> WireError {
    let told = format!("a request's body has at most {bytes_max} bytes");
    WireError::new(Code::TooLarge, told)
}

/// Reads a whole body that is JSON by its `Content-Type`, or by having none.
///
/// # Errors
/// As [`read`], or if the body is of another type.
pub(crate) async fn read_json(
    headers: &HeaderMap,
    body: Body,
    patience: Duration,
) -> Result<Bytes, Problem> {
    check_json(headers)?;
    Ok(read(body, REQUEST_BYTES_MAX, patience).await?)
}

fn check_json(headers: &HeaderMap) -> Result<(), Problem> {
    if headers
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| encoding != "identity")
    {
        return Err(Problem::unsupported_media_type(
            "application/json without Content-Encoding",
        ));
    }
    let Some(content_type) = headers.get(CONTENT_TYPE) else {
        return Ok(());
    };
    let media_type = content_type
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    let media_type = media_type.trim().to_ascii_lowercase();
    let is_json = media_type == "application/json"
        || (media_type.starts_with("application/") && media_type.ends_with("+json"));
    if is_json {
        Ok(())
    } else {
        Err(Problem::unsupported_media_type("application/json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_taken(content_type: &str) -> bool {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().unwrap())]);
        check_json(&headers).is_ok()
    }

    #[test]
    fn json_and_its_kin_are_taken() {
        assert!(check_json(&HeaderMap::new()).is_ok());
        for taken in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/merge-patch+json",
        ] {
            assert!(is_taken(taken), "{taken}");
        }
        for refused in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "",
            "text/json+xml",
        ] {
            assert!(!is_taken(refused), "{refused}");
        }
    }

    #[tokio::test]
    async fn a_body_is_bounded_in_size() {
        let patience = Duration::from_secs(30);
        let read = async |body| read(body, REQUEST_BYTES_MAX, patience).await;
        let fits = Body::from(vec![b' '; REQUEST_BYTES_MAX]);
        assert_eq!(read(fits).await.unwrap().len(), REQUEST_BYTES_MAX);
        let large = Body::from(vec![b' '; REQUEST_BYTES_MAX + 1]);
        assert_eq!(read(large).await.unwrap_err().code, Code::TooLarge);
        let chunk = || Ok::<_, std::convert::Infallible>(Bytes::from(vec![b' '; 1 << 20]));
        let unsized_body = Body::from_stream(futures_util::stream::repeat_with(chunk));
        assert_eq!(read(unsized_body).await.unwrap_err().code, Code::TooLarge);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_bounded_in_time() {
        let never = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        let error = read(Body::from_stream(never), 1, Duration::from_secs(30))
            .await
            .unwrap_err();
        assert_eq!(error.code, Code::DeadlineExceeded);
    }
}
