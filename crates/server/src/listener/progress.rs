//! HTTP/2 responses that the client does not take.
//!
//! HTTP/1.1 writes a response to its socket, where [`super::socket::Socket`] notices a peer that
//! does not read. Over HTTP/2 the socket goes on, with answers to pings and with other streams,
//! while a stream whose window is closed would keep its response in memory for ever, a hundred of
//! them a connection. So each stream is watched by itself, and reset when it stands still.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::Response;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use crate::session::STEP_BYTES;
use crate::tasks::Tasks;

tokio::task_local! {
    /// Of the stream that the task serves. hyper makes a task for each stream and hands the body
    /// to it without a name; this is where the two meet.
    static PROGRESS: Progress;
}

/// Runs the tasks of HTTP/2 streams, and drops those whose clients take nothing. That resets the
/// stream and frees what was queued for it.
#[derive(Clone)]
pub(super) struct StreamTasks {
    pub(super) tasks: Tasks,
    /// Time in which a client takes [`STEP_BYTES`] of a response.
    pub(super) patience: Duration,
}

impl<F> hyper::rt::Executor<F> for StreamTasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let (progress, patience) = (Progress::default(), self.patience);
        self.tasks
            .spawn(PROGRESS.scope(progress.clone(), async move {
                tokio::select! {
                    () = stream => {}
                    () = progress.stalled(patience) => {
                        debug!("a stream was reset: its client does not take the response");
                    }
                }
            }));
    }
}

/// How a response goes out.
#[derive(Clone, Debug, Default)]
struct Progress(
    /// Since when the next step waits for the client. Held for an assignment and never across an
    /// await.
    Arc<Mutex<Option<Instant>>>,
);

impl Progress {
    fn set(&self, waits_since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = waits_since;
    }

    /// Ends once the client has taken nothing for `patience`.
    async fn stalled(&self, patience: Duration) {
        loop {
            let waits_since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let due = waits_since.unwrap_or_else(Instant::now) + patience;
            if due <= Instant::now() {
                return;
            }
            sleep_until(due).await;
        }
    }
}

/// Lets the task of this stream see how its response goes out.
pub(super) fn watch(response: Response<Body>) -> Response<Body> {
    match PROGRESS.try_with(Progress::clone) {
        Ok(progress) => response.map(|body| Body::new(Watched::new(body, progress))),
        // Not over HTTP/2.
        Err(_) => response,
    }
}

/// A body that is asked for in steps: the time between two of them is the client's.
struct Watched {
    body: Body,
    rest: Bytes,
    progress: Progress,
}

impl Watched {
    fn new(body: Body, progress: Progress) -> Watched {
        progress.set(Some(Instant::now()));
        let rest = Bytes::new();
        Watched {
            body,
            rest,
            progress,
        }
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            // Now it is the server that is waited for.
            self.progress.set(None);
            let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
            self.progress.set(Some(Instant::now()));
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.rest = data,
                Some(Ok(Err(other))) => return Poll::Ready(Some(Ok(other))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        self.progress.set(Some(Instant::now()));
        let step_bytes = self.rest.len().min(STEP_BYTES);
        let step = self.rest.split_to(step_bytes);
        Poll::Ready(Some(Ok(Frame::data(step))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        let body = self.body.size_hint();
        let mut whole = SizeHint::new();
        whole.set_lower(body.lower().saturating_add(rest));
        if let Some(upper) = body.upper() {
            whole.set_upper(upper.saturating_add(rest));
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test(start_paused = true)]
    async fn a_response_that_is_not_asked_for_has_stalled() {
        let progress = Progress::default();
        let began = Instant::now();
        let _body = Watched::new(Body::from("x"), progress.clone());
        progress.stalled(PATIENCE).await;
        assert_eq!(began.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_waits_for_the_server_has_not_stalled() {
        let progress = Progress::default();
        let never = futures_util::stream::pending::<Result<Bytes, axum::Error>>();
        let mut body = Watched::new(Body::from_stream(never), progress.clone());
        let hours = Duration::from_secs(7200);
        tokio::select! {
            _ = body.frame() => panic!("a body without an end"),
            () = progress.stalled(PATIENCE) => panic!("nothing was sent that could be taken"),
            () = tokio::time::sleep(hours) => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_a_step_at_a_time_gets_all() {
        let progress = Progress::default();
        let mut body = Watched::new(Body::from(vec![7; 5 * STEP_BYTES + 1]), progress.clone());
        let hint = http_body::Body::size_hint(&body);
        assert_eq!(hint.exact(), Some(5 * 65_536 + 1));
        let read = async {
            let mut read = Vec::new();
            while let Some(frame) = body.frame().await {
                read.extend_from_slice(&frame.unwrap().into_data().unwrap());
                tokio::time::sleep(PATIENCE - Duration::from_secs(1)).await;
            }
            read.len()
        };
        tokio::select! {
            read = read => assert_eq!(read, 5 * STEP_BYTES + 1),
            () = progress.stalled(PATIENCE) => panic!("it went on"),
        }
    }
}
