//! What every gRPC request passes: its message is read whole and in time, its deadline is
//! honoured, and statuses that the library makes are replaced by codes of the table.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::Full;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower::ServiceExt;
use wellspring_protocol::error::{Code, WireError};
use wellspring_types::limits::REQUEST_BYTES_MAX;

use super::deadline::Deadline;
use crate::http::body;
use crate::shared::Shared;

/// Methods of ours take one message; those of others, such as reflection, may take a stream.
const OURS: &str = "/wellspring.v1.";
/// Bytes before a message: whether it is compressed, and its length.
const MESSAGE_HEADER_BYTES: usize = 5;
/// Bytes of a request's body.
const BODY_BYTES_MAX: usize = MESSAGE_HEADER_BYTES + REQUEST_BYTES_MAX;

/// Answers a request.
pub(super) async fn pass(
    shared: &Shared,
    routes: Routes,
    request: Request<Body>,
) -> Response<Body> {
    match enter(shared, routes, request).await {
        Ok(response) => translate(response),
        Err(error) => told(&error),
    }
}

async fn enter(
    shared: &Shared,
    routes: Routes,
    mut request: Request<Body>,
) -> Result<Response<Body>, WireError> {
    let deadline = Deadline::of(request.headers())?;
    request.extensions_mut().insert(deadline);
    let is_ours = request.uri().path().starts_with(OURS);
    if is_ours {
        let (parts, body) = request.into_parts();
        let message = deadline
            .bound(body::read(body, BODY_BYTES_MAX, shared.body_timeout()))
            .await??;
        check_framing(&message)?;
        request = Request::from_parts(parts, Body::new(Full::new(message)));
    }
    let Ok(response) = deadline.bound(routes.oneshot(request)).await?;
    if is_ours {
        return Ok(response);
    }
    // Our streams end by themselves when the server drains; these would not.
    let draining = shared.tasks.draining().cancelled_owned();
    let (parts, body) = response.into_parts();
    let body = UntilDrained {
        body,
        draining: Box::pin(draining),
        ended: false,
    };
    Ok(Response::from_parts(parts, Body::new(body)))
}

/// Refuses a body that is not exactly one message. The library takes the first of several, and
/// calls the server defective where it is the client's framing that is wrong.
fn check_framing(body: &[u8]) -> Result<(), WireError> {
    let Some((&[compressed, a, b, c, d], message)) = body.split_first_chunk() else {
        return Err(WireError::invalid_argument("the request has no message"));
    };
    match compressed {
        0 => {}
        1 => {
            return Err(WireError::unimplemented(
                "compressed messages are not taken",
            ));
        }
        flag => {
            let told = format!("a message begins with 0, or 1 if it is compressed, not {flag}");
            return Err(WireError::invalid_argument(told));
        }
    }
    let declared = u32::from_be_bytes([a, b, c, d]);
    if usize::try_from(declared).is_ok_and(|declared| declared == message.len()) {
        return Ok(());
    }
    Err(WireError::invalid_argument(format!(
        "the request is not one message: {declared} bytes are announced, and {} follow",
        message.len()
    )))
}

/// Replaces a status that is not one of ours. tonic's own are all of responses without a body.
fn translate(mut response: Response<Body>) -> Response<Body> {
    match Status::from_header_map(response.headers()) {
        Some(status) if status.code() != tonic::Code::Ok && !WireError::is_in_status(&status) => {
            told(&WireError::from_status(&status))
        }
        Some(status) if status.code() != tonic::Code::Ok => {
            let code = WireError::from_status(&status).code;
            response.extensions_mut().insert(code);
            response
        }
        _ => response,
    }
}

/// An error as a response, which carries its code for whoever counts errors.
fn told(error: &WireError) -> Response<Body> {
    let mut response = error.to_status().into_http();
    response.extensions_mut().insert(error.code);
    response
}

/// A response that ends when the server drains.
struct UntilDrained {
    body: Body,
    draining: Pin<Box<WaitForCancellationFutureOwned>>,
    ended: bool,
}

impl http_body::Body for UntilDrained {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.ended = frame.is_none();
            return Poll::Ready(frame);
        }
        ready!(self.draining.poll_unpin(context));
        self.ended = true;
        let why = WireError::new(Code::Unavailable, "the server is shutting down").to_status();
        let mut trailers = HeaderMap::new();
        Poll::Ready(Some(
            why.add_header(&mut trailers)
                .map(|()| Frame::trailers(trailers)),
        ))
    }
}
