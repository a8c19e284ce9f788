//! The feed as Server-Sent Events (WHATWG HTML, section 9.2) and as lines of JSON.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::HeaderMap;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http_body::Frame;
use wellspring_protocol::error::{Code, WireError};
use wellspring_protocol::json::{JsonChanges, feed};
use wellspring_types::ResumeToken;
use wellspring_types::feed::{ChangesWriter, FeedMessage, SubscribeRequest, WrittenChanges};

use super::problem::Problem;
use crate::client::{self, subscriber};
use crate::session::{Feed, Framed, Framing, STEP_BYTES, Session, Taker, outbox};
use crate::shared::Shared;

/// How long an EventSource waits before it reconnects, in milliseconds, before jitter.
const RETRY_MS: u64 = 2000;

/// How messages stand in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamForm {
    /// Server-Sent Events.
    Events,
    /// One message a line.
    Lines,
}

/// Opens a stream.
///
/// # Errors
/// If the database does not accept the request.
pub(super) fn open(
    shared: &Shared,
    form: StreamForm,
    request: SubscribeRequest,
    extensions: &http::Extensions,
) -> Result<Response, WireError> {
    let database = shared.phase.database()?;
    let subscriber = subscriber(form.transport(), extensions);
    let feed = Feed::open(&database, subscriber, request)?;
    let (outbox, taker) = outbox(shared.outbox_limits());
    let session = Session::new(form, outbox, database, shared.terms(subscriber)).with(feed);
    shared.tasks.spawn(session.run(stream::empty()));
    let first = match form {
        // A comment at once lets proxies and browsers see that the stream is open.
        StreamForm::Events => Bytes::from(format!("retry: {}\n: open\n\n", jittered(RETRY_MS))),
        StreamForm::Lines => Bytes::new(),
    };
    Ok(respond(form, Body::new(StreamBody { rest: first, taker })))
}

/// Answers a request that was not accepted. An EventSource gives up for good on any status but
/// 200, so what passes is told by a stream that ends at once; what lasts keeps its status.
pub(super) fn refuse(form: StreamForm, why: WireError) -> Response {
    let passes = matches!(
        why.code,
        Code::RateLimited | Code::Overloaded | Code::Unavailable
    );
    if form == StreamForm::Events && passes {
        let retry_ms = jittered(why.after_ms.unwrap_or(RETRY_MS));
        let told = Body::from(format!("retry: {retry_ms}\n: {}\n\n", why.code));
        let mut response = respond(form, told);
        response.extensions_mut().insert(why.code);
        return response;
    }
    Problem::from(why).into_response()
}

fn respond(form: StreamForm, body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    let content_type = match form {
        StreamForm::Events => "text/event-stream",
        StreamForm::Lines => "application/x-ndjson",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    forbid_caching(headers);
    response
}

/// What a feed says is of this moment, and no proxy may hold it back to compress it.
pub(super) fn forbid_caching(headers: &mut HeaderMap) {
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("no-store, no-transform"),
    );
}

/// A time of up to half as much again, so that clients who lost their connections together do
/// not come back together.
fn jittered(millis: u64) -> u64 {
    let random = u64::try_from(ulid::Ulid::generate().random() % 1024).unwrap_or(0);
    millis + millis * random / 2048
}

impl StreamForm {
    fn transport(self) -> &'static str {
        match self {
            StreamForm::Events => client::EVENTS,
            StreamForm::Lines => client::LINES,
        }
    }

    fn framed(self, text: &str, token: Option<&ResumeToken>) -> Framed<Bytes> {
        let frame = match (self, token) {
            (StreamForm::Events, Some(token)) => format!("id: {token}\ndata: {text}\n\n"),
            (StreamForm::Events, None) => format!("data: {text}\n\n"),
            (StreamForm::Lines, _) => format!("{text}\n"),
        };
        Framed {
            bytes: frame.len(),
            frame: frame.into(),
        }
    }
}

impl Framing for StreamForm {
    type Frame = Bytes;

    fn feed(&self, _id: &str, message: &FeedMessage) -> Vec<Framed<Bytes>> {
        let mut frames = Vec::new();
        feed::write(None, message, &mut |text, token| {
            frames.push(self.framed(&text, token))
        });
        frames
    }

    fn writer(&self, _id: &str) -> Option<Arc<dyn ChangesWriter>> {
        Some(Arc::new(JsonChanges::new(None)))
    }

    fn written(&self, changes: WrittenChanges) -> Vec<Framed<Bytes>> {
        vec![self.framed(&changes.text, Some(&changes.token))]
    }

    fn ended(&self, _id: &str, why: &WireError, from: Option<&ResumeToken>) -> Vec<Framed<Bytes>> {
        vec![self.framed(&feed::ended(None, why, from), from)]
    }

    fn beat(&self) -> Option<Framed<Bytes>> {
        // Lines have no comments; their checkpoints come as often.
        let comment = Bytes::from_static(b": alive\n\n");
        (*self == StreamForm::Events).then_some(Framed {
            bytes: comment.len(),
            frame: comment,
        })
    }
}

/// The frames of a session as a body, in pieces: how fast they go shows how fast the client reads.
struct StreamBody {
    rest: Bytes,
    taker: Taker<Bytes>,
}

impl http_body::Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            match ready!(self.taker.poll_take(context)) {
                Some(frame) => self.rest = frame,
                None => return Poll::Ready(None),
            }
        }
        let piece_bytes = self.rest.len().min(STEP_BYTES);
        let piece = self.rest.split_to(piece_bytes);
        self.taker.note_progress();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

#[cfg(test)]
mod tests {
    use wellspring_types::Sequence;

    use super::*;

    #[test]
    fn an_event_has_its_token_as_id_and_no_event_name() {
        let message = FeedMessage::Checkpoint {
            seq: Sequence(7),
            token: ResumeToken::new("tok"),
        };
        let frames = StreamForm::Events.feed("", &message);
        let text = std::str::from_utf8(&frames[0].frame).unwrap();
        let data = r#"{"type":"checkpoint","seq":7,"token":"tok"}"#;
        assert_eq!(text, format!("id: tok\ndata: {data}\n\n"));
        let frames = StreamForm::Lines.feed("", &message);
        assert_eq!(
            std::str::from_utf8(&frames[0].frame).unwrap(),
            format!("{data}\n")
        );
    }

    #[test]
    fn jitter_stays_within_half() {
        assert!((0..100).all(|_| (2000..=3000).contains(&jittered(2000))));
        assert_eq!(jittered(0), 0);
    }
}
