//! One connection: HTTP/1.1 with upgrades, or HTTP/2 with prior knowledge.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;
use tracing::debug;

use super::places::Place;
use super::progress::{self, StreamTasks};
use super::sniff::{read_first_bytes, version_of};
use super::socket::Socket;
use crate::client::Peer;
use crate::config::Config;
use crate::metrics::Share;
use crate::tasks::Tasks;

/// Bytes of a request's headers.
const HEADER_BYTES_MAX: usize = 16 * 1024;
/// HTTP/2 streams that a client opened and reset before they were looked at.
const RESET_STREAMS_MAX: usize = 20;
/// Bytes that an HTTP/2 stream may have on the way to the client.
const HTTP2_SEND_BYTES_MAX: usize = 256 * 1024;

/// Answers requests.
pub(crate) trait Handler: Clone + Send + Sync + 'static {
    /// Answers one request.
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Response<Body>> + Send;

    /// Counts a connection that speaks this version, for as long as what is returned is kept.
    fn connected(&self, version: Version) -> Share;

    /// Counts a connection that there was no place for.
    fn turned_away(&self);
}

/// A connection that was accepted and has a place.
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) place: Place,
}

/// Serves a connection until it ends, or until its requests are answered once the server drains.
pub(super) async fn serve<H: Handler>(
    accepted: Accepted,
    config: &Config,
    handler: H,
    tasks: Tasks,
) {
    let Accepted {
        mut stream,
        peer,
        place,
    } = accepted;
    let patience = Duration::from_millis(config.header_timeout_ms);
    let draining = tasks.draining();
    let first = tokio::select! {
        () = draining.cancelled() => return,
        first = tokio::time::timeout(patience, read_first_bytes(&mut stream)) => first,
    };
    let first = match first {
        Ok(Ok(first)) if !first.is_empty() => first,
        _ => return debug!(%peer, "a connection sent nothing that could be served"),
    };
    // A backstop. Sessions notice a client that does not read earlier and tell it why they end.
    let stalled = Duration::from_millis(config.stalled_write_ms) * 2;
    let _counted = handler.connected(version_of(&first));
    let io = TokioIo::new(Socket::new(stream, first, stalled, Some(place)));
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        let handler = handler.clone();
        async move { Ok::<_, Infallible>(progress::watch(handler.answer(request).await)) }
    });
    let patience = stalled;
    let builder = builder(config, StreamTasks { tasks, patience });
    let mut connection = std::pin::pin!(builder.serve_connection_with_upgrades(io, service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = draining.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%peer, %error, "a connection failed");
    }
}

fn builder(config: &Config, streams: StreamTasks) -> Builder<StreamTasks> {
    let mut builder = Builder::new(streams);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(config.header_timeout_ms))
        .max_buf_size(HEADER_BYTES_MAX)
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.http2_streams_max)
        .max_header_list_size(u32::try_from(HEADER_BYTES_MAX).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
        .max_send_buf_size(HTTP2_SEND_BYTES_MAX)
        .keep_alive_interval(Duration::from_millis(config.heartbeat_ms))
        .keep_alive_timeout(Duration::from_millis(
            config.dead_after_ms - config.heartbeat_ms,
        ));
    builder
}
